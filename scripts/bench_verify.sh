#!/usr/bin/env bash
# bench_verify.sh measures gen verify of a topic on a real broker on this machine:
# scripts/bench_verify.sh [ROUNDS]. COUNT events (12,000,000) stand there with
# headers, and as many without; each round reads both. VERSION=4.3.1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${1:-3}
count=${COUNT:-12000000}
work=$(mktemp -d)
kafka() { "$here/kafka.sh" "$1" "$work/kafka" "${@:2}"; }
cleanup() {
	kafka stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
bootstrap=$(kafka start --version "${VERSION:-4.3.1}")
cd "$work"
stream() { ./gen stream --to "kafka://$bootstrap/$1" --speed max --rate 1000 --count "$count" --quiet "${@:2}"; }
stream headers
stream plain --no-header

for ((round = 0; round < rounds; round++)); do
	for topic in headers plain; do
		/usr/bin/time -f '%e %U %S %M' -o one ./gen verify --quiet "kafka://$bootstrap/$topic" >verified || {
			cat verified >&2
			exit 1
		}
		cat one >>"$topic.times"
	done
done

echo "$(nproc) cores, $rounds rounds, medians"
printf '%-8s %8s %12s %14s %8s\n' topic seconds 'M events/s' 'CPU ns/event' 'RSS MB'
for topic in headers plain; do
	sort -n "$topic.times" | awk -v topic="$topic" -v count="$count" '
    { wall[NR] = $1; cpu[NR] = $2 + $3; if ($4 > rss) rss = $4 }
    END {
      m = int((NR + 1) / 2)
      printf "%-8s %8.2f %12.2f %14.0f %8.0f\n", topic, wall[m], count / wall[m] / 1e6, cpu[m] * 1e9 / count, rss / 1024
    }'
done
