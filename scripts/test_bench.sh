#!/usr/bin/env bash
# test_bench.sh runs the groups pipe and files of bench/peers.sh with few events:
# each line writes its number of valid rows, and the table has all lines. How fast
# they are is nobody's business here. A peer that cannot be fetched fails it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() {
	echo "test_bench.sh: $*" >&2
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$("$here/venv.sh" "$here/bench/requirements.txt")
valid() { "$python" "$here/bench/valid.py" "$work/table" "$work/kept"; }

mkdir "$work/kept"
CHECK=$work/kept ROUNDS=1 COUNT=100000 "$here/bench/peers.sh" pipe files >"$work/table"
cat "$work/table"
valid || fail "the lines above did not write what they should"
echo "ok: every line writes its number of valid rows"

# broken WHAT LINE: something was spoilt, which must be found and named.
broken() {
	! valid 2>"$work/said" || fail "$1 is not noticed"
	grep -q "^valid.py: $2: " "$work/said" || fail "$1 is not named: $(cat "$work/said")"
}
cp "$work/table" "$work/whole"
sed -i '/python-row/d' "$work/table"
broken "a line that lacks" python-row
sed 's/| duckdb-csv .*/| duckdb-csv | not run |/' "$work/whole" >"$work/table"
broken "a peer that was not run" duckdb-csv
cp "$work/whole" "$work/table"
sed -i '7d' "$work/kept/python-numpy"
broken "a row that lacks" python-numpy
sed -i '7s/"rating":[0-9.]*/"rating":3.3/' "$work/kept/gen-jsonl"
broken "a rating that is none" gen-jsonl
echo "ok: a line, a peer or a row that lacks, and a rating that is none, are noticed"
