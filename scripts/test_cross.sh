#!/usr/bin/env bash
# test_cross.sh holds that the sequence is the same wherever it is computed:
# by gen for the oldest amd64, for an amd64 with fused multiply-add and for
# arm64, as a whole and as ranges, by any number of workers, dumped and
# streamed. All are compared with the hashes in testdata/v1, which are never
# rewritten: other rows are another format version, with goldens of its own.
# --update-missing creates those that do not exist yet.
set -euo pipefail
cd "$(dirname "$0")/.."

ok() { echo "ok: $*"; }
fail() {
	echo "test_cross.sh: $*" >&2
	exit 1
}

update=
case ${1:-} in
'') ;;
--update-missing) update=yes ;;
*) fail "unknown argument $1; the only one is --update-missing" ;;
esac
[[ $(uname -sm) == "Linux x86_64" ]] || fail "this is $(uname -sm); the builds compared here run on Linux x86_64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
golden=testdata/v1
made=()

# check NAME BY COMMAND... compares what the command prints, a SHA-256, with
# the golden file of that name.
check() {
	local name=$1 by=$2 file=$golden/$1.sha256 found
	found=$("${@:3}") || fail "$name by $by: gen failed"
	[[ $found =~ ^[0-9a-f]{64}$ ]] || fail "$name by $by: no SHA-256 but \"$found\""
	if [[ ! -e $file ]]; then
		[[ $update ]] || fail "$file is missing; scripts/test_cross.sh --update-missing creates it"
		file=$work/$name.sha256
		[[ -e $file ]] || { echo "$found" >"$file" && made+=("$file"); }
	fi
	[[ $found == "$(<"$file")" ]] || fail "$name by $by is $found, want $(<"$file")"
	ok "$name by $by: $found"
}

# gen BUILD ARGUMENTS runs a build on a state directory of its own, or on $state.
gen() {
	local run=() dir=${state:-}
	[[ $1 != arm64 ]] || run=("$qemu")
	[[ $dir ]] || dir=$(mktemp -d -p "$work")
	"${run[@]}" "$work/gen-$1" "$2" --state "$dir" "${@:3}"
}

# snapshot BUILD ARGUMENTS prints the identity of a snapshot.
snapshot() {
	gen "$1" snapshot --json "${@:2}" | sed -n 's/^ *"snapshot": "\(.*\)",$/\1/p'
}

# rebuilt BUILD DIR prints the identity of the snapshot that verify makes again from
# the recipe of a directory, which holds the numbers of a fit.
rebuilt() {
	gen "$1" verify --quiet "$2" >"$work/verified" || return
	sed -n 's/^ "snapshot": "\(.*\)",$/\1/p' "$2/_gen.json"
}

# rows BUILD COMMAND ARGUMENTS prints the SHA-256 of the events.
rows() { gen "$@" --quiet | sha256sum | cut -d' ' -f1; }

# profile_rows BUILD PROFILE prints the SHA-256 of the first million events of 2,000
# users, which are more than three epochs of movielens.
profile_rows() {
	local state
	state=$(mktemp -d -p "$work")
	gen "$1" snapshot --profile "$2" --users 2000 --quiet >/dev/null
	rows "$1" dump --count 1000000
}

# ranges WORKERS does so for 10,000,000 events in seven pieces.
ranges() {
	local from=0 count
	for count in 1 999 1234567 2000000 3141592 1618033 2004808; do
		gen amd64-v1 dump --quiet --from "$from" --count "$count" --workers "$1" || return
		from=$((from + count))
	done | sha256sum | cut -d' ' -f1
}

export CGO_ENABLED=0
GOARCH=amd64 GOAMD64=v1 go build -o "$work/gen-amd64-v1" ./cmd/gen
GOARCH=amd64 GOAMD64=v3 go build -o "$work/gen-amd64-v3" ./cmd/gen
GOARCH=arm64 go build -o "$work/gen-arm64" ./cmd/gen
ok "gen is built for amd64 v1, amd64 v3 and arm64"

builds=(amd64-v1)
# Go's runtime refuses to start on a processor without the instructions.
if "$work/gen-amd64-v3" --version >/dev/null 2>"$work/v3"; then
	builds+=(amd64-v3)
elif grep -q 'v3 microarchitecture' "$work/v3"; then
	echo "NOT RUN: amd64-v3: this processor lacks its instructions"
else
	fail "amd64-v3 does not start: $(<"$work/v3")"
fi

find_qemu() { command -v qemu-aarch64-static || command -v qemu-aarch64; }
if ! qemu=$(find_qemu); then
	[[ $EUID == 0 ]] && command -v apt-get >/dev/null ||
		fail "qemu-aarch64-static is not installed; it is part of Debian's qemu-user-static, and arm64 cannot be checked without it"
	echo "installing qemu-user-static"
	(apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends qemu-user-static) \
		>"$work/apt" 2>&1 || fail "apt-get could not install qemu-user-static: $(tail -n 5 "$work/apt")"
	qemu=$(find_qemu) || fail "qemu-user-static is installed, and has no qemu-aarch64-static"
fi
builds+=(arm64)

"$work/gen-amd64-v1" dump --state "$work/ratings" --count 200000 --format csv --quiet >"$work/ratings.csv"
fit=
for build in "${builds[@]}"; do
	# How numbers are fitted to ratings may be bettered; what a recorded fit makes may not.
	check snapshot-fit-2000 "$build" rebuilt "$build" $golden/dump-fit-2000
	found=$(snapshot "$build" --profile movielens --fit "$work/ratings.csv" --users 2000)
	[[ $found == "${fit:=$found}" && $found ]] || fail "the snapshot of a fit by $build is ${found:-none}, not $fit"
	ok "the snapshot of a fit by $build: $found"
	for users in 10000 138493; do
		check "snapshot-$users" "$build" snapshot "$build" --users "$users"
	done
	for profile in document movielens; do
		check "snapshot-$profile-2000" "$build" snapshot "$build" --profile "$profile" --users 2000
		check "dump-$profile-1000000" "$build" profile_rows "$build" "$profile"
	done
	check dump-1000000 "$build" rows "$build" dump --count 1000000
	# The emulated processor would take minutes for these.
	[[ $build == arm64 ]] || check dump-10000000 "$build" rows "$build" dump --count 10000000
done
for workers in 1 2 5; do
	check dump-10000000 "7 ranges and $workers workers" ranges "$workers"
done
check dump-10000000 "gen stream" rows amd64-v1 stream --speed max --count 10000000

# refused NAME COMMAND...: the comparison must be able to fail.
refused() {
	(check "$1" "seed 43" "${@:2}" --seed 43) >/dev/null 2>"$work/refused" && fail "control: seed 43 gives the $1 of seed 42"
	grep -q 'by seed 43 is [0-9a-f]*, want' "$work/refused" || fail "control: $(<"$work/refused")"
	ok "control: the $1 of seed 43 is refused"
}
refused snapshot-10000 snapshot amd64-v1 --users 10000
refused dump-1000000 rows amd64-v1 dump --count 1000000
cp -r $golden/dump-fit-2000 "$work/altered"
sed -i '/"halfUsers"/s/1,/0.5,/' "$work/altered/_gen.json"
cmp -s $golden/dump-fit-2000/_gen.json "$work/altered/_gen.json" && fail "control: the recorded fit was not altered"
(check snapshot-fit-2000 "another fit" rebuilt amd64-v1 "$work/altered") >/dev/null 2>&1 && fail "control: another fit makes the same snapshot"
ok "control: another recorded fit is refused"

for file in "${made[@]}"; do
	cp "$file" "$golden/"
	ok "created $golden/${file##*/}"
done
