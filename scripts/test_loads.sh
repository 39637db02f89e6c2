#!/usr/bin/env bash
# test_loads.sh plays load scenarios into a real Kafka: the three of three_loads.sh
# at the same time, and a day at 3600 times its speed, with gen killed KILLS times
# (10 by default) and the rate changed three times in between. gen verify must
# find every event once, with the timestamp of the whole recorded schedule.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
kills=${KILLS:-10}

bootstrap=$(kafka start)
GEN=$work/gen "$here/three_loads.sh" "kafka://$bootstrap/three" 8 >three 2>log || fail "three loads: $(cat three; tail -n 5 log)"
for load in normal peak valley; do
	grep -q "^run $load: events up to [1-9]" three || fail "no events of $load: $(cat three)"
done
ok "three loads at once: $(tail -n 1 three)"

topic=kafka://$bootstrap/day
changes=("--load day --rate 20" "--load peak" "--load day --rate 1/3")
./gen stream --to "$topic" --load day --speed 3600 --for 2s --quiet
for ((i = 1; i <= kills; i++)); do
	flags=()
	# A change of rate after each quarter of the kills.
	if ((i * 4 / kills > (i - 1) * 4 / kills && i < kills)); then
		read -ra flags <<<"${changes[i * 4 / kills - 1]}"
	fi
	./gen stream --to "$topic" "${flags[@]}" --speed 3600 --commit-interval 20ms --quiet 2>>errors &
	pid=$!
	sleep "1.$((RANDOM % 10))"
	kill -9 "$pid" || fail "gen has ended by itself: $(tail -n 5 errors)"
	wait "$pid" 2>/dev/null || true
done
./gen stream --to "$topic" --speed 3600 --for 2s --json 2>last || fail "the last run: $(cat last)"
./gen inspect >inspected
segments=$(grep -o '"shape":' inspected | wc -l)
((segments == 4)) || fail "$segments segments in the schedule, want 4: $(cat inspected)"
./gen verify "$topic" >verified || fail "$(cat verified)"
ok "a day at speed 3600, $kills kills, 3 changes of rate, $segments segments: $(sed -n 2p verified)"
