package files

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"gen/core"
	"gen/emit/encode"

	"golang.org/x/sync/errgroup"
)

// chunkEvents is how many events are made and encoded at a time: their text,
// some 600 kB, stays in a core's second-level cache.
const chunkEvents = 8192

// Job delivers events into a directory as immutable segments. Segments are
// made by several workers and published in order, so that what is published
// is always whole segments without a gap.
type Job struct {
	Dir      Dir
	Meta     Meta
	Sequence *core.Sequence
	Format   encode.Format
	End      uint64 // the first event that does not belong to the run: From + Count, or the schedule's end
	Workers  int

	// Wait, when set, returns when event n is due.
	Wait func(ctx context.Context, n uint64) error
	// Published, when set, is told of each segment, in order.
	Published func(Entry)
	// Events, when set, counts the events made by this invocation.
	Events *atomic.Uint64

	written map[uint64]Entry // by segment index
}

// Result is how a job ended.
type Result struct {
	Next     uint64 // every event before it is published
	Segments int    // published by this invocation
	Resumed  int    // found published
	Complete bool   // nothing was left to do
}

// Run writes what is missing, then the manifest and _SUCCESS. When the
// context ends first it returns the context's error: the tail that was being
// written is not published and a later Run writes it again.
func (j *Job) Run(ctx context.Context) (Result, error) {
	result := Result{Next: j.Meta.From}
	unlock, err := j.Dir.Lock()
	if err != nil {
		return result, err
	}
	defer unlock()
	names, err := j.prepare()
	if err != nil {
		return result, err
	}
	present := j.present(names)
	result.Resumed = len(present)
	result.Next = j.firstMissing(present)
	if slices.Contains(names, SuccessFile) {
		result.Complete = true
		return result, j.checkFinished()
	}
	last := j.Meta.Segment.at(j.Meta.Schedule, j.End-1)
	for index := range present {
		if index > last.index {
			return result, fmt.Errorf("%w: %s has segments behind event %d, the end asked for; nothing was written", ErrOtherRun, j.Dir.URL(), j.End)
		}
	}
	if err := j.extend(&result, present); err != nil {
		return result, err
	}
	j.written = map[uint64]Entry{}
	err = j.write(ctx, present, &result)
	if err != nil {
		return result, err
	}
	return result, j.finish(ctx, present)
}

// prepare checks that the directory is empty or this run's, and removes what
// an interrupted run left behind. It returns the names in the directory.
func (j *Job) prepare() ([]string, error) {
	names, err := list(j.Dir)
	if err != nil {
		return nil, err
	}
	if slices.Contains(names, MetaFile) {
		saved, err := ReadMeta(j.Dir)
		if err != nil {
			return nil, err
		}
		if err := saved.Accepts(j.Meta); err != nil {
			return nil, err
		}
	} else if i := slices.IndexFunc(names, isData); i >= 0 {
		return nil, fmt.Errorf("%w: %s has %s but no %s; nothing was written", ErrOtherRun, j.Dir.URL(), names[i], MetaFile)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") && (strings.HasPrefix(name, ".part-") || strings.HasPrefix(name, "._")) {
			if err := j.Dir.Remove(name); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

func isData(name string) bool { return !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, ".") }

// extend writes _gen.json, unless it says the same already. What changed
// since the last invocation must leave the published events alone.
func (j *Job) extend(result *Result, present map[uint64]bool) error {
	saved, err := ReadMeta(j.Dir)
	switch {
	case errors.Is(err, ErrNoRun):
		return publishJSON(j.Dir, MetaFile, j.Meta)
	case err != nil:
		return err
	case saved.Schedule.Equal(j.Meta.Schedule) && saved.Count == j.Meta.Count:
		return nil
	}
	// The last segment of a run of another count may end too early.
	if last := saved.From + saved.Count; saved.Count > 0 && saved.Count != j.Meta.Count {
		if seg := saved.Segment.at(saved.Schedule, last-1); present[seg.index] && seg.to != last {
			if err := j.Dir.Remove(partName(seg.index, j.Format.Ext())); err != nil {
				return err
			}
			delete(present, seg.index)
			result.Resumed--
			result.Next = min(result.Next, max(seg.from, saved.From))
		}
	}
	if last := result.Next - 1; result.Next > saved.From && saved.Schedule.At(last) != j.Meta.Schedule.At(last) {
		return fmt.Errorf("%w: %s has %s on another schedule; nothing was written", ErrOtherRun, j.Dir.URL(), RangeText(saved.From, result.Next))
	}
	return publishJSON(j.Dir, MetaFile, j.Meta)
}

// present returns the indices of the published segments.
func (j *Job) present(names []string) map[uint64]bool {
	indices := map[uint64]bool{}
	for _, name := range names {
		if i, ok := partIndex(name, j.Format.Ext()); ok {
			indices[i] = true
		}
	}
	return indices
}

// Next returns the first event that no published segment holds: the cursor of
// a directory. Meta is what the directory records, and format its format.
func Next(d Dir, meta Meta, format encode.Format) (uint64, error) {
	names, err := list(d)
	if err != nil {
		return 0, err
	}
	j := &Job{Dir: d, Meta: meta, Format: format, End: meta.End()}
	return j.firstMissing(j.present(names)), nil
}

func (j *Job) firstMissing(present map[uint64]bool) uint64 {
	n := j.Meta.From
	for {
		seg, ok := j.Meta.Segment.next(j.Meta.Schedule, n, j.End)
		if !ok || !present[seg.index] {
			return n
		}
		n = seg.to
	}
}

// checkFinished compares a finished directory with what was asked for.
func (j *Job) checkFinished() error {
	m, err := ReadManifest(j.Dir)
	if err != nil {
		return err
	}
	if m.Next != j.End {
		return fmt.Errorf("%w: %s is finished; nothing was written\n  saved: %s\n  asked: %s",
			ErrOtherRun, j.Dir.URL(), RangeText(m.From, m.Next), RangeText(j.Meta.From, j.End))
	}
	return nil
}

// write makes the missing segments.
func (j *Job) write(ctx context.Context, present map[uint64]bool, result *Result) error {
	type task struct {
		segment
		before, done chan struct{} // closed when the segment before it, and it, are published
	}
	group, ctx := errgroup.WithContext(ctx)
	tasks := make(chan task)
	group.Go(func() error {
		defer close(tasks)
		before := make(chan struct{})
		close(before)
		for n := result.Next; ; {
			seg, ok := j.Meta.Segment.next(j.Meta.Schedule, n, j.End)
			if !ok {
				return nil
			}
			n = seg.to
			if present[seg.index] {
				continue
			}
			done := make(chan struct{})
			select {
			case tasks <- task{seg, before, done}:
			case <-ctx.Done():
				return ctx.Err()
			}
			before = done
		}
	})
	for range max(1, j.Workers) {
		group.Go(func() error {
			w := j.newSegmentWriter()
			for t := range tasks {
				err := w.publish(ctx, t.segment, t.before, func(e Entry) {
					j.written[t.index] = e
					result.Next = t.to
					result.Segments++
					if j.Published != nil {
						j.Published(e)
					}
				})
				if err != nil {
					return err
				}
				close(t.done)
			}
			return nil
		})
	}
	return group.Wait()
}

// finish writes the manifest and _SUCCESS. Segments of earlier invocations are
// made again in memory and compared: one that differs is replaced.
func (j *Job) finish(ctx context.Context, present map[uint64]bool) error {
	m := Manifest{From: j.Meta.From, Next: j.End}
	var old []segment
	for n := j.Meta.From; ; {
		seg, ok := j.Meta.Segment.next(j.Meta.Schedule, n, j.End)
		if !ok {
			break
		}
		if present[seg.index] {
			old = append(old, seg)
		}
		m.Segments = append(m.Segments, Entry{Name: partName(seg.index, j.Format.Ext())})
		if e, ok := j.written[seg.index]; ok {
			m.Segments[len(m.Segments)-1] = e
		}
		n = seg.to
	}
	if err := j.checkOld(ctx, old, m.Segments); err != nil {
		return err
	}
	for _, e := range m.Segments {
		m.Rows += e.Rows
		m.Bytes += e.Bytes
	}
	if err := publishJSON(j.Dir, ManifestFile, m); err != nil {
		return err
	}
	if err := publish(j.Dir, SuccessFile, nil); err != nil {
		return fmt.Errorf("write %s/%s: %w", j.Dir.URL(), SuccessFile, err)
	}
	return nil
}

// checkOld fills in the entries of segments of earlier invocations.
func (j *Job) checkOld(ctx context.Context, old []segment, entries []Entry) error {
	slot := map[string]*Entry{}
	for i := range entries {
		slot[entries[i].Name] = &entries[i]
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, j.Workers))
	for _, seg := range old {
		group.Go(func() error {
			w := j.newSegmentWriter()
			e, err := w.encode(ctx, seg, io.Discard)
			if err != nil {
				return err
			}
			if sum, err := hashFile(j.Dir, e.Name); err != nil || sum != e.SHA256 {
				ready := make(chan struct{})
				close(ready)
				err = w.publish(ctx, seg, ready, func(again Entry) { e = again })
				if err != nil {
					return err
				}
			}
			*slot[e.Name] = e
			return nil
		})
	}
	return group.Wait()
}

func hashFile(d Dir, name string) (string, error) {
	f, err := d.FS().Open(name)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return hex.EncodeToString(hash.Sum(nil)), errors.Join(err, f.Close())
}

// segmentWriter is one worker's buffers.
type segmentWriter struct {
	job    *Job
	events []core.Event
	out    *bufio.Writer
}

func (j *Job) newSegmentWriter() *segmentWriter {
	return &segmentWriter{j, make([]core.Event, chunkEvents), bufio.NewWriterSize(nil, 1<<18)}
}

// publish makes one segment, waits for the one before it, and publishes it.
func (w *segmentWriter) publish(ctx context.Context, seg segment, before <-chan struct{}, published func(Entry)) error {
	name := partName(seg.index, w.job.Format.Ext())
	file, err := w.job.Dir.Create(name)
	if err != nil {
		return err
	}
	defer file.Abort()
	entry, err := w.encode(ctx, seg, file)
	if err != nil {
		return err
	}
	if err := file.Finish(); err != nil {
		return err
	}
	select {
	case <-before:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := file.Publish(); err != nil {
		return err
	}
	published(entry)
	return nil
}

// encode writes the bytes of a segment to dst.
func (w *segmentWriter) encode(ctx context.Context, seg segment, dst io.Writer) (Entry, error) {
	hash := sha256.New()
	size := new(counter)
	w.out.Reset(io.MultiWriter(dst, hash, size))
	rows, err := w.job.Format.NewWriter(w.out, true)
	if err != nil {
		return Entry{}, err
	}
	for n := seg.from; n < seg.to; {
		k := min(chunkEvents, seg.to-n)
		if w.job.Wait != nil {
			if err := w.job.Wait(ctx, n+k-1); err != nil {
				return Entry{}, err
			}
		}
		if err := ctx.Err(); err != nil {
			return Entry{}, err
		}
		w.job.Sequence.Fill(w.events[:k], n)
		if err := rows.Write(w.events[:k]); err != nil {
			return Entry{}, err
		}
		if w.job.Events != nil {
			w.job.Events.Add(k)
		}
		n += k
	}
	if err := errors.Join(rows.Close(), w.out.Flush()); err != nil {
		return Entry{}, err
	}
	return Entry{
		Name: partName(seg.index, w.job.Format.Ext()), From: seg.from, Next: seg.to,
		Rows: seg.rows(), Bytes: uint64(*size), SHA256: hex.EncodeToString(hash.Sum(nil)),
	}, nil
}

type counter uint64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
