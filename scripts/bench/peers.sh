#!/usr/bin/env bash
# peers.sh [GROUP...] measures gen beside what people use instead, in turns on
# this machine, and prints one table of medians. Groups: pipe (text, read and
# dropped), files (Parquet), kafka (one broker, 6 partitions, acks=all) and spark
# (Structured Streaming into the same broker); all of them by default.
#
#	ROUNDS=3 COUNT=20000000 scripts/bench/peers.sh pipe files
#
# COUNT is the events of gen and of copying; slower peers write a part of it.
# SPARK_RATE=100000 is the pace of the Spark job, which knows no other: its line says
# whether it was kept. CHECK=DIR keeps what each line of pipe
# and files has written. A rate counts the start of a program into a pipe or file;
# into Kafka it runs from the first records that stand committed to the last. RSS
# is the largest process. ratio is gen's events a second over the line's; against
# tpchgen-cli, whose rows are others, bytes a second. scripts/bench.sh measures
# gen alone, bench_kafka.sh beside Kafka's own and the plainest producer.
set -euo pipefail

fail() {
	echo "peers.sh: $*" >&2
	exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${ROUNDS:-3} count=${COUNT:-20000000}
groups=("$@")
((${#groups[@]})) || groups=(pipe files kafka spark)
for group in "${groups[@]}"; do
	[[ $group =~ ^(pipe|files|kafka|spark)$ ]] || fail "unknown group $group: pipe, files, kafka, spark"
done
[[ $rounds =~ ^[1-9][0-9]*$ && $count =~ ^[1-9][0-9]{3,}$ ]] || fail "ROUNDS is at least 1 and COUNT at least 1000"
work=$(mktemp -d)
broker=
cleanup() {
	[[ -z $broker ]] || "$here/../kafka.sh" stop "$work/kafka" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

(cd "$here/../.." && go build -o "$work" ./cmd/gen ./scripts/bench/measure)
python=$("$here/../venv.sh" "$here/requirements.txt") || python=
bin=${python%/*}
cd "$work"
./gen snapshot --quiet >/dev/null
for table in users movies; do ./gen export $table --quiet >$table.csv; done

# The lines of each group; the first is gen's.
# shellcheck disable=SC2034 # lines is a reference to one of them
{
	pipe=(gen-jsonl gen-csv copy python-row python-numpy duckdb-csv tpchgen-text)
	files=(gen-parquet duckdb-parquet tpchgen-parquet)
	kafka=(gen-kafka python-kafka-row python-kafka-numpy)
	spark=(gen-kafka-paced spark-kafka)
}

# share NAME prints how many events the line makes: slow peers make fewer, so that
# each line lasts some seconds.
share() {
	case $1 in
	python-row | python-kafka-row) echo $((count / 200 + 1)) ;;
	python-kafka-*) echo $((count / 20)) ;;
	python-numpy | duckdb-csv) echo $((count / 4)) ;;
	gen-kafka-paced | spark-kafka) echo $((${SPARK_RATE:-100000} * ${SPARK_SECONDS:-30})) ;;
	*) echo "$count" ;;
	esac
}

# scale prints the scale factor of about COUNT rows of lineitem.
scale() { awk -v n="$count" 'BEGIN { printf "%.6f", n / 6001215 }'; }

topics=0

# new_topic makes one, and has measure watch it.
new_topic() {
	topic=ratings-$((++topics))
	"$here/../kafka.sh" tool "$work/kafka" topics --create --topic "$topic" --partitions 6 >/dev/null
	into=(-brokers "$bootstrap" -topic "$topic")
}

# command_of NAME EVENTS fills the arrays into, of measure, and command. A file or
# directory that it makes is $out.
command_of() {
	into=()
	case $1 in
	gen-jsonl) command=(./gen dump --quiet --count "$2") ;;
	gen-csv) command=(./gen dump --quiet --format csv --count "$2") ;;
	copy) command=(sh -c 'cat same.jsonl | cat') ;;
	python-row) command=("$python" "$here/rows.py" users.csv movies.csv "$2") ;;
	python-numpy) command=("$python" "$here/rows.py" users.csv movies.csv "$2" --vectorised) ;;
	duckdb-csv) command=("$python" "$here/duckdb_rows.py" "$2" csv /dev/stdout) ;;
	tpchgen-text) command=("$bin/tpchgen-cli" --scale-factor "$(scale)" --tables lineitem --stdout) ;;
	gen-parquet) command=(./gen dump --quiet --format parquet --count "$2" --to "$out") ;;
	duckdb-parquet) command=("$python" "$here/duckdb_rows.py" "$2" parquet "$out") ;;
	tpchgen-parquet) command=("$bin/tpchgen-cli" parquet --scale-factor "$(scale)" --tables lineitem --output-dir "$out") ;;
	gen-kafka) new_topic && command=(./gen stream --to "kafka://$bootstrap/$topic" --speed max --count "$2" --quiet) ;;
	gen-kafka-paced) new_topic && command=(./gen stream --to "kafka://$bootstrap/$topic" --start now --rate "${SPARK_RATE:-100000}" --count "$2" --quiet) ;;
	python-kafka-row) new_topic && command=("$python" "$here/rows.py" users.csv movies.csv "$2" --kafka "$bootstrap" "$topic") ;;
	python-kafka-numpy) new_topic && command=("$python" "$here/rows.py" users.csv movies.csv "$2" --vectorised --kafka "$bootstrap" "$topic") ;;
	spark-kafka)
		new_topic && into+=(-stop "$2")
		command=(env PYSPARK_PYTHON="$python" SPARK_LOCAL_IP=127.0.0.1 "$bin/spark-submit" --master 'local[2]' --driver-memory 1g
			--jars "$jars" --py-files "$here/formulas.py" --conf spark.ui.enabled=false
			"$here/spark_ratings.py" users.csv movies.csv "$bootstrap" "$topic" "${SPARK_RATE:-100000}" "$work/checkpoint-$topic")
		;;
	esac
}

# run NAME appends a run to NAME.runs: events, bytes, seconds, CPU seconds, kB,
# seconds to the first event. A line whose peer is missing is named by the table.
run() {
	local name=$1 events arrived out=$work/out-$1
	events=$(share "$name")
	[[ -n $python || $name == gen-* || $name == copy ]] || return 0
	[[ $name != spark-* || -n $jars ]] || return 0
	rm -rf "$out"
	command_of "$name" "$events"
	./measure "${into[@]}" -- "${command[@]}" >one 2>said || {
		tail -n 5 said >&2
		fail "$name did not work: ${command[*]}"
	}
	# A file is none of measure's business: its bytes are those on disk.
	awk -F '\t' -v OFS='\t' -v n="$events" -v file="$(du -sb "$out" 2>/dev/null | cut -f 1)" '
		{ if (name !~ /^tpchgen-text/) $1 = n; if (file) { $2 = file; $6 = "-" } print }' name="$name" one >>"$name.runs"
	if [[ -n ${CHECK-} ]]; then keep "$name"; fi
	rm -rf "$out"
	if ((${#into[@]})); then
		arrived=$(cut -f 1 one)
		((arrived >= events)) || fail "$name: $arrived of $events records arrived"
		"$here/../kafka.sh" tool "$work/kafka" topics --delete --topic "$topic" >/dev/null
	fi
}

# keep NAME puts what the line writes into CHECK.
keep() {
	if [[ -e $out ]]; then
		rm -rf "${CHECK:?}/$1" && cp -r "$out" "$CHECK/$1"
	elif ((!${#into[@]})); then
		"${command[@]}" >"$CHECK/$1" 2>/dev/null
	fi
}

# median FILE COLUMN prints it.
median() { cut -f "$2" "$1" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# line NAME FIRST prints the line of the table; FIRST is gen's of the group.
line() {
	if [[ ! -e $1.runs ]]; then
		printf '| %s | not run |\n' "$1"
		return
	fi
	awk -v OFS='\t' -F '\t' '{ print $1 / $3 / 1e6, $2 / $3 / 1e6, $4 * 1e9 / $1, $5 / 1024, $6, $1 }' "$1.runs" >"$1.rates"
	local column v=()
	for column in 1 2 3 4 5 6; do v+=("$(median "$1.rates" $column)"); done
	[[ $1 != "$2" ]] || best=("${v[@]}")
	awk -v name="$1" -v rate="${v[0]}" -v mb="${v[1]}" -v cpu="${v[2]}" -v rss="${v[3]}" -v first="${v[4]}" -v events="${v[5]}" -v best="${best[0]}" -v bytes="${best[1]}" '
		BEGIN {
			ratio = name ~ /^tpchgen/ ? sprintf("%.1f (bytes)", bytes / mb) : sprintf("%.1f", best / rate)
			printf "| %s | %d | %.3f | %s | %.0f | %.0f | %s | %s |\n", name, events, rate, mb ? sprintf("%.0f", mb) : "-", cpu, rss, ratio,
				first == "-" ? first : sprintf("%.3f", first)
		}'
}

if [[ " ${groups[*]} " == *" pipe "* ]]; then ./gen dump --quiet --count "$count" >same.jsonl; fi
if [[ " ${groups[*]} " =~ " kafka "|" spark " ]]; then
	broker=1
	bootstrap=$("$here/../kafka.sh" start "$work/kafka")
	[[ " ${groups[*]} " != *" spark "* ]] || jars=$("$here/../spark/jars.sh") || jars=
fi
for ((round = 0; round < rounds; round++)); do
	for group in "${groups[@]}"; do
		declare -n lines=$group
		for name in "${lines[@]}"; do run "$name"; done
	done
done

echo "$(nproc) cores, $rounds rounds, medians, COUNT=$count"
echo '| what | events | M events/s | MB/s | CPU ns/event | peak RSS, MB | gen is faster by | first event after, s |'
echo '|---|---|---|---|---|---|---|---|'
for group in "${groups[@]}"; do
	declare -n lines=$group
	for name in "${lines[@]}"; do line "$name" "${lines[0]}"; done
done
