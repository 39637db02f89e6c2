#!/usr/bin/env bash
# test_kafka.sh streams into a real Kafka, kills gen and the broker at random
# moments, and compares the topic with the sequence twice: by gen verify, and
# by the Java console consumer, which shares no code with gen. KILLS=20 by
# default; VERSION=4.3.1.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kills=${KILLS:-20}
count=${COUNT:-5000000}
work=$(mktemp -d)
kafka() { "$here/kafka.sh" "$1" "$work/kafka" "${@:2}"; }
cleanup() {
	kafka stop >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
fail() {
	echo "test_kafka.sh: $*" >&2
	exit 1
}

(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
bootstrap=$(kafka start --version "${VERSION:-4.3.1}")
cd "$work"
topic=kafka://$bootstrap/ratings
./gen snapshot --quiet >/dev/null

# At the pace of the schedule, on time.
./gen stream --to "$topic" --for 3s --quiet
./gen verify "$topic" >verified || fail "$(cat verified)"
echo "ok: the main job: $(sed -n 2p verified)"

# Killed at random moments; the state directory lost at half time, the broker
# killed once in a while. A gen that meets no broker when it starts ends by
# itself: that is no kill.
killed=0 brokers=0
for ((attempt = 0; killed < kills && attempt < 3 * kills; attempt++)); do
	./gen stream --to "$topic" --speed 2000 --quiet --commit-interval 20ms 2>>errors &
	pid=$!
	sleep "1.$((RANDOM % 10))"
	if ((attempt % 8 == 7)); then
		kafka kill
		kafka restart >/dev/null
		brokers=$((brokers + 1))
	fi
	if kill -9 "$pid" 2>/dev/null; then killed=$((killed + 1)); fi
	wait "$pid" 2>/dev/null || true
	if ((killed == kills / 2)); then rm -rf gen-state && ./gen snapshot --quiet >/dev/null; fi
done
((killed == kills)) || fail "only $killed kills in $attempt attempts: $(tail -n 5 errors)"
# What is left, after the last dead transaction has been ended.
./gen stream --to "$topic" --speed max --count "$count" --quiet || fail "the last run: exit status $?"
./gen verify "$topic" >verified || fail "$(cat verified)"
grep -q "events up to $count, $count records" verified || fail "$(cat verified)"
echo "ok: $killed kills of gen, $brokers of the broker: $(sed -n 2p verified)"

# The Java consumer: every row once, under its key.
kafka tool console-consumer --topic ratings --from-beginning --isolation-level read_committed --timeout-ms 10000 \
	--property print.key=true --property key.separator=' ' 2>/dev/null | grep -v -e '^Option --property is deprecated' -e '^Processed a total of' | sort >consumed
./gen dump --count "$count" --quiet | sed -E 's/^\{"userId":([0-9]+),/\1 &/' | sort >wanted
cmp consumed wanted || fail "the Java consumer reads other rows: $(wc -l <consumed) of $count, the last $(tail -n 1 consumed)"
echo "ok: the Java consumer reads the same $count keys and rows"

# Another seed under the same name is refused, and nothing changes.
code=0
./gen stream --to "$topic" --run seed-42 --seed 7 --count 10 --quiet 2>refused || code=$?
((code == 3)) || fail "another seed: exit status $code, want 3: $(cat refused)"

# The comparison must be able to fail: one row more is found.
kafka tool perf-test --topic ratings --num-records 1 --record-size 10 --throughput -1 >perf 2>&1 || fail "$(cat perf)"
code=0
./gen verify "$topic" >verified || code=$?
((code == 4)) && grep -q '1 foreign' verified || fail "a foreign row is not found: $(cat verified)"
echo "ok: control: a row of somebody else is found"
