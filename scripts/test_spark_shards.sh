#!/usr/bin/env bash
# test_spark_shards.sh has a real Spark cluster, a master and two workers of one
# core, dump into a real HDFS in shards, and compares the directory, file by file,
# with one `gen dump`: undisturbed, with an executor killed, and, with TWIN=1 (as a
# lease takes a minute to end), with a shard that is stopped while its speculative
# twin does the work. COUNT=4000000 events; the long form is COUNT=100000000 TWIN=1.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/hdfs/suite.sh"
python=$("$here/venv.sh")
count=${COUNT:-4000000} segment=$((${COUNT:-4000000} / 20))
stop_all() {
	local pid
	# The job is a subshell, whose child is the driver.
	for pid in ${job:+$(pgrep -P "$job") "$job"} ${stopped:-}; do kill -KILL "$pid" 2>/dev/null || true; done
	"$here/spark/cluster.sh" stop "$work/spark" 2>/dev/null || true
	cleanup
}
trap stop_all EXIT
begin 1
master=$("$here/spark/cluster.sh" start "$work/spark") || fail "no Spark"
ok "Spark at $master, HDFS at $address"

SPARK_HOME=$("$python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
export SPARK_HOME SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python
submit() {
	"$SPARK_HOME/bin/spark-submit" --master "$master" --files gen,gen-state/snapshot.db \
		--conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 --conf spark.ui.enabled=false \
		--conf spark.executor.memory=512m --conf "spark.executorEnv.HADOOP_USER_NAME=$(id -un)" \
		"$@" 2>submitted
}
dump=(dump --count "$count" --segment "$segment" --format parquet --workers 1)
shards() { submit "${@:2}" "$here/spark/shards.py" --shards 4 -- "${dump[@]}" --to "$address/data/$1" >"$1.json" || fail "$1: $(grep -E '^(.*Caused by|[A-Za-z.]*(Error|Exception))' submitted | tail -n 3)"; }

./gen snapshot --quiet >/dev/null
./gen "${dump[@]}" --to one --quiet
shards undisturbed
same data/undisturbed one
grep -q "\"events\": $count" undisturbed.json || fail "the shards' events: $(cat undisturbed.json)"
ok "4 shards on 2 executors leave the files of one dump: $(tail -n 1 undisturbed.json)"

# pid_with PATTERN waits for a process of this test whose command line matches.
pid_with() {
	local tick pid
	for ((tick = 0; tick < 300; tick++)); do
		for pid in $(pgrep -f -- "$1"); do
			if grep -qz "$work" "/proc/$pid/cmdline" "/proc/$pid/cwd/../pid" 2>/dev/null || [[ $(readlink "/proc/$pid/cwd") == "$work"* ]]; then
				echo "$pid"
				return
			fi
		done
		sleep 0.1
	done
	fail "no process like $1"
}

shards killed &
job=$!
pid_with '--shard 0/4 .*data/killed' >/dev/null
sleep 0.2
executor=$(pid_with 'CoarseGrainedExecutorBackend')
kill -KILL "$executor"
wait "$job" || fail "the job did not survive its executor"
job=
same data/killed one
ok "an executor (process $executor) killed in mid-run: the same files"

! ./gen diff one "$address/data/nothing" >/dev/null 2>&1 || fail "control: diff compares with nothing"
./gen dump --seed 43 "${dump[@]:1}" --to other --quiet
diff -r other fetched >/dev/null && fail "control: another seed gives the same files"
ok "control: the files of another seed differ"

[[ ${TWIN:-} ]] || exit 0
shards twin --conf spark.speculation=true --conf spark.speculation.quantile=0.5 --conf spark.speculation.interval=200ms &
job=$!
stopped=$(pid_with '--shard 1/4 .*data/twin')
kill -STOP "$stopped"
wait "$job" || fail "the job did not survive a shard that is stopped"
job=
same data/twin one
kill -CONT "$stopped" 2>/dev/null || true
sleep 5
same data/twin one
grep -q 'speculat' submitted || fail "no speculative twin was started"
ok "a shard stopped in mid-run and its speculative twin: the same files, also after it goes on"
