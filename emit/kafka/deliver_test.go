package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"gen/core"
	"gen/emit/encode"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// onlyShard is the shard of a run that is not cut.
const onlyShard = "0-of-1"

func testSequence(tb testing.TB) *core.Sequence {
	tb.Helper()
	var movies []core.Movie
	for i := range 50 {
		movies = append(movies, core.Movie{ID: uint32(i + 1), Genres: []string{fmt.Sprint("G", i%5)}})
	}
	cat, err := core.NewCatalogue("test", movies)
	if err != nil {
		tb.Fatal(err)
	}
	p := core.DefaultParams()
	p.Users = 200
	s, err := core.Compile("seed", cat, p)
	if err != nil {
		tb.Fatal(err)
	}
	return &core.Sequence{Snapshot: s, Seed: 42, Schedule: core.ConstantSchedule(1735689600000, core.Rate{Num: 50, Den: 1})}
}

// cluster starts a fake broker and returns the configuration that reaches it.
func cluster(tb testing.TB) Config {
	tb.Helper()
	_, config := fakeBroker(tb)
	return config
}

func fakeBroker(tb testing.TB) (*kfake.Cluster, Config) {
	tb.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	config := DefaultConfig(Target{Brokers: c.ListenAddrs(), Topic: "ratings"})
	config.Owner = "test"
	config.Say = tb.Logf
	return c, config
}

func newDelivery(config Config, seq *core.Sequence, end uint64) *Delivery {
	return &Delivery{
		Config: config, Sequence: seq, End: end, Events: new(atomic.Uint64), Save: func(core.Run) error { return nil },
		Run: core.Run{Name: "seed-42", Snapshot: seq.Snapshot.ID(), Recipe: seq.Snapshot.Recipe, Seed: seq.Seed, Format: core.FormatVersion, Schedule: seq.Schedule},
	}
}

// check reads the topic and compares each partition with the sequence.
func check(tb testing.TB, config Config, seq *core.Sequence, end uint64) {
	tb.Helper()
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	want := make([][]string, conn.partitions)
	for n := range end {
		e := seq.Event(n)
		line := encode.AppendJSONL(nil, []core.Event{e})
		p := core.Partition(e.User, conn.partitions)
		want[p] = append(want[p], fmt.Sprintf("%d %d %s", n, e.User, line[:len(line)-1]))
	}
	for p := range conn.partitions {
		var got []string
		err := conn.readCommitted(context.Background(), config.Topic, []int32{int32(p)}, func(r *kgo.Record) {
			_, n, _ := ParseHeader(r)
			got = append(got, fmt.Sprintf("%d %s %s", n, r.Key, r.Value))
		})
		if err != nil {
			tb.Fatal(err)
		}
		if len(got) != len(want[p]) {
			tb.Fatalf("partition %d: %d records, want %d", p, len(got), len(want[p]))
		}
		for i := range got {
			if got[i] != want[p][i] {
				tb.Fatalf("partition %d, record %d: %s, want %s", p, i, got[i], want[p][i])
			}
		}
	}
}

func TestDeliverOnce(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	cursor, err := newDelivery(config, seq, 1000).Deliver(context.Background())
	if err != nil || cursor.Next != 1000 {
		t.Fatalf("Deliver = %d, %v", cursor.Next, err)
	}
	check(t, config, seq, 1000)
	// Again: nothing. Further: the rest.
	for _, end := range []uint64{1000, 1001, 5000} {
		if cursor, err := newDelivery(config, seq, end).Deliver(context.Background()); err != nil || cursor.Next != end {
			t.Fatalf("Deliver to %d = %d, %v", end, cursor.Next, err)
		}
		check(t, config, seq, end)
	}
}

func TestRefusals(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	if _, err := newDelivery(config, seq, 100).Deliver(context.Background()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Delivery)
		want   error
	}{
		"other seed":                {func(d *Delivery) { d.Run.Seed = 7 }, ErrOtherRun},
		"other snapshot":            {func(d *Delivery) { d.Run.Snapshot = "x" }, ErrOtherRun},
		"other format version":      {func(d *Delivery) { d.Run.Format = 2 }, ErrOtherRun},
		"the state is ahead":        {func(d *Delivery) { d.Local.Next = 101 }, ErrLostData},
		"the cursor topic was lost": {func(d *Delivery) { d.CursorTopic = "other.cursors"; d.Local.Next = 100 }, ErrNoCursor},
		"both are lost":             {func(d *Delivery) { d.CursorTopic = "third.cursors" }, ErrNoCursor},
	} {
		d := newDelivery(config, seq, 200)
		c.change(d)
		if _, err := d.Deliver(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	check(t, config, seq, 100)
}

func TestTopicReplaced(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	if _, err := newDelivery(config, seq, 100).Deliver(context.Background()); err != nil {
		t.Fatal(err)
	}
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.admin.DeleteTopic(context.Background(), config.Topic); err != nil {
		t.Fatal(err)
	}
	if _, err := newDelivery(config, seq, 200).Deliver(context.Background()); !errors.Is(err, ErrTopicReplaced) {
		t.Fatalf("Deliver = %v, want ErrTopicReplaced", err)
	}
	config.Restart = true
	if _, err := newDelivery(config, seq, 200).Deliver(context.Background()); err != nil {
		t.Fatal(err)
	}
	check(t, config, seq, 200)
}

func TestStopsBetweenTransactions(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	for end := uint64(0); end < 2000; {
		ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
		cursor, err := newDelivery(config, seq, 2000).Deliver(ctx)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		end = cursor.Next
	}
	check(t, config, seq, 2000)
}

func TestCursorKeyIsThatOfKafka(t *testing.T) {
	if got := string(key("ratings", "load-a", onlyShard)); got != "ratings/load-a/0-of-1" {
		t.Errorf("key = %q", got)
	}
	for user := range 1000 {
		b := []byte(strconv.Itoa(user + 1))
		if cursorPartition(b, 6) != int32(core.Partition(uint32(user+1), 6)) {
			t.Fatalf("partitions of %s differ", b)
		}
	}
}
