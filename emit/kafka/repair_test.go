package kafka

import (
	"context"
	"errors"
	"testing"

	"gen/core"

	"github.com/twmb/franz-go/pkg/kgo"
)

func newRepair(config Config, seq *core.Sequence) Repair {
	return Repair{Config: config, Run: newDelivery(config, seq, 0).Run, Sequence: seq}
}

// deliverTo sends the events of the run up to end.
func deliverTo(tb testing.TB, config Config, seq *core.Sequence, end uint64) Cursor {
	tb.Helper()
	c, err := newDelivery(config, seq, end).Deliver(context.Background())
	if err != nil || c.Next != end {
		tb.Fatalf("Deliver to %d = %d, %v", end, c.Next, err)
	}
	return c
}

func dropTopic(tb testing.TB, config Config, topic string) {
	tb.Helper()
	conn, err := Connect(context.Background(), config, true)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.admin.DeleteTopic(context.Background(), topic); err != nil {
		tb.Fatal(err)
	}
}

func TestFromTopic(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	config.Restart = true // so that an older incarnation is not taken for the run
	deliverTo(t, config, seq, 300)
	want := deliverTo(t, config, seq, 1000)
	config.Restart = false
	dropTopic(t, config, config.CursorTopic)

	if _, err := newDelivery(config, seq, 2000).Deliver(context.Background()); !errors.Is(err, ErrNoCursor) {
		t.Fatalf("Deliver without a cursor = %v, want ErrNoCursor", err)
	}
	plan, err := newRepair(config, seq).PlanFromTopic(context.Background())
	if err != nil || plan.Next != 1000 || plan.Incarnation != want.Incarnation || plan.Partitions != 6 {
		t.Fatalf("PlanFromTopic = %+v, %v", plan, err)
	}
	if c, err := newRepair(config, seq).FromTopic(context.Background()); err != nil || c.Next != 1000 {
		t.Fatalf("FromTopic = %+v, %v", c, err)
	}
	if got := deliverTo(t, config, seq, 2000); got.Incarnation != want.Incarnation {
		t.Errorf("incarnation %d, want %d", got.Incarnation, want.Incarnation)
	}
}

func TestFromTopicRefuses(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	deliverTo(t, config, seq, 1000)
	dropTopic(t, config, config.CursorTopic)
	later := *seq
	later.Schedule = core.ConstantSchedule(1735689600000, core.Rate{Num: 51, Den: 1})
	other := newRepair(config, seq)
	other.Run.Seed = 7
	for name, c := range map[string]struct {
		repair Repair
		want   error
	}{
		"another schedule": {newRepair(config, &later), ErrSchedule},
		"another seed":     {other, ErrNoRecords},
	} {
		if _, err := c.repair.FromTopic(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A topic that lacks an event has no cursor that stands for it.
func TestFromTopicFindsHoles(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	c := deliverTo(t, config, seq, 100)
	dropTopic(t, config, config.CursorTopic)
	// Event 102 alone, as if the broker had lost 100 and 101.
	d := newDelivery(config, seq, 103)
	d.cursor = c
	d.cursor.Next = 102
	feed := newFeed(context.Background(), d, d.cursor)
	defer feed.stop()
	p, err := feed.take(context.Background(), 103, 1)
	if err != nil {
		t.Fatal(err)
	}
	feed.acks.open.Add(1)
	client, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.Produce(context.Background(), &p.records[0], p.promise)
	if err := client.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := newRepair(config, seq).FromTopic(context.Background()); !errors.Is(err, ErrHoles) {
		t.Errorf("FromTopic = %v, want ErrHoles", err)
	}
}

func TestBehind(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	repair := newRepair(config, seq)
	if _, err := repair.Behind(context.Background()); !errors.Is(err, ErrNoTopic) {
		t.Errorf("Behind without a topic = %v, want ErrNoTopic", err)
	}
	conn, err := Connect(context.Background(), config, true)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.createTopic(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := repair.Behind(context.Background()); !errors.Is(err, ErrNoCursor) {
		t.Errorf("Behind without a cursor = %v, want ErrNoCursor", err)
	}
	c := deliverTo(t, config, seq, 100)
	if got, err := repair.Behind(context.Background()); err != nil || got.Next != 100 {
		t.Errorf("Behind = %d, %v, want 100", got.Next, err)
	}
	// The cursor alone is lost: the topic holds more than it says.
	deliverTo(t, config, seq, 200)
	s, err := repair.fence(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.writeCursor(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := repair.Behind(context.Background()); !errors.Is(err, ErrHoles) {
		t.Errorf("Behind the topic = %v, want ErrHoles", err)
	}
}
