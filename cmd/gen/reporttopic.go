package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gen/cmd/gen/report"
	"gen/core"
	"gen/emit/encode"
	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

// openReportedTopic reports about the committed records of a run in a topic.
func openReportedTopic(ctx context.Context, e *env, c *cli.Context, o reportOptions) (_ *reported, err error) {
	conn, err := connect(ctx, e, c, o.target)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	cursors, err := conn.ReadCursors(ctx)
	if err != nil {
		return nil, noCursors(conn.Explain(err), conn)
	}
	name, err := onlyRun(cursors, o.run, conn)
	if err != nil {
		return nil, err
	}
	runs, err := topicRuns(o.state, cursors, name)
	if err != nil {
		return nil, err
	}
	extents, hidden, err := conn.Settled(ctx, kafka.Settling)
	if err != nil {
		return nil, conn.Explain(err)
	}
	cursor := cursors[name].Cursor
	r := &reported{events: offsets(extents), seed: &cursor.Seed, close: conn.Close}
	for _, run := range runs {
		if run.Sequence != nil {
			r.known = report.KnownOf(run.Sequence.Snapshot)
		}
	}
	r.page = report.Page{Target: o.target, Profile: cursor.Recipe.Profile, Commands: replay(cursor.Run, 0)}
	r.page.Identity = append([]report.Row{{Name: "run", Value: runTitle(cursor)}}, snapshotRows(cursor.Snapshot, cursor.Recipe, cursor.Seed)...)
	r.page.Identity = append(append(r.page.Identity, scheduleRows(cursor.Schedule)...), report.Row{
		Name: "committed", Value: fmt.Sprintf("%d events at %s", cursor.Next, time.UnixMilli(cursor.Time).UTC().Format(time.RFC3339)),
	})
	r.page.Notes = extentNotes(extents, hidden)
	r.read = func(ctx context.Context, m *report.Measure, done *atomic.Uint64) (func(*report.Figures), error) {
		records := newRecords(cursor, extents, m)
		err := conn.EachBatch(ctx, extents, func(b kafka.Batch) {
			records.take(b)
			done.Add(uint64(len(b.Records)))
		})
		if err == nil {
			err = records.err
		}
		if err != nil {
			return nil, conn.Explain(err)
		}
		if records.others > 0 {
			r.page.Notes = append(r.page.Notes, fmt.Sprintf("%d records of other runs, or of nobody, are left out.", records.others))
		}
		return records.finish, nil
	}
	return r, nil
}

// onlyRun returns the run that is asked for, or the only one.
func onlyRun(cursors map[string]*kafka.Standing, asked string, conn *kafka.Connection) (string, error) {
	names := slices.Sorted(maps.Keys(cursors))
	switch {
	case asked != "":
		return asked, nil // topicRuns says when there is none of this name
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", withHint(fmt.Errorf("%s holds no cursor of a run into topic %q", conn.CursorTopic, conn.Topic),
			"report about what gen stream --to "+conn.String()+" has delivered; --cursor-topic names another topic of cursors")
	}
	return "", withHint(fmt.Errorf("%w: topic %q has %d runs: which of them?\n  found: %s", errUsage, conn.Topic, len(names), strings.Join(names, ", ")), "--run "+names[0])
}

func runTitle(c kafka.Cursor) string {
	if c.Incarnation > 0 {
		return fmt.Sprintf("%s, incarnation %d", c.Name, c.Incarnation)
	}
	return c.Name
}

// extentNotes say what of a topic cannot be seen.
func extentNotes(extents, hidden []kafka.Extent) (notes []string) {
	deleted := 0
	for _, x := range extents {
		if x.Start > 0 {
			deleted++
		}
	}
	if deleted > 0 {
		notes = append(notes, fmt.Sprintf("Retention has deleted the first records of %s.", plural(deleted, "partition")))
	}
	if len(hidden) > 0 {
		notes = append(notes, "An open transaction hides the last records from every reader of committed ones.")
	}
	return notes
}

// records are those of a run in a topic. They are taken by several goroutines.
type records struct {
	id       [8]byte
	noHeader bool
	m        *report.Measure
	batches  sync.Pool // of *[]core.Event

	mu         sync.Mutex
	partitions map[int32]uint64
	lags       map[int64]uint64 // records by lag in ms; nil when the run was not live
	others     uint64
	err        error
}

func newRecords(cursor kafka.Cursor, extents []kafka.Extent, m *report.Measure) *records {
	r := &records{id: cursor.RunID(), noHeader: cursor.NoHeader, m: m, partitions: map[int32]uint64{}, lags: map[int64]uint64{}}
	r.batches.New = func() any { return new([]core.Event) }
	for _, x := range extents {
		r.partitions[x.Partition] = 0
	}
	return r
}

func (r *records) take(b kafka.Batch) {
	events := r.batches.Get().(*[]core.Event)
	defer r.batches.Put(events)
	*events = (*events)[:0]
	times := make([]int64, 0, len(b.Records))
	var others uint64
	var failure error
	for _, record := range b.Records {
		id, _, named := kafka.ParseHeader(record)
		if named != !r.noHeader || named && id != r.id {
			others++
			continue
		}
		event, err := encode.ParseJSONL(record.Value)
		if err != nil && named {
			failure = fmt.Errorf("partition %d, offset %d: a record of the run is no event: %w", b.Partition, record.Offset, err)
			break
		}
		if err != nil {
			others++
			continue
		}
		*events, times = append(*events, event), append(times, record.Timestamp.UnixMilli())
	}
	r.m.Add(*events)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.partitions[b.Partition] += uint64(len(*events))
	r.others += others
	if r.err == nil {
		r.err = failure
	}
	for i, event := range *events {
		r.addLag(times[i] - event.Time)
	}
}

// mostLag is the longest lag of a run that counts as live, in ms; clocks of two
// machines differ by less than a minute.
const (
	mostLag  = int64(24 * time.Hour / time.Millisecond)
	leastLag = -int64(time.Minute / time.Millisecond)
)

func (r *records) addLag(ms int64) {
	switch {
	case r.lags == nil:
	case ms < leastLag || ms > mostLag:
		r.lags = nil
	default:
		r.lags[ms]++
	}
}

// finish adds what only a topic knows.
func (r *records) finish(f *report.Figures) {
	for _, p := range slices.Sorted(maps.Keys(r.partitions)) {
		f.Partitions = append(f.Partitions, report.Partition{Partition: p, Events: r.partitions[p]})
	}
	f.Lag = lagOf(r.lags, f.Count)
}

// lagOf returns percentiles by nearest rank. It returns nil when the run was not
// live, or when its records have the times of its events.
func lagOf(lags map[int64]uint64, count uint64) *report.Lag {
	if len(lags) == 0 || len(lags) == 1 && lags[0] > 0 {
		return nil
	}
	values := slices.Sorted(maps.Keys(lags))
	at := func(p float64) int64 {
		rank, seen := uint64(p*float64(count)), uint64(0)
		for _, v := range values {
			if seen += lags[v]; seen > rank {
				return v
			}
		}
		return values[len(values)-1]
	}
	return &report.Lag{P50: at(.5), P99: at(.99), P999: at(.999), Max: values[len(values)-1]}
}
