package core

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawStages draws one to five stages, among them steps, ramps and pauses.
func drawStages(t *rapid.T) *Stages {
	rate := rapid.Custom(func(t *rapid.T) Rate {
		if rapid.IntRange(0, 4).Draw(t, "pause") == 0 {
			return Rate{0, 1}
		}
		r, err := ParseRate(fmt.Sprintf("%d/%d", rapid.Uint64Range(1, 100_000).Draw(t, "num"), rapid.SampledFrom([]uint64{1, 2, 3, 7, 60, 3600}).Draw(t, "den")))
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
	var list []Stage
	for range rapid.IntRange(1, 5).Draw(t, "stages") {
		g := Stage{rapid.Int64Range(1, 10_000_000).Draw(t, "millis"), rate.Draw(t, "from"), Rate{}}
		g.To = g.From
		if rapid.Bool().Draw(t, "ramp") {
			g.To = rate.Draw(t, "to")
		}
		list = append(list, g)
	}
	list = append(list, Stage{1000, Rate{1, 1}, Rate{1, 1}}) // so that there is an event
	s, err := NewStages(list, rapid.Bool().Draw(t, "repeat"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// areaOf returns the number of events before ms, by rational arithmetic: the
// integral of the rate.
func areaOf(list []Stage, repeat bool, ms int64) *big.Rat {
	sum := new(big.Rat)
	rat := func(r Rate) *big.Rat {
		return new(big.Rat).SetFrac(new(big.Int).SetUint64(r.Num), new(big.Int).SetUint64(r.Den))
	}
	for first := true; first || repeat; first = false {
		for _, g := range list {
			x := big.NewRat(min(ms, g.Millis), 1)
			// x * From + x^2 * (To - From) / (2 D), in events per second and ms.
			slope := new(big.Rat).Sub(rat(g.To), rat(g.From))
			slope.Mul(slope, x).Mul(slope, big.NewRat(1, 2*g.Millis)).Add(slope, rat(g.From)).Mul(slope, x)
			sum.Add(sum, slope.Mul(slope, big.NewRat(1, 1000)))
			if ms -= g.Millis; ms <= 0 {
				return sum
			}
		}
	}
	return sum
}

// Arrival k happens in the millisecond in which the integral of the rate
// reaches k, to the millisecond, in every round.
func TestStagesAreTheIntegralOfTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStages(t)
		most := 3 * s.total() / s.unit
		if !s.repeat {
			most = s.count(maxOffset) - 1
		}
		k := rapid.Uint64Range(0, most).Draw(t, "k")
		at, want := s.at(k), new(big.Rat).SetInt(new(big.Int).SetUint64(k))
		if before := areaOf(s.list, s.repeat, at); before.Cmp(want) > 0 {
			t.Fatalf("%v: at(%d) = %d, before which %s events happen", s, k, at, before.FloatString(3))
		}
		if after := areaOf(s.list, s.repeat, at+1); after.Cmp(want) <= 0 && at+1 < s.round() {
			t.Fatalf("%v: at(%d) = %d, but only %s events happen until its end", s, k, at, after.FloatString(3))
		}
		ms := rapid.Int64Range(0, 3*s.round()).Draw(t, "ms")
		count := new(big.Rat).SetInt(new(big.Int).SetUint64(s.count(ms)))
		area := areaOf(s.list, s.repeat, ms)
		if over := count.Sub(count, area); over.Sign() < 0 || over.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("%v: count(%d) = %d, the integral is %s", s, ms, s.count(ms), area.FloatString(6))
		}
	})
}

// One endless stage is a rate.
func TestStagesOfOneRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{rapid.Uint64Range(1, maxRateTerm).Draw(t, "num"), rapid.Uint64Range(1, 1000).Draw(t, "den")}
		s, err := NewStages([]Stage{{1000, r, r}}, true)
		if err != nil {
			t.Fatal(err)
		}
		k := rapid.Uint64Range(0, maxEvents-1).Draw(t, "k")
		if got, want := s.at(k), r.at(k); got != want {
			t.Fatalf("%v: at(%d) = %d, want %d", r, k, got, want)
		}
		ms := rapid.Int64Range(0, MaxTime).Draw(t, "ms")
		if got, want := s.count(ms), r.count(ms); got != want {
			t.Fatalf("%v: count(%d) = %d, want %d", r, ms, got, want)
		}
	})
}

// The borders of stages lie where the design says, to one event.
func TestStageBorders(t *testing.T) {
	s, err := ParseStages("10s 50\n5s 50..200 # up\n10s 200\n5s 0\n2s 10")
	if err != nil {
		t.Fatal(err)
	}
	// 500, then 625, then 2000, then none, then 20 events.
	for ms, want := range map[int64]uint64{0: 0, 1: 1, 10_000: 500, 10_001: 501, 15_000: 1125, 25_000: 3125, 25_001: 3125, 30_000: 3125, 30_001: 3126, 32_000: 3145, 99_000: 3145} {
		if got := s.count(ms); got != want {
			t.Errorf("count(%d) = %d, want %d", ms, got, want)
		}
	}
	for k, want := range map[uint64]int64{0: 0, 499: 9980, 500: 10_000, 1125: 15_000, 3124: 24_995, 3125: 30_000, 3144: 31_900, 3145: maxOffset} {
		if got := s.at(k); got != want {
			t.Errorf("at(%d) = %d, want %d", k, got, want)
		}
	}
	if end := (Schedule{[]Segment{{0, 1735689600000, s}}}).End(); end != 3145 {
		t.Errorf("End = %d, want 3145", end)
	}
}

// On a ramp from 0 by 20/s every second, 10 t^2 events happen in t seconds:
// where that is whole at a whole millisecond, the event is in that one.
func TestRampIsExact(t *testing.T) {
	s, err := ParseStages("10s 0..200, 10s 200..0")
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[uint64]int64{0: 0, 10: 1000, 40: 2000, 90: 3000, 810: 9000, 1000: 10_000, 1190: 11_000, 1990: 19_000} {
		if got := s.at(k); got != want {
			t.Errorf("at(%d) = %d, want %d", k, got, want)
		}
		if got := s.count(want); got != k {
			t.Errorf("count(%d) = %d, want %d", want, got, k)
		}
	}
}

func TestParseStages(t *testing.T) {
	for text, want := range map[string]string{
		"10m 50":                               "10m 50",
		"10m 50\n\n  5m 50..200  # up\nrepeat": "10m 50, 5m 50..200, repeat",
		"1h30m 1/3, 90s 0, 1500ms 90/m":        "1h30m 1/3, 1m30s 0, 1s500ms 3/2",
		"# only one\r\n7d 0..0.5\r\n":          "7d 0..1/2",
	} {
		s, err := ParseStages(text)
		if err != nil || s.String() != want {
			t.Errorf("ParseStages(%q) = %v, %v, want %q", text, s, err, want)
			continue
		}
		if again, err := ParseStages(s.String()); err != nil || !SameShape(s, again) {
			t.Errorf("%q reads as %v, %v", s, again, err)
		}
	}
	for _, text := range []string{
		"", "repeat", "10m", "10m 0", "10m 0..0", "10 50", "0s 50", "m 50", "10x 50", "10m -1", "10m NaN", "10m 1e300", "10m 50...200", "10m 50..", "10m 50 200",
		"10m 50, repeat, 5m 20", "10m 50, repeat, repeat", "99999999999999999999d 50", "9999999d 1", "300000d 1000000000", "10m 1/999983, 10m 1/999979",
	} {
		if s, err := ParseStages(text); !errors.Is(err, ErrStages) {
			t.Errorf("ParseStages(%q) = %v, %v, want ErrStages", text, s, err)
		}
	}
}

// A day's hours have their shares, wherever in the day it begins.
func TestDayHasItsHours(t *testing.T) {
	for _, start := range []int64{1735689600000, 1735689600000 + 13*3_600_000 + 1_234_567} {
		shape, err := Load("day", nil, start)
		if err != nil {
			t.Fatal(err)
		}
		s := Schedule{[]Segment{{0, start, shape}}}
		const day = 86_400_000
		midnight := start - start%day + day
		total := s.Before(midnight+day) - s.Before(midnight)
		if total != 50*86_400 {
			t.Errorf("%d events a day, want %d", total, 50*86_400)
		}
		for h, share := range hourShares {
			from := midnight + int64(h)*3_600_000
			got := float64(s.Before(from+3_600_000)-s.Before(from)) / float64(total)
			if math.Abs(got-float64(share)/1000) > 0.00001 {
				t.Errorf("from %d: hour %d has %.5f of the events, want %.3f", start, h, got, float64(share)/1000)
			}
		}
	}
}

func TestLoads(t *testing.T) {
	for name, want := range map[string]string{"normal": "50", "peak": "200", "valley": "10"} {
		if shape, err := Load(name, nil, 0); err != nil || shape.String() != want {
			t.Errorf("Load(%s) = %v, %v, want %s", name, shape, err, want)
		}
		if shape, err := Load(name, &Rate{1, 1}, 0); !errors.Is(err, ErrStages) {
			t.Errorf("Load(%s) with a rate = %v, %v, want ErrStages", name, shape, err)
		}
	}
	if shape, err := Load("night", nil, 0); !errors.Is(err, ErrStages) {
		t.Errorf("Load(night) = %v, %v, want ErrStages", shape, err)
	}
}

// gaps returns the times between n arrivals, sorted, in units of their mean.
func gaps(s Shape, n int) []float64 {
	events := make([]Event, n+1)
	s.fill(events, 0, 0)
	mean := float64(events[n].Time-events[0].Time) / float64(n)
	list := make([]float64, n)
	for i := range list {
		list[i] = float64(events[i+1].Time-events[i].Time) / mean
	}
	slices.Sort(list)
	return list
}

// kolmogorov returns the largest distance between a sample and the exponential
// distribution of mean 1.
func kolmogorov(sorted []float64) (d float64) {
	for i, x := range sorted {
		f, n := 1-math.Exp(-x), float64(len(sorted))
		d = max(d, f-float64(i)/n, float64(i+1)/n-f)
	}
	return d
}

// The gaps of random arrivals are exponential: a Kolmogorov-Smirnov test of
// 100,000 gaps at the level 10^-6 (critical distance 2.69 / sqrt(n) = 0.0085),
// which finds a distance of 0.02 with a probability above 0.999. Even arrivals,
// and gaps that are uniform, are told apart.
func TestPoissonGapsAreExponential(t *testing.T) {
	const n, critical = 100_000, 2.69 / 316.2
	for _, rate := range []Rate{{1, 1}, {1, 7}} { // so slow that whole ms do not show
		if d := kolmogorov(gaps(mustPoisson(t, 42, rate), n)); d > critical {
			t.Errorf("rate %s: distance %.4f, critical %.4f", rate, d, critical)
		}
		if d := kolmogorov(gaps(rate, n)); d < critical {
			t.Errorf("control: even arrivals pass with %.4f", d)
		}
	}
	uniform := make([]float64, n)
	for i := range uniform {
		uniform[i] = 2 * (float64(i) + 0.5) / n
	}
	if d := kolmogorov(uniform); d < critical {
		t.Errorf("control: uniform gaps pass with %.4f", d)
	}
}

// Counts over stretches shorter than a block vary as those of a Poisson
// process do, less the share of the block that they are.
func TestPoissonCountsVary(t *testing.T) {
	s, n := mustPoisson(t, 7, Rate{1, 1}), 20_000
	mean, squares := 0.0, 0.0
	for i := range n { // stretches of 10 s with 10 events each
		c := float64(s.count(int64(i+1)*10_000) - s.count(int64(i)*10_000))
		mean += c / float64(n)
		squares += c * c / float64(n)
	}
	variance := squares - mean*mean
	if math.Abs(mean-10) > 0.01 || math.Abs(variance-10*(1-10.0/1024)) > 0.5 {
		t.Errorf("mean %.3f, variance %.3f, want 10 and 9.90", mean, variance)
	}
}

func BenchmarkFillTimes(b *testing.B) {
	up, _ := ParseStages("1h 50..5000, 1h 5000..50, repeat")
	day, _ := Load("day", nil, 0)
	events := make([]Event, 4096)
	for name, s := range map[string]Shape{"rate": Rate{50, 1}, "ramp": up, "day": day, "poisson": mustPoisson(b, 1, Rate{50, 1})} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				s.fill(events, uint64(i)*uint64(len(events)), 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
		})
	}
}

// The rate to look at, in a schedule of a constant rate, then stages, then
// random arrivals over stages without end.
func TestRateAt(t *testing.T) {
	once, err := ParseStages("10s 100, 10s 100..300")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseStages("10s 1/2, 10s 0, repeat")
	if err != nil {
		t.Fatal(err)
	}
	random, err := NewPoisson(42, again)
	if err != nil {
		t.Fatal(err)
	}
	s := ConstantSchedule(0, Rate{50, 1}).Then(50, 1000, once).Then(1000, 101_000, random)
	for _, c := range []struct {
		at   int64
		want float64
	}{
		{-5, 50}, {0, 50}, {999, 50}, {1000, 100}, {10_999, 100}, {16_000, 200}, {21_000, 0}, {99_000, 0},
		{101_000, 0.5}, {110_999, 0.5}, {111_000, 0}, {121_000, 0.5}, {131_000, 0},
	} {
		if got := s.RateAt(c.at); got != c.want {
			t.Errorf("RateAt(%d) = %v, want %v", c.at, got, c.want)
		}
	}
}
