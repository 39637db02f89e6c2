package verify

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"sync/atomic"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TopicRun is a run whose cursor says that it delivered into the topic.
type TopicRun struct {
	Cursor   kafka.Cursor
	Sequence *core.Sequence
}

// RunReport is the outcome for one run.
type RunReport struct {
	Run      string `json:"run"`
	ID       string `json:"id"` // what its headers begin with, hexadecimal
	Next     uint64 `json:"next"`
	Records  uint64 `json:"records"`  // read, up to Next
	InFlight uint64 `json:"inFlight"` // committed after the cursor was read
	// First is each partition's first record that retention left: the events
	// before it are not looked for. It is empty when nothing was deleted.
	First map[int32]uint64 `json:"first,omitempty"`
}

// TopicReport is the outcome of the verification of a topic.
type TopicReport struct {
	Report
	Runs    []RunReport    `json:"runs"`
	Extents []kafka.Extent `json:"extents"`
}

// tracked is a run while its records are read.
type tracked struct {
	TopicRun
	report RunReport
	seen   *bitset
	last   map[int32]uint64 // the event of a partition's last record, plus 1
	first  map[int32]uint64
}

// Topic compares the committed records of a topic with the sequences of its
// runs. The cursors must have been read before: later records are in flight.
// A record of no run is foreign, unless allowForeign.
func Topic(ctx context.Context, conn *kafka.Connection, runs []TopicRun, allowForeign bool, rows *atomic.Uint64) (*TopicReport, error) {
	t := &TopicReport{Report: *newReport(0), Runs: []RunReport{}}
	var err error
	if t.Extents, err = conn.Extents(ctx); err != nil {
		return nil, err
	}
	byID := map[[8]byte]*tracked{}
	var order []*tracked
	for _, r := range runs {
		id := r.Cursor.RunID()
		byID[id] = &tracked{
			TopicRun: r, seen: newBitset(0, r.Cursor.Next), last: map[int32]uint64{}, first: map[int32]uint64{},
			report: RunReport{Run: r.Cursor.Name, ID: hex.EncodeToString(id[:]), Next: r.Cursor.Next},
		}
		order = append(order, byID[id])
	}
	var line []byte
	err = conn.Each(ctx, t.Extents, func(r *kgo.Record) {
		rows.Add(1)
		id, n, ok := kafka.ParseHeader(r)
		run := byID[id]
		switch {
		case ok && run != nil:
			line = run.record(t, r, n, line[:0])
		case !allowForeign:
			t.add(at(Finding{Kind: Foreign, Got: fmt.Sprintf("key %q value %q", cut(r.Key), cut(r.Value))}, r), 1)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, run := range order {
		run.missing(t)
		t.Rows += run.report.Records
		t.Runs = append(t.Runs, run.report)
	}
	return t, nil
}

// cut shortens a text for a report.
func cut(b []byte) []byte { return b[:min(len(b), 120)] }

func at(f Finding, r *kgo.Record) Finding {
	f.File, f.Offset = fmt.Sprintf("%s-%d", r.Topic, r.Partition), &r.Offset
	return f
}

// record compares one record of the run. line is a buffer, which it returns.
func (run *tracked) record(t *TopicReport, r *kgo.Record, n uint64, line []byte) []byte {
	if n >= run.Cursor.Next {
		run.report.InFlight++
		return line
	}
	run.report.Records++
	if _, ok := run.first[r.Partition]; !ok {
		run.first[r.Partition] = n
	}
	found := func(kind Kind, want string) {
		t.add(at(Finding{Kind: kind, N: ptr(n), Want: want, Got: fmt.Sprintf("key %s value %s", cut(r.Key), cut(r.Value))}, r), 1)
	}
	e := run.Sequence.Event(n)
	line = encode.AppendJSONL(line, []core.Event{e})
	line = line[:len(line)-1]
	if !bytes.Equal(r.Value, line) || string(r.Key) != strconv.FormatUint(uint64(e.User), 10) {
		found(Altered, fmt.Sprintf("key %d value %s", e.User, line))
	}
	partition := int32(core.Partition(e.User, run.Cursor.Partitions))
	switch {
	case run.seen.has(n):
		found(Duplicated, "")
	case partition != r.Partition:
		found(Misplaced, fmt.Sprintf("partition %d", partition))
	case n+1 < run.last[r.Partition]:
		found(Misplaced, fmt.Sprintf("before event %d", run.last[r.Partition]-1))
	}
	run.seen.set(n)
	run.last[r.Partition] = max(run.last[r.Partition], n+1)
	return line
}

// missing adds the events that no record held, but for those that retention
// deleted: before the first record of a partition that no longer begins at 0.
func (run *tracked) missing(t *TopicReport) {
	cutOff := map[int32]uint64{}
	for _, x := range t.Extents {
		if x.Start == 0 {
			continue
		}
		cutOff[x.Partition] = run.Cursor.Next // nothing of the run is left
		if n, ok := run.first[x.Partition]; ok {
			cutOff[x.Partition] = n
		}
	}
	if len(cutOff) > 0 {
		run.report.First = cutOff
	}
	for w, word := range run.seen.words {
		for holes := ^word; holes != 0; holes &= holes - 1 {
			n := uint64(w)*64 + uint64(bits.TrailingZeros64(holes))
			if n >= run.Cursor.Next {
				return
			}
			p := int32(core.Partition(run.Sequence.Event(n).User, run.Cursor.Partitions))
			if n >= cutOff[p] {
				t.add(Finding{Kind: Missing, N: ptr(n), File: fmt.Sprintf("%s of run %s", partitionName(t, p), run.Cursor.Name)}, 1)
			}
		}
	}
}

func partitionName(t *TopicReport, p int32) string {
	i := slices.IndexFunc(t.Extents, func(x kafka.Extent) bool { return x.Partition == p })
	return fmt.Sprintf("partition %d (offsets %d to %d)", p, t.Extents[i].Start, t.Extents[i].End)
}
