package verify

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gen/core"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// Several runs stand in one topic: each record is compared with its own, and
// what a run must hold ends at its cursor.
func TestRunsOfATopic(t *testing.T) {
	type outcome struct{ records, inFlight, earlier uint64 }
	for _, c := range []struct {
		name  string
		setUp func(b *broken) // produces, and sets the runs
		runs  map[string]outcome
		want  map[Kind]uint64
	}{
		{"two runs", func(b *broken) {
			r, s := b.run("r", 300), b.run("s", 200)
			b.runs = []TopicRun{r, s}
			b.deliver(r, 0, 150)
			b.deliver(s, 0, 200)
			b.deliver(r, 150, 300)
		}, map[string]outcome{"r": {300, 0, 0}, "s": {200, 0, 0}}, map[Kind]uint64{}},
		{"events behind the cursor are in flight", func(b *broken) {
			r := b.run("r", 300)
			b.runs = []TopicRun{r}
			b.deliver(r, 0, 450)
		}, map[string]outcome{"r": {300, 150, 0}}, map[Kind]uint64{}},
		{"in flight without headers", func(b *broken) {
			r := b.run("r", 300)
			r.Cursor.NoHeader = true
			b.runs = []TopicRun{r}
			b.deliver(r, 0, 450)
		}, map[string]outcome{"r": {300, 150, 0}}, map[Kind]uint64{}},
		{"an event behind the cursor is not looked for", func(b *broken) {
			r := b.run("r", 300)
			b.runs = []TopicRun{r}
			b.deliver(r, 0, 300)
			b.deliver(r, 310, 320)
		}, map[string]outcome{"r": {300, 10, 0}}, map[Kind]uint64{}},
		// A run that began anew leaves the records of before; they are not its own.
		{"earlier incarnations", func(b *broken) {
			first, second, third := b.run("r", 100), b.run("r", 0), b.run("r", 300)
			second.Cursor.Incarnation, third.Cursor.Incarnation = 1, 2
			b.runs = []TopicRun{third}
			b.deliver(first, 0, 120)
			b.deliver(second, 0, 30)
			b.deliver(third, 0, 300)
		}, map[string]outcome{"r": {300, 0, 150}}, map[Kind]uint64{}},
		{"an event of an earlier incarnation does not stand for one of the present", func(b *broken) {
			first, second := b.run("r", 100), b.run("r", 300)
			second.Cursor.Incarnation = 1
			b.runs = []TopicRun{second}
			b.deliver(first, 0, 300)
			b.deliver(second, 0, 299)
		}, map[string]outcome{"r": {299, 0, 300}}, map[Kind]uint64{Missing: 1}},
		{"begun anew after the cursor was read", func(b *broken) {
			r, next := b.run("r", 300), b.run("r", 0)
			next.Cursor.Incarnation = 1
			b.runs = []TopicRun{r}
			b.deliver(r, 0, 300)
			b.deliver(next, 0, 40)
		}, map[string]outcome{"r": {300, 40, 0}}, map[Kind]uint64{}},
		{"a run that is not compared", func(b *broken) {
			r, s := b.run("r", 300), b.run("s", 200)
			s.Sequence = nil
			b.runs = []TopicRun{r, s}
			b.deliver(r, 0, 300)
			b.deliver(s, 7, 250)
		}, map[string]outcome{"r": {300, 0, 0}, "s": {193, 50, 0}}, map[Kind]uint64{}},
		{"a run without headers that is not compared", func(b *broken) {
			r, s := b.run("r", 300), b.run("s", 200)
			s.Cursor.NoHeader, s.Sequence = true, nil
			b.runs = []TopicRun{r, s}
			b.deliver(r, 0, 300)
			b.deliver(s, 7, 250)
		}, map[string]outcome{"r": {300, 0, 0}, "s": {0, 0, 0}}, map[Kind]uint64{}},
		{"a run without headers beside one with", func(b *broken) {
			r, s := b.run("r", 300), b.run("s", 200)
			s.Cursor.NoHeader = true
			b.runs = []TopicRun{r, s}
			b.deliver(r, 0, 300)
			b.deliver(s, 0, 199)
		}, map[string]outcome{"r": {300, 0, 0}, "s": {199, 0, 0}}, map[Kind]uint64{Missing: 1}},
		// What is to come of one is not taken for a duplicate of the other.
		{"two runs without headers, of the same events", func(b *broken) {
			r, s := b.run("r", 100), b.run("s", 300)
			r.Cursor.NoHeader, s.Cursor.NoHeader = true, true
			b.runs = []TopicRun{r, s}
			b.deliver(r, 0, 100)
			b.deliver(s, 0, 300)
		}, map[string]outcome{"r": {100, 0, 0}, "s": {300, 0, 0}}, map[Kind]uint64{}},
		{"no run", func(b *broken) { b.deliver(b.run("r", 300), 0, 10) }, map[string]outcome{}, map[Kind]uint64{Foreign: 10}},
		{"a run that has not begun", func(b *broken) { b.runs = []TopicRun{b.run("r", 0)} }, map[string]outcome{"r": {}}, map[Kind]uint64{}},
		// The topic's records were deleted with it.
		{"a run into a topic that was deleted since", func(b *broken) {
			r, old := b.run("r", 300), b.run("old", 77)
			old.Cursor.TopicID = "another"
			b.runs = []TopicRun{old, r}
			b.deliver(r, 0, 300)
		}, map[string]outcome{"r": {300, 0, 0}, "old": {}}, map[Kind]uint64{Missing: 77}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBroken(t)
			c.setUp(b)
			b.produce()
			report := b.verify(nil)
			got := map[string]outcome{}
			for _, r := range report.Runs {
				got[r.Run] = outcome{r.Records, r.InFlight, r.Earlier}
			}
			if !reflect.DeepEqual(report.Counts, c.want) || !maps.Equal(got, c.runs) {
				t.Errorf("%v, runs %v, want %v, %v: %v", report.Counts, got, c.want, c.runs, report.Findings)
			}
		})
	}
}

// What follows each other is one finding, what is apart is not.
func TestFindingsApart(t *testing.T) {
	b := newBroken(t)
	r := b.run("r", topicEvents)
	b.runs = []TopicRun{r}
	b.deliver(r, 0, topicEvents)
	b.put(1, 80, b.parts[1][50:53]...)
	b.drop(0, 90, 92)
	b.drop(0, 20, 22)
	b.put(1, 50, b.parts[1][48:50]...)
	last, other := len(b.parts[2]), b.parts[2]
	b.put(2, last, other[8], other[7])
	b.produce()
	got := b.verify(nil)
	if fmt.Sprint(got.Counts) != "map[duplicated:7 missing:4]" || len(got.Findings) != 6 {
		t.Errorf("%v, %v, want 7 duplicated and 4 missing as six findings", got.Counts, got.Findings)
	}
}

// The same where it takes the whole topic to tell what a record is.
func TestUnknownRecordsApart(t *testing.T) {
	b := newBroken(t)
	r := b.run("r", topicEvents)
	r.Cursor.NoHeader = true
	b.runs = []TopicRun{r}
	b.deliver(r, 0, topicEvents)
	x := &kgo.Record{Topic: "ratings", Value: []byte("x")}
	b.put(1, 80, x, x, b.parts[1][50], x)
	b.produce()
	want := []string{"duplicated event", "foreign in ratings-1, 2 records, offsets 80 to 81\n", "foreign in ratings-1, offset 83\n"}
	got := b.verify(nil)
	for i, f := range got.Findings {
		if len(got.Findings) != len(want) || !strings.HasPrefix(f.String(), want[i]) {
			t.Errorf("found %v, want %v", got.Findings, want)
		}
	}
}

// A run whose topic was deleted says so, and not that each event is missing.
func TestTopicDeletedSince(t *testing.T) {
	b := newBroken(t)
	r := b.run("r", topicEvents)
	r.Cursor.TopicID = "another"
	b.runs = []TopicRun{r}
	want := "[missing event 0 to 599 of run r in ratings\n    want topic id another, in which the run began\n    got  topic id " + b.conn.TopicID() + ": the topic was deleted and created again]"
	if got := b.verify(nil); fmt.Sprint(got.Findings) != want || got.Counts[Missing] != topicEvents {
		t.Errorf("%v, found %v, want %s", got.Counts, got.Findings, want)
	}
}

func TestAllowForeign(t *testing.T) {
	b := newBroken(t)
	r := b.run("r", 100)
	b.runs = []TopicRun{r}
	b.deliver(r, 0, 100)
	b.put(0, 10, &kgo.Record{Topic: "ratings", Value: []byte("x")})
	b.produce()
	got := b.verify(func(o *TopicOptions) { o.AllowForeign = true })
	if !got.OK() || got.Foreign != 1 || got.Records != 101 {
		t.Errorf("%v, %d foreign of %d, want nothing, 1 of 101", got.Findings, got.Foreign, got.Records)
	}
}

// Partitions that were added later stay empty of the run, and that is right.
func TestPartitionsAddedLater(t *testing.T) {
	b := newBroken(t)
	r := b.run("r", 100)
	b.runs = []TopicRun{r}
	b.deliver(r, 0, 100)
	b.produce()
	if _, err := kadm.NewClient(b.client).UpdatePartitions(context.Background(), topicPartitions+4, "ratings"); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.conn, err = kafka.Connect(context.Background(), b.config, false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.conn.Close)
	if got := b.verify(nil); !got.OK() || len(got.Partitions) != topicPartitions+4 {
		t.Errorf("%v in %d partitions, want nothing in %d", got.Findings, len(got.Partitions), topicPartitions+4)
	}
}

// What retention has deleted is not looked for; each partition begins at the
// first record that is left of the run.
func TestRetention(t *testing.T) {
	for _, noHeader := range []bool{false, true} {
		b := newBroken(t)
		r := b.run("r", topicEvents)
		r.Cursor.NoHeader = noHeader
		b.runs = []TopicRun{r}
		b.deliver(r, 0, topicEvents)
		whole := b.parts
		lost := b.drop(1, 100, 101)
		b.put(1, 61, &kgo.Record{Topic: "ratings", Value: []byte("x")})
		b.put(1, 60, &kgo.Record{Topic: "ratings", Value: []byte("x")}) // what was before is deleted, not altered
		end := int64(len(b.parts[2]))
		b.produce()
		var deleted kadm.Offsets
		deleted.AddOffset("ratings", 1, 60, -1)
		deleted.AddOffset("ratings", 2, end, -1)
		if _, err := kadm.NewClient(b.client).DeleteRecords(context.Background(), deleted); err != nil {
			t.Fatal(err)
		}
		got := b.verify(nil)
		want := fmt.Sprintf("missing event %d of run r in ratings-1, behind offset 101", b.numbers[lost[0]])
		if got.Findings[0].String() != want || fmt.Sprint(got.Counts) != "map[foreign:2 missing:1]" {
			t.Errorf("%v, found %v, want %s", got.Counts, got.Findings, want)
		}
		first := map[int32]uint64{1: b.numbers[whole[1][60]], 2: topicEvents}
		if !maps.Equal(got.Runs[0].First, first) {
			t.Errorf("partitions begin at %v, want %v", got.Runs[0].First, first)
		}
	}
}

// Committed records only: what was aborted is no duplicate, a marker is no
// record, and what an open transaction hides is missing.
func TestTransactions(t *testing.T) {
	b := newBroken(t)
	r := b.run("r", 300)
	cursor := func(next uint64) {
		r.Cursor.Next = next
		b.runs = []TopicRun{r}
	}
	one, other := b.producer("one"), b.producer("other")
	for _, from := range []uint64{0, 100} {
		b.send(one, r, from, from+100)
		b.end(one, kgo.TryAbort)
		b.send(one, r, from, from+100)
		b.end(one, kgo.TryCommit)
	}
	cursor(200)
	if got := b.verify(nil); !got.OK() || got.Records != 200 || got.Hidden != nil {
		t.Fatalf("%v, %d records, hidden %v, want nothing, 200, nothing", got.Findings, got.Records, got.Hidden)
	}
	// An aborted transaction whose marker lies behind the beginning of an open
	// one: no committed record and no marker shows where a partition ends.
	b.send(one, r, 500, 560)
	b.send(other, r, 200, 300)
	b.end(one, kgo.TryAbort)
	cursor(300)
	if got := b.verify(nil); len(got.Hidden) != topicPartitions || got.Counts[Missing] != 100 || len(got.Counts) != 1 {
		t.Errorf("%v, hidden %v, want 100 missing, some hidden in each partition", got.Counts, got.Hidden)
	}
	b.end(other, kgo.TryCommit)
	if got := b.verify(nil); !got.OK() || got.Hidden != nil {
		t.Errorf("%v, hidden %v, want nothing once the transaction has ended", got.Findings, got.Hidden)
	}
}

func (b *broken) producer(id string) *kgo.Client {
	b.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(id))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// send begins a transaction of events of a run.
func (b *broken) send(c *kgo.Client, r TopicRun, from, to uint64) {
	b.Helper()
	if err := c.BeginTransaction(); err != nil {
		b.Fatal(err)
	}
	b.deliver(r, from, to)
	for _, records := range b.parts {
		if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
			b.Fatal(err)
		}
	}
	b.parts = [topicPartitions][]*kgo.Record{}
}

func (b *broken) end(c *kgo.Client, how kgo.TransactionEndTry) {
	b.Helper()
	if err := c.EndTransaction(context.Background(), how); err != nil {
		b.Fatal(err)
	}
}

// Any mix of faults is counted exactly, however the records come in batches.
func TestMixedFaultsOfATopicAreCounted(t *testing.T) {
	b := &broken{TB: t, seq: testSequence(t), numbers: map[*kgo.Record]uint64{}}
	foreign := &kgo.Record{Topic: "ratings", Value: []byte("x")}
	rapid.Check(t, func(rt *rapid.T) {
		run := TopicRun{kafka.Cursor{Run: core.Run{Name: "r", Next: topicEvents}, Partitions: topicPartitions, NoHeader: rapid.Bool().Draw(rt, "noHeader")}, b.seq}
		b.parts = [topicPartitions][]*kgo.Record{}
		b.deliver(run, 0, topicEvents)
		want := map[Kind]uint64{}
		o := TopicOptions{Runs: []TopicRun{run}, Records: new(atomic.Uint64)}
		var lists [topicPartitions][]*kgo.Record
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "faults"), 1))
		rare := rapid.IntRange(4, 100).Draw(rt, "rare")
		for p, records := range b.parts {
			calm := false
			for _, record := range records {
				r := *record
				r.Partition = int32(p)
				fault := random.IntN(rare)
				if calm {
					fault = rare
				}
				calm = false
				switch fault {
				case 0:
					want[Missing]++
				case 1:
					again := r
					lists[p] = append(lists[p], &r, &again)
					want[Duplicated]++
				case 2:
					r.Value = changeRating(r.Value)
					lists[p] = append(lists[p], &r)
					want[Altered]++
				case 3:
					f := *foreign
					f.Partition = int32(p)
					lists[p] = append(lists[p], &r, &f)
					want[Foreign]++
					calm = true // if the next were missing, the foreign one would stand in its place
				default:
					lists[p] = append(lists[p], &r)
				}
			}
			o.Extents = append(o.Extents, kafka.Extent{Partition: int32(p), End: int64(len(lists[p]))})
		}
		c := newTopicCheck("ratings", o)
		for p, records := range lists {
			for i, r := range records {
				r.Offset = int64(i)
			}
			for len(records) > 0 {
				k := 1 + random.IntN(len(records))
				c.partitions[int32(p)].take(kafka.Batch{Partition: int32(p), Records: records[:k]})
				records = records[k:]
			}
		}
		report := c.report()
		if !reflect.DeepEqual(report.Counts, want) {
			rt.Fatalf("%v, want %v: %v", report.Counts, want, report.Findings)
		}
	})
}

// A thousand findings of one kind do not hide the only one of another.
func TestSomeOfEachKindIsSpelledOut(t *testing.T) {
	many := newTally()
	for n := range uint64(1000) {
		many.Counts[Missing]++
		many.Findings = append(many.Findings, Finding{Kind: Missing, N: ptr(2 * n)})
	}
	one := newTally()
	one.add(Finding{Kind: Foreign, File: "ratings-3"}, 1)
	got := mix([]Tally{many, one})
	kinds := []string{}
	for _, f := range got.Findings {
		kinds = append(kinds, string(f.Kind))
	}
	want := slices.Repeat([]string{"missing"}, MaxFindings-1)
	if strings.Join(kinds, " ") != strings.Join(append(want, "foreign"), " ") || got.Counts[Missing] != 1000 {
		t.Errorf("spelled out %v, want 19 missing and a foreign one", kinds)
	}
}
