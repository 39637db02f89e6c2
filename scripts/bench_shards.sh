#!/usr/bin/env bash
# bench_shards.sh [ROUNDS] measures what a run gains by shards on this machine: one
# process, two producers in one process and two processes of a shard each, into a
# topic of 6 partitions of a real Kafka; and a dump into a directory by one and by
# two processes of one worker each, beside one of two workers. Each round runs every
# line once; the table has medians. 3 rounds by default; COUNT=5000000.
#
# A rate is that of the slowest process's own clock; CPU is all of the processes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${1:-3}
count=${COUNT:-5000000}
work=$(mktemp -d)
kafka() { "$here/kafka.sh" "$1" "$work/kafka" "${@:2}"; }
cleanup() {
	kafka stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$here/.." && go build -o "$work" ./cmd/gen)
bootstrap=$(kafka start)
cd "$work"
./gen snapshot --quiet >/dev/null

# gen NAME ARGUMENTS runs one process, which says in files how fast it was.
gen() { /usr/bin/time -f '%U %S %M' -o "time.$1" ./gen "${@:2}" --json --quiet 2>"said.$1"; }

# all SHARDS ARGUMENTS runs so many processes, a shard each.
all() {
	local i pids=()
	for ((i = 0; i < $1; i++)); do
		gen "$i" "${@:2}" --shard "$i/$1" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
}

# run NAME runs a line and appends events a second, CPU ns an event and MB to its
# file.
run() {
	rm -rf time.* said.* out
	local topic=$1-$((++topics)) into
	into=(stream --to "kafka://$bootstrap/$topic" --speed max --count "$count")
	dump=(dump --to out --count $((4 * count)))
	[[ $1 == dump* ]] || kafka tool topics --create --topic "$topic" --partitions 6 >/dev/null
	case $1 in
	one) gen 0 "${into[@]}" ;;
	two-producers) gen 0 "${into[@]}" --producers 2 ;;
	two-processes) all 2 "${into[@]}" ;;
	dump-one) gen 0 "${dump[@]}" --workers 1 ;;
	dump-two-workers) gen 0 "${dump[@]}" --workers 2 ;;
	dump-two-processes) all 2 "${dump[@]}" --workers 1 ;;
	esac || {
		echo "bench_shards.sh: $1: $(tail -n 3 said.*)" >&2
		exit 1
	}
	[[ $1 == dump* ]] || kafka tool topics --delete --topic "$topic" >/dev/null
	cat said.* | sed -nE 's/.*"events":([0-9]+).*"seconds":([0-9.]+).*/\1 \2/p' |
		awk -v cpu="$(cat time.* | awk '{ s += $1 + $2; m += $3 } END { print s, m }')" '
			{ n += $1; if ($2 > s) s = $2 }
			END { split(cpu, c, " "); print n / s, c[1] * 1e9 / n, c[2] / 1024 }' >>"$1.rounds"
}

median() { awk -v c="$2" '{ print $c }' "$1" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

topics=0
run one && rm one.rounds # the broker is warm then
names=(one two-producers two-processes dump-one dump-two-workers dump-two-processes)
for ((round = 0; round < rounds; round++)); do
	for name in "${names[@]}"; do run "$name"; done
done
echo "$(nproc) cores, one broker on them, $count events into Kafka, $((4 * count)) into a directory, $rounds rounds, medians"
printf '%-20s %12s %8s %14s %8s   %s\n' '' 'M events/s' ratio 'CPU ns/event' 'RSS MB' 'M events/s of each round'
for name in "${names[@]}"; do
	best=$(median one.rounds 1)
	[[ $name != dump* ]] || best=$(median dump-one.rounds 1)
	awk -v name="$name" -v best="$best" -v rate="$(median "$name.rounds" 1)" -v cpu="$(median "$name.rounds" 2)" -v rss="$(median "$name.rounds" 3)" '
		{ all = all sprintf(" %.2f", $1 / 1e6) }
		END { printf "%-20s %12.2f %8.2f %14.0f %8.0f  %s\n", name, rate / 1e6, rate / best, cpu, rss, all }' "$name.rounds"
done
