#!/usr/bin/env bash
# three_loads.sh plays the three scenarios of a load test at the same time into
# one topic, as three runs: normal (50/s), peak (200/s) and valley (10/s); then
# compares the topic with the three sequences, event by event.
#
#	scripts/three_loads.sh kafka://127.0.0.1:9092/ratings [SECONDS]
#
# It takes 60 s unless told otherwise. GEN=PATH names the program (default: built
# from this checkout); the state directory is ./gen-state. Run again, the three
# go on where they stopped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 && $1 == kafka://* ]] || {
	sed -n '6s/^#	*//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}
target=$1 seconds=${2:-60}
work=$(mktemp -d)
pids=()
cleanup() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap cleanup EXIT
gen=${GEN:-$work/gen}
[[ -n ${GEN:-} ]] || (cd "$here/.." && go build -o "$gen" ./cmd/gen)

# The three share a snapshot, which the first to come would make.
[[ -e gen-state/snapshot.db ]] || "$gen" snapshot --quiet >/dev/null
seed=0
for load in normal peak valley; do
	seed=$((seed + 1))
	"$gen" stream --to "$target" --run "$load" --load "$load" --seed "$seed" --start now --for "${seconds}s" 2> >(sed "s/^gen:/$load:/" >&2) &
	pids+=($!)
done
code=0
for pid in "${pids[@]}"; do wait "$pid" || code=$?; done
pids=()
((code == 0)) || exit $code
"$gen" verify "$target"
