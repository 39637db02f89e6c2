#!/usr/bin/env bash
# jars.sh fetches the jars by which Spark reads Kafka, once, and prints their
# paths with commas between them, as --jars takes them. They lie in
# ${GEN_CACHE:-~/.cache/gen}; Maven's own settings decide where they come from.
set -euo pipefail

fail() {
	echo "jars.sh: $*" >&2
	exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's/^pyspark==//p' "$here/../requirements.txt")
[[ -n ${GEN_CACHE:-}${HOME:-} ]] || fail "neither GEN_CACHE nor HOME is set"
libs=${GEN_CACHE:-${HOME:-}/.cache/gen}/spark-kafka-$version

# The folder is complete or absent.
if [[ ! -d $libs ]]; then
	command -v mvn >/dev/null || fail "mvn is not installed; Maven fetches the jars of Spark's Kafka connector"
	mkdir -p "${libs%/*}"
	exec 9>"$libs.lock"
	flock 9
	if [[ ! -d $libs ]]; then # else another process fetched while this one waited
		echo "jars.sh: fetching Spark's Kafka connector $version into $libs" >&2
		rm -rf "$libs".part.*
		part=$(mktemp -d "$libs.part.XXXXXX")
		trap 'rm -rf "$part"' EXIT
		said=$(mvn -q -B -Dstyle.color=never -f "$here/pom.xml" -Dspark.version="$version" \
			org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
			-DoutputDirectory="$part" -DincludeScope=runtime 2>&1 9>&-) ||
			fail "mvn could not fetch Spark's Kafka connector $version: $said"
		chmod 755 "$part"
		mv -T "$part" "$libs"
	fi
fi
jars=("$libs"/*.jar)
IFS=,
echo "${jars[*]}"
