//go:build chaos

package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// The tests of shards on a real broker, where fencing is what it is: kfake lets a
// producer of an old epoch begin again, and shows some of what it has aborted.
func TestChaosShards(t *testing.T) {
	b, topics := sharedBroker(t), 0
	shardCluster = func(tb testing.TB) Config {
		topics++
		config := DefaultConfig(Target{Brokers: b.addresses, Topic: fmt.Sprint("shards-", topics)})
		config.Owner, config.Say = "test", tb.Logf
		return config
	}
	defer func() { shardCluster = cluster }()
	t.Run("a number after the other", TestReshard)
	t.Run("an old shard that is stopped", TestStoppedOldShard)
	t.Run("a change that is stopped", TestStoppedReshard)
	t.Run("a change that dies", TestDeadReshard)
	t.Run("a change whose broker dies", func(t *testing.T) { brokerDiesInReshard(t, b) })
	t.Run("control", TestOldShardLetThrough)
	t.Run("quarrel", quarrel)
}

// The broker is killed at each moment of a change, and started again.
func brokerDiesInReshard(t *testing.T, b *broker) {
	for _, at := range []string{"afterIntent", "afterFence", "afterGeneration"} {
		t.Run(at, func(t *testing.T) {
			config, seq := shardCluster(t), testSequence(t)
			config.EndHanging = true
			deliverShards(t, config, seq, 3, 3000)
			var once sync.Once
			deaths := 0
			testOnlyFailpoint = func(name string) {
				if name == at {
					once.Do(func() { b.kill(t, 1); b.restart(t, 1); deaths++ })
				}
			}
			deliverShards(t, config, seq, 2, 6000)
			testOnlyFailpoint = func(string) {}
			if deaths != 1 {
				t.Errorf("the broker has died %d times, want once", deaths)
			}
			check(t, config, seq, 6000)
		})
	}
}

// Many shards at a time, of two numbers that do not wait for each other: whoever
// wins, nothing is sent twice.
func quarrel(t *testing.T) {
	config, seq := shardCluster(t), testSequence(t)
	config.CommitEvents = 50
	var group sync.WaitGroup
	for s := range 3 {
		for i := range s + 1 {
			group.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(size(15, 120))*time.Second)
				defer cancel()
				for ctx.Err() == nil {
					_, err := newShard(config, seq, i, s+1, 1<<30).Deliver(ctx)
					if err != nil && ctx.Err() == nil && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrSuperseded) {
						t.Errorf("shard %d of %d: %v", i, s+1, err)
						return
					}
				}
			})
		}
	}
	group.Wait()
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := conn.ReadCursors(context.Background())
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	run := runs["seed-42"]
	t.Logf("generation %d, events from %d to %d", run.Cut.Generation, run.Next, run.Front())
	if run.Cut.Generation < 5 {
		t.Errorf("generation %d: they did not quarrel", run.Cut.Generation)
	}
	end := run.Front() + 100
	deliverShards(t, config, seq, 2, end)
	check(t, config, seq, end)
}
