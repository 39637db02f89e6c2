#!/usr/bin/env bash
# test_schedule.sh has reference.py, which knows of a schedule only what the
# comment of package core says, compute rows by stages, ramps, random arrivals
# and changes of rate, and compares them with those of gen, byte for byte.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
python=$("$here/venv.sh")

for what in users movies model; do ./gen export "$what" 2>/dev/null >"$what.csv"; done

# schedules: a name, the flags, the first event.
printf '10s 50\n5s 50..2000  # up\n1m 2000\n7s 0\n30s 2000..1/3\nrepeat\n' >stages
compare() {
	local name=$1 from=$2 schedule
	shift 2
	./gen dump --from "$from" --count 20000 --quiet "$@" >got.jsonl
	./gen dump --from "$from" --count 20000 --quiet --to "dir-$name" "$@"
	schedule=$(python3 -c 'import json, sys; print(json.dumps(json.load(sys.stdin)["schedule"]))' <"dir-$name/_gen.json")
	"$python" "$here/reference.py" --users users.csv --movies movies.csv --model model.csv --schedule "$schedule" --from "$from" --count 20000 >want.jsonl
	cmp got.jsonl want.jsonl || fail "$name: row $(cmp got.jsonl want.jsonl | sed 's/.*line //') differs: $schedule"
	# The recorded schedule asks for the same events.
	./gen dump --from "$from" --count 20000 --quiet --schedule "$schedule" | cmp - want.jsonl || fail "$name: --schedule gives other rows"
	ok "$name: 20000 rows from event $from on"
}
compare day 0 --load day --start 2025-01-01T13:20:34Z
compare day-late 9007199254000000 --load day --rate 50000
compare stages 0 --load stages
compare stages-late 7000000000001 --load stages
compare poisson 5000 --arrivals poisson --rate 1/3
compare poisson-day 123456789 --arrivals poisson --load day
compare segments 0 --schedule '[{"from":0,"start":1735689600000,"shape":"rate 50"},{"from":1000,"start":1735689620000,"shape":"poisson 42 stages 10m 50, 5m 50..200, repeat"},{"from":15000,"start":1735690000000,"shape":"stages 1h 7"}]'

# Times that are not those of the schedule are found.
"$python" "$here/reference.py" --users users.csv --movies movies.csv --model model.csv --count 20000 --schedule '[{"from":0,"start":1735689600000,"shape":"poisson 43 rate 1/3"}]' --from 5000 >other.jsonl
./gen dump --from 5000 --count 20000 --quiet --arrivals poisson --rate 1/3 | cmp -s - other.jsonl && fail "another seed of arrivals gives the same times"
ok "control: arrivals of another seed are told apart"
