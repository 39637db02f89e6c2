package meter

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Split returns n meters for the parts of a delivery, whose sum m then is. It comes
// before everything else.
func (m *Meter) Split(n int) []*Meter {
	for range n {
		m.parts = append(m.parts, &Meter{Slack: m.Slack, Part: true})
	}
	return m.parts
}

// worst orders states: the sum is in the first that any part is in.
var worst = []State{Waiting, Starting, CatchingUp, Running, Done}

// readParts sums up: the delivery is where the part that is furthest behind is.
func (m *Meter) readParts() Reading {
	var sum Reading
	for i, part := range m.parts {
		r := part.Read()
		if i == 0 {
			sum = r
			continue
		}
		sum.Events, sum.Sent, sum.Restarts = sum.Events+r.Events, sum.Sent+r.Sent, sum.Restarts+r.Restarts
		sum.From, sum.Next = min(sum.From, r.From), min(sum.Next, r.Next)
		sum.Due, sum.Rate = max(sum.Due, r.Due), max(sum.Rate, r.Rate)
		sum.Behind, sum.Skipped = max(sum.Behind, r.Behind), max(sum.Skipped, r.Skipped)
		if slices.Index(worst, r.State) < slices.Index(worst, sum.State) {
			sum.State = r.State
		}
	}
	return sum
}

// add adds the lags of another delivery.
func (l *Lags) add(o Lags) {
	for _, h := range []struct {
		to   **hdrhistogram.Histogram
		from *hdrhistogram.Histogram
	}{{&l.Sent, o.Sent}, {&l.Committed, o.Committed}, {&l.Gaps, o.Gaps}} {
		switch {
		case h.from == nil:
		case *h.to == nil:
			*h.to = h.from
		default:
			(*h.to).Merge(h.from)
		}
	}
}
