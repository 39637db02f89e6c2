// Package pace plays a schedule in wall time.
package pace

import (
	"context"
	"time"

	"gen/core"
)

// Pacer says when events are due. Event from is due when the pacer is made, or
// was due before; from then on event time passes Speed times as fast as the
// monotonic clock.
// A pacer is safe for use from many goroutines.
type Pacer struct {
	schedule core.Schedule
	speed    float64
	base     int64     // event time of the first event, epoch ms
	origin   time.Time // its wall time
}

// New returns a pacer for the events from on; speed is above 0.
func New(schedule core.Schedule, from uint64, speed float64) *Pacer {
	return &Pacer{schedule, speed, schedule.At(from), time.Now()}
}

// Live returns a pacer at speed 1 for a schedule that begins about now: each
// event is due at its timestamp, so that what the start-up has delayed is caught
// up and not kept for the whole run. Event from is never waited for.
func Live(schedule core.Schedule, from uint64) *Pacer {
	p := New(schedule, from, 1)
	late := p.origin.Sub(time.UnixMilli(p.base))
	p.origin = p.origin.Add(-max(0, late)) // which keeps the monotonic clock
	return p
}

// Due returns the first event that is not due yet.
func (p *Pacer) Due() uint64 {
	ms := time.Since(p.origin).Seconds() * 1000 * p.speed
	return p.schedule.Before(p.base + int64(min(ms, core.MaxTime)) + 1)
}

// Wait returns when event n is due, or when the context ends.
func (p *Pacer) Wait(ctx context.Context, n uint64) error {
	seconds := float64(p.schedule.At(n)-p.base) / 1000 / p.speed
	const longest = 1 << 30 // a century's wait fits time.Duration, a millennium's does not
	timer := time.NewTimer(time.Until(p.origin.Add(time.Duration(min(seconds, longest) * float64(time.Second)))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
