package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/pace"

	"golang.org/x/sync/errgroup"
)

// Pipe writes a range of events to one stream.
type Pipe struct {
	Out      io.Writer
	Sequence *core.Sequence
	Format   encode.Format
	From, To uint64
	Workers  int
	Events   *atomic.Uint64 // counts the events written
}

// Run writes the range as fast as possible. It returns the first event that
// was not written whole: To, or less with the error. The bytes do not depend
// on Workers.
func (p *Pipe) Run(ctx context.Context) (next uint64, err error) {
	if !p.Format.Text() {
		return p.RunPaced(ctx, nil)
	}
	type chunk struct {
		from, to uint64
		made     chan []byte
	}
	workers := max(1, p.Workers)
	group, ctx := errgroup.WithContext(ctx)
	todo := make(chan chunk)
	// What stands in order is never more than workers+1 chunks ahead: the
	// memory in use does not depend on the speed of the reader.
	order := make(chan chunk, workers)
	free := make(chan []byte, 2*workers+2)
	group.Go(func() error {
		defer close(todo)
		defer close(order)
		for from := p.From; from < p.To; {
			c := chunk{from, from + min(chunkEvents, p.To-from), make(chan []byte, 1)}
			select {
			case order <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case todo <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
			from = c.to
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			events := make([]core.Event, chunkEvents)
			for c := range todo {
				var buf []byte
				select {
				case buf = <-free:
				default:
				}
				made, err := p.encode(buf[:0], events[:c.to-c.from], c.from)
				if err != nil {
					return err
				}
				c.made <- made
			}
			return nil
		})
	}
	next = p.From
	group.Go(func() error {
		for c := range order {
			select {
			case made := <-c.made:
				if _, err := p.Out.Write(made); err != nil {
					return err
				}
				next = c.to
				p.Events.Add(c.to - c.from)
				free <- made
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err = group.Wait()
	return next, err
}

// encode appends the bytes of the events from n on. Event 0 brings what a
// file begins with.
func (p *Pipe) encode(b []byte, events []core.Event, n uint64) ([]byte, error) {
	p.Sequence.Fill(events, n)
	if n > 0 {
		return p.Format.AppendChunk(b, events)
	}
	buf := bytes.NewBuffer(b)
	w, err := p.Format.NewWriter(buf, true)
	if err != nil {
		return nil, err
	}
	err = errors.Join(w.Write(events), w.Close())
	return buf.Bytes(), err
}

// RunPaced is Run with each event written when the pacer says that it is due.
// With no pacer every event is due. Text without compression is written event
// by event; other formats when a buffer is full.
func (p *Pipe) RunPaced(ctx context.Context, pacer *pace.Pacer) (next uint64, err error) {
	w, err := p.Format.NewWriter(p.Out, p.From == 0)
	if err != nil {
		return p.From, err
	}
	events := make([]core.Event, chunkEvents)
	n := p.From
	for n < p.To && err == nil {
		due := p.To
		if pacer != nil {
			if err = pacer.Wait(ctx, n); err != nil {
				break
			}
			due = min(max(pacer.Due(), n+1), p.To)
		}
		if err = ctx.Err(); err != nil {
			break
		}
		k := min(chunkEvents, due-n)
		p.Sequence.Fill(events[:k], n)
		if err = w.Write(events[:k]); err != nil {
			return n, fmt.Errorf("write event %d: %w", n, err)
		}
		n += k
		p.Events.Add(k)
	}
	// Also after an interruption: what was written must be readable.
	return n, errors.Join(err, w.Close())
}
