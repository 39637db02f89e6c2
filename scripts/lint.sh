#!/usr/bin/env bash
# Runs golangci-lint with .golangci.yml over the tree, or over the packages in
# the arguments. The first run builds the linter, which takes minutes, and
# keeps it outside the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v2.15.0
bin=${GEN_CACHE:-$HOME/.cache/gen}/bin
# A linter refuses code that is for a newer Go than the one that built it.
linter=$bin/golangci-lint-$version-$(go env GOVERSION)
mkdir -p "$bin"

# Under a lock, so that two checkouts at once build one linter.
(
	flock 9
	[[ ! -x $linter ]] || exit 0
	build=$(mktemp -d "$bin/build.XXXXXX")
	trap 'rm -rf "$build"' EXIT
	echo "building golangci-lint $version, once: about 2 minutes on 2 cores"
	GOBIN=$build nice go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
	mv "$build/golangci-lint" "$linter"
) 9>"$bin/golangci-lint.lock"

exec nice "$linter" run "$@"
