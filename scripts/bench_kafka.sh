#!/usr/bin/env bash
# bench_kafka.sh [ROUNDS] measures how fast gen fills a topic of a real Kafka on
# this machine, beside kafka-producer-perf-test and the plainest franz-go
# producer, and prints a table of medians. Each round runs every line once, so
# that a slow minute of the machine falls on all of them; ratios within the table
# say more than its figures. 3 rounds by default; COUNTS='5000000 30000000'.
#
# All write the same rows with acks=all into a new topic of 6 partitions. Only
# gen computes its rows, and it and plain set a key; perf-test draws from 100,000
# rows that it has in memory, and runs with the options of Kafka's own script. A
# rate is that of the program's own clock, without the start of a JVM; CPU is all
# of the process. perf-test's best tuning is lz4, batches of 256 kB, linger 20 ms.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${1:-3}
work=$(mktemp -d)
kafka() { "$here/kafka.sh" "$1" "$work/kafka" "${@:2}"; }
cleanup() {
	kafka stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$here/.." && go build -o "$work" ./cmd/gen ./scripts/plain)
bootstrap=$(kafka start)
cd "$work"
# shellcheck disable=SC1091
. ./kafka/env
./gen snapshot --quiet >/dev/null
./gen dump --count 100000 --quiet >rows.jsonl

tuned=(compression.type=lz4 batch.size=262144 linger.ms=20)
names=(gen gen-no-header perf-test perf-test-best perf-test-best-transactional plain)

# produce NAME COUNT runs a producer, which says in a file how fast it was.
produce() {
	case $1 in
	gen) run_gen "$2" ;;
	gen-no-header) run_gen "$2" --no-header ;;
	perf-test) run_perf_test "$2" acks=all ;;
	perf-test-best) run_perf_test "$2" acks=all "${tuned[@]}" ;;
	# A transaction of gen's is open for about as long.
	perf-test-best-transactional) run_perf_test "$2" acks=all "${tuned[@]}" --transaction-duration-ms 100 ;;
	plain) measured ./plain -brokers "$bootstrap" -topic "$topic" -count "$2" rows.jsonl ;;
	esac
}

measured() { /usr/bin/time -f '%U %S %M' -o one "$@" >said 2>&1; }

run_gen() { measured ./gen stream --to "kafka://$bootstrap/$topic" --speed max --count "$@" --json --quiet; }

# kafka.sh's own tools run with half a JIT, which is no way to measure one.
run_perf_test() {
	measured java -Xmx512m -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent \
		"-Dlog4j2.configurationFile=$here/kafka/log4j2.properties" -cp "$LIBS/*" org.apache.kafka.tools.ProducerPerformance \
		--bootstrap-server "$bootstrap" --topic "$topic" --throughput -1 --payload-file rows.jsonl --num-records "$1" --command-property "${@:2}"
}

# said_rate prints the events a second that a producer has said: gen's summary,
# the last line of the others.
said_rate() {
	sed -nE -e 's/.*"events":([0-9]+).*"seconds":([0-9.]+).*/\1 \2/p' \
		-e 's/.*[0-9]+ records( sent)?, ([0-9.]+) records\/s.*/\2 1/p' said | awk '{ rate = $1 / $2 } END { print rate }'
}

# run NAME COUNT FILE appends a run to the file: events a second, CPU ns an event, MB.
run() {
	topic=$1-$((++topics))
	kafka tool topics --create --topic "$topic" --partitions 6 >/dev/null
	produce "$1" "$2" || {
		echo "bench_kafka.sh: $1 did not send $2 records: $(tail -n 3 said)" >&2
		exit 1
	}
	kafka tool topics --delete --topic "$topic" >/dev/null
	awk -v rate="$(said_rate)" -v n="$2" '{ print rate, ($1 + $2) * 1e9 / n, $3 / 1024 }' one >>"$3"
}

# median FILE COLUMN prints it.
median() { awk -v c="$2" '{ print $c }' "$1" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

topics=0
for name in gen perf-test-best; do run "$name" 1000000 warm-up; done
echo "$(nproc) cores, Kafka $VERSION with one broker, $rounds rounds, medians"
for count in ${COUNTS:-5000000 30000000}; do
	for ((round = 0; round < rounds; round++)); do
		for name in "${names[@]}"; do run "$name" "$count" "$name.$count"; done
	done
	printf '\n%-30s %12s %8s %14s %8s   %s\n' "$count events" 'M events/s' ratio 'CPU ns/event' 'RSS MB' 'M events/s of each round'
	best=$(median "perf-test-best.$count" 1)
	for name in "${names[@]}"; do
		awk -v name="$name" -v best="$best" -v rate="$(median "$name.$count" 1)" -v cpu="$(median "$name.$count" 2)" -v rss="$(median "$name.$count" 3)" '
			{ all = all sprintf(" %.2f", $1 / 1e6) }
			END { printf "%-30s %12.2f %8.2f %14.0f %8.0f  %s\n", name, rate / 1e6, rate / best, cpu, rss, all }' "$name.$count"
	done
done
