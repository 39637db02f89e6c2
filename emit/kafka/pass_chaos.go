//go:build chaos

package kafka

import "os"

// testOnlyPassGeneration lets a shard of an old generation through: what the
// suites of shards must find out.
var testOnlyPassGeneration = os.Getenv("GEN_CHAOS_PASS_GENERATION") != ""
