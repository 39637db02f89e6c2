#!/usr/bin/env bash
# cluster.sh runs a real Spark standalone cluster on loopback, a master and
# workers as processes of their own, with their logs and work in DIR. Each worker has
# an address of its own, 127.0.0.2 and so on: Spark runs no speculative twin on the
# host of the first attempt:
#
#	scripts/spark/cluster.sh start DIR [--workers 2]   one core and 1 GB each
#	scripts/spark/cluster.sh kill DIR NAME             SIGKILL for worker-1, ...
#	scripts/spark/cluster.sh stop DIR                  SIGTERM, after 10 s SIGKILL
#
# start prints the master's URL. Spark is that of scripts/requirements.txt.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
# shellcheck source-path=SCRIPTDIR
. "$here/../daemons.sh"

usage() {
	sed -n '7,9s/^#	*//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

# Spark's launcher adds these to what it starts; its classes are started here.
opens() {
	local package
	for package in java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar; do
		echo "--add-opens=java.base/$package=ALL-UNNAMED"
	done
}

# wait_for NAME TEXT waits until the log of a daemon says so.
wait_for() {
	local tick
	for ((tick = 0; tick < 600; tick++)); do
		if grep -q "$2" "$dir/$1/log"; then return; fi
		kill -0 "$(<"$dir/$1/pid")" 2>/dev/null || fail "$1 ended: $(tail -n 3 "$dir/$1/log")"
		sleep 0.1
	done
	fail "$1 did not start within 60 s; $dir/$1/log says why"
}

cmd_start() {
	local workers=2 open i master python
	while (($#)); do
		case $1 in
		--workers) workers=${2-} && shift ;;
		*) usage ;;
		esac
		shift || usage
	done
	[[ $workers =~ ^[1-9]$ ]] || fail "--workers is 1 to 9, not ${workers:-empty}"
	check_java Spark
	python=$("$here/../venv.sh")
	SPARK_HOME=$("$python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
	libs=$SPARK_HOME/jars
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd -P)
	[[ ! -e $dir/master ]] || fail "$dir holds a cluster already"
	trap 'end TERM $(daemons) 2>/dev/null' EXIT
	mapfile -t logging < <(opens)
	logging+=(-Xmx512m -Dspark.worker.ui.retainedExecutors=10)
	# A worker builds the commands of its executors by them.
	export SPARK_HOME SPARK_SCALA_VERSION=2.12 SPARK_LOCAL_IP=127.0.0.1
	take_ports open $((2 + 2 * workers))
	master=spark://127.0.0.1:${open[0]}
	mkdir "$dir/master"
	spawn master "$libs/*" org.apache.spark.deploy.master.Master --host 127.0.0.1 --port "${open[0]}" --webui-port "${open[1]}"
	wait_for master 'I have been elected leader'
	for ((i = 1; i <= workers; i++)); do
		mkdir "$dir/worker-$i"
		SPARK_LOCAL_IP=127.0.0.$((i + 1)) spawn "worker-$i" "$libs/*" org.apache.spark.deploy.worker.Worker --host "127.0.0.$((i + 1))" --cores 1 --memory 1g \
			--port "${open[2 * i]}" --webui-port "${open[2 * i + 1]}" --work-dir "$dir/worker-$i/work" "$master"
		wait_for "worker-$i" 'Successfully registered with master'
	done
	trap - EXIT
	echo "$master"
}

daemons() {
	local file
	for file in "$dir"/*/pid; do
		[[ ! -e $file ]] || basename "$(dirname "$file")"
	done
}

(($# >= 2)) || usage
command=$1 dir=$2
shift 2
case $command in
start) cmd_start "$@" ;;
kill)
	dir=$(cd "$dir" && pwd -P)
	end KILL "${1:?}"
	;;
stop)
	[[ -d $dir ]] || exit 0
	dir=$(cd "$dir" && pwd -P)
	# shellcheck disable=SC2046
	end TERM $(daemons | sort -r)
	;;
*) usage ;;
esac
