#!/usr/bin/env bash
# check.sh is what CI runs and what you run first.
#
#	scripts/check.sh        everything
#	scripts/check.sh fast   without the linter and the suites scripts/test_*.sh
#
# It ends at the first step that fails and names it.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-all}
[[ $mode == all || $mode == fast ]] || {
	echo "check.sh: unknown argument $mode; the only one is fast" >&2
	exit 2
}
times=()

# step NAME COMMAND... runs one step. The command stands in a condition, where
# set -e is off: a function must return its own failures.
step() {
	local begin=$SECONDS code=0
	echo "=== $1"
	"${@:2}" || code=$?
	times+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$1")")
	if ((code != 0)); then
		summary
		echo "check.sh: FAILED: $1 (exit status $code)" >&2
		exit 1
	fi
}

summary() {
	echo "=== times"
	printf '%s\n' "${times[@]}"
}

formatted() {
	local files
	files=$(gofmt -l .) || return
	[[ -z $files ]] || {
		echo "not formatted; gofmt -w mends:"$'\n'"$files"
		return 1
	}
}

# The tests of core draw ten million events, five times slower with -race, and
# core has no goroutines.
race_tests() {
	local packages
	packages=$(go list ./... | grep -v '^gen/core$') || return
	# One package a word.
	# shellcheck disable=SC2086
	go test -race "${count[@]}" $packages
}

count=()
[[ $mode == fast ]] || count=(-count=1) # nothing from the cache
step "gofmt" formatted
step "go vet" go vet ./...
step "go build" go build ./...
step "go mod tidy -diff" go mod tidy -diff
[[ $mode == fast ]] || step "golangci-lint" scripts/lint.sh
step "go test core" go test "${count[@]}" ./core
step "go test -race, all but core" race_tests
if [[ $mode == all ]]; then
	for suite in scripts/test_*.sh; do
		step "$suite" "$suite"
	done
fi
summary
echo "steps: ${#times[@]} passed, 0 failed"
