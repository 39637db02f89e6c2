package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestParseRate(t *testing.T) {
	for in, want := range map[string]Rate{
		"50": {50, 1}, "0.5": {1, 2}, "1/3": {1, 3}, "90/m": {3, 2}, "20/h": {1, 180}, "5/d": {1, 17280}, "100/s": {100, 1},
		"2/4": {1, 2}, "1000000000": {1000000000, 1}, "0.001": {1, 1000}, "2.50": {5, 2},
	} {
		got, err := ParseRate(in)
		if err != nil || got != want {
			t.Errorf("ParseRate(%q) = %v, %v, want %v", in, got, err, want)
		}
		if again, err := ParseRate(got.String()); err != nil || again != got {
			t.Errorf("ParseRate(%q) = %v, %v", got.String(), again, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "abc", "1e3", "NaN", "Inf", "1e300", "0.0", "1/0", "0/3", "/3", "3/", "50/w", "1000000001", "1/1000000001",
		"0.0000000001", ".", "1.", ".5", "+5", " 5", "1/3/s", "99999999999999999999999999"} {
		if got, err := ParseRate(in); !errors.Is(err, ErrRate) {
			t.Errorf("ParseRate(%q) = %v, %v, want ErrRate", in, got, err)
		}
	}
}

// drawSchedule draws up to four segments that follow each other.
func drawSchedule(t *rapid.T) Schedule {
	rate := rapid.Custom(func(t *rapid.T) Rate {
		r, err := ParseRate(fmt.Sprintf("%d/%d", rapid.Uint64Range(1, maxRateTerm).Draw(t, "num"), rapid.Uint64Range(1, 1000).Draw(t, "den")))
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
	shape := rapid.Custom(func(t *rapid.T) Shape {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rate.Draw(t, "rate")
		case 1:
			return drawStages(t)
		case 2:
			return mustPoisson(t, rapid.Uint64().Draw(t, "seed"), drawStages(t))
		default:
			return mustPoisson(t, rapid.Uint64().Draw(t, "seed"), rate.Draw(t, "rate"))
		}
	})
	s := Schedule{[]Segment{{0, rapid.Int64Range(0, 4e12).Draw(t, "start"), shape.Draw(t, "shape")}}}
	from := uint64(0)
	for range rapid.IntRange(0, 3).Draw(t, "more") {
		from += rapid.Uint64Range(1, 1e9).Draw(t, "events")
		s = s.Then(from, s.At(from)+rapid.Int64Range(-5, 1e9).Draw(t, "gap"), shape.Draw(t, "shape"))
	}
	return s
}

func mustPoisson(t fatal, seed uint64, rate Shape) *Poisson {
	p, err := NewPoisson(seed, rate)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type fatal interface{ Fatal(...any) }

func TestScheduleIsMonotoneAndInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchedule(t)
		n := rapid.Uint64Range(1, 1e12).Draw(t, "n")
		if last := s.Segments[len(s.Segments)-1].From; rapid.Bool().Draw(t, "near a border") && last > 0 {
			n = last + rapid.Uint64Range(0, 4).Draw(t, "offset") - min(2, last-1)
		}
		at := s.At(n)
		if s.At(n-1) > at || s.At(n+1) < at {
			t.Fatalf("At(%d..%d) = %d, %d, %d", n-1, n+1, s.At(n-1), at, s.At(n+1))
		}
		if at >= MaxTime {
			return
		}
		// Before(at) is the first event at that millisecond.
		if first := s.Before(at); first > n || s.At(first) != at || first > 0 && s.At(first-1) >= at {
			t.Fatalf("Before(%d) = %d, of which the time is %d; At(%d) = %d", at, first, s.At(first), n, at)
		}
		if after := s.Before(at + 1); after <= n || s.At(after) <= at {
			t.Fatalf("Before(%d) = %d, At = %d", at+1, after, s.At(after))
		}
		events := make([]Event, 50)
		s.fill(events, n)
		for i, e := range events {
			if want := s.At(n + uint64(i)); e.Time != want {
				t.Fatalf("fill: event %d at %d, want %d", n+uint64(i), e.Time, want)
			}
		}
		if s.Segments[len(s.Segments)-1].Start > MaxTime {
			return // no run gets there, and no record either
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var again Schedule
		if err := json.Unmarshal(text, &again); err != nil || !again.Equal(s) {
			t.Fatalf("%s reads as %v, %v", text, again, err)
		}
	})
}

func TestRateIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{rapid.Uint64Range(1, maxRateTerm).Draw(t, "num"), rapid.Uint64Range(1, maxRateTerm).Draw(t, "den")}
		k := rapid.Uint64Range(0, maxEvents).Draw(t, "k")
		want := new(big.Int).SetUint64(k)
		want.Mul(want, new(big.Int).SetUint64(1000*r.Den)).Div(want, new(big.Int).SetUint64(r.Num))
		if !want.IsInt64() || want.Int64() > maxOffset {
			want.SetInt64(maxOffset)
		}
		if got := r.at(k); got != want.Int64() {
			t.Fatalf("%v.at(%d) = %d, want %v", r, k, got, want)
		}
	})
}

func TestScheduleRecordsThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":               "",
		"no list":               "{}",
		"no segments":           "[]",
		"event 0 missing":       `[{"from":1,"start":0,"shape":"rate 50"}]`,
		"an unknown shape":      `[{"from":0,"start":0,"shape":"wave 3"}]`,
		"stages without end":    `[{"from":0,"start":0,"shape":"stages 10m 50, repeat, 5m 20"}]`,
		"poisson of poisson":    `[{"from":0,"start":0,"shape":"poisson 1 poisson 1 rate 50"}]`,
		"poisson without seed":  `[{"from":0,"start":0,"shape":"poisson rate 50"}]`,
		"a rate of 0":           `[{"from":0,"start":0,"shape":"rate 0"}]`,
		"event 0 twice":         `[{"from":0,"start":0,"shape":"rate 1"},{"from":0,"start":5,"shape":"rate 1"}]`,
		"events too many":       `[{"from":0,"start":0,"shape":"rate 1000"},{"from":9007199254740993,"start":9007199254740992,"shape":"rate 1"}]`,
		"a start before 1970":   `[{"from":0,"start":-1,"shape":"rate 50"}]`,
		"a start after 9999":    `[{"from":0,"start":253402300800000,"shape":"rate 50"}]`,
		"a start of MaxInt64":   `[{"from":0,"start":9223372036854775807,"shape":"rate 50"}]`,
		"times that descend":    `[{"from":0,"start":1000,"shape":"rate 1"},{"from":5,"start":4999,"shape":"rate 1"}]`,
		"a start of no integer": `[{"from":0,"start":"x","shape":"rate 1"}]`,
	} {
		var s Schedule
		err := s.UnmarshalJSON([]byte(text))
		if !errors.Is(err, ErrSchedule) || errors.Is(err, ErrRate) || errors.Is(err, ErrStages) {
			t.Errorf("%s: %s reads as %v, %v, want ErrSchedule alone", name, text, s, err)
		}
	}
}

func TestScheduleRecordsThatAreRead(t *testing.T) {
	for name, text := range map[string]string{
		"one segment":                     `[{"from":0,"start":0,"shape":"rate 50"}]`,
		"the last start":                  `[{"from":0,"start":253402300799999,"shape":"rate 50"}]`,
		"a segment at the time before it": `[{"from":0,"start":1000,"shape":"rate 1"},{"from":5,"start":5000,"shape":"rate 1/3"}]`,
	} {
		var s Schedule
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Errorf("%s: %s: %v", name, text, err)
		}
		if again, err := json.Marshal(s); err != nil || string(again) != text {
			t.Errorf("%s: %s is written as %s, %v", name, text, again, err)
		}
	}
}

// Every event from 0 to 2^53 can be reached, at a rate that gets there.
func TestEndOfSchedule(t *testing.T) {
	const last = 1 << 53
	fast, slow := Rate{1_000_000, 1}, Rate{1, 1000}
	for _, c := range []struct {
		name string
		s    Schedule
		want uint64
	}{
		{"by number", ConstantSchedule(0, fast), last + 1},
		{"by number, at the greatest rate", ConstantSchedule(0, Rate{maxRateTerm, 1}), last + 1},
		{"by number, in a second segment", ConstantSchedule(0, fast).Then(1000, 0, fast), last + 1},
		{"by time", ConstantSchedule(0, slow), 253402300800/1000 + 1},
		{"by time, at once", ConstantSchedule(MaxTime, slow), 1},
	} {
		if got := c.s.End(); got != c.want {
			t.Errorf("%s: End() = %d, want %d", c.name, got, c.want)
		}
		if at := c.s.At(c.want - 1); at > MaxTime {
			t.Errorf("%s: At(%d) = %d, after MaxTime", c.name, c.want-1, at)
		}
	}
	// 2^53 events at 10^6/s take 9007199254740.992 ms.
	s := ConstantSchedule(0, fast)
	for n, want := range map[uint64]int64{last - 1: 9007199254740, last: 9007199254740, last + 1: 9007199254740} {
		if got := s.At(n); got != want {
			t.Errorf("At(%d) = %d, want %d", n, got, want)
		}
	}
	for ms, want := range map[int64]uint64{9007199254740: 9007199254740000, 9007199254741: last + 1, MaxTime: last + 1} {
		if got := s.Before(ms); got != want {
			t.Errorf("Before(%d) = %d, want %d", ms, got, want)
		}
	}
}

// steps is a shape that == cannot compare.
type steps struct{ Rates []Rate }

func (s steps) at(k uint64) int64                 { return s.Rates[0].at(k) }
func (s steps) count(ms int64) uint64             { return s.Rates[0].count(ms) }
func (s steps) fill(d []Event, k uint64, t int64) { s.Rates[0].fill(d, k, t) }
func (s steps) kind() string                      { return "steps" }
func (s steps) String() string                    { return fmt.Sprint(s.Rates) }

func TestShapesAreComparedByWhatIsRecorded(t *testing.T) {
	one, two := Rate{1, 1}, Rate{2, 1}
	for _, c := range []struct {
		name string
		a, b Shape
		want bool
	}{
		{"equal rates", one, one, true},
		{"other rates", one, two, false},
		{"equal slices", steps{[]Rate{one, two}}, steps{[]Rate{one, two}}, true},
		{"other slices", steps{[]Rate{one, two}}, steps{[]Rate{one, one}}, false},
		{"other kinds", one, steps{[]Rate{one}}, false},
	} {
		if got := SameShape(c.a, c.b); got != c.want {
			t.Errorf("%s: SameShape = %v, want %v", c.name, got, c.want)
		}
		a, b := Schedule{[]Segment{{0, 5, c.a}}}, Schedule{[]Segment{{0, 5, c.b}}}
		if got := a.Equal(b); got != c.want {
			t.Errorf("%s: Equal = %v, want %v", c.name, got, c.want)
		}
	}
}
