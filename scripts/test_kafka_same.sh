#!/usr/bin/env bash
# test_kafka_same.sh delivers the same run into a real Kafka in different ways,
# and has the Java consumer read each partition: its keys and values in their
# order must not depend on the commit interval, on kills, on the pace, on the
# number of processors, nor on the batches of the producer.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"

count=300000

bootstrap=$(kafka start)
./gen snapshot --quiet >/dev/null

# stream TOPIC FLAGS... delivers the run into a topic. At speed 4000 it lasts a
# second and a half, in transactions of what falls due in a commit interval.
stream() { ./gen stream --to "kafka://$bootstrap/$1" --count $count --quiet "${@:2}"; }

# killed TOPIC delivers, killed twice on the way: a little after the banner that
# says where the run goes on.
killed() {
	local pid i
	for i in 1 2; do
		./gen stream --to "kafka://$bootstrap/$1" --count $count --speed 4000 2>banner.$i &
		pid=$!
		until grep -q '^gen: events from' banner.$i; do
			kill -0 $pid 2>/dev/null || fail "gen has ended: $(<banner.$i)"
			sleep 0.01
		done
		sleep 0.4
		kill -9 $pid 2>/dev/null || fail "gen has ended before it was killed"
		wait $pid 2>/dev/null || true
	done
	stream "$1" --speed max
	grep -q '^gen: events from [1-9]' banner.2 || fail "the first kill came before the first commit: $(<banner.2)"
}

# hashes TOPIC prints the rows and the SHA-256 of each partition.
hashes() {
	local p
	kafka tool console-consumer --topic "$1" --from-beginning --isolation-level read_committed --timeout-ms 5000 \
		--formatter-property print.partition=true --formatter-property print.key=true 2>/dev/null |
		awk -F'\t' -v topic="$1" '{ print $2 "\t" $3 >topic "." $1 }'
	for p in "$1".Partition:*; do
		echo "${p##*.} $(wc -l <"$p") $(sha256sum <"$p")"
	done
	rm "$1".Partition:*
}

stream paced-50ms --speed 4000
stream paced-5ms --speed 4000 --commit-interval 5ms
stream paced-1s --speed 4000 --commit-interval 1s
killed killed
stream unpaced --speed max
GOMAXPROCS=1 stream one-processor --speed max
printf '%s\n' compression.type=zstd batch.size=16384 linger.ms=0 >small.properties
stream small-zstd-batches --speed max --kafka-config small.properties
stream no-header --speed max --no-header
stream another-seed --speed max --seed 43 --run another

# Two consumers at a time: they spend most of it waiting for more.
for topics in 'paced-50ms paced-5ms' 'paced-1s killed' 'unpaced one-processor' 'small-zstd-batches no-header' another-seed; do
	for topic in $topics; do hashes "$topic" >"hashes.$topic" & done
	wait
done
wanted=hashes.paced-50ms
(($(wc -l <$wanted) == 6)) || fail "not six partitions: $(<$wanted)"
(($(awk '{ n += $2 } END { print n }' $wanted) == count)) || fail "not $count records: $(<$wanted)"
for topic in paced-5ms paced-1s killed unpaced one-processor small-zstd-batches no-header; do
	cmp $wanted "hashes.$topic" || fail "$topic holds other partitions than paced-50ms: $(diff $wanted "hashes.$topic")"
	ok "$topic: the same 6 partitions"
done
! cmp -s $wanted hashes.another-seed || fail "another seed gives the same hashes: they compare nothing"
ok "control: another seed gives other hashes"
