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
	s := ConstantSchedule(rapid.Int64Range(0, 4e12).Draw(t, "start"), rate.Draw(t, "rate"))
	from := uint64(0)
	for range rapid.IntRange(0, 3).Draw(t, "more") {
		from += rapid.Uint64Range(1, 1e9).Draw(t, "events")
		s = s.Then(from, s.At(from)+rapid.Int64Range(-5, 1e9).Draw(t, "gap"), rate.Draw(t, "rate"))
	}
	return s
}

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
	for _, text := range []string{"", "{}", "[]", `[{"from":1,"start":0,"shape":"rate 50"}]`, `[{"from":0,"start":0,"shape":"wave 3"}]`,
		`[{"from":0,"start":0,"shape":"rate 0"}]`, `[{"from":0,"start":0,"shape":"rate 1"},{"from":0,"start":5,"shape":"rate 1"}]`} {
		var s Schedule
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s reads as %v", text, s)
		}
	}
}
