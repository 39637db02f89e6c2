# daemons.sh is a part of kafka.sh and hdfs.sh: the processes of a service. Each
# is named by its folder in DIR, broker-1 or namenode, which holds its pid and
# its log. It uses their variables: dir, libs, java, logging. spark/jars.sh takes
# fetch_jars alone.
# shellcheck shell=bash disable=SC2154

note() { echo "${0##*/}: $*" >&2; }
fail() {
	note "$*"
	exit 1
}

# free_port prints a port that nothing listens on. It lies below the range from
# which the kernel serves clients: a daemon that is down keeps its port.
free_port() {
	local port _
	for _ in {1..100}; do
		port=$((15000 + RANDOM % 15000))
		[[ " ${taken[*]} " == *" $port "* ]] || (: <>/dev/tcp/127.0.0.1/$port) 2>/dev/null || {
			echo "$port"
			return
		}
	done
	fail "no free port found between 15000 and 30000"
}

taken=()

# take_ports NAME COUNT fills the array NAME with free ports.
take_ports() {
	local -n ports=$1
	local i port
	ports=()
	for ((i = 0; i < $2; i++)); do
		port=$(free_port)
		ports+=("$port")
		taken+=("$port")
	done
}

# check_java NAME ends the script unless there is a Java 17.
check_java() {
	local found command
	command -v "$java" >/dev/null || fail "$java is not installed; $1 needs Java 17"
	found=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
	((${found:-0} >= 17)) || fail "$java is version ${found:-unknown}; $1 needs Java 17"
	for command in setsid flock; do
		command -v $command >/dev/null || fail "$command is not installed; it is part of util-linux"
	done
}

# fetch_jars NAME POM brings the jars of $version into $libs, which is complete
# or absent.
fetch_jars() {
	local cache=${GEN_CACHE:-${HOME:?is not set, nor is GEN_CACHE}/.cache/gen} part said
	libs=$cache/${1,,}-$version
	[[ ! -d $libs ]] || return 0
	command -v mvn >/dev/null || fail "mvn is not installed; Maven fetches the jars of $1"
	mkdir -p "$cache"
	(
		flock 9
		[[ ! -d $libs ]] || exit 0 # another process fetched while this one waited
		note "fetching $1 $version into $libs"
		rm -rf "$libs".part.*
		part=$(mktemp -d "$libs.part.XXXXXX")
		trap 'rm -rf "$part"' EXIT
		said=$(mvn -q -B -Dstyle.color=never -f "$2" "-D${1,,}.version=$version" \
			org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
			-DoutputDirectory="$part" -DincludeScope=runtime 2>&1 9>&-) ||
			fail "mvn could not fetch $1 $version: $said"
		chmod 755 "$part"
		mv -T "$part" "$libs"
	) 9>"$libs.lock"
}

# pid_of NAME prints the process id of a daemon that runs. An id that another
# process has by now is not ours.
pid_of() {
	local pid=
	[[ ! -e $dir/$1/pid ]] || pid=$(<"$dir/$1/pid")
	[[ -n $pid && -r /proc/$pid/cmdline ]] || return 1
	tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -cxF -- "-Dgen.daemon=$dir/$1" >/dev/null || return 1
	echo "$pid"
}

# spawn NAME CLASSPATH ARGUMENTS starts a daemon, which outlives this script and
# holds nothing open that this script or its caller does: neither a lock nor a
# pipe.
spawn() {
	local name=$1 classpath=$2
	shift 2
	: >>"$dir/$name/log"
	(
		for fd in /proc/self/fd/*; do
			fd=${fd##*/}
			((fd < 3 || fd == 255)) || exec {fd}>&- # 255 is bash's own
		done
		cd "$dir" || exit
		exec setsid "$java" "-Dgen.daemon=$dir/$name" "${logging[@]}" -cp "$classpath" "$@" \
			</dev/null >>"$dir/$name/log" 2>&1
	) &
	echo $! >"$dir/$name/pid"
}

# end SIGNAL NAME... signals daemons and waits until they are gone; after 10 s
# they get SIGKILL.
end() {
	local signal=$1 name pid tick
	shift
	local -A signalled=()
	for name; do
		pid=$(pid_of "$name") || continue
		signalled[$name]=$pid
		kill "-$signal" "$pid" 2>/dev/null || true
	done
	for name in "${!signalled[@]}"; do
		for ((tick = 0; tick < 200; tick++)); do
			pid_of "$name" >/dev/null || break
			((tick != 100)) || { signal=KILL && kill -KILL "${signalled[$name]}" 2>/dev/null; } || true
			sleep 0.1
		done
		note "$name ended (process ${signalled[$name]}, SIG$signal)"
	done
}
