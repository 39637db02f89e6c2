package files

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"gen/core"
)

// chunkEvents is how many events are made and encoded at a time: their text,
// some 600 kB, stays in a core's second-level cache.
const chunkEvents = 8192

// segmentWriter is one worker's buffers.
type segmentWriter struct {
	job    *Job
	events []core.Event
	out    *bufio.Writer
	live   bool   // its events are new: they are waited for and counted
	made   uint64 // events counted of this segment
}

func (j *Job) newSegmentWriter() *segmentWriter {
	return &segmentWriter{job: j, events: make([]core.Event, chunkEvents), out: bufio.NewWriterSize(nil, 1<<18)}
}

// publish makes one segment, waits for the one before it, and publishes it.
func (w *segmentWriter) publish(ctx context.Context, t task, published func(Entry)) error {
	w.made = 0
	return w.job.again(ctx, func() error {
		if w.made > 0 {
			w.job.Events.Add(-w.made)
			w.made = 0
		}
		return w.try(ctx, t, published)
	})
}

func (w *segmentWriter) try(ctx context.Context, t task, published func(Entry)) error {
	file, err := w.job.Dir.Create(PartName(t.index, w.job.Format.Ext()))
	if err != nil {
		return err
	}
	defer file.Abort()
	entry, err := w.encode(ctx, t.segment, file)
	if err != nil {
		return err
	}
	if err := file.Finish(); err != nil {
		return err
	}
	select {
	case <-t.before:
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.live && t.to == w.job.last {
		if err := w.job.publishList(entry); err != nil {
			return err
		}
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
	err = w.fill(ctx, seg, rows.Write)
	if err := firstFailure(err, rows.Close(), w.out.Flush()); err != nil {
		return Entry{}, err
	}
	return Entry{
		Name: PartName(seg.index, w.job.Format.Ext()), From: seg.from, Next: seg.to,
		Rows: seg.rows(), Bytes: uint64(*size), SHA256: hex.EncodeToString(hash.Sum(nil)),
	}, nil
}

// fill makes the events of a segment and hands them on in chunks.
func (w *segmentWriter) fill(ctx context.Context, seg segment, write func([]core.Event) error) error {
	for n := seg.from; n < seg.to; {
		to := min(n+chunkEvents, seg.to)
		if w.live && w.job.wait != nil {
			var err error
			if to, err = w.job.wait(ctx, n, to); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		events := w.events[:to-n]
		w.job.Sequence.Fill(events, n)
		if w.live {
			w.job.Meter.Sent(n, events)
		}
		if err := write(events); err != nil {
			return err
		}
		if w.live {
			w.job.Meter.Committed(to)
		}
		if w.live && w.job.Events != nil {
			w.job.Events.Add(to - n)
			w.made += to - n
		}
		n = to
	}
	return nil
}

// errOtherRows is what sameRows ends with at the first difference.
var errOtherRows = errors.New("other rows")

// sameRows tells whether a published file holds the events of the segment.
func (w *segmentWriter) sameRows(ctx context.Context, seg segment, name string) bool {
	rows, err := OpenRows(w.job.Dir.FS(), name, w.job.Format)
	if err != nil {
		return false
	}
	got := make([]core.Event, chunkEvents)
	err = w.fill(ctx, seg, func(want []core.Event) error {
		k, err := rows.Read(got[:len(want)])
		if k != len(want) || err != nil && !errors.Is(err, io.EOF) || !slices.Equal(got[:k], want) {
			return errOtherRows
		}
		return nil
	})
	extra, _ := rows.Read(got[:1]) // only their number counts
	return errors.Join(err, rows.Close()) == nil && extra == 0
}

// firstFailure returns the first error that is not a mere end of the context,
// else the first at all: what failed matters more than that it was stopped.
func firstFailure(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
	return errors.Join(errs...)
}

type counter uint64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
