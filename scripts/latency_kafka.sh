#!/usr/bin/env bash
# latency_kafka.sh [SECONDS] measures how long after its due time a
# read_committed consumer has an event, through a real Kafka on this machine:
# gen, and in turns with it the plainest franz-go producer of ready-made rows
# that commits as often. SECONDS is the length of each line, 10 by default; a
# figure to quote takes 60. ROUNDS=1 of all lines; RATES='50 500 5000 50000'
# events a second; INTERVAL=50ms between two commits.
#
# Latency is in ms; CPU in cores; the log in kB a second, of the topic, the
# cursors and the broker's own transaction state.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=${1:-10}
rounds=${ROUNDS:-1}
interval=${INTERVAL:-50ms}
warm_up=2 # seconds that do not count
work=$(mktemp -d)
kafka() { "$here/kafka.sh" "$1" "$work/kafka" "${@:2}"; }
cleanup() {
	kafka stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$here/.." && go build -o "$work" ./cmd/gen ./scripts/bench/measure ./scripts/plain)
bootstrap=$(kafka start)
cd "$work"
# shellcheck disable=SC1091
. ./kafka/env
./gen snapshot --quiet >/dev/null

# cpu prints the CPU seconds of the broker.
cpu() { awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick }' "/proc/$PIDS/stat"; }

# log_size TOPIC prints the bytes of its log.
log_size() { cat "kafka/broker-1/data/$1"-*/*.log 2>/dev/null | wc -c; }

state() { echo "$(cpu) $(log_size "$topic") $(log_size gen.cursors) $(log_size __transaction_state)"; }

# measure NAME RATE COMMAND prints a line of the table.
measure() {
	local name=$1 rate=$2 before seen
	before=$(state)
	seen=$(./measure -brokers "$bootstrap" -topic "$topic" -count $((rate * (seconds + warm_up))) -skip $((rate * warm_up)) -delays -- "${@:3}")
	awk -v name="$name" -v rate="$rate" -v seconds=$((seconds + warm_up)) '
		{ for (i = 1; i <= NF; i++) v[++n] = $i }
		END { # 9 figures of measure, then twice 4 of state
			printf "%-6s %8d %8.1f %8.1f %8.1f %8.2f %6d %8.2f %8.1f %8.1f %8.1f\n", name, rate, v[7], v[8], v[9],
				v[4] / seconds, v[5] / 1024, (v[14] - v[10]) / seconds,
				(v[15] - v[11]) / 1e3 / seconds, (v[16] - v[12]) / 1e3 / seconds, (v[17] - v[13]) / 1e3 / seconds
		}' <(echo "$seen") <(echo "$before") <(state)
}

echo "$(nproc) cores, Kafka $VERSION with one broker, a commit every $interval, $seconds s a line"
printf '%-6s %8s %8s %8s %8s %8s %6s %8s %8s %8s %8s\n' \
	what events/s p50 p99 max CPU 'RSS MB' broker topic cursors state
for ((round = 1; round <= rounds; round++)); do
	for rate in ${RATES:-50 500 5000 50000}; do
		count=$((rate * (seconds + warm_up)))
		for name in gen plain; do
			topic=$name-$rate-$round
			kafka tool topics --create --topic "$topic" --partitions 6 >/dev/null
			if [[ $name == gen ]]; then
				command=(./gen stream --to "kafka://$bootstrap/$topic" --start now --rate "$rate" --count "$count" --commit-interval "$interval" --quiet)
			else
				./gen dump --start $(($(date +%s%3N) + 3000)) --rate "$rate" --count $count --quiet >rows.jsonl
				command=(./plain -brokers "$bootstrap" -topic "$topic" -due -interval "$interval" rows.jsonl)
			fi
			measure $name "$rate" "${command[@]}"
			kafka tool topics --delete --topic "$topic" >/dev/null
		done
	done
done
