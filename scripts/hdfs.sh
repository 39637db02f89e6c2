#!/usr/bin/env bash
# hdfs.sh runs a real HDFS on 127.0.0.1, a NameNode and a DataNode, with its
# data and logs in DIR:
#
#	scripts/hdfs.sh start DIR [--ha] [--block-size 128m]
#	scripts/hdfs.sh tool DIR fs -ls /
#	scripts/hdfs.sh kill DIR [NAME]     SIGKILL for namenode or datanode, or for all
#	scripts/hdfs.sh restart DIR [NAME]  starts it, or all that are down, on the same
#	                                    port and data; one that runs is stopped first
#	scripts/hdfs.sh stop DIR            SIGTERM, after 10 s SIGKILL
#
# start prints the address when HDFS takes files, and writes DIR/env: ADDRESS,
# PIDS (with commas), LIBS (the folder of the jars), HA, and HADOOP_CONF_DIR, the
# folder of the configuration, for clients too.
#
# --ha adds a second NameNode, namenode2, of the nameservice gen: nn1 is active
# until somebody says `tool DIR haadmin -transitionToActive nn2`. The address is
# then that of the nameservice.
#
# --block-size is that of files, and what a disk must have free for the DataNode
# to use it.
#
# tool knows fs, dfsadmin, haadmin, or a class by its full name.
#
# The jars lie in ${GEN_CACHE:-~/.cache/gen}/hadoop-3.4.1; Maven's own settings
# decide where they come from.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
version=3.4.1
# shellcheck source-path=SCRIPTDIR
. "$here/daemons.sh"

usage() {
	sed -n '5,10s/^#	*//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

fetch() { fetch_jars Hadoop "$here/hdfs/pom.xml"; }

logging=("-Dlog4j.configuration=file:$here/hdfs/log4j.properties")

# jvm runs a class of Hadoop that ends by itself.
jvm() {
	"$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true "${logging[@]}" -cp "$dir/conf:$libs/*" "$@"
}

# property NAME VALUE prints an entry of a configuration file.
property() { echo "<property><name>$1</name><value>$2</value></property>"; }

# addresses SUFFIX RPC HTTP prints those of a NameNode.
addresses() {
	property "dfs.namenode.rpc-address$1" "127.0.0.1:$2"
	property "dfs.namenode.http-address$1" "127.0.0.1:$3"
}

# write_conf writes what daemons and clients are told. A DataNode that is gone is
# dead after 14 s, not after ten minutes.
write_conf() {
	local own=() authority nn
	take_ports own 7
	authority=127.0.0.1:${own[0]}
	((!ha)) || authority=gen
	address=hdfs://$authority
	mkdir -p "$dir/conf/webapps/hdfs" "$dir/conf/webapps/datanode"
	{
		echo '<configuration>'
		property fs.defaultFS "$address"
		property hadoop.tmp.dir "$dir/tmp"
		echo '</configuration>'
	} >"$dir/conf/core-site.xml"
	{
		echo '<configuration>'
		property dfs.replication 1
		property dfs.blocksize "$block_size"
		property dfs.datanode.round-robin-volume-choosing-policy.additional-available-space 0 # else a GB must stay free
		property dfs.datanode.data.dir "$dir/datanode/data"
		property dfs.datanode.address "127.0.0.1:${own[2]}"
		property dfs.datanode.http.address "127.0.0.1:${own[3]}"
		property dfs.datanode.ipc.address "127.0.0.1:${own[4]}"
		property dfs.datanode.hostname 127.0.0.1
		property dfs.namenode.datanode.registration.ip-hostname-check false
		property dfs.namenode.safemode.extension 0
		property dfs.heartbeat.interval 1
		property dfs.namenode.heartbeat.recheck-interval 2000
		if ((ha)); then
			property dfs.nameservices gen
			property dfs.ha.namenodes.gen nn1,nn2
			property dfs.namenode.shared.edits.dir "file://$dir/edits"
			property dfs.ha.fencing.methods 'shell(/bin/true)'
			property dfs.client.failover.proxy.provider.gen org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider
			addresses .gen.nn1 "${own[0]}" "${own[1]}"
			addresses .gen.nn2 "${own[5]}" "${own[6]}"
			for nn in nn1:namenode nn2:namenode2; do property "dfs.namenode.name.dir.gen.${nn%:*}" "$dir/${nn#*:}/data"; done
		else
			addresses "" "${own[0]}" "${own[1]}"
			property dfs.namenode.name.dir "$dir/namenode/data"
		fi
		echo '</configuration>'
	} >"$dir/conf/hdfs-site.xml"
}

write_env() {
	local name pids=()
	for name in $names; do pids+=("$(<"$dir/$name/pid")"); done
	printf '%s=%s\n' ADDRESS "$address" PIDS "$(IFS=, && echo "${pids[*]}")" LIBS "$(printf %q "$libs")" HA "$ha" \
		HADOOP_CONF_DIR "$(printf %q "$dir/conf")" >"$dir/env.new"
	mv "$dir/env.new" "$dir/env"
}

# choose NAME fills the array chosen with what the argument means: it, or all.
choose() {
	read -ra chosen <<<"${1-$names}"
	[[ " $names " == *" ${chosen[0]} "* ]] || fail "there is no ${chosen[0]:-such daemon}; $dir has $names"
}

# configured KEY prints the value of a key of hdfs-site.xml.
configured() { sed -n "s|.*<name>$1</name><value>\(.*\)</value>.*|\1|p" "$dir/conf/hdfs-site.xml"; }

# jmx ADDRESS BEAN prints a bean of a daemon.
jmx() {
	exec 3<>"/dev/tcp/${1/://}" || return
	printf 'GET /jmx?qry=Hadoop:%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$2" "$1" >&3
	cat <&3
	exec 3>&-
} 2>/dev/null

# is_up NAME tells whether a daemon does its work. A NameNode may still be in
# safe mode: until its DataNode has come.
is_up() {
	local key=dfs.namenode.http-address bean=NameNode,name=NameNodeStatus sign='"State"'
	case $1:$ha in
	namenode:1) key+=.gen.nn1 ;;
	namenode2:1) key+=.gen.nn2 ;;
	datanode:*) key=dfs.datanode.http.address bean=DataNode,name=DataNodeInfo sign='ActorState.*RUNNING' ;;
	esac
	jmx "$(configured $key)" service=$bean | grep -c "$sign" >/dev/null
}

# boot NAME... starts daemons at once, and waits for them.
boot() {
	local name end=$((SECONDS + 120)) main
	for name; do
		mkdir -p "$dir/$name"
		main=(org.apache.hadoop.hdfs.server.namenode.NameNode)
		case $name:$ha in
		datanode:*) main=(org.apache.hadoop.hdfs.server.datanode.DataNode) ;;
		namenode:1) main+=(-Ddfs.ha.namenode.id=nn1) ;;
		namenode2:1) main+=(-Ddfs.ha.namenode.id=nn2) ;;
		esac
		spawn "$name" "$dir/conf:$libs/*" -Xmx256m -XX:+UseSerialGC -Djava.net.preferIPv4Stack=true --add-opens=java.base/java.lang=ALL-UNNAMED "${main[@]}"
	done
	for name; do
		until is_up "$name"; do
			# Not pid_of: what was forked may not be java yet.
			if ! kill -0 "$(<"$dir/$name/pid")" 2>/dev/null || ((SECONDS >= end)); then
				tail -n 5 "$dir/$name/log" >&2
				fail "$name did not start; $dir/$name/log says why"
			fi
			sleep 0.1
		done
	done
}

# format_names makes the files of the NameNodes.
format_names() {
	local class=org.apache.hadoop.hdfs.server.namenode.NameNode
	jvm $class ${1:+-Ddfs.ha.namenode.id=$1} -format -nonInteractive >"$dir/format.log" 2>&1 ||
		fail "the NameNode's storage could not be made; $dir/format.log says why"
}

tool() {
	local class=$1
	shift
	case $class in
	fs) class=org.apache.hadoop.fs.FsShell ;;
	dfsadmin) class=org.apache.hadoop.hdfs.tools.DFSAdmin ;;
	haadmin) class=org.apache.hadoop.hdfs.tools.DFSHAAdmin ;;
	*.*) ;;
	*) fail "unknown tool $class: fs, dfsadmin, haadmin, or a class" ;;
	esac
	jvm "$class" "$@"
}

# ready waits until HDFS takes a file.
ready() {
	local end=$((SECONDS + 60))
	until tool fs -touchz "$address/.ready" 2>"$dir/ready.log" && tool fs -rm -skipTrash "$address/.ready" >>"$dir/ready.log" 2>&1; do
		((SECONDS < end)) || fail "the daemons started, but HDFS takes no file; $dir/ready.log says why"
	done
}

cmd_start() {
	ha=0 block_size=128m
	while (($#)); do
		case $1 in
		--ha) ha=1 ;;
		--block-size) block_size=${2-} && shift ;;
		*) usage ;;
		esac
		shift || usage
	done
	check_java HDFS
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd -P)
	[[ ! -e $dir/conf ]] || fail "$dir holds an HDFS already; go on with hdfs.sh restart $dir, or remove it"
	fetch
	write_conf
	trap 'end TERM datanode namenode namenode2 2>/dev/null' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	names="namenode datanode"
	if ((ha)); then
		names="namenode namenode2 datanode"
		format_names nn1
		boot namenode
		jvm org.apache.hadoop.hdfs.server.namenode.NameNode -Ddfs.ha.namenode.id=nn2 -bootstrapStandby -nonInteractive >>"$dir/format.log" 2>&1 ||
			fail "the second NameNode's storage could not be made; $dir/format.log says why"
		boot namenode2 datanode
		tool haadmin -transitionToActive nn1
	else
		format_names ""
		boot namenode datanode
	fi
	ready
	write_env
	trap - EXIT
	echo "$address"
}

# cmd_restart without a name leaves alone what runs.
cmd_restart() {
	local name down=()
	choose "$@"
	for name in "${chosen[@]}"; do
		[[ -z ${1-} ]] || end TERM "$name"
		pid_of "$name" >/dev/null || down+=("$name")
	done
	if ((${#down[@]})); then
		check_java HDFS
		fetch
		boot "${down[@]}"
		write_env
		# With its DataNode a NameNode leaves safe mode in a moment.
		((ha)) || ! pid_of datanode >/dev/null || ! pid_of namenode >/dev/null || tool dfsadmin -safemode wait >/dev/null
	fi
	echo "$address"
}

cmd_kill() {
	choose "$@"
	end KILL "${chosen[@]}"
}

cmd_stop() {
	# The NameNode last: the DataNode says goodbye to it.
	end TERM datanode
	end TERM namenode2 namenode
}

(($# >= 2)) || usage
command=$1 dir=$2
shift 2
[[ $command == start ]] || {
	[[ -e $dir/env ]] || fail "$dir holds no HDFS; hdfs.sh start $dir makes one"
	dir=$(cd "$dir" && pwd -P)
	# shellcheck disable=SC1091
	. "$dir/env"
	# shellcheck disable=SC2153
	address=$ADDRESS libs=$LIBS ha=$HA names="namenode datanode"
	((!ha)) || names="namenode namenode2 datanode"
}
case $command in
start) cmd_start "$@" ;;
restart) cmd_restart "$@" ;;
kill) cmd_kill "$@" ;;
stop) cmd_stop "$@" ;;
tool) (($#)) || usage && tool "$@" ;;
*) usage ;;
esac
