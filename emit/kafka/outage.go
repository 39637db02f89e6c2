package kafka

import (
	"context"
	"sync"
	"time"

	"gen/emit/meter"
	"gen/emit/pace"
)

// outage tells a person that the broker is away or slow, and when it is back:
// a line at the beginning, one every ten seconds, one at the end. Its methods
// may be called from several goroutines.
type outage struct {
	say   func(format string, args ...any)
	meter *meter.Meter

	mu    sync.Mutex
	from  uint64    // the first event that is not committed
	sent  time.Time // when its transaction began; zero: there is none
	since time.Time // when the outage began; zero: all is well
	said  time.Time
}

const (
	slow     = 2 * time.Second
	sayEvery = 10 * time.Second
)

// failed is told why a session has ended.
func (o *outage) failed(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = time.Time{}
	o.tell(time.Now(), "%v; trying again from the cursor on", err)
}

// sending is told when a transaction begins.
func (o *outage) sending(from uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.from, o.sent = from, time.Now()
}

// committed is told when a transaction has ended well.
func (o *outage) committed(next uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		o.say("the broker is back after %.1f s: going on at event %d", time.Since(o.since).Seconds(), next)
	}
	o.sent, o.since, o.said = time.Time{}, time.Time{}, time.Time{}
}

// watch says so when a transaction takes long, until the context ends.
func (o *outage) watch(ctx context.Context) {
	for pace.Sleep(ctx, time.Second) == nil {
		o.mu.Lock()
		if !o.sent.IsZero() && time.Since(o.sent) > slow {
			o.tell(o.sent, "waiting for the broker: nothing from event %d on is committed since %s", o.from, time.Since(o.sent).Round(time.Second))
		}
		o.mu.Unlock()
	}
}

// tell says a line, but not within ten seconds after the last one. The outage
// began at since, unless there is one already.
func (o *outage) tell(since time.Time, format string, args ...any) {
	if o.since.IsZero() {
		o.since = since
		o.meter.Outage()
	}
	if time.Since(o.said) >= sayEvery {
		o.said = time.Now()
		o.say(format, args...)
	}
}
