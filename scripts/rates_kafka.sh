#!/usr/bin/env bash
# rates_kafka.sh streams at several rates into a real Kafka, one after the other,
# and prints a table: what arrived, how late, at what cost. It fails when a run
# ends further behind its schedule than one commit interval, or its slowest commit,
# and one event.
#
#	scripts/rates_kafka.sh [SECONDS] [RATE...]
#
# 60 s each of 10, 50, 200, 500, 5000 and 50000 events/s unless told otherwise.
# BOOTSTRAP=host:port takes a Kafka that runs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seconds=${1:-60}
rates=("${@:2}")
((${#rates[@]})) || rates=(10 50 200 500 5000 50000)
work=$(mktemp -d)
cleanup() {
	[[ ${BOOTSTRAP:-} ]] || "$here/kafka.sh" stop "$work/kafka" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
bootstrap=${BOOTSTRAP:-$("$here/kafka.sh" start "$work/kafka")}
cd "$work"
./gen snapshot --quiet >/dev/null
# The topics are made by a run that is not measured.
./gen stream --to "kafka://$bootstrap/rates" --run warm-up --for 3s --quiet

# row prints a line of the table for a rate.
row() {
	python3 -c '
import json, sys

rate = float(sys.argv[1])
last = json.loads(open("log").read().splitlines()[-1])
wall, user, system, rss = map(float, open("cost").read().split())
lag = last["lag_ms"]["committed"]
lags = "/".join(f"{lag[q]:.3g}" for q in ("p50", "p99", "p99.9", "max"))
due, committed = last["due"], last["next"]
print(f"| {rate:g} | {due} | {committed} | {due - committed} | {lags} | {100 * (user + system) / wall:.1f} | {rss / 1024:.0f} |")
# One commit interval (50 ms), as long as the slowest commit took, and one event.
if due - committed > rate * (0.050 + lag["max"] / 1000) + 1:
    sys.exit(f"rates_kafka.sh: {rate:g} events/s: {due - committed} events behind at the end")
' "$1"
}

echo "| events/s | expected | committed | behind at the end | lag p50/p99/p99.9/max, ms | CPU, % of a core | RSS, MB |"
echo "|---|---|---|---|---|---|---|"
for rate in "${rates[@]}"; do
	/usr/bin/time -f '%e %U %S %M' -o cost ./gen stream --to "kafka://$bootstrap/rates" --run "rate-$rate" --rate "$rate" --for "${seconds}s" --json 2>log
	row "$rate"
done
./gen verify "kafka://$bootstrap/rates"
