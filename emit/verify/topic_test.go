package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topicPartitions = 3
	topicEvents     = 600
)

// broken is a topic on a fake broker and the runs that are to be in it.
type broken struct {
	testing.TB
	config kafka.Config
	client *kgo.Client
	conn   *kafka.Connection
	seq    *core.Sequence
	// parts are the records to be, by partition; a test changes them.
	parts [topicPartitions][]*kgo.Record
	runs  []TopicRun
	// numbers are the events of the records to be.
	numbers map[*kgo.Record]uint64
}

func newBroken(tb testing.TB) *broken {
	tb.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(topicPartitions, "ratings"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cluster.Close)
	b := &broken{TB: tb, config: kafka.DefaultConfig(kafka.Target{Brokers: cluster.ListenAddrs(), Topic: "ratings"}), seq: testSequence(tb), numbers: map[*kgo.Record]uint64{}}
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.client.Close)
	if b.conn, err = kafka.Connect(context.Background(), b.config, false); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.conn.Close)
	return b
}

// run returns a run of that name into the topic, with its cursor at next.
func (b *broken) run(name string, next uint64) TopicRun {
	return TopicRun{kafka.Cursor{
		Run:     core.Run{Name: name, Snapshot: b.seq.Snapshot.ID(), Seed: b.seq.Seed, Format: core.FormatVersion, Next: next},
		TopicID: b.conn.TopicID(), Partitions: topicPartitions,
	}, b.seq}
}

// deliver adds events of a run to the records to be.
func (b *broken) deliver(r TopicRun, from, to uint64) {
	id := r.Cursor.RunID()
	for n := from; n < to; n++ {
		e := b.seq.Event(n)
		row := encode.AppendJSONL(nil, []core.Event{e})
		p := core.Partition(e.User, topicPartitions)
		rec := &kgo.Record{Topic: "ratings", Partition: int32(p), Key: strconv.AppendUint(nil, uint64(e.User), 10), Value: row[:len(row)-1]}
		if !r.Cursor.NoHeader {
			rec.Headers = []kgo.RecordHeader{{Key: kafka.HeaderKey, Value: binary.BigEndian.AppendUint64(id[:], n)}}
		}
		b.parts[p] = append(b.parts[p], rec)
		b.numbers[rec] = n
	}
}

// produce sends the records to be. The partition of a record is that of its
// list.
func (b *broken) produce() {
	b.Helper()
	for p, records := range b.parts {
		for _, r := range records {
			sent := *r
			sent.Partition = int32(p)
			b.client.Produce(context.Background(), &sent, func(_ *kgo.Record, err error) {
				if err != nil {
					b.Error(err)
				}
			})
		}
	}
	if err := b.client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.parts = [topicPartitions][]*kgo.Record{}
}

func (b *broken) verify(change func(*TopicOptions)) *TopicReport {
	b.Helper()
	extents, hidden, err := b.conn.Settled(context.Background(), 0)
	if err != nil {
		b.Fatal(err)
	}
	o := TopicOptions{Runs: b.runs, TopicID: b.conn.TopicID(), Extents: extents, Hidden: hidden, Records: new(atomic.Uint64)}
	if change != nil {
		change(&o)
	}
	r, err := Topic(context.Background(), b.conn, o)
	if err != nil {
		b.Fatal(err)
	}
	if r.OK() != (len(r.Findings) == 0) {
		b.Fatalf("%v, but the findings are %v", r.Counts, r.Findings)
	}
	return r
}

// drop takes records i to j-1 out of partition p.
func (b *broken) drop(p, i, j int) []*kgo.Record {
	out := slices.Clone(b.parts[p][i:j])
	b.parts[p] = slices.Delete(slices.Clone(b.parts[p]), i, j)
	return out
}

// put inserts records in front of record i of partition p.
func (b *broken) put(p, i int, records ...*kgo.Record) {
	b.parts[p] = slices.Insert(slices.Clone(b.parts[p]), i, records...)
}

// change replaces record i of partition p by a changed copy.
func (b *broken) change(p, i int, f func(*kgo.Record)) {
	r := *b.parts[p][i]
	f(&r)
	b.parts[p] = slices.Clone(b.parts[p])
	b.parts[p][i] = &r
}

// fillIn replaces {1:50} by the event of record 50 of partition 1, counted from
// the end when negative, [1:50] by 50, and (1:50) by its key and value.
func (b *broken) fillIn(text string, whole [topicPartitions][]*kgo.Record) string {
	place := regexp.MustCompile(`[{[(](\d):(-?\d+)[}\])]`)
	return place.ReplaceAllStringFunc(text, func(s string) string {
		m := place.FindStringSubmatch(s)
		p, _ := strconv.Atoi(m[1])
		i, _ := strconv.Atoi(m[2])
		if i < 0 {
			i += len(whole[p])
		}
		switch r := whole[p][i]; s[0] {
		case '{':
			return strconv.FormatUint(b.numbers[r], 10)
		case '(':
			return fmt.Sprintf("%s value %s", r.Key, r.Value)
		}
		return strconv.Itoa(i)
	})
}

// Each fault, once, is counted and named by event and place; the topic without
// one is right. With headers and without, the same is found: rows marked "named"
// need the header.
func TestEveryFaultOfATopicIsNamed(t *testing.T) {
	foreign := &kgo.Record{Topic: "ratings", Key: []byte("7"), Value: []byte("some\ntext")}
	for _, c := range []struct {
		name  string
		named bool
		fault func(b *broken)
		want  map[Kind]uint64
		text  string // how the only finding begins: see fillIn
	}{
		{"nothing", false, func(*broken) {}, nil, ""},
		{"a record lost", false, func(b *broken) { b.drop(1, 50, 51) }, map[Kind]uint64{Missing: 1}, "missing event {1:50} of run r in ratings-1, behind offset 49"},
		{"the first record lost", false, func(b *broken) { b.drop(1, 0, 1) }, map[Kind]uint64{Missing: 1}, "missing event {1:0} of run r in ratings-1"},
		{"the last records lost", false, func(b *broken) { b.drop(2, len(b.parts[2])-4, len(b.parts[2])) }, map[Kind]uint64{Missing: 4},
			"missing event {2:-4} to {2:-1} of run r in ratings-2, 4 of its events, behind offset [2:-5]"},
		{"a partition lost", false, func(b *broken) { b.parts[0] = nil }, map[Kind]uint64{Missing: 204}, "missing event {0:0} to {0:-1} of run r in ratings-0, 204 of its events"},
		{"a record twice", false, func(b *broken) { b.put(1, 51, b.parts[1][50]) }, map[Kind]uint64{Duplicated: 1}, "duplicated event {1:50} of run r in ratings-1, offset 51"},
		{"a batch sent again", false, func(b *broken) { b.put(1, 60, b.parts[1][50:60]...) }, map[Kind]uint64{Duplicated: 10},
			"duplicated event {1:50} to {1:59} of run r in ratings-1, 10 records, offsets 60 to 69"},
		{"a value altered", false, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) { r.Value = changeRating(r.Value) })
		}, map[Kind]uint64{Altered: 1}, "altered event {1:50} of run r in ratings-1, offset 50\n    want key (1:50)\n    got  key "},
		{"a value with a space more", false, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) { r.Value = append(slices.Clone(r.Value), ' ') })
		}, map[Kind]uint64{Altered: 1}, "altered event {1:50} of run r in ratings-1, offset 50\n    want key (1:50)\n    got  key "},
		{"no value", false, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) { r.Value = nil })
		}, map[Kind]uint64{Altered: 1}, "altered event {1:50} of run r in ratings-1, offset 50\n    want key (1:50)\n    got  key "},
		{"a key altered", false, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) { r.Key = r.Key[:len(r.Key)-1] })
		}, map[Kind]uint64{Altered: 1}, "altered event {1:50} of run r in ratings-1, offset 50\n    want key (1:50)\n    got  key "},
		{"no key", false, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) { r.Key = nil })
		}, map[Kind]uint64{Altered: 1}, "altered event {1:50} of run r in ratings-1, offset 50\n    want key (1:50)\n    got  key "},
		{"several altered", false, func(b *broken) {
			for i := 50; i < 55; i++ {
				b.change(1, i, func(r *kgo.Record) { r.Value = []byte("garbage") })
			}
		}, map[Kind]uint64{Altered: 5}, "altered event {1:50} to {1:54} of run r in ratings-1, 5 records, offsets 50 to 54\n    want of the first: key (1:50)\n    got  of the first: key "},
		{"a record in another partition", false, func(b *broken) { b.put(0, 44, b.drop(1, 50, 51)...) }, map[Kind]uint64{Misplaced: 1},
			"misplaced event {1:50} of run r in ratings-0, offset 44\n    want partition 1"},
		{"a record in another partition too", false, func(b *broken) { b.put(0, 44, b.parts[1][50]) }, map[Kind]uint64{Duplicated: 1},
			"duplicated event {1:50} of run r in ratings-0, offset 44"},
		{"a record in both other partitions", false, func(b *broken) {
			r := b.drop(1, 50, 51)
			b.put(0, 44, r...)
			b.put(2, 44, r...)
		}, map[Kind]uint64{Misplaced: 1, Duplicated: 1}, ""},
		{"two records exchanged", false, func(b *broken) { b.put(1, 51, b.drop(1, 50, 51)...) }, map[Kind]uint64{Misplaced: 1},
			"misplaced event {1:51} of run r in ratings-1, offset 50\n    want behind event {1:50}"},
		{"a record too early", false, func(b *broken) { b.put(1, 20, b.drop(1, 150, 151)...) }, map[Kind]uint64{Misplaced: 1},
			"misplaced event {1:150} of run r in ratings-1, offset 20\n    want behind event {1:20}"},
		{"a record too late", false, func(b *broken) { b.put(1, 149, b.drop(1, 50, 51)...) }, map[Kind]uint64{Misplaced: 1},
			"misplaced event {1:50} of run r in ratings-1, offset 149\n    want before event {1:149}"},
		{"a batch behind the next one", false, func(b *broken) { b.put(1, 60, b.drop(1, 50, 60)...) }, map[Kind]uint64{Misplaced: 10},
			"misplaced event {1:50} to {1:59} of run r in ratings-1, 10 records, offsets 60 to 69\n    want of the first: before event {1:69}"},
		{"a foreign record", false, func(b *broken) { b.put(1, 50, foreign) }, map[Kind]uint64{Foreign: 1},
			"foreign in ratings-1, offset 50\n    got  key 7 value \"some\\ntext\""},
		{"foreign records", false, func(b *broken) { b.put(1, 50, foreign, foreign, foreign) }, map[Kind]uint64{Foreign: 3},
			"foreign in ratings-1, 3 records, offsets 50 to 52\n    got  of the first: key 7 value"},
		{"a foreign record at the end", false, func(b *broken) { b.put(1, len(b.parts[1]), foreign) }, map[Kind]uint64{Foreign: 1}, "foreign in ratings-1, offset 195\n"},
		{"a header of nobody", true, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) {
				r.Headers = []kgo.RecordHeader{{Key: kafka.HeaderKey, Value: append([]byte("somebody"), r.Headers[0].Value[8:]...)}}
			})
		}, map[Kind]uint64{Foreign: 1, Missing: 1}, ""},
		{"a header cut off", true, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) {
				r.Headers = []kgo.RecordHeader{{Key: kafka.HeaderKey, Value: r.Headers[0].Value[:15]}}
			})
		}, map[Kind]uint64{Foreign: 1, Missing: 1}, ""},
		{"an event that no schedule reaches", true, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) {
				r.Headers = []kgo.RecordHeader{{Key: kafka.HeaderKey, Value: binary.BigEndian.AppendUint64(slices.Clone(r.Headers[0].Value[:8]), 1<<62)}}
			})
		}, map[Kind]uint64{Foreign: 1, Missing: 1}, ""},
		{"other events under the headers", true, func(b *broken) {
			r, s := b.parts[1][50].Headers, b.parts[1][51].Headers
			b.change(1, 50, func(r *kgo.Record) { r.Headers = s })
			b.change(1, 51, func(s *kgo.Record) { s.Headers = r })
		}, map[Kind]uint64{Altered: 2, Misplaced: 1}, ""},
		{"a record altered and its neighbours lost", false, func(b *broken) {
			b.change(1, 50, func(r *kgo.Record) { r.Value = []byte("garbage") })
			b.drop(1, 51, 54)
		}, map[Kind]uint64{Altered: 1, Missing: 3}, ""},
	} {
		for _, noHeader := range []bool{false, true} {
			if c.named && noHeader {
				continue
			}
			t.Run(fmt.Sprintf("%s/noHeader=%v", c.name, noHeader), func(t *testing.T) {
				b := newBroken(t)
				run := b.run("r", topicEvents)
				run.Cursor.NoHeader = noHeader
				b.runs = []TopicRun{run}
				b.deliver(run, 0, topicEvents)
				whole := b.parts
				c.fault(b)
				b.produce()
				got := b.verify(nil)
				if c.want == nil {
					c.want = map[Kind]uint64{}
				}
				if !reflect.DeepEqual(got.Counts, c.want) {
					t.Errorf("%v, want %v: %v", got.Counts, c.want, got.Findings)
				}
				text := b.fillIn(c.text, whole)
				if text != "" && (len(got.Findings) != 1 || !strings.HasPrefix(got.Findings[0].String(), text)) {
					t.Errorf("found %v\nwant  %s", got.Findings, text)
				}
			})
		}
	}
}
