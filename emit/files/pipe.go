package files

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/meter"
	"gen/emit/pace"

	"golang.org/x/sync/errgroup"
)

// pipeEvents is how many events are made and written at a time, some 1.2 MB of
// text: with 2,048 the handing over takes a third of the time.
const pipeEvents = 16384

// ErrNotRead is returned when the context has ended and a write has not.
var ErrNotRead = errors.New("the output is not read; its last line may be cut")

// Grace is how long a write may go on after the context has ended.
const Grace = 10 * time.Second

// patient is a writer that does not outlive its context for long: a write
// into a pipe that nobody reads cannot be interrupted otherwise.
type patient struct {
	ctx   context.Context
	w     io.Writer
	grace time.Duration
}

// Until returns a writer that gives up with ErrNotRead when a write goes on
// for longer than grace after the context has ended.
func Until(ctx context.Context, w io.Writer, grace time.Duration) io.Writer {
	return patient{ctx, w, grace}
}

func (p patient) Write(b []byte) (int, error) {
	type written struct {
		n   int
		err error
	}
	done := make(chan written, 1)
	go func() {
		n, err := writeInParts(p.w, b)
		done <- written{n, err}
	}()
	select {
	case r := <-done:
		return r.n, r.err
	case <-p.ctx.Done():
	}
	select {
	case r := <-done:
		return r.n, r.err
	case <-time.After(p.grace):
		return 0, ErrNotRead
	}
}

// Pipe writes a range of events to one stream.
type Pipe struct {
	Out      io.Writer
	Sequence *core.Sequence
	Format   encode.Format
	From, To uint64
	Workers  int
	Events   *atomic.Uint64 // counts the events written
	Meter    *meter.Meter   // when set, is told of them
}

// Run writes the range as fast as possible. It returns the first event that
// was not written whole: To, or less with the error. The bytes do not depend
// on Workers.
func (p *Pipe) Run(ctx context.Context) (next uint64, err error) {
	if !p.Format.Text() {
		return p.RunPaced(ctx, nil)
	}
	workers := max(1, p.Workers)
	l := &line{
		Pipe: p, todo: make(chan chunk), order: make(chan chunk, workers), free: make(chan []byte, 2*workers+2), next: p.From,
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.cut(ctx) })
	for range workers {
		group.Go(l.make)
	}
	group.Go(func() error { return l.write(ctx) })
	err = group.Wait()
	return l.next, firstFailure(l.failed, err)
}

// chunk is some events that follow each other, and where their bytes will be.
type chunk struct {
	from, to uint64
	made     chan []byte
}

// line is a range that is cut into chunks, which are made by several workers and
// written in order. What stands in order is never more than workers+1 chunks ahead:
// the memory in use does not depend on the speed of the reader.
type line struct {
	*Pipe
	todo, order chan chunk
	free        chan []byte
	next        uint64 // the first event that is not written whole
	failed      error  // of a write, which says more than that the context has ended
}

func (l *line) cut(ctx context.Context) error {
	defer close(l.todo)
	defer close(l.order)
	for from := l.From; from < l.To; {
		c := chunk{from, from + min(pipeEvents, l.To-from), make(chan []byte, 1)}
		for _, to := range []chan chunk{l.order, l.todo} {
			select {
			case to <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		from = c.to
	}
	return nil
}

func (l *line) make() error {
	events := make([]core.Event, pipeEvents)
	for c := range l.todo {
		var buf []byte
		select {
		case buf = <-l.free:
		default:
		}
		made, err := l.encode(buf[:0], events[:c.to-c.from], c.from)
		if err != nil {
			return err
		}
		c.made <- made
	}
	return nil
}

func (l *line) write(ctx context.Context) error {
	for c := range l.order {
		select {
		case made := <-c.made:
			if _, l.failed = l.Out.Write(made); l.failed != nil {
				return l.failed
			}
			l.next = c.to
			l.Events.Add(c.to - c.from)
			l.Meter.Committed(l.next)
			l.free <- made
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// encode appends the bytes of the events from n on. Event 0 brings what a
// file begins with.
func (p *Pipe) encode(b []byte, events []core.Event, n uint64) (_ []byte, err error) {
	if n == 0 {
		if b, err = p.Format.AppendHeader(b); err != nil {
			return nil, err
		}
	}
	p.Sequence.Fill(events, n)
	return p.Format.AppendChunk(b, events)
}

// RunPaced is Run with each event written when the pacer says that it is due.
// With no pacer every event is due. Text without compression is written event
// by event; other formats when a buffer is full.
func (p *Pipe) RunPaced(ctx context.Context, pacer *pace.Pacer) (next uint64, err error) {
	w, err := p.Format.NewWriter(p.Out, p.From == 0)
	if err != nil {
		return p.From, err
	}
	events := make([]core.Event, pipeEvents)
	n := p.From
	for n < p.To && err == nil {
		to := min(n+pipeEvents, p.To)
		if err = ctx.Err(); err == nil && pacer != nil {
			to, err = pacer.Next(ctx, n, to)
		}
		if err != nil {
			break
		}
		chunk := events[:to-n]
		p.Sequence.Fill(chunk, n)
		p.Meter.Sent(n, chunk)
		if err = w.Write(chunk); err == nil {
			n = to
			p.Events.Add(uint64(len(chunk)))
			p.Meter.Committed(n)
		}
	}
	// Also after an interruption: what was written must be readable.
	return n, firstFailure(err, w.Close())
}
