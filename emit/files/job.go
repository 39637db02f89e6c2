package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/meter"

	"golang.org/x/sync/errgroup"
)

// Job delivers events into a directory as immutable segments. Segments are
// made by several workers and published in order, so that what is published
// is whole segments without a gap.
type Job struct {
	Dir      Dir
	Meta     Meta
	Sequence *core.Sequence
	Format   encode.Format
	Workers  int
	Shard    core.Shard // whose segments are made: see Options.Shard

	// Accepted, when set, is told the first event that is not published, when
	// the directory has been found to be this run's and before anything is
	// written. It returns who paces the events, nil for nobody.
	Accepted func(next uint64) (Wait, error)
	// Published, when set, is told of each segment, in order.
	Published func(Entry)
	// Away, when set, is told of a failure after which a step is tried again.
	// It may be called from several goroutines.
	Away func(error)
	// Events, when set, counts the events made for segments that are written.
	Events *atomic.Uint64
	// Meter, when set, is told of them.
	Meter *meter.Meter

	wait    Wait
	written map[uint64]Entry // by segment index
	last    uint64           // the first event behind the last segment to be published
}

// Wait waits until event n may be made and returns the first one that may not,
// at most to: pace.Pacer.Next.
type Wait func(ctx context.Context, n, to uint64) (uint64, error)

// Result is how a job ended.
type Result struct {
	Next     uint64   // every event of the part before it is published
	Segments int      // published by this invocation
	Resumed  bool     // some of the part was published before
	Complete bool     // nothing was left to do
	Finished bool     // the whole directory is finished: of a shard's job, others may be at work
	Replaced []string // segments of earlier invocations that were damaged, and are made anew
}

// Part returns the events that the job is to publish: from up to, not including,
// to.
func (j *Job) Part() (from, to uint64) { return j.Meta.part(j.Shard) }

// Run writes what is missing, then, when all is there, the manifest and _SUCCESS.
// When the context ends first it returns the context's error: the tail that was
// being written is not published and a later Run writes it again.
func (j *Job) Run(ctx context.Context) (Result, error) {
	from, to := j.Part()
	result := Result{Next: from}
	locks, err := j.lock(ctx)
	if err != nil {
		return result, err
	}
	defer locks.unlock()
	p, err := j.plan()
	if err != nil {
		return result, err
	}
	next, resumed := p.Next, len(p.segments) > 0
	if j.Shard.Count() > 1 {
		next = p.next(j.Meta, from, to)
		resumed = slices.ContainsFunc(j.Meta.between(from, to), func(seg segment) bool { return p.segments[seg.index] })
	}
	result.Next, result.Resumed, result.Complete, result.Finished = next, resumed, p.reached, p.reached
	if j.Accepted != nil {
		if j.wait, err = j.Accepted(next); err != nil {
			return result, err
		}
	}
	if err := j.prepare(ctx, p); err != nil || p.reached {
		return result, err
	}
	locks.letIn()
	j.written = map[uint64]Entry{}
	if j.Shard.Count() > 1 {
		return result, j.runShard(ctx, p, &result)
	}
	if err := j.write(ctx, p, &result); err != nil {
		return result, err
	}
	return result, j.finish(ctx, &result)
}

// prepare removes what is in the way and writes _gen.json where it is missing.
func (j *Job) prepare(ctx context.Context, p plan) error {
	for _, name := range p.remove {
		if err := j.Dir.Remove(name); err != nil {
			return fmt.Errorf("remove %s/%s: %w", j.Dir.URL(), name, err)
		}
	}
	if p.reached || !p.meta {
		return nil
	}
	return j.again(ctx, func() error { return publishJSON(j.Dir, MetaFile, j.Meta) })
}

func (j *Job) plan() (plan, error) {
	names, err := list(j.Dir)
	if err != nil {
		return plan{}, err
	}
	saved, err := savedMeta(j.Dir)
	if err != nil {
		return plan{}, err
	}
	p, err := makePlan(j.Dir, names, saved, j.Meta)
	p.remove = slices.DeleteFunc(p.remove, j.isOthers)
	return p, err
}

const (
	// patience is how long a step is tried again.
	patience = 20 * time.Second
	// longTry is how long a step takes only when the file system was there: every
	// wait of a client has ended before.
	longTry = dialPatience + answerPatience
)

// again does a step, from its beginning, until it succeeds or the file system
// has been away for as long as patience: what fails after it has gone well for long
// has another patience. A file that was begun is lost then; it
// holds nothing that cannot be made again.
func (j *Job) again(ctx context.Context, step func() error) error {
	var since time.Time
	for pause := 250 * time.Millisecond; ; pause = min(2*pause, 4*time.Second) {
		begun := time.Now()
		err := step()
		if !errors.Is(err, ErrAway) {
			return err
		}
		if since.IsZero() || time.Since(begun) > longTry {
			since = time.Now()
			j.Meter.Outage()
			if j.Away != nil {
				j.Away(err)
			}
		}
		if time.Since(since) > patience {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// task is a segment to be written.
type task struct {
	segment
	before, done chan struct{} // closed when the segment before it, and it, are published
}

// write makes the missing segments of the part.
func (j *Job) write(ctx context.Context, p plan, result *Result) error {
	group, ctx := errgroup.WithContext(ctx)
	tasks := make(chan task)
	group.Go(func() error {
		defer close(tasks)
		return j.assign(ctx, p, tasks)
	})
	for range max(1, j.Workers) {
		group.Go(func() error {
			w := j.newSegmentWriter()
			w.live = true
			for t := range tasks {
				err := w.publish(ctx, t, func(e Entry) {
					j.written[t.index] = e
					result.Next = max(result.Next, t.to)
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

// assign hands out the missing segments in order.
func (j *Job) assign(ctx context.Context, p plan, tasks chan<- task) error {
	before := make(chan struct{})
	close(before)
	from, to := j.Part()
	for n := max(from, p.Next); ; {
		seg, ok := j.Meta.Segment.next(j.Meta.Schedule, n, to)
		if !ok {
			return nil
		}
		n = seg.to
		if p.segments[seg.index] {
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
}

// finish writes the manifest and _SUCCESS, after a look at the segments of
// earlier invocations.
func (j *Job) finish(ctx context.Context, result *Result) error {
	all := j.Meta.between(j.Meta.From, j.Meta.End())
	if err := j.checkMissing(ctx, all, result); err != nil {
		return err
	}
	return j.publishEnd(ctx, all, result)
}

// checkMissing looks at those of some published segments that j.written does not
// have yet.
func (j *Job) checkMissing(ctx context.Context, segments []segment, result *Result) error {
	old := slices.DeleteFunc(slices.Clone(segments), func(seg segment) bool { _, ok := j.written[seg.index]; return ok })
	entries, err := j.checkOld(ctx, old, result)
	if err != nil {
		return err
	}
	for i, seg := range old {
		j.written[seg.index] = entries[i]
	}
	return nil
}

// publishEnd writes the manifest of all segments, which j.written has, and
// _SUCCESS.
func (j *Job) publishEnd(ctx context.Context, all []segment, result *Result) error {
	m := Manifest{From: j.Meta.From, Next: j.Meta.End()}
	for _, seg := range all {
		e := j.written[seg.index]
		m.Segments = append(m.Segments, e)
		m.Rows += e.Rows
		m.Bytes += e.Bytes
	}
	if err := j.again(ctx, func() error { return publishJSON(j.Dir, ManifestFile, m) }); err != nil {
		return err
	}
	if err := j.again(ctx, func() error { return publish(j.Dir, SuccessFile, nil) }); err != nil {
		return fmt.Errorf("write %s/%s: %w", j.Dir.URL(), SuccessFile, err)
	}
	_, result.Next = j.Part()
	result.Finished = true
	return nil
}

// checkOld makes segments of earlier invocations again in memory and compares:
// one that differs is replaced.
func (j *Job) checkOld(ctx context.Context, old []segment, result *Result) ([]Entry, error) {
	entries, replaced := make([]Entry, len(old)), make([]bool, len(old))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, j.Workers))
	for i, seg := range old {
		group.Go(func() (err error) {
			entries[i], replaced[i], err = j.newSegmentWriter().check(ctx, seg)
			return err
		})
	}
	err := group.Wait()
	for i, is := range replaced {
		if is {
			result.Replaced = append(result.Replaced, entries[i].Name)
		}
	}
	return entries, err
}

// check compares a published segment with the one that is made now.
func (w *segmentWriter) check(ctx context.Context, seg segment) (e Entry, replaced bool, err error) {
	if e, err = w.encode(ctx, seg, io.Discard); err != nil {
		return e, false, err
	}
	var found Entry
	err = w.job.again(ctx, func() (err error) {
		found, err = hashFile(w.job.Dir, e)
		return err
	})
	if errors.Is(err, ErrAway) {
		return e, false, err
	}
	if err == nil && found.SHA256 == e.SHA256 {
		return e, false, nil
	}
	// Another build may compress otherwise; plain text has one form only.
	if plain := w.job.Format.Text() && w.job.Format.Compress == "none"; err == nil && !plain && w.sameRows(ctx, seg, e.Name) {
		return found, false, nil
	}
	ready := make(chan struct{})
	close(ready)
	return e, true, w.publish(ctx, task{segment: seg, before: ready}, func(again Entry) { e = again })
}

// hashFile returns the entry of a file as it is on disk.
func hashFile(d Dir, e Entry) (Entry, error) {
	f, err := d.FS().Open(e.Name)
	if err != nil {
		return e, err
	}
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	e.Bytes, e.SHA256 = uint64(size), hex.EncodeToString(hash.Sum(nil))
	return e, errors.Join(err, f.Close())
}
