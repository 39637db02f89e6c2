#!/usr/bin/env bash
# kafka.sh runs a real Kafka on 127.0.0.1, with its data and logs in DIR:
#
#	scripts/kafka.sh start DIR [--version 4.3.1|3.9.1|2.8.2] [--brokers N] [--secure] [--acl] [--set KEY=VALUE]...
#	scripts/kafka.sh tool DIR topics --create --topic ratings --partitions 6
#	scripts/kafka.sh kill DIR [I]       SIGKILL for broker I (1 to N), or for all
#	scripts/kafka.sh restart DIR [I]    starts broker I, or all that are down, on the
#	                                    same port and data; one that runs is stopped first
#	scripts/kafka.sh stop DIR           SIGTERM, after 10 s SIGKILL
#
# start prints the bootstrap addresses when the brokers answer, and writes
# DIR/env: BOOTSTRAP, PIDS (of the brokers in order, then ZooKeeper's; both lists
# with commas), LIBS (the folder of the jars), VERSION, BROKERS, SECURE, ACL.
#
# --secure is SASL over TLS: DIR/client.properties logs in as user gen,
# client-PLAIN, client-SCRAM-SHA-256 and client-SCRAM-SHA-512.properties by that
# mechanism, admin.properties as admin. --acl, which implies it, allows admin
# everything and gen nothing, until `tool DIR acls --add` says so. --set adds a
# line to the brokers' configuration.
#
# tool knows topics, get-offsets, console-consumer, perf-test, transactions,
# configs, acls, or a class by its full name, and adds the address and
# admin.properties unless the arguments name another file.
#
# The jars lie in ${GEN_CACHE:-~/.cache/gen}/kafka-VERSION; Maven's own settings
# decide where they come from. KAFKA_HEAP is a broker's heap, 1g by default.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
# shellcheck source-path=SCRIPTDIR
. "$here/daemons.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/kafka/config.sh"
# shellcheck source-path=SCRIPTDIR
. "$here/kafka/boot.sh"

usage() {
	sed -n '4,9s/^#	*//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

check_machine() {
	check_java Kafka
	((!secure)) || command -v openssl >/dev/null || fail "openssl is not installed; --secure needs it"
}

fetch() { fetch_jars Kafka "$here/kafka/pom.xml"; }

logging=("-Dlog4j.configuration=file:$here/kafka/log4j.properties" "-Dlog4j2.configurationFile=$here/kafka/log4j2.properties")

# jvm runs a class of Kafka that ends by itself.
jvm() {
	"$java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "${logging[@]}" -cp "$libs/*" "$@"
}

write_env() {
	local i pids=()
	for ((i = 1; i <= brokers; i++)); do pids+=("$(cat "$dir/broker-$i/pid")"); done
	[[ ! -e $dir/zookeeper/pid ]] || pids+=("$(<"$dir/zookeeper/pid")")
	printf '%s=%s\n' BOOTSTRAP "$bootstrap" PIDS "$(IFS=, && echo "${pids[*]}")" LIBS "$(printf %q "$libs")" \
		VERSION "$version" BROKERS "$brokers" SECURE "$secure" ACL "$acl" >"$dir/env.new"
	mv "$dir/env.new" "$dir/env"
}

# choose I fills the array chosen with the brokers that the argument means: I, or
# all.
choose() {
	chosen=("${1-}")
	[[ -n ${1-} ]] || mapfile -t chosen < <(seq "$brokers")
	[[ ${chosen[0]} =~ ^[1-9]$ && ! ${chosen[0]} > $brokers ]] || fail "there is no broker $1; $dir has 1 to $brokers"
}

# class_of TOOL prints its class, which moved over the years.
class_of() {
	case $version:$1 in
	*:*.*) echo "$1" ;;
	2.*:topics) echo kafka.admin.TopicCommand ;;
	*:topics) echo org.apache.kafka.tools.TopicCommand ;;
	2.*:get-offsets) echo kafka.tools.GetOffsetShell ;;
	*:get-offsets) echo org.apache.kafka.tools.GetOffsetShell ;;
	2.*:console-consumer) echo kafka.tools.ConsoleConsumer ;;
	*:console-consumer) echo org.apache.kafka.tools.consumer.ConsoleConsumer ;;
	*:perf-test) echo org.apache.kafka.tools.ProducerPerformance ;;
	2.*:transactions) fail "Kafka $version has no tool for transactions" ;;
	*:transactions) echo org.apache.kafka.tools.TransactionsCommand ;;
	*:configs) echo kafka.admin.ConfigCommand ;;
	4.*:acls) echo org.apache.kafka.tools.AclCommand ;;
	*:acls) echo kafka.admin.AclCommand ;;
	*) fail "unknown tool $1: topics, get-offsets, console-consumer, perf-test, transactions, configs, acls, or a class" ;;
	esac
}

# tool NAME ARGUMENTS. The files of clients hold the address too, so that
# perf-test, which took no other until Kafka 4, has it.
tool() {
	local name=$1 class config=--command-config address=(--bootstrap-server "$bootstrap")
	shift
	class=$(class_of "$name")
	case $version:$name in
	*.*.*:*.*) address=() config= ;;
	2.*:get-offsets)
		((!secure)) || fail "get-offsets of Kafka $version cannot log in"
		address=(--broker-list "$bootstrap") config=
		;;
	4.*:perf-test) address=() ;;
	*:perf-test) address=() config=--producer.config ;;
	[23].*:console-consumer) config=--consumer.config ;;
	esac
	[[ -z $config || " $* " == *" $config "* ]] || address+=("$config" "$dir/admin.properties")
	jvm "$class" "${address[@]}" "$@"
}

# ready asks the coordinator of transactions, which makes its topic at the first
# question. Kafka 2 has no tool that asks.
ready() {
	local ask=(transactions describe --transactional-id kafka.sh)
	[[ $version != 2.* ]] || ask=(topics --list)
	tool "${ask[@]}" >"$dir/ready.log" 2>&1 || grep -c 'ID could not be found' "$dir/ready.log" >/dev/null ||
		fail "the brokers started, but do not answer; $dir/ready.log says why"
}

cmd_start() {
	local i uuid scram=()
	version=4.3.1 brokers=1 secure=0 acl=0 settings=()
	while (($#)); do
		case $1 in
		--version) version=${2-} && shift ;;
		--brokers) brokers=${2-} && shift ;;
		--secure) secure=1 ;;
		--acl) secure=1 acl=1 ;;
		--set) settings+=("${2-}") && shift ;;
		*) usage ;;
		esac
		shift || usage
	done
	[[ $version =~ ^(4\.3\.1|3\.9\.1|2\.8\.2)$ ]] || fail "--version is 4.3.1, 3.9.1 or 2.8.2, not ${version:-empty}"
	[[ $brokers =~ ^[1-9]$ ]] || fail "--brokers is 1 to 9, not ${brokers:-empty}"
	check_machine
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd -P)
	[[ ! -e $dir/broker-1 ]] || fail "$dir holds a cluster already; go on with kafka.sh restart $dir, or remove it"
	fetch
	umask 077
	take_ports client_ports "$brokers"
	take_ports controller_ports "$brokers"
	take_ports zookeeper_ports 1
	bootstrap=$(printf ',127.0.0.1:%s' "${client_ports[@]}") && bootstrap=${bootstrap:1}
	voters=
	for ((i = 1; i <= brokers; i++)); do voters+=,$i@127.0.0.1:${controller_ports[i - 1]}; done
	voters=${voters:1}
	declare -gA password=()
	if ((secure)); then
		password=([admin]=$(openssl rand -hex 16) [gen]=$(openssl rand -hex 16) [key]=$(openssl rand -hex 16))
		write_certificates || fail "openssl could not make certificates; $dir/openssl.log says why"
	fi
	write_clients
	for ((i = 1; i <= brokers; i++)); do write_broker "$i"; done

	trap 'end TERM $(daemons) 2>/dev/null' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	if [[ $version == 2.* ]]; then
		write_zookeeper
		boot_zookeeper
		((!secure)) || jvm kafka.admin.ConfigCommand --zookeeper "127.0.0.1:${zookeeper_ports[0]}" \
			--alter --entity-type users --entity-name gen --add-config \
			"SCRAM-SHA-256=[password=${password[gen]}],SCRAM-SHA-512=[password=${password[gen]}]" >"$dir/format.log"
	else
		((!secure)) || for i in 256 512; do scram+=(--add-scram "SCRAM-SHA-$i=[name=gen,password=${password[gen]}]"); done
		uuid=A$(head -c 15 /dev/urandom | base64 | tr +/ -_)A
		for ((i = 1; i <= brokers; i++)); do
			jvm kafka.tools.StorageTool format -t "$uuid" -c "$dir/broker-$i/server.properties" "${scram[@]}" >>"$dir/format.log" 2>&1 ||
				fail "broker $i: the storage could not be formatted; $dir/format.log says why"
		done
	fi
	# shellcheck disable=SC2046
	boot $(seq "$brokers")
	ready
	write_env
	trap - EXIT
	echo "$bootstrap"
}

# cmd_restart without a number leaves alone what runs.
cmd_restart() {
	local i down=()
	choose "$@"
	for i in "${chosen[@]}"; do
		[[ -z ${1-} ]] || end TERM "broker-$i"
		pid_of "broker-$i" >/dev/null || down+=("$i")
	done
	if ((${#down[@]})); then
		check_machine
		fetch
		umask 077
		boot "${down[@]}"
		write_env
	fi
	echo "$bootstrap"
}

cmd_kill() {
	choose "$@"
	end KILL "${chosen[@]/#/broker-}"
}

cmd_stop() {
	local names=()
	mapfile -t names < <(daemons)
	((${#names[@]})) || note "nothing of $dir runs"
	mapfile -t names < <(printf '%s\n' "${names[@]}" | grep broker)
	end TERM "${names[@]}" # ZooKeeper last: the brokers say goodbye to it
	end TERM zookeeper
}

(($# >= 2)) || usage
command=$1 dir=$2
shift 2
[[ $command == start ]] || {
	[[ -e $dir/env ]] || fail "$dir holds no cluster; kafka.sh start $dir makes one"
	dir=$(cd "$dir" && pwd -P)
	# shellcheck disable=SC1091
	. "$dir/env"
	# shellcheck disable=SC2153
	bootstrap=$BOOTSTRAP libs=$LIBS version=$VERSION brokers=$BROKERS secure=$SECURE acl=$ACL
}
case $command in
start) cmd_start "$@" ;;
restart) cmd_restart "$@" ;;
kill) cmd_kill "$@" ;;
stop) cmd_stop "$@" ;;
tool) (($#)) || usage && tool "$@" ;;
*) usage ;;
esac
