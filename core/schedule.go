package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// ErrSchedule is returned when a recorded schedule cannot be read.
var ErrSchedule = errors.New("schedule")

const (
	// MaxTime is the latest event time: 9999-12-31T23:59:59.999Z in epoch ms.
	MaxTime = 253402300799999
	// maxOffset caps a time since the start of a segment, so that sums of a
	// start and an offset never overflow. It lies beyond MaxTime.
	maxOffset = 1 << 48
	// maxEvents caps a count of events: those numbered 0 to 2^53, all of which
	// a float64, and so every reader of JSON, holds exactly.
	maxEvents = 1<<53 + 1
)

// Shape is the arrival process of one segment of a schedule, in arrivals
// k = 0, 1, 2, ... and milliseconds since the segment's start. at never
// decreases in k; count(ms) is the number of k with at(k) < ms.
type Shape interface {
	at(k uint64) int64
	count(ms int64) uint64
	fill(dst []Event, k uint64, start int64)
	kind() string   // the first word of its record
	String() string // what stands behind that word
}

// evenShapes reads each kind of shape from its text, but for random arrivals,
// which are made of one of these.
var evenShapes = map[string]func(string) (Shape, error){
	"rate":   func(s string) (Shape, error) { return asShape(ParseRate(s)) },
	"stages": func(s string) (Shape, error) { return asShape(ParseStages(s)) },
}

func asShape[S Shape](s S, err error) (Shape, error) { return s, err }

// Segment is a part of a schedule: event From+k happens at Start + Shape.at(k).
type Segment struct {
	From  uint64 // the first event
	Start int64  // epoch ms
	Shape Shape
}

// SameShape tells whether both shapes give every arrival the same time: they
// are recorded alike. It is == for shapes that hold what == cannot compare.
func SameShape(a, b Shape) bool { return a.kind() == b.kind() && a.String() == b.String() }

// Peak returns the highest rate of a shape, in events per second: what its even
// arrivals reach.
func Peak(s Shape) float64 {
	switch s := s.(type) {
	case *Poisson:
		return Peak(s.rate)
	case *Stages:
		peak := 0.0
		for _, g := range s.list {
			peak = max(peak, g.From.PerSecond(), g.To.PerSecond())
		}
		return peak
	case Rate:
		return s.PerSecond()
	}
	return 0
}

// rateAt returns the rate of a shape at ms after its start, in events per second:
// a number to look at.
func rateAt(s Shape, ms int64) float64 {
	switch s := s.(type) {
	case *Poisson:
		return rateAt(s.rate, ms)
	case *Stages:
		return s.rateAt(ms)
	case Rate:
		return s.PerSecond()
	}
	return 0
}

// Schedule gives each event its time. The zero value is not a schedule: it can
// be compared and recorded, but methods that need a time panic.
type Schedule struct{ Segments []Segment }

// ConstantSchedule is event 0 at start (epoch ms) and rate from then on.
func ConstantSchedule(start int64, rate Rate) Schedule {
	return Schedule{[]Segment{{From: 0, Start: start, Shape: rate}}}
}

// At returns the time of event n in epoch milliseconds. It never decreases in
// n, costs O(log segments) and does not allocate.
func (s Schedule) At(n uint64) int64 {
	g := s.Segments[s.index(n)]
	return g.Start + g.Shape.at(n-g.From)
}

// Before returns the number of events that happen before t (epoch ms), which
// is the first event at t or later: the inverse of At. It is at most 2^53+1,
// the number of events there can be.
func (s Schedule) Before(t int64) uint64 {
	for i, g := range s.Segments {
		n := g.From + g.Shape.count(t-g.Start)
		if i+1 == len(s.Segments) || n < s.Segments[i+1].From {
			return min(n, maxEvents)
		}
	}
	return 0
}

// RateAt returns the events per second of event time at t (epoch ms): a number to
// look at.
func (s Schedule) RateAt(t int64) float64 {
	i := len(s.Segments) - 1
	for i > 0 && s.Segments[i].Start > t {
		i--
	}
	return rateAt(s.Segments[i].Shape, max(0, t-s.Segments[i].Start))
}

// Start returns the time of event 0 in epoch milliseconds.
func (s Schedule) Start() int64 { return s.At(0) }

// End returns the first event number that the schedule cannot give a time to:
// its time would pass MaxTime, or its number is 2^53+1.
func (s Schedule) End() uint64 { return s.Before(MaxTime + 1) }

// Equal tells whether both schedules give every event the same time.
func (s Schedule) Equal(o Schedule) bool {
	return slices.EqualFunc(s.Segments, o.Segments, func(a, b Segment) bool {
		return a.From == b.From && a.Start == b.Start && SameShape(a.Shape, b.Shape)
	})
}

// From returns the segments that event n and later ones belong to.
func (s Schedule) From(n uint64) []Segment { return s.Segments[s.index(n):] }

func (s Schedule) index(n uint64) int {
	return sort.Search(len(s.Segments), func(i int) bool { return s.Segments[i].From > n }) - 1
}

func (s Schedule) fill(dst []Event, n uint64) {
	for len(dst) > 0 {
		i := s.index(n)
		g := s.Segments[i]
		k := uint64(len(dst))
		if i+1 < len(s.Segments) {
			k = min(k, s.Segments[i+1].From-n)
		}
		g.Shape.fill(dst[:k], n-g.From, g.Start)
		dst, n = dst[k:], n+k
	}
}

// segmentRecord is a Segment as it is recorded: {"from":0,"start":1735689600000,"shape":"rate 50"}.
type segmentRecord struct {
	From  uint64 `json:"from"`
	Start int64  `json:"start"`
	Shape string `json:"shape"`
}

// MarshalJSON writes the schedule as a list of segments.
func (s Schedule) MarshalJSON() ([]byte, error) {
	records := make([]segmentRecord, len(s.Segments))
	for i, g := range s.Segments {
		records[i] = segmentRecord{g.From, g.Start, g.Shape.kind() + " " + g.Shape.String()}
	}
	return json.Marshal(records)
}

// UnmarshalJSON reads what MarshalJSON wrote. It returns ErrSchedule for a
// list that is empty, does not begin at event 0 or does not ascend in events
// and times. No other error is wrapped: a record that is damaged must not pass
// for a setting that is wrong, such as ErrRate.
func (s *Schedule) UnmarshalJSON(data []byte) error {
	var records []segmentRecord
	if err := json.Unmarshal(data, &records); err != nil {
		return fmt.Errorf("%w: %s", ErrSchedule, err.Error())
	}
	s.Segments = nil
	for i, r := range records {
		if (i == 0) != (r.From == 0) || i > 0 && r.From <= records[i-1].From || r.From >= maxEvents {
			return fmt.Errorf("%w: segment %d begins at event %d", ErrSchedule, i, r.From)
		}
		if r.Start < 0 || r.Start > MaxTime || i > 0 && r.Start < s.At(r.From-1) {
			return fmt.Errorf("%w: segment %d starts at %d ms", ErrSchedule, i, r.Start)
		}
		shape, err := parseShape(r.Shape)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrSchedule, err.Error())
		}
		s.Segments = append(s.Segments, Segment{r.From, r.Start, shape})
	}
	if len(s.Segments) == 0 {
		return fmt.Errorf("%w: no segments", ErrSchedule)
	}
	return nil
}

// parseShape reads the kind of a shape, a space and its text.
func parseShape(s string) (Shape, error) {
	name, value, _ := strings.Cut(s, " ")
	parse, ok := evenShapes[name]
	if name == "poisson" {
		parse, ok = parsePoisson, true
	}
	if !ok {
		return nil, fmt.Errorf("unknown shape %q", s)
	}
	return parse(value)
}

// Then returns the schedule with another segment: event from happens at start
// (epoch ms) or later, in the given shape. Events before from keep their
// times. A last segment that has no events before from is replaced.
func (s Schedule) Then(from uint64, start int64, shape Shape) Schedule {
	kept := slices.Clone(s.Segments)
	for len(kept) > 0 && kept[len(kept)-1].From >= from {
		kept = kept[:len(kept)-1]
	}
	if from > 0 {
		start = max(start, s.At(from-1))
	}
	return Schedule{append(kept, Segment{from, start, shape})}
}

// Last returns the shape of the last segment, of which there must be one.
func (s Schedule) Last() Shape { return s.Segments[len(s.Segments)-1].Shape }
