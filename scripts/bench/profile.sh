#!/usr/bin/env bash
# profile.sh [EVENTS] prints where the time of gen goes: for each command the CPU time
# of an event, and the shares of the packages that take 2% and more, by a profile.
# 30,000,000 events by default. Into Kafka and from there it is a real broker on this
# machine. KEEP=DIR keeps the profiles, for go tool pprof.
#
#	scripts/bench/profile.sh
#	KEEP=/tmp/profiles scripts/bench/profile.sh && go tool pprof -list fillLot /tmp/profiles/gen.test /tmp/profiles/jsonl
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
count=${1:-30000000}
[[ $count =~ ^[1-9][0-9]*$ ]] || {
	echo "profile.sh: EVENTS is a number, not $count" >&2
	exit 2
}
work=$(mktemp -d)
cleanup() {
	"$here/../kafka.sh" stop "$work/kafka" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
profiles=${KEEP:-$work}
mkdir -p "$profiles"
(cd "$here/../.." && go test -c -o "$profiles/gen.test" ./cmd/gen)
bootstrap=$("$here/../kafka.sh" start "$work/kafka")

# profile NAME COMMAND prints the shares of a command.
profile() {
	GEN_BENCH="$2 --quiet --state $work/state ${*:3}" "$profiles/gen.test" -test.run '^$' -test.bench Command -test.benchtime 1x \
		-test.cpuprofile "$profiles/$1" >"$work/said" 2>&1 || {
		cat "$work/said" >&2
		exit 1
	}
	# A function is github.com/owner/module/package.(*Type).method.
	go tool pprof -top -nodecount 100000 -unit ms "$profiles/gen.test" "$profiles/$1" 2>/dev/null |
		awk -v name="$1" -v count="$count" '
			$1 ~ /^[0-9.]+(ms)?$/ && $4 ~ /(ms)?$/ && NF >= 6 {
				path = $6; dir = ""
				if (match(path, /^[^(\[]*\//)) { dir = substr(path, 1, RLENGTH); path = substr(path, RLENGTH + 1) }
				sub(/[.].*/, "", path)
				package = dir path
				sub(/^github.com\/[^\/]*\//, "", package)
				sub(/^runtime.*|^internal\/runtime.*|^gcWriteBarrier.*|^aeshashbody|^memeqbody/, "runtime", package)
				ms[package] += $1; all += $1
			}
			END {
				printf "%s: %.0f ns/event:", name, all * 1e6 / count
				while (1) {
					best = ""
					for (p in ms) if (best == "" || ms[p] > ms[best]) best = p
					if (best == "" || ms[best] < all / 50) break
					printf " %s %.0f%%,", best, 100 * ms[best] / all
					delete ms[best]
				}
				print ""
			}' | sed 's/,$//'
}

profile jsonl dump --count "$count"
profile csv dump --count "$count" --format csv
profile jsonl-dir dump --count "$count" --to "$work/jsonl-dir"
profile parquet dump --count "$count" --format parquet --to "$work/parquet-dir"
profile verify-jsonl verify "$work/jsonl-dir"
profile verify-parquet verify "$work/parquet-dir"
profile kafka stream --count "$count" --speed max --to "kafka://$bootstrap/ratings"
profile verify-kafka verify "kafka://$bootstrap/ratings"
