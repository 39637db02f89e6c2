//go:build !chaos

package kafka

// testOnlyPassGeneration lets a shard of an old generation through: what the
// suites of shards must find out.
var testOnlyPassGeneration bool
