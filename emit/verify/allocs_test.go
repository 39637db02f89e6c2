package verify

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mostAllocs is how many allocations an event may cost: what is needed once for all
// of them.
const mostAllocs = 0.001

// Verifying a right file costs what its reader and two batches cost, no
// allocation an event. Naming what is wrong, which costs some, must not pass.
func TestVerifyDoesNotAllocateByEvent(t *testing.T) {
	const rows = 200_000
	seq := testSequence(t)
	events := make([]core.Event, rows)
	seq.Fill(events, 0)
	dir, p := t.TempDir(), part{name: "part-0000000000.jsonl", present: true, from: 0, to: rows}
	if err := os.WriteFile(filepath.Join(dir, p.name), encode.AppendJSONL(nil, events), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := files.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	allocs := func(seq *core.Sequence, right bool) float64 {
		c := &checker{dir: d, format: encode.Format{Name: "jsonl", Compress: "none"}, seq: seq, rows: new(atomic.Uint64)}
		return testing.AllocsPerRun(3, func() {
			o, err := c.check(context.Background(), p)
			if err != nil || o.right() != right {
				t.Fatalf("right is %v, want %v; %v", o.right(), right, err)
			}
		}) / rows
	}
	got := allocs(seq, true)
	t.Logf("%.6f allocations an event", got)
	if got > mostAllocs {
		t.Errorf("%.4f allocations an event, want at most %v", got, mostAllocs)
	}
	other := *seq
	other.Seed++
	if wrong := allocs(&other, false); wrong <= mostAllocs {
		t.Errorf("naming %d wrong rows passes with %.6f", rows, wrong)
	}
}

// Comparing the records of a topic costs no allocation an event; reading them costs
// the client's.
func TestVerifyOfATopicDoesNotAllocateByEvent(t *testing.T) {
	const rows = 200_000
	seq := testSequence(t)
	cursor := kafka.Cursor{Run: core.Run{Name: "a", Snapshot: seq.Snapshot.ID(), Seed: seq.Seed, Format: core.FormatVersion, Next: rows}, Partitions: 1}
	id := cursor.RunID()
	records := make([]*kgo.Record, rows)
	for n := range records {
		e := seq.Event(uint64(n))
		row := encode.AppendJSONL(nil, []core.Event{e})
		records[n] = &kgo.Record{
			Topic: "ratings", Offset: int64(n), Key: strconv.AppendUint(nil, uint64(e.User), 10), Value: row[:len(row)-1],
			Headers: []kgo.RecordHeader{{Key: kafka.HeaderKey, Value: binary.BigEndian.AppendUint64(id[:], uint64(n))}},
		}
	}
	allocs := func(right bool) float64 {
		return testing.AllocsPerRun(3, func() {
			c := newTopicCheck("ratings", TopicOptions{Runs: []TopicRun{{cursor, seq}}, Extents: []kafka.Extent{{End: rows}}})
			c.partitions[0].take(kafka.Batch{Records: records})
			if got := c.report(); got.Records != rows || (len(got.Findings) == 0) != right {
				t.Fatalf("%d records, %d findings; right is %v", got.Records, len(got.Findings), right)
			}
		}) / rows
	}
	got := allocs(true)
	t.Logf("%.6f allocations an event", got)
	if got > mostAllocs {
		t.Errorf("%.4f allocations an event, want at most %v", got, mostAllocs)
	}
	for n := 0; n < rows; n += 2 {
		records[n].Key = nil
	}
	if wrong := allocs(false); wrong <= mostAllocs {
		t.Errorf("naming %d wrong records passes with %.6f", rows/2, wrong)
	}
}
