#!/usr/bin/env bash
# test_kafka_spark.sh plays the main job into a real Kafka, with gen killed in
# between so that the topic holds aborted records, and reads the topic as others
# do. The Java consumer finds each record under its key, in the partition that
# the Java producer would choose; Spark Structured Streaming, stopped and started
# again on its checkpoint, counts what gen dumps.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"

python=$("$here/venv.sh")

bootstrap=$(kafka start)
# shellcheck disable=SC1091
. ./kafka/env
to=kafka://$bootstrap/ratings
# A query that hangs is a failure too. In the foreground timeout signals Python, not its JVM.
consume=(timeout --foreground 300 "$python" "$here/spark/consume_ratings.py" "$bootstrap" --checkpoint checkpoint)

# log_size prints how many bytes of the topic the broker has.
log_size() { stat -c %s kafka/broker-1/data/ratings-*/*.log 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'; }

# deliver COUNT brings the run to COUNT events. Three times it kills gen when the
# first records of a transaction have reached the broker.
deliver() {
	local pid kill size
	for kill in 1 2 3; do
		./gen stream --seed 42 --to "$to" --speed max --count "$1" 2>banner.$kill &
		pid=$!
		until grep -q '^gen: events from' banner.$kill; do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.01
		done
		size=$(log_size)
		until (($(log_size) > size)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.01
		done
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	./gen stream --seed 42 --to "$to" --speed max --count "$1" --quiet
}

# agree TOTALS FROM COUNT ends the test unless Spark has counted these events.
agree() {
	rm -rf dumped
	./gen dump --seed 42 --from "$2" --count "$3" --to dumped --quiet
	"$python" "$here/read_back.py" dumped jsonl "{\"count\": $3}" --readers duckdb >dumped.json
	"$python" - "$1" dumped.json "$(cut -d: -f2 dumped/part-* | cut -d, -f1 | sort -u | wc -l)" <<-'PY' || fail "Spark does not count events $2 to $(($2 + $3 - 1))"
		import json, sys
		got, want = (json.load(open(path)) for path in sys.argv[1:3])
		want = want["duckdb"] | {"users": int(sys.argv[3]), "null_keys": 0, "wrong_keys": 0, "malformed": 0}
		sys.exit(got != want and f"Spark: {got}\ndump:  {want}")
	PY
}

first=500000 second=800000
./gen snapshot --quiet >/dev/null
deliver $first
"${consume[@]}" --most 100000 >taken.json 2>taken.log
agree taken.json 0 $first
ok "Spark takes $first events in $(wc -l <taken.log) batches: $(<taken.json)"

# await COUNT waits until the live Spark has counted so many.
await() {
	local tick
	for ((tick = 0; tick < 1200; tick++)); do
		! grep -q ", $1 in all" live.log || return 0
		kill -0 $spark 2>/dev/null || fail "Spark ended: $(<live.log)"
		sleep 0.1
	done
	fail "Spark has not counted $1 records in two minutes: $(<live.log)"
}

# Live: Spark polls while gen streams and is killed.
"${consume[@]}" --every 1 >live.json 2>live.log &
spark=$!
deliver $((first + second / 2))
await $((second / 2))
deliver $((first + second))
await $second
kill -TERM $spark
wait $spark || fail "Spark ended with status $?: $(<live.log)"
agree live.json $first $second
ok "Spark, live on the same checkpoint, takes the next $second in $(wc -l <live.log) batches"

total=$((first + second))
# read ISOLATION prints partition, key and value of every record, with tabs.
read_topic() {
	kafka tool console-consumer --topic ratings --from-beginning --isolation-level "$1" --timeout-ms 5000 \
		--formatter-property print.partition=true --formatter-property print.key=true 2>/dev/null
}
read_topic read_committed >committed
placed=$(java -cp "$LIBS/*" "$here/kafka/Placement.java" 6 <committed)
[[ $placed == "$total records with 10000 keys in 6 partitions" ]] || fail "the Java consumer reads $placed, not $total records"
ok "the Java producer would place each alike: $placed"
! sed "1000s/^Partition:./Partition:6/" committed | java -cp "$LIBS/*" "$here/kafka/Placement.java" 6 2>/dev/null ||
	fail "a record in another partition is not noticed"

aborted=$(($(read_topic read_uncommitted | grep -c ^Partition:) - total))
((aborted > 0)) || fail "no kill left an aborted record: the readers had nothing to leave out"
ok "$aborted aborted records were left out"

# Somebody else's record is counted apart.
kafka tool perf-test --topic ratings --num-records 1 --record-size 10 --throughput -1 >perf 2>&1 || fail "$(<perf)"
"${consume[@]}" >strange.json
[[ $(<strange.json) == *'"count": 0, "users": 0, "null_keys": 1, "wrong_keys": 0, "malformed": 1}' ]] ||
	fail "of one record without a key and without JSON Spark counts $(<strange.json)"
ok "control: Spark counts a record without a key, and one that is no event"
