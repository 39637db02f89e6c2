#!/usr/bin/env bash
# Measures gen and prints a table of medians: scripts/bench.sh [ROUNDS]. Each
# round runs every line once, so that a slow minute of the machine falls on
# all of them; ratios within the table say more than its figures.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/gen" ./cmd/gen
go build -o "$work/first" ./scripts/first
cd "$work"
./gen snapshot --quiet >/dev/null
./gen dump --count 10000000 --quiet >same.jsonl

# measure NAME UNITS COMMAND: appends the seconds of wall time and of CPU time
# and the resident kB of a command to NAME.
names=()
measure() {
  local name=$1 units=$2
  shift 2
  [[ -e $name.times ]] || { names+=("$name"); echo "$units" >"$name.units"; }
  /usr/bin/time -f '%e %U %S %M' -o one "$@" >/dev/null
  cat one >>"$name.times"
}

for ((round = 0; round < rounds; round++)); do
  measure jsonl 200000000 ./gen dump --quiet --count 200000000
  measure jsonl-1-worker 50000000 ./gen dump --quiet --count 50000000 --workers 1
  measure csv 100000000 ./gen dump --quiet --count 100000000 --format csv
  measure jsonl-zstd 20000000 ./gen dump --quiet --count 20000000 --compress zstd
  measure jsonl-dir 20000000 ./gen dump --quiet --count 20000000 --to "dir$round"
  measure parquet-dir 40000000 ./gen dump --quiet --count 40000000 --format parquet --to "parquet$round"
  measure verify-jsonl 20000000 ./gen verify --quiet "dir$round"
  measure verify-parquet 40000000 ./gen verify --quiet "parquet$round"
  measure copy-same-bytes 10000000 sh -c 'cat same.jsonl | cat'
  measure snapshot 1 ./gen snapshot --state "state$round"
  measure first-event 1 ./first ./gen stream --quiet --speed 1 --count 100
  rm -rf "dir$round" "parquet$round"
done

echo "$(nproc) cores, $rounds rounds, medians"
printf '%-16s %10s %14s %12s %8s\n' what seconds 'M events/s' 'CPU ns/event' 'RSS MB'
for name in "${names[@]}"; do
  sort -n "$name.times" | awk -v name="$name" -v units="$(cat "$name.units")" '
    { wall[NR] = $1; cpu[NR] = $2 + $3; if ($4 > rss) rss = $4 }
    END {
      m = int((NR + 1) / 2)
      rate = units > 1 ? sprintf("%.1f", units / wall[m] / 1e6) : "-"
      ns = units > 1 ? sprintf("%.0f", cpu[m] * 1e9 / units) : "-"
      printf "%-16s %10.2f %14s %12s %8.0f\n", name, wall[m], rate, ns, rss / 1024
    }'
done
