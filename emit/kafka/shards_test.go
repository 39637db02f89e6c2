package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gen/core"
	"gen/emit/pace"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"
)

// shardCluster is where the tests of shards deliver: the chaos suite has a real
// broker.
var shardCluster = cluster

// newShard returns the delivery of shard i of s.
func newShard(config Config, seq *core.Sequence, i, s int, end uint64) *Delivery {
	config.Shard = core.Shard{Index: i, Of: s}
	config.TakeOver = true // nobody waits for 30 s in a test
	return newDelivery(config, seq, end)
}

// deliverShards delivers all shards of s at a time.
func deliverShards(t testing.TB, config Config, seq *core.Sequence, s int, end uint64) {
	t.Helper()
	var group errgroup.Group
	for i := range s {
		group.Go(func() error {
			c, err := newShard(config, seq, i, s, end).Deliver(context.Background())
			if err == nil && (c.Next != end || !c.Done) {
				err = fmt.Errorf("it ended at event %d, done %v, want %d", c.Next, c.Done, end)
			}
			if err != nil {
				err = fmt.Errorf("shard %d of %d: %w", i, s, err)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestShardsDeliverTheSame(t *testing.T) {
	for _, s := range []int{1, 2, 3, 6} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			t.Parallel()
			config, seq := shardCluster(t), testSequence(t)
			for _, end := range []uint64{1, 20_000, 20_001} {
				deliverShards(t, config, seq, s, end)
				check(t, config, seq, end)
			}
		})
	}
}

// From one number of shards to another, each time with every shard left at another
// event.
func TestReshard(t *testing.T) {
	config, seq := shardCluster(t), testSequence(t)
	config.CommitEvents = 100
	end := uint64(0)
	for round, s := range []int{1, 3, 2, 6, 1, 4, 3} {
		config.Shard = core.Shard{}
		for i := range s {
			if _, err := newShard(config, seq, i, s, end+uint64(500*(i+1))).Deliver(context.Background()); err != nil {
				t.Fatalf("round %d, shard %d of %d: %v", round, i, s, err)
			}
		}
		end += 2500
	}
	deliverShards(t, config, seq, 2, end)
	check(t, config, seq, end)
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	runs, err := conn.ReadCursors(context.Background())
	if err != nil || len(runs) != 1 || len(runs["seed-42"].Shards) != 2 || runs["seed-42"].Next != end || !runs["seed-42"].Done {
		t.Errorf("ReadCursors = %+v, %v, want one run of two shards, at event %d", runs, err, end)
	}
}

// An old shard that comes back is refused, until it is told to take over.
func TestOldShardIsRefused(t *testing.T) {
	config, seq := shardCluster(t), testSequence(t)
	deliverShards(t, config, seq, 3, 3000)
	deliverShards(t, config, seq, 2, 4000)
	for i := range 3 {
		old := newShard(config, seq, i, 3, 9000)
		old.TakeOver = false
		_, err := old.Deliver(context.Background())
		if !errors.Is(err, ErrSuperseded) || !strings.Contains(err.Error(), "generation 3, of 2 shards, by test") {
			t.Errorf("old shard %d: %v, want ErrSuperseded with the newer generation", i, err)
		}
	}
	check(t, config, seq, 4000)
	deliverShards(t, config, seq, 3, 5000) // with TakeOver
	check(t, config, seq, 5000)
}

// Control: without the generation the old shard goes on, and the topic shows it.
func TestOldShardLetThrough(t *testing.T) {
	config, seq := shardCluster(t), testSequence(t)
	deliverShards(t, config, seq, 3, 3000)
	deliverShards(t, config, seq, 2, 4000)
	testOnlyPassGeneration = true
	defer func() { testOnlyPassGeneration = false }()
	c, err := newShard(config, seq, 0, 3, 4000).Deliver(context.Background())
	if err != nil || c.Next != 4000 {
		t.Fatalf("the old shard is let through, and ends with %d, %v", c.Next, err)
	}
	if got := recordsOf(t, config); got <= 4000 {
		t.Errorf("the topic holds %d records: the old shard has sent nothing", got)
	}
}

func recordsOf(t *testing.T, config Config) (n int) {
	t.Helper()
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	records, err := conn.Last(context.Background(), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(records)
}

// stops holds whoever passes a moment for the first time.
type stops struct {
	mu      sync.Mutex
	at      string
	reached chan struct{} // closed when somebody is held
	release chan struct{}
}

func stopAt(t *testing.T, at string) *stops {
	s := &stops{at: at, reached: make(chan struct{}), release: make(chan struct{})}
	testOnlyFailpoint = s.pass
	t.Cleanup(func() { testOnlyFailpoint = func(string) {} })
	return s
}

func (s *stops) pass(name string) {
	s.mu.Lock()
	mine := name == s.at
	if mine {
		s.at = ""
	}
	s.mu.Unlock()
	if mine {
		close(s.reached)
		<-s.release
	}
}

// A shard of an old generation is stopped anywhere and goes on when another number
// of shards has taken over: it must not send an event.
func TestStoppedOldShard(t *testing.T) {
	for _, at := range []string{"afterInit", "afterRecover", "afterBegin", "afterFirstProduce", "afterCursorRecord", "afterFlush", "afterEndTxn"} {
		t.Run(at, func(t *testing.T) {
			config, seq := shardCluster(t), testSequence(t)
			config.CommitEvents, config.TransactionTimeout = 300, time.Second // kfake leaves what it has aborted open
			deliverShards(t, config, seq, 3, 3000)
			stop := stopAt(t, at)
			old := make(chan error)
			go func() {
				d := newShard(config, seq, 1, 3, 100_000)
				d.TakeOver = false
				_, err := d.Deliver(context.Background())
				old <- err
			}()
			<-stop.reached
			deliverShards(t, config, seq, 2, 6000)
			close(stop.release)
			if err := <-old; !errors.Is(err, ErrFenced) && !errors.Is(err, ErrSuperseded) {
				t.Errorf("the old shard ends with %v", err)
			}
			check(t, config, seq, 6000)
		})
	}
}

// Whoever changes the generation stops anywhere in it, and goes on when others have
// done it, or have changed it again.
func TestStoppedReshard(t *testing.T) {
	for _, at := range []string{"afterIntent", "afterFence", "afterGeneration"} {
		for _, s := range []int{2, 4} {
			t.Run(fmt.Sprint(at, " ", s), func(t *testing.T) {
				config, seq := shardCluster(t), testSequence(t)
				deliverShards(t, config, seq, 3, 3000)
				stop := stopAt(t, at)
				first := make(chan error)
				go func() {
					_, err := newShard(config, seq, 0, 2, 6000).Deliver(context.Background())
					first <- err
				}()
				<-stop.reached
				if s == 2 {
					_, err := newShard(config, seq, 1, 2, 6000).Deliver(context.Background())
					if err != nil {
						t.Fatal(err)
					}
				} else {
					deliverShards(t, config, seq, 4, 6000)
				}
				close(stop.release)
				// Of another number it may take the run over: it is told to.
				if err := <-first; err != nil && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrSuperseded) {
					t.Errorf("the first one ends with %v", err)
				}
				deliverShards(t, config, seq, 2, 7000)
				check(t, config, seq, 7000)
			})
		}
	}
}

// Who dies in the middle leaves a pending generation, which the next one completes,
// or replaces.
func TestDeadReshard(t *testing.T) {
	for _, at := range []string{"afterIntent", "afterFence", "afterGeneration"} {
		for _, next := range []int{2, 3, 5} {
			t.Run(fmt.Sprint(at, " ", next), func(t *testing.T) {
				config, seq := shardCluster(t), testSequence(t)
				deliverShards(t, config, seq, 3, 3000)
				ctx, cancel := context.WithCancel(context.Background())
				testOnlyFailpoint = func(name string) {
					if name == at {
						cancel()
					}
				}
				_, err := newShard(config, seq, 1, 2, 6000).Deliver(ctx)
				testOnlyFailpoint = func(string) {}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("the dying one ends with %v", err)
				}
				check(t, config, seq, 3000)
				deliverShards(t, config, seq, next, 6000)
				check(t, config, seq, 6000)
			})
		}
	}
}

// A restart of a run of several shards is the first one's, and begins a generation.
func TestRestartShards(t *testing.T) {
	config, seq := shardCluster(t), testSequence(t)
	deliverShards(t, config, seq, 2, 1000)
	restart := newShard(config, seq, 0, 2, 500)
	restart.Restart = true
	c, err := restart.Deliver(context.Background())
	if err != nil || c.Incarnation != 1 || c.Generation != 3 || c.Next != 500 {
		t.Fatalf("the restart = %+v, %v, want incarnation 1 in generation 3", c, err)
	}
	if c, err := newShard(config, seq, 1, 2, 500).Deliver(context.Background()); err != nil || c.Incarnation != 1 {
		t.Fatalf("the second shard = incarnation %d, %v, want 1", c.Incarnation, err)
	}
	if got := recordsOf(t, config); got != 1500 {
		t.Errorf("the topic holds %d records, want 1000 of the first incarnation and 500", got)
	}
}

// The table of decideGeneration.
func TestDecideGeneration(t *testing.T) {
	shard := core.Shard{Index: 0, Of: 3}
	for _, c := range []struct {
		name     string
		g        Generation
		restart  bool
		takeOver bool
		change   bool
		err      error
	}{
		{"the same number", Generation{Shards: 3}, false, false, false, nil},
		{"the same number, pending", Generation{Shards: 3, Pending: true}, false, false, true, nil},
		{"the same number, a restart", Generation{Shards: 3}, true, false, true, nil},
		{"the same number, once before too", Generation{Shards: 3, Earlier: []int{2, 3}}, false, false, false, nil},
		{"a new number", Generation{Shards: 2, Earlier: []int{1}}, false, false, true, nil},
		{"a new number, while another is pending", Generation{Shards: 2, Pending: true}, false, false, true, nil},
		{"an old number", Generation{Shards: 2, Earlier: []int{1, 3}}, false, false, false, ErrSuperseded},
		{"an old number, a restart", Generation{Shards: 2, Earlier: []int{1, 3}}, true, false, false, ErrSuperseded},
		{"an old number while another is pending", Generation{Shards: 2, Pending: true, Earlier: []int{3}}, false, false, false, ErrSuperseded},
		{"an old number that takes over", Generation{Shards: 2, Earlier: []int{1, 3}}, false, true, true, nil},
		{"no record", *first(), false, false, true, nil},
	} {
		change, err := decideGeneration(&c.g, shard, c.restart, c.takeOver)
		if change != c.change || !errors.Is(err, c.err) {
			t.Errorf("%s: %v, %v, want %v, %v", c.name, change, err, c.change, c.err)
		}
	}
}

// Which cursors count, and what the next generation remembers.
func TestStand(t *testing.T) {
	base := Cursor{Run: core.Run{Name: "a"}, Generation: 4, Partitions: 5, Nexts: []uint64{10, 20, 30, 40, 50}, Owner: "base"}
	g := &Generation{Cursor: base, Shards: 2, Earlier: []int{1, 3}}
	c := g.stand([]*Cursor{nil, nil})
	if c.Next != 10 || c.Done || !slices.Equal(c.Nexts, base.Nexts) {
		t.Errorf("nobody has begun: %+v", c)
	}
	odd := base.of(core.Shard{Index: 1, Of: 2}).advanced(core.Shard{Index: 1, Of: 2}, 25)
	odd.Owner, odd.Time, odd.Done = "odd", 7, true
	c = g.stand([]*Cursor{nil, &odd})
	if c.Next != 10 || c.Done || c.Owner != "odd" || !slices.Equal(c.Nexts, []uint64{10, 25, 30, 40, 50}) {
		t.Errorf("one has moved: %+v", c)
	}
	even := base.of(core.Shard{Index: 0, Of: 2}).advanced(core.Shard{Index: 0, Of: 2}, 60)
	even.Done = true
	c = g.stand([]*Cursor{&even, &odd})
	if c.Next != 25 || !c.Done || c.Front() != 60 || !slices.Equal(c.Nexts, []uint64{60, 25, 60, 40, 60}) {
		t.Errorf("both have moved: %+v", c)
	}
	next := g.next(*c, core.Shard{Of: 3}, true)
	if next.Generation != 5 || !next.Pending || next.begun() != g || !slices.Equal(next.Earlier, []int{1, 2}) {
		t.Errorf("the next generation: %+v", next)
	}
	again := next.next(*c, core.Shard{Of: 2}, true)
	if again.Generation != 6 || again.begun() != g || !slices.Equal(again.Earlier, []int{1}) {
		t.Errorf("another instead of it: %+v", again)
	}
	if done := again.complete(*c); done.Pending || done.Before != nil || done.Shards != 2 || done.Generation != 6 || !done.recorded() {
		t.Errorf("complete: %+v", done)
	}
	if first().stand([]*Cursor{nil}) != nil {
		t.Error("a run that has not begun stands somewhere")
	}
}

// The events that a shard finds are those of its partitions, from where each stands
// on, however they are asked for.
func TestOwnEvents(t *testing.T) {
	seq := testSequence(t)
	rapid.Check(t, func(t *rapid.T) {
		s, partitions := rapid.IntRange(1, 5).Draw(t, "s"), rapid.IntRange(1, 8).Draw(t, "partitions")
		shard := core.Shard{Index: rapid.IntRange(0, s-1).Draw(t, "i"), Of: s}
		c := Cursor{Partitions: partitions}
		for range partitions {
			c.Nexts = append(c.Nexts, rapid.Uint64Range(0, 3000).Draw(t, "next"))
		}
		c = c.of(shard)
		end := rapid.Uint64Range(c.Next, c.Next+6000).Draw(t, "end")
		// A table for half of the users: the others are behind it.
		users := rapid.IntRange(0, seq.Snapshot.Tables().Users()).Draw(t, "users")
		o := newOwnEvents(&Delivery{Config: Config{Shard: shard}, Sequence: seq, End: end}, c, core.NewPartitions(seq.Snapshot, partitions))
		o.table = o.table[:min(users, len(o.table))]
		want := []uint64{}
		for n := c.Next; n < end; n++ {
			p := core.Partition(seq.Event(n).User, partitions)
			if shard.Owns(p) && n >= c.Nexts[p] {
				want = append(want, n)
			}
		}
		got := []uint64{}
		for o.at < end {
			k := rapid.IntRange(1, 3000).Draw(t, "k")
			ns, events := make([]uint64, k), make([]core.Event, k)
			k = o.next(ns, events)
			got = append(got, ns[:k]...)
			for i, n := range ns[:k] {
				if events[i] != seq.Event(n) {
					t.Fatalf("event %d = %v, want %v", n, events[i], seq.Event(n))
				}
			}
			if late, _ := slices.BinarySearch(want, o.at); late != len(got) {
				t.Fatalf("%d events are found up to %d, want %d", len(got), o.at, late)
			}
		}
		if o.at != end || !slices.Equal(got, want) {
			t.Fatalf("found %d events up to %d, want %d up to %d", len(got), o.at, len(want), end)
		}
	})
}

// What a shard of six pays for each event of the sequence to find its own.
func BenchmarkOwnEvents(b *testing.B) {
	seq := testSequence(b)
	for _, s := range []int{2, 6, 1000} {
		b.Run(fmt.Sprint(s), func(b *testing.B) {
			d := &Delivery{Config: Config{Shard: core.Shard{Of: s}}, Sequence: seq, End: 1 << 50}
			o := newOwnEvents(d, Cursor{Partitions: 1000, Nexts: make([]uint64, 1000)}, core.NewPartitions(seq.Snapshot, 1000))
			ns, events := make([]uint64, lotEvents), make([]core.Event, lotEvents)
			b.ReportAllocs()
			for b.Loop() {
				o.next(ns, events)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(o.at), "ns/event")
		})
	}
}

// All shards in one process, with one pacer, and a quota for each partition.
func TestDeliverAll(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	var deliveries []*Delivery
	var pacer *pace.Pacer
	var once sync.Once
	events := new(atomic.Uint64)
	for i := range 3 {
		d := newShard(config, seq, i, 3, 2000)
		d.Events, d.PartitionRate = events, 1000
		d.Pace = func(from uint64) *pace.Pacer {
			once.Do(func() { pacer = pace.New(seq.Schedule, from, 100) }) // 5,000 events a second
			return pacer
		}
		deliveries = append(deliveries, d)
	}
	begin := time.Now()
	cursors, err := DeliverAll(context.Background(), deliveries)
	if err != nil || len(cursors) != 3 || events.Load() != 2000 {
		t.Fatalf("DeliverAll = %d cursors, %v; %d events, want 2000", len(cursors), err, events.Load())
	}
	if took := time.Since(begin); took < 390*time.Millisecond {
		t.Errorf("it took %v, the schedule has 0.4 s", took)
	}
	check(t, config, seq, 2000)
	// One that fails ends the others.
	for i, d := range deliveries {
		deliveries[i] = newShard(config, seq, i, 3, 1<<40)
		deliveries[i].Pace = d.Pace
	}
	failed := errors.New("the disk is full")
	deliveries[1].Save = func(core.Run) error { return failed }
	if _, err := DeliverAll(context.Background(), deliveries); !errors.Is(err, failed) {
		t.Errorf("DeliverAll = %v, want %v", err, failed)
	}
}

// A shard that is refused leaves the others alone, also when it is told to take
// over: another seed, a topic that has gone, no partition of its own.
func TestRefusedShardsShutOutNobody(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	deliverShards(t, config, seq, 3, 3000)
	stop := stopAt(t, "afterEvents")
	running := make(chan error)
	go func() {
		_, err := newShard(config, seq, 0, 3, 4000).Deliver(context.Background())
		running <- err
	}()
	<-stop.reached
	for name, c := range map[string]struct {
		change func(*Delivery)
		want   error
	}{
		"another seed":            {func(d *Delivery) { d.Run.Seed = 7 }, ErrOtherRun},
		"no partition of its own": {func(d *Delivery) { d.Shard = core.Shard{Index: 6, Of: 7} }, core.ErrShard},
		"no schedule": {func(d *Delivery) {
			d.Resume = func(Cursor, bool) (core.Schedule, uint64, error) { return core.Schedule{}, 0, ErrSchedule }
		}, ErrSchedule},
	} {
		d := newShard(config, seq, 0, 2, 4000)
		c.change(d)
		if _, err := d.Deliver(context.Background()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	close(stop.release)
	if err := <-running; err != nil {
		t.Errorf("the running shard ends with %v", err)
	}
	deliverShards(t, config, seq, 3, 5000)
	check(t, config, seq, 5000)
}
