#!/usr/bin/env bash
# test_check.sh lets gen check look at a real Kafka: one that is ready, one whose
# topic is compacted, and one that is gone. The commands that it prints are
# pasted and must mend what they are printed for, and no topic may be left, also
# not after Ctrl-C at a random moment. VERSION=4.3.1.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
topics() { kafka tool topics --list | sort; }

# check CODE ARGUMENTS... runs gen check and wants its exit status.
check() {
	local code=0
	./gen check "${@:2}" >answer || code=$?
	((code == $1)) || fail "gen check ${*:2}: exit status $code, want $1"$'\n'"$(cat answer)"
}

# says LINE... wants each in the answer.
says() {
	local line
	for line; do grep -qE -e "$line" answer || fail "no line $line in"$'\n'"$(cat answer)"; done
}

# paste NAME runs the command that stands under the line of a check: one of
# Kafka's own tools.
paste() {
	local command tool
	command=$(grep -A 9 -E "^  (warning|MISSING|WRONG)  *$1 " answer | grep -m 1 -E '^ +kafka-[a-z]+\.sh ') || fail "no command for $1 in"$'\n'"$(cat answer)"
	tool=$(sed -E 's/^ +kafka-([a-z]+)\.sh .*/\1/' <<<"$command")
	sed -E 's/^ +kafka-[a-z]+\.sh --bootstrap-server [^ ]+ //' <<<"$command" |
		xargs "$here/kafka.sh" tool "$work/kafka" "$tool" >pasted 2>&1 || fail "$command: $(cat pasted)"
}

bootstrap=$(kafka start --version "${VERSION:-4.3.1}")
target=kafka://$bootstrap/ratings

check 0 --to "$target"
says '^  warning  topic .*does not exist yet' '^  ok       trial +20 events' '^  ok       clock ' '^  3\.0 +[0-9]+ #'
paste topic
check 0 --to "$target"
says '^  ok       topic +ratings: 6 partitions' '^  ok       policy ' '^  ok       trial '
./gen stream --to "$target" --count 1000 --speed max --quiet
topics >before
check 0 --to "$target" --json
says '"result": "ok"' '"events": 20' '"2\.5": [1-9]'
check 0 --to "$target"
says '^  ok       run +seed-42 has reached its end, event 1000' '^  ok       cursors +gen.cursors: 16 partitions' '^15 ok, 0 warnings|^14 ok, 1 warning'
ok "ready: $(tail -n 1 answer)"

kafka tool configs --alter --entity-type topics --entity-name ratings --add-config cleanup.policy=compact >/dev/null
check 4 --to "$target" --send 0
says '^  WRONG    policy .*cleanup.policy'
paste policy
check 0 --to "$target" --send 0
says '^  ok       policy +cleanup.policy delete'
ok "a compacted topic is refused, and mended by the command that is printed"

# signal SIGNAL sends it to a gen check whose topic is there, up to 0.1 s later,
# and sets code to the exit status.
signal() {
	local pid
	code=0
	./gen check --to "$target" >answer 2>errors &
	pid=$!
	until compgen -G "kafka/broker-1/data/gen.check.????????-0" >made || ! kill -0 "$pid" 2>/dev/null; do :; done
	[[ -s made ]] || fail "gen check ended before its topic was seen: $(cat errors answer)"
	sleep "0.0$((RANDOM % 10))"
	kill "-$1" "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || code=$?
}

for _ in {1..10}; do
	signal INT
	[[ $code =~ ^(0|130)$ && ! -s errors ]] || fail "after Ctrl-C: exit status $code: $(cat errors answer)"
done
topics >after
cmp before after || fail "other topics than before: $(cat after)"
ok "no topic is left, also after Ctrl-C at 10 moments"

# The list of topics must be able to show one: SIGKILL leaves it behind, and the
# command for what could not be deleted deletes it. It may come after the deletion.
for _ in {1..10}; do
	signal KILL
	if topics | grep gen.check >left; then break; fi
done
[[ -s left ]] || fail "10 SIGKILLs and no topic was left"
kafka tool topics --delete --topic 'gen.check.*'
topics | cmp before - || fail "the topics were not deleted"
ok "control: SIGKILL leaves $(wc -l <left) topics, which are seen"

kafka kill
check 4 --to "$target"
says '^  MISSING  broker +no connection to' 'not looked at: see broker'
ok "a broker that is gone is named"
