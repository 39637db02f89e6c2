#!/usr/bin/env bash
# test_kafka_chaos.sh is the short form of chaos_kafka.sh: every kind of death
# on Kafka 4.3.1, and SIGKILLs of the generator on 3.9.1 and 2.8.2.
set -euo pipefail
chaos=$(dirname "${BASH_SOURCE[0]}")/chaos_kafka.sh
export FORM=short
# What needs long outages or three brokers is left to the long form.
"$chaos" 'Comparison|Parses|Kills|TakeOver|Stopped|Failpoints|Mutants|Hanging|Orphans|BrokerDies|NoBroker|Shards'
for version in 3.9.1 2.8.2; do
	VERSION=$version "$chaos" Kills
done
