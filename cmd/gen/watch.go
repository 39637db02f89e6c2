package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/meter"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	sampleEvery = time.Second
	plainEvery  = 10 // samples
	keptSamples = 600
)

// view is what a stream shows of itself besides what its meter reads.
type view struct {
	Run, Target string
	Sequence    *core.Sequence
	Total       uint64 // events to come; 0: there is no end
	Partitions  int    // of a topic
	Shard       core.Shard
	Hidden      bool // the terminal is taken by the events
}

// watch looks at a stream once a second and shows it: as a line on a terminal,
// as lines elsewhere, and on the live page.
type watch struct {
	ui    *ui
	now   func() time.Time
	meter meter.Meter
	begun time.Time

	mu      sync.Mutex
	view    view
	tally   *tally // nil: nobody looks
	serving bool
	samples []sample
	events  uint64 // of the sample before
	at      time.Time
}

// sample is a stream at one second.
type sample struct {
	Time   int64       `json:"time"` // epoch ms
	Rate   float64     `json:"rate"` // events per second since the sample before
	Wanted float64     `json:"wanted"`
	Next   uint64      `json:"next"`
	State  meter.State `json:"state"`
	Lag    *quantiles  `json:"lag"` // of what was committed since; nil: nothing was
}

// quantiles are those of a lag, in ms.
type quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func quantilesOf(h *hdrhistogram.Histogram) *quantiles {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return &quantiles{ms(50), ms(99), ms(99.9), float64(h.Max()) / 1000}
}

func (q quantiles) String() string {
	return fmt.Sprintf("%.1f/%.1f/%.1f/%.1f", q.P50, q.P99, q.P999, q.Max)
}

func newWatch(e *env) *watch { return &watch{ui: e.ui, now: e.now, begun: e.now()} }

// progress shows a delivery while it goes on: a stream by its watch, anything
// else by its counter. It returns the function that ends it.
func (o deliverOptions) progress(e *env, v view, done *atomic.Uint64) (stop func()) {
	switch {
	case o.watch != nil:
		return o.watch.start(v)
	case v.Hidden:
		return func() {}
	}
	return e.ui.progress(v.Target, done, v.Total)
}

// start begins to look at a delivery and to tell a person.
func (w *watch) start(v view) (stop func()) {
	w.mu.Lock()
	w.view = v
	if w.serving {
		w.tally = newTally(v)
	}
	w.mu.Unlock()
	show := !v.Hidden && !w.ui.quiet
	if !show && !w.serving {
		return w.meter.End
	}
	ticker := time.NewTicker(sampleEvery)
	quit, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for n := 1; ; n++ {
			select {
			case <-ticker.C:
				w.look()
				if show {
					w.show(n)
				}
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(quit)
		<-over
		w.ui.status("")
		w.meter.End()
		w.look()
	}
}

// look takes a sample.
func (w *watch) look() {
	r, recent := w.meter.Read(), w.meter.Recent()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if w.at.IsZero() {
		w.at, w.events = now.Add(-sampleEvery), 0
	}
	s := sample{Time: now.UnixMilli(), Wanted: r.Rate, Next: r.Next, State: r.State, Lag: quantilesOf(recent)}
	if since := now.Sub(w.at).Seconds(); since > 0 {
		s.Rate = float64(r.Events-w.events) / since
	}
	w.at, w.events = now, r.Events
	if len(w.samples) == keptSamples {
		w.samples = append(w.samples[:0], w.samples[1:]...)
	}
	w.samples = append(w.samples, s)
	if w.tally != nil {
		w.tally.advance(r.From, r.Next)
	}
}

// recently returns the rate and the worst lag of the last few samples.
func (w *watch) recently(k int) (rate float64, lag *quantiles) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.samples[max(0, len(w.samples)-k):]
	for _, s := range last {
		rate += s.Rate / float64(len(last))
		if s.Lag != nil && (lag == nil || s.Lag.P99 > lag.P99) {
			lag = s.Lag
		}
	}
	return rate, lag
}

// show tells a person: each second on a terminal, else every ten.
func (w *watch) show(n int) {
	k := plainEvery
	if w.ui.terminal && !w.ui.json {
		k = 3
	} else if n%plainEvery != 0 {
		return
	}
	r := w.meter.Read()
	rate, lag := w.recently(k)
	if w.ui.json {
		w.ui.log("progress", progressFields(r, rate, lag)...)
		return
	}
	text := w.line(r, rate, lag)
	if w.ui.terminal {
		w.ui.status("gen: " + text)
		return
	}
	w.ui.say("%s", text)
}

// line is a delivery in one line.
func (w *watch) line(r meter.Reading, rate float64, lag *quantiles) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", r.Events)
	percent := 100 * float64(r.Next-r.From) / float64(max(1, w.view.Total))
	switch {
	case w.view.Total > 0 && w.view.Shard.Count() > 1: // how many of them are its own is not known
		fmt.Fprintf(&b, " (%.1f%%)", percent)
	case w.view.Total > 0:
		fmt.Fprintf(&b, " of %d (%.1f%%)", w.view.Total, percent)
	}
	fmt.Fprintf(&b, " events, %s", rateText(rate))
	if r.Due > 0 {
		fmt.Fprintf(&b, " of %s wanted", rateText(r.Rate))
	}
	if lag != nil {
		fmt.Fprintf(&b, ", lag p99 %.1f ms", lag.P99)
	}
	fmt.Fprintf(&b, ", next event %d, %s", r.Next, r.State)
	return b.String()
}

func progressFields(r meter.Reading, rate float64, lag *quantiles) []any {
	fields := []any{"state", r.State, "events", r.Events, "next", r.Next, "rate", rate, "restarts", r.Restarts}
	if r.Due > 0 {
		fields = append(fields, "wanted", r.Rate, "due", r.Due, "behind_seconds", r.Behind.Seconds(), "skipped_seconds", r.Skipped.Seconds())
	}
	if lag != nil {
		fields = append(fields, "lag_ms", lag)
	}
	return fields
}

// measured is what the summary of a stream says of how it went.
type measured struct {
	Restarts int     `json:"restarts"`         // of the connection
	Skipped  float64 `json:"skipped_seconds"`  // wall time that was left out
	Due      uint64  `json:"due,omitempty"`    // the first event that was not due at the end
	Lag      *lagSum `json:"lag_ms,omitempty"` // paced only
}

type lagSum struct {
	Sent      *quantiles `json:"sent"`
	Committed *quantiles `json:"committed"`
	Interval  *quantiles `json:"interval"` // between one event and the next as they were sent
}

// measured returns nil for no watch.
func (w *watch) measured() *measured {
	if w == nil {
		return nil
	}
	r := w.meter.ReadLags()
	m := &measured{Restarts: r.Restarts, Skipped: r.Skipped.Seconds(), Due: r.Due}
	if committed := quantilesOf(r.Lags.Committed); committed != nil {
		m.Lag = &lagSum{quantilesOf(r.Lags.Sent), committed, quantilesOf(r.Lags.Gaps)}
	}
	return m
}

// lagText is the rest of a summary for a person.
func (m *measured) lagText() string {
	if m == nil {
		return ""
	}
	var b strings.Builder
	if m.Lag != nil {
		fmt.Fprintf(&b, "\ngen: lag in ms, p50/p99/p99.9/max: %s sent, %s committed", m.Lag.Sent, m.Lag.Committed)
	}
	if m.Lag != nil && m.Lag.Interval != nil {
		fmt.Fprintf(&b, "; %s from event to event", m.Lag.Interval)
	}
	if m.Skipped > 0 {
		fmt.Fprintf(&b, "\ngen: %.1f s of wall time skipped", m.Skipped)
	}
	return b.String()
}
