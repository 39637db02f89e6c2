// Package meter measures a delivery while it runs: how far it is, how late its
// events are, and what it waits for.
//
// A sink tells a Meter what it does, or a nil one, which measures nothing; Read tells
// everybody else. All methods may be called from many goroutines.
//
// # Lag
//
// An event's lag is the time from when the pacer wanted it to when it was sent
// (handed to the sink), and to when it was committed: by Kafka, or written to a
// file. Without a pacer there is none. Events that are sent together are sampled,
// at most 64 of them with a weight each, so that a lag costs less than making an
// event. The histograms are HDR histograms in microseconds, exact to 0.1 %.
package meter

import (
	"sync"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	samples = 64 // of a batch at the most
	// stuckAfter is how long what was sent may stay open.
	stuckAfter = 2 * time.Second
	// behindAfter is how late an event must be to be caught up.
	behindAfter = time.Second
)

// State is what a delivery is at.
type State string

// The states of a delivery.
const (
	Starting   State = "starting"
	Running    State = "running"
	CatchingUp State = "catching up"
	Waiting    State = "waiting" // for the broker, or whoever reads
	Done       State = "done"
)

// States lists all of them.
var States = []State{Starting, Running, CatchingUp, Waiting, Done}

// Meter is what a delivery tells of itself. Its zero value is ready.
type Meter struct {
	// Slack is how long a sink gathers events before it commits them: what that
	// delays is neither late nor stuck.
	Slack time.Duration
	// Part says that some events between those of the delivery are others': only
	// what Sent is told of counts.
	Part bool

	parts []*Meter // whose sum this is

	next atomic.Uint64 // every event before it is committed

	mu       sync.Mutex
	begun    bool
	done     bool
	outage   bool
	from     uint64
	pacer    *pace.Pacer
	sessions int
	sent     uint64 // events, some of them twice
	pending  uint64 // of them sent and not committed
	held     uint64 // committed
	sentTo   uint64
	lastSent time.Time
	open     []sample // sent and not committed
	lags     *lags
}

// sample stands for some events that were due together.
type sample struct {
	due    time.Time
	events int64
}

// lags are the histograms of a paced delivery.
type lags struct{ sent, committed, recent, gaps *hdrhistogram.Histogram }

// newHistogram counts times from a microsecond to a day.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, 3) }

const longest = 24 * 3600 * 1e6

// Begin tells that event from is the first to be sent, and who paces; nil for
// nobody.
func (m *Meter) Begin(from uint64, pacer *pace.Pacer) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun, m.from, m.sentTo, m.pacer = true, from, from, pacer
	m.next.Store(from)
	if pacer != nil {
		m.lags = &lags{newHistogram(), newHistogram(), newHistogram(), newHistogram()}
	}
}

// Sent tells that events from n on are handed to the sink.
func (m *Meter) Sent(n uint64, events []core.Event) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.lags != nil {
		m.sample(now, events)
	}
	m.sent += uint64(len(events))
	m.pending += uint64(len(events))
	m.sentTo, m.lastSent = n+uint64(len(events)), now
}

func (m *Meter) sample(now time.Time, events []core.Event) {
	if !m.lastSent.IsZero() {
		record(m.lags.gaps, now.Sub(m.lastSent), 1)
		record(m.lags.gaps, 0, int64(len(events)-1))
	}
	step := (len(events) + samples - 1) / samples
	for i := 0; i < len(events); i += step {
		k := min(step, len(events)-i)
		s := sample{m.pacer.DueTime(events[i+k/2].Time), int64(k)}
		record(m.lags.sent, now.Sub(s.due), s.events)
		m.open = append(m.open, s)
	}
}

// Committed tells that every event before next is committed.
func (m *Meter) Committed(next uint64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next.Store(max(next, m.next.Load()))
	m.outage = false
	m.held, m.pending = m.held+m.pending, 0
	if m.lags == nil {
		return
	}
	now := time.Now()
	for _, s := range m.open {
		record(m.lags.committed, now.Sub(s.due), s.events)
		record(m.lags.recent, now.Sub(s.due), s.events)
	}
	m.open = m.open[:0]
}

// Session tells that a sink begins at a cursor: what was sent behind it is sent
// again.
func (m *Meter) Session(next uint64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions++
	m.sentTo, m.open, m.pending = next, m.open[:0], 0
	m.next.Store(max(next, m.next.Load()))
}

// Outage tells that the other side is away or slow; Committed ends it.
func (m *Meter) Outage() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outage = true
}

// End tells that the delivery is over.
func (m *Meter) End() {
	if m == nil {
		return
	}
	for _, part := range m.parts {
		part.End()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = true
}

func record(h *hdrhistogram.Histogram, d time.Duration, times int64) {
	if times > 0 {
		_ = h.RecordValues(min(max(0, d.Microseconds()), longest), times) // which is in range
	}
}

// Reading is a delivery at one moment.
type Reading struct {
	State    State
	From     uint64        // the first event of this invocation
	Events   uint64        // committed by this invocation
	Sent     uint64        // events handed to the sink, again after a restart
	Next     uint64        // the first event that is not committed
	Due      uint64        // the first event that is not due; 0 without a pacer
	Rate     float64       // events per second of wall time that the schedule wants; 0 without a pacer
	Behind   time.Duration // how long Next has been due
	Skipped  time.Duration // wall time that was left out
	Restarts int           // sessions after the first

	Lags Lags
}

// Lags are copies of the histograms, in microseconds; nil without a pacer.
type Lags struct {
	Sent, Committed *hdrhistogram.Histogram
	Gaps            *hdrhistogram.Histogram // between one event and the next as they were sent
}

// Read returns how the delivery stands, without its histograms.
func (m *Meter) Read() Reading {
	if m.parts != nil {
		return m.readParts()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Reading{From: m.from, Next: m.next.Load(), Restarts: max(0, m.sessions-1)}
	if r.Events, r.Sent = r.Next-r.From, max(m.sent, r.Next-r.From); m.Part {
		r.Events, r.Sent = m.held, m.sent
	}
	if m.pacer != nil {
		r.Due, r.Rate, r.Skipped = m.pacer.Due(), m.pacer.Rate(), m.pacer.Skipped()
		r.Behind = max(0, m.pacer.Late(r.Next))
	}
	stuck := m.sentTo > r.Next && time.Since(m.lastSent) > stuckAfter+m.Slack
	switch {
	case m.done:
		r.State = Done
	case m.outage || stuck:
		r.State = Waiting
	case !m.begun:
		r.State = Starting
	case r.Behind > behindAfter+m.Slack:
		r.State = CatchingUp
	default:
		r.State = Running
	}
	return r
}

// ReadLags returns Read with copies of the histograms.
func (m *Meter) ReadLags() Reading {
	r := m.Read()
	for _, part := range m.parts {
		r.Lags.add(part.ReadLags().Lags)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lags != nil {
		r.Lags = Lags{m.lags.sent.Clone(), m.lags.committed.Clone(), m.lags.gaps.Clone()}
	}
	return r
}

// Recent returns the lags of what was committed since it was asked last, nil
// without a pacer. It is for one reader.
func (m *Meter) Recent() *hdrhistogram.Histogram {
	if m.parts != nil {
		var sum Lags
		for _, part := range m.parts {
			sum.add(Lags{Committed: part.Recent()})
		}
		return sum.Committed
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lags == nil {
		return nil
	}
	recent := m.lags.recent.Clone()
	m.lags.recent.Reset()
	return recent
}
