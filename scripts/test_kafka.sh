#!/usr/bin/env bash
# test_kafka.sh streams with gen itself into real Kafkas: the main job into each
# version that users run, and on the last one kills, with the state directory
# lost, and a refusal. It compares the topic with the sequence twice: by gen
# verify, and by the Java console consumer, which shares no code with gen. What
# kills of the broker do is chaos_kafka.sh's. KILLS=6 by default;
# VERSIONS="2.8.2 3.9.1 4.3.1".
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
kills=${KILLS:-6}
count=${COUNT:-2000000}

# verify COUNT: the topic holds the first COUNT events, by gen verify.
verify() {
	./gen verify "$topic" >verified || fail "$(cat verified)"
	grep -q "events up to $1, $1 records" verified || fail "$(cat verified)"
}

# consume COUNT: and by the Java consumer, every row once, under its key.
consume() {
	local property=--property
	[[ $version != 4.* ]] || property=--formatter-property
	kafka tool console-consumer --topic ratings --from-beginning --isolation-level read_committed --timeout-ms 10000 \
		$property print.key=true $property key.separator=' ' 2>/dev/null | grep -v '^Processed a total of' | sort >consumed
	./gen dump --count "$1" --quiet | sed -E 's/^\{"userId":([0-9]+),/\1 &/' | sort >wanted
	cmp consumed wanted || fail "the Java consumer reads other rows: $(wc -l <consumed) of $1, the last $(tail -n 1 consumed)"
}

export KAFKA_HEAP=${KAFKA_HEAP:-512m}
./gen snapshot --quiet >/dev/null

# At the pace of the schedule, on time.
for version in ${VERSIONS:-2.8.2 3.9.1 4.3.1}; do
	[[ ! -e kafka ]] || { kafka stop 2>/dev/null && rm -rf kafka; }
	topic=kafka://$(kafka start --version "$version")/ratings
	./gen stream --to "$topic" --count 150 2>said
	[[ $(grep -c 'transaction.version 0, not 2' said) == $([[ $version == 4.* ]]; echo $?) ]] || fail "Kafka $version: $(cat said)"
	verify 150
	consume 150
	id=$(kafka tool topics --describe --topic ratings 2>/dev/null | sed -n 's/.*TopicId: \([^[:space:]]*\).*/\1/p' | head -n 1)
	[[ -n $id ]] && ./gen inspect "$topic" | grep -q "ratings, id $id, cluster" || fail "Kafka $version says topic id $id: $(./gen inspect "$topic")"
	ok "the main job on Kafka $version: $(sed -n 2p verified)"
done

# Killed at random moments; the state directory lost at half time.
for ((killed = 0; killed < kills; killed++)); do
	./gen stream --to "$topic" --speed 2000 --quiet --commit-interval 20ms 2>>errors &
	pid=$!
	sleep "1.$((RANDOM % 10))"
	kill -9 "$pid" 2>/dev/null || fail "gen ended before kill $killed: $(tail -n 5 errors)"
	wait "$pid" 2>/dev/null || true
	((killed != kills / 2)) || { rm -rf gen-state && ./gen snapshot --quiet >/dev/null; }
done
# What is left, after the last dead transaction has been ended.
./gen stream --to "$topic" --speed max --count "$count" --quiet || fail "the last run: exit status $?"
verify "$count"
consume "$count"
ok "$killed kills of gen: $(sed -n 2p verified); the Java consumer reads the same keys and rows"

# Another seed under the same name is refused, and nothing changes.
code=0
./gen stream --to "$topic" --run seed-42 --seed 7 --count 10 --quiet 2>refused || code=$?
((code == 3)) || fail "another seed: exit status $code, want 3: $(cat refused)"

# The comparison must be able to fail: one row more is found.
kafka tool perf-test --topic ratings --num-records 1 --record-size 10 --throughput -1 >perf 2>&1 || fail "$(cat perf)"
code=0
./gen verify "$topic" >verified || code=$?
if ((code != 4)) || ! grep -q '1 foreign' verified; then fail "a foreign row is not found: $(cat verified)"; fi
ok "control: a row of somebody else is found"
