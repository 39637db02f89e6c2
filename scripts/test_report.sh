#!/usr/bin/env bash
# test_report.sh computes every figure of gen report anew with DuckDB and NumPy: of
# directories in Parquet and JSONL, of ratings that gen has not written, and of a
# live run in a real Kafka, which the Java consumer reads. It looks at the pages in
# headless Chromium (SHOTS=DIR keeps the screenshots). EVENTS=1000000 by default;
# TIMED=20000000 also times so many, and prints the peak memory.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
python=$("$here/venv.sh")
for table in users movies model; do ./gen export "$table" --quiet >"$table.csv"; done

# check NAME EVENTS ARGUMENTS...: the figures of NAME.json are those of the events.
check() {
	echo "--- $1"
	"$python" "$here/report_check.py" "$1.json" --events "$2" "${@:3}"
}
truth=(--users users.csv --movies movies.csv --model model.csv)

count=${EVENTS:-1000000}
./gen dump --count "$count" --segment 300000 --to parquet --format parquet --load day --rate 20 --quiet
./gen dump --count "$count" --to jsonl --load day --rate 20 --quiet
./gen report --json --to parquet.html parquet >parquet.json 2>/dev/null
./gen report --json jsonl >jsonl.json
check parquet 'parquet/part-*.parquet' "${truth[@]}"
figures() { sed -n '/"figures": {/,/"verdict"/p' "$1"; }
cmp <(figures parquet.json) <(figures jsonl.json) || fail "JSONL and Parquet of the same events have other figures"
ok "JSONL has the same figures"
./gen report --snapshot --count "$count" --json >snapshot.json
figures snapshot.json | grep -q '"hours"' && fail "a snapshot has no hours"
same='/"mean"|"gini"|"r2"|"affinityCorrelation"/'
cmp <(figures parquet.json | awk "$same") <(figures snapshot.json | awk "$same") || fail "--snapshot draws other events"
ok "--snapshot draws the same events"

# Ratings as MovieLens has them: times in seconds, ids with gaps, and a movie that
# the catalogue does not have; the same from pandas as Parquet.
mkdir ml ml-parquet
"$python" - <<'PY'
import duckdb
rows = duckdb.sql("select userId, movieId, rating, timestamp // 1000 as timestamp from 'parquet/part-*.parquet' where userId % 7 = 0 and movieId % 3 > 0").df()
rows.to_csv("ml/ratings.csv", index=False)
rows.to_parquet("ml-parquet/ratings.parquet", index=False)
duckdb.sql("copy (select * from read_csv('movies.csv') where movieId <> 5) to 'ml/movies.csv'")
PY
cp ml/movies.csv ml-parquet/
./gen report --json --to ml.html ml >ml.json 2>/dev/null
check ml ml/ratings.csv --movies ml/movies.csv
./gen report --json ml-parquet >ml-parquet.json
cmp <(figures ml.json) <(figures ml-parquet.json) || fail "CSV and Parquet of others have other figures"
ok "Parquet of others has the same figures"

# A live run in Kafka, beside one that is not asked for.
export KAFKA_HEAP=${KAFKA_HEAP:-512m}
address=$(kafka start)
topic=kafka://$address/ratings
./gen stream --to "$topic" --run live --rate 1000 --start now --count 8000 --quiet
./gen stream --to "$topic" --run other --seed 7 --speed max --count 5000 --quiet
./gen report --json --run live --to kafka.html "$topic" >kafka.json 2>/dev/null
kafka tool console-consumer --topic ratings --from-beginning --isolation-level read_committed --timeout-ms 5000 \
	--formatter-property print.partition=true --formatter-property print.timestamp=true 2>/dev/null |
	sed -nE 's/^CreateTime:([0-9]+)\tPartition:([0-9]+)\t\{(.*)\}$/{\3,"created":\1,"partition":\2}/p' >consumed.jsonl
"$python" - <<'PY'
import duckdb, json
# The other run began in 2025; nothing else tells the two apart here.
rows = duckdb.sql("select *, created - timestamp as lag from 'consumed.jsonl' where created - timestamp < 86400000").df()
duckdb.sql("copy (select userId, movieId, rating, timestamp from rows) to 'live.parquet'")
report = json.load(open("kafka.json"))
got = report["figures"]
lags = sorted(int(x) for x in rows.lag)
at = lambda p: lags[min(len(lags) - 1, int(p * len(lags)))]
want = {"p50": at(.5), "p99": at(.99), "p999": at(.999), "max": lags[-1]}
assert got.pop("lag") == want, (got, want)
counts = rows.partition.value_counts()
assert got.pop("partitions") == [{"partition": p, "events": int(counts.get(p, 0))} for p in range(6)]
assert "5000 records of other runs" in " ".join(report["notes"]), report["notes"]
json.dump(report, open("live.json", "w"))
print(f"ok: {len(rows)} records, their partitions and lags ({want}) are those that the Java consumer reads")
PY
check live live.parquet "${truth[@]}"
kafka stop >/dev/null 2>&1

browser
mkdir -p "${SHOTS:=$work/shots}"
python3 "$here/report_page.py" --driver "$driver" --shots "$SHOTS" parquet.html ml.html kafka.html

if [[ ${TIMED:-} ]]; then
	for format in parquet jsonl; do
		./gen dump --count "$TIMED" --to "timed-$format" --format "$format" --quiet
		/usr/bin/time -f "$TIMED events of $format: %e s, %U s of CPU, %M kB" ./gen report --quiet --to timed.html "timed-$format"
		rm -rf "timed-$format"
	done
fi
