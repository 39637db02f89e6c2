# suite.sh is what test_hdfs.sh and chaos_hdfs.sh have in common: a suite with a real
# HDFS in its folder.
# shellcheck shell=bash

# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/../suite.sh"
hdfs() { "$here/hdfs.sh" "$1" "$work/hdfs" "${@:2}" 2>>"$work/hdfs.log"; }
cleanup() {
	hdfs stop || true
	rm -rf "$work"
}
trap 'fail "line $LINENO: exit status $?: $(tail -n 2 "$work/hdfs.log")"' ERR

# begin NAMENODES starts HDFS; the folder of the one before goes away.
begin() {
	local ha=()
	(($1 == 1)) || ha=(--ha)
	if [[ -e hdfs ]]; then
		hdfs stop
		rm -rf hdfs
	fi
	address=$(hdfs start "${ha[@]}") || fail "no HDFS: $(cat hdfs.log)"
	export HADOOP_CONF_DIR=$work/hdfs/conf
}

# same NAME DIR compares a directory in HDFS with a local one, also in what is
# hidden: a lock or a temporary file that was left behind is a difference.
same() {
	rm -rf fetched
	hdfs tool fs -get "$address/$1" fetched || fail "$1 cannot be fetched: $(tail -n 3 hdfs.log)"
	diff -r "$2" fetched >differences || fail "$1 is not $2: $(head -n 3 differences)"
}

# state NAME prints how far a directory is; nothing when there is none.
state() { { ./gen inspect "$address/$1" 2>/dev/null || true; } | sed -n 's/^ *state *//p'; }

# remove NAME removes a directory, and what gen knows of it.
remove() {
	hdfs tool fs -rm -r -skipTrash "$address/$1" >>hdfs.log
	rm -rf gen-state
}

# finish NAME GEN-ARGUMENTS runs gen to its end. One that was killed just as it
# began, before its lock had its name, keeps even its successor out for a minute.
finish() {
	local name=$1 begun=$SECONDS
	shift
	until ./gen "$@" --quiet --to "$address/$name" 2>locked; do
		grep -q 'another process writes into it$' locked && ((SECONDS - begun < 90)) || fail "$name: the last run: $(cat locked)"
		sleep 1
	done
}

# crash NAME KILLS GEN-ARGUMENTS kills gen at random moments while it writes
# into NAME, as often as KILLS, however often the run must begin anew for that;
# then it must be the directory that nobody disturbed.
crash() {
	local name=$1 wanted=$2 killed=0 rounds=1 pid now
	shift 2
	./gen "$@" --quiet --state want-state --to "want-$name"
	while ((killed < wanted)); do
		./gen "$@" --quiet --to "$address/$name" 2>>errors &
		pid=$!
		sleep "$((RANDOM % 2)).$((RANDOM % 10))"
		if kill -9 "$pid" 2>/dev/null; then killed=$((killed + 1)); fi
		wait "$pid" 2>/dev/null || true
		now=$(state "$name")
		echo "$rounds $now" >>"states-$name"
		if [[ $now == finished* ]]; then
			same "$name" "want-$name"
			remove "$name"
			rounds=$((rounds + 1))
		fi
	done
	finish "$name" "$@"
	same "$name" "want-$name"
	./gen verify --quiet "$address/$name" >/dev/null
	ok "$name: $killed kills of gen, which was at $(sort -u "states-$name" | wc -l) places, $rounds runs: equal to an undisturbed one"
}

# disturb NAME DAEMON TIMES GEN-ARGUMENTS kills or stops a daemon, and starts it
# again, while gen writes. gen waits for it, or ends with status 1 and goes on.
disturb() {
	local name=$1 daemon=$2 wanted=$3 times=0 rounds=0 rode=0 code pid
	shift 3
	[[ -e want-$name ]] || ./gen "$@" --quiet --state want-state --to "want-$name"
	while ((times < wanted)); do
		rounds=$((rounds + 1))
		./gen "$@" --quiet --to "$address/$name" 2>>errors &
		pid=$!
		sleep "$(printf '1.%03d' $((RANDOM % 1000)))"
		kill -0 "$pid" 2>/dev/null || fail "gen has ended before $daemon was disturbed: $(tail -n 2 errors)"
		if ((times % 2)); then hdfs kill "$daemon"; fi
		hdfs restart "$daemon" >/dev/null
		times=$((times + 1))
		code=0
		wait "$pid" || code=$?
		((code == 0 || code == 1)) || fail "gen ended with status $code: $(tail -n 2 errors)"
		((code)) || rode=$((rode + 1))
		((code == 0)) || ./gen "$@" --quiet --to "$address/$name" || fail "$name: the run after: exit status $?"
		same "$name" "want-$name"
		remove "$name"
	done
	ok "$name: $daemon restarted $times times while gen wrote, which waited for it $rode times: equal to an undisturbed one"
}

# refused CODE PATTERN COMMAND... wants this exit status, and one line with this
# pattern beside a hint, in half a minute.
refused() {
	local wanted=$1 pattern=$2 code=0 begin=$SECONDS lines
	shift 2
	timeout 60 "$@" >answer 2>refused || code=$?
	((code == wanted)) || fail "$*: exit status $code, want $wanted: $(cat refused)"
	grep -v '^gen: hint:' refused >subject || true
	lines=$(wc -l <subject)
	((lines == 1)) && grep -q "$pattern" subject || fail "$*: wanted a line with $pattern: $(cat refused)"
	! grep -q 'goroutine\|\.java:' refused || fail "$*: $(cat refused)"
	((SECONDS - begin <= 30)) || fail "$*: took $((SECONDS - begin)) s"
	ok "$((SECONDS - begin)) s: $(cut -c6- subject)"
}
