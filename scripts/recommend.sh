#!/usr/bin/env bash
# recommend.sh shows what recommenders make of gen's data: Spark's ALS, a bias model,
# neighbours of items, popularity and chance, for each profile, beside the best that
# is possible and the goals 11 to 13 of movielens.
#
#	scripts/recommend.sh [EVENTS] [--json] [--quick] [--profiles LIST]
#
# EVENTS of each profile, 1,000,000 by default, from as many users as make 100 ratings
# a user (movielens: 145). --help tells what each figure is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$("$here/venv.sh")
(cd "$here/.." && go build -o "$work/gen" ./cmd/gen)
"$python" "$here/recommend.py" --gen "$work/gen" "$@"
