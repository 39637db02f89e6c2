#!/usr/bin/env bash
# test_outage.sh streams 500 events/s into a real Kafka and stops the broker for
# OUTAGE seconds (SIGSTOP; 6 by default). Its /metrics must show the state and the
# lag, the memory must stay as it was, the events must be caught up no faster than
# --max-rate, and gen verify must find each of them once. Then the same with a
# broker that is killed and started again.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
outage=${OUTAGE:-6} rate=500 most=2000
fail() {
	echo "test_outage.sh: $*" >&2
	tail -n 5 log >&2 || true
	exit 1
}
broker() { sed -n 's/^PIDS=\([0-9]*\).*/\1/p' kafka/env; }
# A broker that is stopped cannot end.
resume() {
	[[ ! -s kafka/env ]] || kill -CONT "$(broker)" 2>/dev/null || true
	cleanup
}
trap resume EXIT

bootstrap=$(kafka start)
./gen snapshot --quiet >/dev/null

# metric NAME prints a figure as a whole number.
metric() { curl -fsS "${url}metrics" | awk -v name="$1" '$1 == name { printf "%d\n", $2; found = 1 } END { exit !found }'; }
# reach STATE waits until the stream is in a state.
reach() {
	for _ in {1..600}; do
		[[ $(metric "gen_state{state=\"$1\"}" 2>/dev/null) != 1 ]] || return 0
		kill -0 "$stream" 2>/dev/null || fail "the stream has ended before it was $1"
		sleep 0.1
	done
	fail "not $1 within 60 s"
}

# suffer NAME BEGIN END: a stream, an outage that two commands begin and end.
suffer() {
	local name=$1 before during waited behind from to
	./gen stream --to "kafka://$bootstrap/$name" --rate $rate --max-rate $most --http 127.0.0.1:0 2>log &
	stream=$!
	for _ in {1..300}; do
		url=$(sed -n 's/^gen: live page at \(.*\)$/\1/p' log)
		[[ -z $url ]] || break
		sleep 0.1
	done
	reach running
	sleep 3
	"$2"
	reach waiting
	before=$(metric process_resident_memory_bytes)
	[[ $(curl -s -o /dev/null -w '%{http_code}' "${url}readyz") == 503 ]] || fail "ready while it waits"
	sleep "$outage"
	behind=$(metric gen_behind_seconds)
	waited=$(metric gen_next_event)
	during=$(metric process_resident_memory_bytes)
	((behind >= outage - 1)) || fail "$name: $behind s behind in an outage of $outage s"
	((during < before + 16000000)) || fail "$name: the memory went from $before to $during bytes"
	"$3"
	# No second of the catching up holds more than --max-rate and what it keeps.
	caught=
	for _ in {1..600}; do
		from=$(metric gen_events_committed_total) begin=$(date +%s%N)
		sleep 1
		to=$(metric gen_events_committed_total) end=$(date +%s%N)
		((to > waited)) || continue
		# A transaction's worth more may be seen: 0.1 s of the rate, before and behind.
		(((to - from) * 1000 <= most * ((end - begin) / 1000000 + 200))) ||
			fail "$name: $((to - from)) events in $(((end - begin) / 1000000)) ms, --max-rate $most"
		[[ $(metric 'gen_state{state="running"}') != 1 ]] || caught=1
		[[ ! $caught ]] || break
	done
	[[ $caught ]] || fail "$name: it has not caught up in 600 s"
	ok "$name: $behind s behind, memory $((before / 1000000)) to $((during / 1000000)) MB, caught up at $most/s at the most, $(metric gen_restarts_total) restarts"
	kill -INT "$stream"
	wait "$stream" || true
	./gen verify "kafka://$bootstrap/$name" >verified || fail "$name: $(cat verified)"
	ok "$name: $(sed -n 2p verified)"
}
stop() { kill -STOP "$(broker)"; }
go_on() { kill -CONT "$(broker)"; }
kill_broker() { kafka kill; }
restart() { kafka restart >/dev/null; }
suffer stopped stop go_on
suffer killed kill_broker restart
