#!/usr/bin/env bash
# chaos_kafka.sh kills what delivers into a real Kafka, and the Kafka, and
# compares the topics with the sequence by the Java console consumer. It runs
# the tests of emit/kafka behind the build tag chaos and prints a table.
#
#	scripts/chaos_kafka.sh            the long form: an hour and more
#	scripts/chaos_kafka.sh Hanging    the tests whose names begin so: TestChaosHanging
#
# Hanging, Orphans and Epochs are about Kafka 4.
#
# VERSION is Kafka's, 4.3.1 by default; KILLS those of the main scenario, 200 by
# default; FORM=short has smaller scenarios.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
cleanup() {
	for env in "$work"/*/env; do
		"$here/kafka.sh" stop "${env%/env}" >/dev/null 2>&1 || true
	done
	rm -rf "$work"
}
trap cleanup EXIT

export KAFKA_HEAP=${KAFKA_HEAP:-512m} GEN_CHAOS_DIR=$work GEN_CHAOS_KILLS=${KILLS:-}
[[ ${FORM:-long} == short ]] || export GEN_CHAOS_LONG=1
cd "$here/../emit/kafka"
go test -c -tags chaos -o "$work/chaos.test" .
# A broker looks every 10 s for transactions that have timed out; one that looks
# every second makes a timeout of 3 s one.
"$here/kafka.sh" start "$work/kafka" --version "${VERSION:-4.3.1}" --set transaction.abort.timed.out.transaction.cleanup.interval.ms=1000 >/dev/null
"$work/chaos.test" -test.timeout 4h -test.parallel 4 -test.v -test.run "^TestChaos(${1:-})"
