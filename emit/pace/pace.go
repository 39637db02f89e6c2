// Package pace plays a schedule in wall time.
//
// Start with New; a sink asks Next, or Wait and then Take, before it sends.
// Quota bounds what one partition gets.
//
// # Clock
//
// Only differences of readings of one process count, which Go takes from the
// monotonic clock: a wall clock that is set during a run changes nothing.
package pace

import (
	"context"
	"sync"
	"time"

	"gen/core"

	"golang.org/x/time/rate"
)

// tooLate is how late an event must be for Skip to skip.
const tooLate = time.Second

// Pacer says when events are due. Event from is due when the pacer is made, or
// was due before; from then on event time passes Speed times as fast as the
// monotonic clock.
// A pacer is safe for use from many goroutines.
type Pacer struct {
	schedule core.Schedule
	speed    float64
	base     int64         // event time of the first event, epoch ms
	limit    *rate.Limiter // nil: none
	skip     bool
	now      func() time.Time
	*clock
}

// clock is when events are due, for all senders who share it.
type clock struct {
	mu      sync.Mutex
	origin  time.Time // when the first event was due
	skipped time.Duration
}

// Option changes what a pacer does when events are late.
type Option func(*Pacer)

// MaxRate allows at most so many events per second of wall time. What was not
// used of it is kept for so long, and may be sent at once: longer than the sink
// takes from one Take to the next.
func MaxRate(perSecond float64, keep time.Duration) Option {
	return func(p *Pacer) {
		p.limit = rate.NewLimiter(rate.Limit(perSecond), max(1, int(min(perSecond*keep.Seconds(), 1<<30))))
	}
}

// Skip leaves out wall time when an event is late by more than a second: it is
// due at once, and the ones behind it that much later. No event is left out.
func Skip() Option { return func(p *Pacer) { p.skip = true } }

// New returns a pacer for the events from on; speed is above 0. Without options
// what is late is caught up as fast as the sink takes it.
func New(schedule core.Schedule, from uint64, speed float64, options ...Option) *Pacer {
	p := &Pacer{schedule: schedule, speed: speed, base: schedule.At(from), now: time.Now, clock: new(clock)}
	for _, option := range options {
		option(p)
	}
	p.origin = p.now()
	return p
}

// Live returns a pacer at speed 1 for a schedule that begins about now: each
// event is due at its timestamp, so that what the start-up has delayed is caught
// up and not kept for the whole run. Event from is never waited for.
func Live(schedule core.Schedule, from uint64, options ...Option) *Pacer {
	p := New(schedule, from, 1, options...)
	late := p.origin.Sub(time.UnixMilli(p.base))
	p.origin = p.origin.Add(-max(0, late)) // which keeps the monotonic clock
	return p
}

// Another returns a pacer for another sender of the same events, each of whom sends
// some of them: when they are due, and what is skipped, is the same for all. The
// maximum rate is that of the events that pass, so that each keeps it for itself.
func (p *Pacer) Another() *Pacer {
	q := *p
	if p.limit != nil {
		q.limit = rate.NewLimiter(p.limit.Limit(), p.limit.Burst())
	}
	return &q
}

// Due returns the first event that is not due yet.
func (p *Pacer) Due() uint64 {
	ms := p.now().Sub(p.begin()).Seconds() * 1000 * p.speed
	return p.schedule.Before(p.base + int64(min(ms, core.MaxTime)) + 1)
}

// DueTime returns when events of an event time (epoch ms) are due.
func (p *Pacer) DueTime(ms int64) time.Time { return p.begin().Add(p.after(ms)) }

// after returns how long after the first event those of an event time are due.
func (p *Pacer) after(ms int64) time.Duration {
	seconds := float64(ms-p.base) / 1000 / p.speed
	const longest = 1 << 30 // a century's wait fits time.Duration, a millennium's does not
	return time.Duration(min(seconds, longest) * float64(time.Second))
}

// Late returns how long event n has been due; less than 0 when it is not.
func (p *Pacer) Late(n uint64) time.Duration { return p.now().Sub(p.DueTime(p.schedule.At(n))) }

// Rate returns the events per second of wall time that the schedule wants now.
func (p *Pacer) Rate() float64 {
	ms := p.now().Sub(p.begin()).Seconds() * 1000 * p.speed
	return p.schedule.RateAt(p.base+int64(min(ms, core.MaxTime))) * p.speed
}

// Skipped returns the wall time that was left out.
func (p *Pacer) Skipped() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.skipped
}

func (p *Pacer) begin() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.origin
}

// Next waits until event n may be sent and returns the first one that may not,
// at most to.
func (p *Pacer) Next(ctx context.Context, n, to uint64) (uint64, error) {
	if err := p.Wait(ctx, n); err != nil {
		return n, err
	}
	return p.Take(n, to), nil
}

// Wait returns when event n is due and the maximum rate allows one, or when the
// context ends.
func (p *Pacer) Wait(ctx context.Context, n uint64) error {
	if err := Sleep(ctx, -p.Late(n)); err != nil || p.limit == nil {
		return err
	}
	for {
		missing := 1 - p.limit.TokensAt(p.now())
		if missing <= 0 {
			return nil
		}
		if err := Sleep(ctx, time.Duration(missing/float64(p.limit.Limit())*float64(time.Second))+1); err != nil {
			return err
		}
	}
}

// Take counts as sent what may be sent at once from event n on, and returns the
// first event behind: above n, at most to.
func (p *Pacer) Take(n, to uint64) uint64 {
	if p.skip { // here, as a stall may fall into a wait
		p.skipTo(p.schedule.At(n))
	}
	to = min(to, max(p.Due(), n+1))
	if p.limit != nil {
		now := p.now()
		to = min(to, n+uint64(max(1, p.limit.TokensAt(now))))
		p.limit.ReserveN(now, int(to-n))
	}
	return to
}

// skipTo leaves out wall time when events of an event time are too late.
func (p *Pacer) skipTo(ms int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if late := p.now().Sub(p.origin.Add(p.after(ms))); late > tooLate {
		p.origin, p.skipped = p.origin.Add(late), p.skipped+late
	}
}

// Sleep waits, or returns the context's error when it ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
