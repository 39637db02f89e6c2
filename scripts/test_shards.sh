#!/usr/bin/env bash
# test_shards.sh delivers one run by several processes. Into a directory: the same
# files as by one, also when shards are killed and their number changes. Into a real
# Kafka: the same partitions as by one, by gen verify and by the Java consumer; a
# shard killed at random, and from three shards to two at half time while the old
# ones keep starting again. KILLS=5 by default, 50 is the long form.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
kills=${KILLS:-5}

(cd "$here/.." && go build -tags chaos -o "$work/gen-chaos" ./cmd/gen)
./gen snapshot --quiet >/dev/null
# Every process is a machine: it has a state directory of its own.
machine() { mkdir -p "$1" && cp gen-state/snapshot.db "$1"; }

sums() { (cd "$1" && find . -type f | sort | xargs sha256sum); }

# A directory.
dump=(dump --quiet --count 3000000 --segment 50000 --workers 1)
./gen "${dump[@]}" --to whole
sums whole >sums.whole
for i in 0 1 2; do
	machine "m$i"
	./gen "${dump[@]}" --state "m$i" --to three --shard $i/3 &
	pids[i]=$!
done
for i in 0 1 2; do wait "${pids[i]}" || fail "dump of shard $i/3: exit status $?"; done
sums three | cmp - sums.whole || fail "three shards make other files: $(sums three | diff - sums.whole)"
ok "dump by three shards at a time: $(wc -l <sums.whole) files as by one"
for ((i = 0; i < kills; i++)); do
	s=$((2 + RANDOM % 3))
	shard=$((RANDOM % s))/$s
	./gen "${dump[@]}" --to killed --shard $shard &
	pid=$!
	sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
	kill -9 $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
done
for i in 0 1 2 3; do ./gen "${dump[@]}" --to killed --shard $i/4; done
sums killed | cmp - sums.whole || fail "killed shards make other files: $(sums killed | diff - sums.whole)"
./gen verify killed >/dev/null || fail "gen verify of the directory: exit status $?"
ok "$kills kills of shards of changing number: the same files"
rm -rf three killed whole

# Kafka. A run of 300,000 events takes 6 s at its pace.
export KAFKA_HEAP=${KAFKA_HEAP:-512m}
bootstrap=$(kafka start)
count=300000

# stream TOPIC SHARD FLAGS... delivers a shard from a machine of its own.
stream() {
	local state="state-$1-${2//\//-of-}"
	[[ -e $state ]] || machine "$state"
	./gen stream --state "$state" --to "kafka://$bootstrap/$1" --count $count --quiet --shard "$2" "${@:3}"
}

# verified TOPIC: every event stands once.
verified() {
	./gen verify "kafka://$bootstrap/$1" >"verified.$1" || fail "$1: $(cat "verified.$1")"
	grep -q "events up to $count, $count records" "verified.$1" || fail "$1: $(cat "verified.$1")"
}

# hashes TOPIC prints the rows and the SHA-256 of each partition, as the Java
# consumer reads it.
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

for s in 1 2 3 6; do
	for ((i = 0; i < s; i++)); do
		stream "by-$s" $i/$s --speed max 2>"errors.$s.$i" &
		pids[i]=$!
	done
	for ((i = 0; i < s; i++)); do wait "${pids[i]}" || fail "shard $i/$s: exit status $?: $(<"errors.$s.$i")"; done
	verified "by-$s"
done
./gen stream --to "kafka://$bootstrap/producers" --count $count --quiet --speed max --producers 3
verified producers

# One of three shards is killed at random, and goes on; its pace is such that it is
# killed within the run.
for i in 0 2; do stream killed $i/3 --speed max & done
for ((i = 0; i < kills; i++)); do
	stream killed 1/3 --speed $((6000 / (kills + 6))) --commit-interval 20ms 2>>errors.killed &
	pid=$!
	sleep "0.$((3 + RANDOM % 6))"
	kill -9 "$(pgrep -P $pid -x gen)" 2>/dev/null || fail "shard 1/3 has ended before it was killed: $(tail -n 3 errors.killed)"
	wait $pid 2>/dev/null || true
done
stream killed 1/3 --speed max
wait
verified killed
ok "one of three shards killed $kills times: $(sed -n 2p verified.killed)"

# again TOPIC SHARD FLAGS... delivers a shard, and starts it again whenever it ends,
# until the run is complete or the file stop is there. Its exit statuses are kept.
again() {
	local code
	until [[ -e stop ]]; do
		code=0
		stream "$@" 2>>"errors.${2//\//-of-}" || code=$?
		echo $code >>"codes.${2//\//-of-}"
		((code)) || return 0
	done
}

# From three shards to two at half time; the old ones keep starting again.
for i in 0 1 2; do
	again reshard $i/3 --speed 1000 &
	old[i]=$!
done
sleep 3
for i in 0 1; do
	stream reshard $i/2 --speed 2000 --take-over 2>"errors.new.$i" &
	new[i]=$!
done
for i in 0 1; do wait "${new[i]}" || fail "new shard $i/2: exit status $?: $(<"errors.new.$i")"; done
touch stop
wait "${old[@]}"
verified reshard
cut=$(./gen inspect "kafka://$bootstrap/reshard" | sed -n 's/^ *shards *//p')
refused=$(cat codes.?-of-3 | grep -c '^3$' || true)
((refused >= 3)) || fail "the old shards were refused $refused times: $(cat codes.?-of-3)"
(($(cat codes.?-of-3 | grep -c '^1$') == 3)) || fail "not every old shard was shut out once: $(cat codes.?-of-3) $(cat errors.?-of-3)"
! grep -q '^0$' codes.?-of-3 || fail "an old shard says that it is complete"
ok "three shards, then $cut: the old ones shut out, and refused $refused times; $(sed -n 2p verified.reshard)"

# The partitions, as the Java consumer reads them: two at a time, which wait most of it.
for topics in 'by-1 by-2' 'by-3 by-6' 'producers killed' reshard; do
	for topic in $topics; do hashes "$topic" >"hashes.$topic" & done
	wait
done
(($(awk '{ n += $2 } END { print n }' hashes.by-1) == count && $(wc -l <hashes.by-1) == 6)) || fail "not $count records in 6 partitions: $(<hashes.by-1)"
for topic in by-2 by-3 by-6 producers killed reshard; do
	cmp hashes.by-1 "hashes.$topic" || fail "$topic holds other partitions: $(diff hashes.by-1 "hashes.$topic")"
done
ok "1, 2, 3 and 6 processes, 3 producers in one, kills and another number of shards: the same 6 partitions"

# Control: an old shard that does not look at the generation is found.
rm stop
cp gen-chaos gen
count=310000
stream reshard 0/2 --speed max
stream reshard 1/2 --speed max
verified reshard
GEN_CHAOS_PASS_GENERATION=1 stream reshard 0/3 --speed max
code=0
./gen verify "kafka://$bootstrap/reshard" >found || code=$?
((code == 4)) && grep -q duplicated found || fail "an old shard that was let through is not found: exit status $code, $(cat found)"
ok "control: an old shard that is let through: $(grep -m1 duplicated found)"
