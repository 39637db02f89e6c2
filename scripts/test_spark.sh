#!/usr/bin/env bash
# test_spark.sh runs gen between a real Spark and the readers that people use:
# a catalogue written by Spark gives the snapshot that movies.csv gives; what
# gen dumps is the sequence that reference.py computes, and Spark, pyarrow,
# DuckDB and pandas read it, also while it is being written.
set -euo pipefail

ok() { echo "ok: $*"; }
fail() {
	echo "test_spark.sh: $*" >&2
	exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/venv.sh")
# A reader that hangs is a failure too.
run() { timeout 900 "$python" "$here/$1.py" "${@:2}"; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# key FILE NAME prints one value of a JSON object.
key() { "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }

# expect FILE NAME VALUE ends the test when the object has another value.
expect() {
	local found
	found=$(key "$1" "$2")
	[[ $found == "$3" ]] || fail "$1: $2 is $found, not $3"
}

(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
ok "gen is built"

./gen snapshot --state builtin --json >builtin.json
./gen export movies --state builtin >movies.csv
run spark_catalogue movies.csv catalogue >catalogue.json
for name in movies_features genres_metadata; do
	parts=("catalogue/$name"/part-*.snappy.parquet)
	[[ -e catalogue/$name/_SUCCESS && ${#parts[@]} -gt 1 ]] ||
		fail "catalogue/$name is not a directory as Spark writes it"
done
ok "Spark wrote the catalogue: $(cat catalogue.json)"

genres=catalogue/genres_metadata
./gen snapshot --state spark --movies catalogue/movies_features --genres $genres --json >spark.json
./gen snapshot --state csv --movies movies.csv --genres $genres --json >csv.json
expect csv.json snapshot "$(key spark.json snapshot)"
[[ $(key spark.json snapshot) != "$(key builtin.json snapshot)" ]] ||
	fail "--genres changed nothing: the snapshot is the one of all genres"
for file in spark.json csv.json; do
	expect $file unlisted 246
	expect $file genres 19
done
ok "Spark's catalogue and movies.csv give the same snapshot, $(key spark.json snapshot)"

for table in users movies model; do
	./gen export $table --state spark >$table.exported.csv
done
reference() {
	run reference --users users.exported.csv --movies movies.exported.csv --model model.exported.csv "$@"
}
./gen dump --state spark --count 1000000 --quiet >dumped.jsonl
reference --count 1000000 | cmp - dumped.jsonl || fail "reference.py computes other rows"
! reference --count 1000000 --seed 43 | cmp -s - dumped.jsonl || fail "reference.py computes the same rows from another seed"
rm dumped.jsonl
ok "reference.py computes the same 1,000,000 rows from what gen exports"

lists=(--state lists --profile movielens --users 2000)
./gen snapshot "${lists[@]}" --quiet >/dev/null
for table in lists model; do
	./gen export $table --state lists --quiet >$table.lists.csv
done
# Three epochs and a part of the fourth.
./gen dump --state lists --from 100000 --count 800000 --quiet >dumped.jsonl
run reference --lists lists.lists.csv --model model.lists.csv --from 100000 --count 800000 | cmp - dumped.jsonl ||
	fail "reference.py computes other rows of the profile movielens"
rm dumped.jsonl
ok "reference.py computes the same 800,000 rows of the profile movielens"

reference --count 3000000 --summary >expected.json
for format in jsonl csv parquet; do
	./gen dump --state spark --to "dump-$format" --count 3000000 --segment 500000 --format $format --quiet
	run read_back "dump-$format" $format expected.json >"read-$format.json"
	ok "Spark, pyarrow, DuckDB and pandas agree on 3,000,000 events in $format"
done
! run read_back dump-csv csv '{"count": 2999999}' --readers pyarrow >/dev/null 2>&1 ||
	fail "read_back.py accepts a wrong count"
rm -r dump-*

reference --count 2000000 --summary >expected.json
# At 50 events a second a segment of 10 s holds 500. At 1000 times that pace
# the stream lasts 40 s, so that each reader meets it on its way; as fast as
# it can it renames most files during one reading.
for stream in "jsonl 1000 3" "parquet max 1"; do
	read -r format speed least <<<"$stream"
	run read_back --at-least --segment 500 --readers duckdb,pyarrow,spark "stream-$format" "$format" expected.json -- \
		./gen stream --state spark --to "stream-$format" --format "$format" --speed "$speed" --segment 10s --count 2000000 --quiet \
		>"during-$format.json"
	partial=$(key "during-$format.json" partial)
	((partial >= least)) || fail "$partial readings of stream-$format before its end, not $least"
	ok "a stream of $format at speed $speed is readable while it grows: $(key "during-$format.json" readings) readings, $partial before its end"
done
