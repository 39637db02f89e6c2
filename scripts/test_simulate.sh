#!/usr/bin/env bash
# test_simulate.sh compares 10,000,000 events of gen with an independent
# simulation of the profile's formulas in numpy, and requires that each altered
# formula is told apart. The population has 1,000,000 users: one of 10,000
# differs from the formulas' expectation by more than the limit.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "${BASH_SOURCE[0]}")/suite.sh"
python=$("$here/venv.sh")
"$python" "$here/test_scripts.py"
./gen snapshot --users 1000000 --quiet >/dev/null
./gen export movies >movies.csv
./gen dump --count 10000000 --format csv --quiet >events.csv
"$python" "$here/simulate.py" movies.csv --compare events.csv --limit 0.002
ok "10,000,000 events are within 0.002 (total variation) of the simulated formulas"
for mutant in "--noise 0.25" "--alpha 0.6" "--top-k 2" "--rounding floor" "--no-clamp" "--no-renormalise"; do
	code=0
	# The mutant's options are words of their own.
	# shellcheck disable=SC2086
	"$python" "$here/simulate.py" movies.csv --events 3000000 --compare events.csv --limit 0.002 $mutant >mutant.json 2>&1 || code=$?
	((code == 1)) || fail "the mutant $mutant ends with status $code, want 1: $(<mutant.json)"
	ok "control: $mutant is told apart"
done
