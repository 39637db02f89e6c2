#!/usr/bin/env bash
# test_bench.sh runs all groups of bench/bench.py but spark with few events: each
# line of pipe, files and large writes its number of valid rows, those of kafka bring
# theirs into the topic, and the table has all lines. How fast they are is nobody's
# business here. A peer that cannot be fetched fails it.
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
"$here/bench/bench.py" pipe files large verify kafka read start --rounds 1 --count 100000 --keep "$work/kept" >"$work/table"
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
for name in duckdb-csv python-kafka-numpy; do
	sed "s/| $name .*/| $name | not run |/" "$work/whole" >"$work/table"
	broken "a peer that was not run" $name
done
cp "$work/whole" "$work/table"
sed -i '7d' "$work/kept/python-numpy"
broken "a row that lacks" python-numpy
sed -i '7s/"rating":[0-9.]*/"rating":3.3/' "$work/kept/gen-jsonl"
broken "a rating that is none" gen-jsonl
echo "ok: a line, a peer or a row that lacks, and a rating that is none, are noticed"
