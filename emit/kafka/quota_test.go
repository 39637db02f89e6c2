package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A partition gets no more records than its quota in any second, by the records'
// own timestamps, and the order stays. Without a quota it does.
func TestPartitionRate(t *testing.T) {
	const quota, end = 40, 400
	for _, c := range []struct {
		name string
		rate int
	}{{"40 a second", quota}, {"control: no quota", 0}} {
		config, seq := cluster(t), testSequence(t)
		d := newDelivery(config, seq, end)
		d.PartitionRate = c.rate
		if cursor, err := d.Deliver(context.Background()); err != nil || cursor.Next != end {
			t.Fatalf("%s: Deliver = %d, %v", c.name, cursor.Next, err)
		}
		check(t, config, seq, end)
		if fastest := fastestWindow(t, config, quota+1); fastest < time.Second != (c.rate == 0) {
			t.Errorf("%s: %d records within %v", c.name, quota+1, fastest)
		}
	}
}

// fastestWindow returns the shortest time in which a partition got k records.
func fastestWindow(t *testing.T, config Config, k int) time.Duration {
	t.Helper()
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	times := make([][]time.Time, conn.partitions)
	err = conn.readCommitted(context.Background(), config.Topic, all(conn.partitions), func(r *kgo.Record) {
		times[r.Partition] = append(times[r.Partition], r.Timestamp)
	})
	if err != nil {
		t.Fatal(err)
	}
	fastest := time.Duration(1 << 62)
	for _, list := range times {
		for i := k - 1; i < len(list); i++ {
			fastest = min(fastest, list[i].Sub(list[i-k+1]))
		}
	}
	return fastest
}
