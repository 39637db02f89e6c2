# boot.sh is a part of kafka.sh: how its daemons start. It uses kafka.sh's
# variables: dir, version, libs.
# shellcheck shell=bash disable=SC2154

# started NAME OFFSET LINE waits until the log holds LINE behind OFFSET bytes.
# It returns 1 when the process has ended, and gives up after two minutes.
started() {
	local pid end=$((SECONDS + 120))
	pid=$(<"$dir/$1/pid")
	until (($(tail -c "+$(($2 + 1))" "$dir/$1/log" | grep -cE "$3") > 0)); do
		kill -0 "$pid" 2>/dev/null || return 1
		((SECONDS < end)) || {
			tail -n 5 "$dir/$1/log" >&2
			fail "$1 has not started in 120 s; $dir/$1/log says why"
		}
		sleep 0.1
	done
}

# log_size NAME prints how many bytes its log has, or would have.
log_size() {
	if [[ -e $dir/$1/log ]]; then wc -c <"$dir/$1/log"; else echo 0; fi
}

boot_zookeeper() {
	[[ $version == 2.* ]] && ! pid_of zookeeper >/dev/null || return 0
	local port
	port=$(sed -n 's/^clientPort=//p' "$dir/zookeeper/zookeeper.properties")
	spawn zookeeper "$libs/*" -Xmx256m org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zookeeper/zookeeper.properties"
	until (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		kill -0 "$(<"$dir/zookeeper/pid")" 2>/dev/null || fail "ZooKeeper did not start; $dir/zookeeper/log says why"
		sleep 0.1
	done
}

# boot I... starts these brokers at once, and waits for them.
boot() {
	local i attempt again
	local -A from
	boot_zookeeper
	for attempt in 1 2 3; do
		for i; do
			from[$i]=$(log_size "broker-$i")
			spawn "broker-$i" "$libs/*" "-Xmx${KAFKA_HEAP:-1g}" kafka.Kafka "$dir/broker-$i/server.properties"
		done
		again=()
		for i; do
			started "broker-$i" "${from[$i]:-0}" 'Kafka Server started|KafkaServer id=[0-9]+\] started' || again+=("$i")
		done
		((${#again[@]})) || break
		# ZooKeeper may still hold the session of a broker that was killed.
		if ((attempt == 3)) || ! tail -n 40 "$dir/broker-${again[0]}/log" | grep -c NodeExists >/dev/null; then
			tail -n 5 "$dir/broker-${again[0]}/log" >&2
			fail "broker ${again[0]} did not start; $dir/broker-${again[0]}/log says why"
		fi
		set -- "${again[@]}"
		sleep 1
	done
}

# daemons prints the names of those that run.
daemons() {
	local name
	for name in "$dir"/broker-* "$dir/zookeeper"; do
		pid_of "${name##*/}" >/dev/null && echo "${name##*/}"
	done
	return 0
}
