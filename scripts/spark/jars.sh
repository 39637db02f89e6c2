#!/usr/bin/env bash
# jars.sh fetches the jars by which Spark reads Kafka, once, and prints their
# paths with commas between them, as --jars takes them. They lie in
# ${GEN_CACHE:-~/.cache/gen}/spark-VERSION; Maven's own settings decide where
# they come from.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's/^pyspark==//p' "$here/../requirements.txt")
# shellcheck source-path=SCRIPTDIR
. "$here/../daemons.sh"
fetch_jars Spark "$here/pom.xml"
# shellcheck disable=SC2154
jars=("$libs"/*.jar)
IFS=,
echo "${jars[*]}"
