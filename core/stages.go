package core

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strings"
)

// ErrStages is returned when stages cannot be parsed or are out of range.
var ErrStages = errors.New("stages")

const (
	// maxArea bounds the area of one round of stages, see Stages: so that
	// twice that is still 64 bits.
	maxArea = 1 << 62
	// maxFineness bounds the common denominator of the rates of stages.
	maxFineness = 1_000_000
	// maxStages bounds how many there are.
	maxStages = 10_000
)

// Stage is a stretch of time in which the rate goes evenly from one value to
// another, or stays as it is.
type Stage struct {
	Millis   int64 // how long, above 0
	From, To Rate  // events per second; 0/1 is allowed
}

// Stages is a shape of one stage after another, once or over and over again.
//
//	rate
//	200 |        ______
//	    |       /      \
//	 50 |______/        \____
//	    +------------------------ t
//
// Arrival k happens when the area under the rate is k: at the t with
// A(t) = k, and where the rate is 0, at the end of that time. In whole numbers:
// with L the least common denominator of the rates, a = L * rate, and the area
// in units of 1/(2000 L) events, a stage of D ms holds (a0 + a1) * D units, the
// first x ms of it 2 * a0 * x + (a1 - a0) * x^2 / D, and arrival k lies at
// 2000 * L * k units.
type Stages struct {
	list   []Stage
	repeat bool

	unit  uint64   // 2000 L: the area of an event
	rates []uint64 // L * From and L * To of each stage
	area  []uint64 // before each stage, and of them all
	time  []int64  // likewise, in ms
}

// NewStages returns the shape of stages. It returns ErrStages when there are
// none, when no event happens in them, and when they are too long or too fine
// for exact arithmetic.
func NewStages(list []Stage, repeat bool) (*Stages, error) {
	s := &Stages{list: slices.Clone(list), repeat: repeat, area: []uint64{0}, time: []int64{0}}
	fineness := big.NewInt(1)
	for _, g := range list {
		for _, r := range []Rate{g.From, g.To} {
			den := new(big.Int).SetUint64(r.Den)
			fineness.Mul(fineness, new(big.Int).Div(den, new(big.Int).GCD(nil, nil, fineness, den)))
		}
		if fineness.Cmp(big.NewInt(maxFineness)) > 0 {
			return nil, fmt.Errorf("%w: the least common denominator of the rates passes %d", ErrStages, maxFineness)
		}
	}
	s.unit = 2000 * fineness.Uint64()
	for i, g := range list {
		if g.Millis <= 0 || g.Millis > MaxTime {
			return nil, fmt.Errorf("%w: stage %d lasts %d ms", ErrStages, i+1, g.Millis)
		}
		a0, a1 := g.From.Num*(fineness.Uint64()/g.From.Den), g.To.Num*(fineness.Uint64()/g.To.Den)
		hi, lo := bits.Mul64(a0+a1, uint64(g.Millis))
		area := s.area[i] + lo
		if hi > 0 || area < lo || area > maxArea || s.time[i]+g.Millis > MaxTime {
			return nil, fmt.Errorf("%w: stage %d is too long: at most %d events at such rates, until the year 9999", ErrStages, i+1, maxArea/s.unit)
		}
		s.rates, s.area, s.time = append(s.rates, a0, a1), append(s.area, area), append(s.time, s.time[i]+g.Millis)
	}
	if len(list) > maxStages || s.total() == 0 {
		return nil, fmt.Errorf("%w: want 1 to %d, with at least one rate above 0", ErrStages, maxStages)
	}
	return s, nil
}

// ParseStages reads stages, one a line or between commas: a time and a rate, or
// a time and two rates with ".." between; a last word "repeat" begins anew at
// the end. What stands behind # is a comment.
//
//	10m 50
//	5m 50..200   # ramp up
//	1h 200
//	repeat
func ParseStages(text string) (*Stages, error) {
	var list []Stage
	repeat := false
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		for part := range strings.SplitSeq(line, ",") {
			words := strings.Fields(part)
			switch {
			case len(words) == 0:
				continue
			case repeat:
				return nil, fmt.Errorf("%w: line %d: %q behind repeat, which never ends", ErrStages, number, strings.TrimSpace(part))
			case len(words) == 1 && words[0] == "repeat":
				repeat = true
				continue
			}
			g, err := parseStage(words)
			if err != nil {
				return nil, fmt.Errorf("%w: line %d: %q: %s", ErrStages, number, strings.TrimSpace(part), err.Error())
			}
			list = append(list, g)
		}
	}
	return NewStages(list, repeat)
}

func parseStage(words []string) (g Stage, err error) {
	if len(words) != 2 {
		return g, errors.New("want a time and a rate, 10m 50, or a ramp, 10m 50..200")
	}
	if g.Millis, err = parseMillis(words[0]); err != nil {
		return g, err
	}
	from, to, ramp := strings.Cut(words[1], "..")
	if g.From, err = parseStageRate(from); err != nil || !ramp {
		g.To = g.From
		return g, err
	}
	g.To, err = parseStageRate(to)
	return g, err
}

func parseStageRate(s string) (Rate, error) {
	if s == "0" {
		return Rate{0, 1}, nil
	}
	return ParseRate(s)
}

var stageUnits = []struct {
	name   string
	millis int64
}{{"d", 86_400_000}, {"h", 3_600_000}, {"m", 60_000}, {"s", 1000}, {"ms", 1}}

// parseMillis reads whole numbers with units: 90s, 1h30m, 250ms.
func parseMillis(s string) (total int64, err error) {
	bad := fmt.Errorf("time %q: want 90s, 10m, 1h30m, 7d or 250ms", s)
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		unit := rest[digits:]
		unit = unit[:len(unit)-len(strings.TrimLeft(unit, "dhms"))]
		i := slices.IndexFunc(stageUnits, func(u struct {
			name   string
			millis int64
		}) bool {
			return u.name == unit
		})
		if digits == 0 || digits > 15 || i < 0 {
			return 0, bad
		}
		n := int64(0)
		for _, c := range rest[:digits] {
			n = 10*n + int64(c-'0')
		}
		if n > MaxTime/stageUnits[i].millis || total > MaxTime {
			return 0, bad
		}
		total += n * stageUnits[i].millis
		rest = rest[digits+len(unit):]
	}
	if total == 0 {
		return 0, bad
	}
	return total, nil
}

func (*Stages) kind() string { return "stages" }

// String returns the form that ParseStages reads, on one line.
func (s *Stages) String() string {
	var parts []string
	for _, g := range s.list {
		rate := g.From.String()
		if g.To != g.From {
			rate += ".." + g.To.String()
		}
		parts = append(parts, millisText(g.Millis)+" "+rate)
	}
	if s.repeat {
		parts = append(parts, "repeat")
	}
	return strings.Join(parts, ", ")
}

func millisText(ms int64) string {
	var b strings.Builder
	for _, u := range stageUnits {
		if n := ms / u.millis; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
		}
		ms %= u.millis
	}
	return b.String()
}

// Brief returns a line for a person: "24 stages in 1d, repeated".
func (s *Stages) Brief() string {
	text := fmt.Sprintf("%d stages in %s", len(s.list), millisText(s.round()))
	if s.repeat {
		text += ", repeated"
	}
	return text
}

// total returns the area of one round.
func (s *Stages) total() uint64 { return s.area[len(s.area)-1] }

// round returns how long one round takes, in ms.
func (s *Stages) round() int64 { return s.time[len(s.time)-1] }

func (s *Stages) at(k uint64) int64 {
	p := s.position(bits.Mul64(s.unit, k))
	return p.at()
}

func (s *Stages) fill(dst []Event, k uint64, start int64) {
	if len(dst) == 0 {
		return
	}
	p := s.position(bits.Mul64(s.unit, k))
	for i := range dst {
		dst[i].Time = start + p.at()
		p.forward(s.unit)
	}
}

// count returns the number of arrivals k with at(k) < ms: those with
// 2000 * L * k below the area at ms.
func (s *Stages) count(ms int64) uint64 {
	if ms <= 0 {
		return 0
	}
	rounds := uint64(0)
	if s.repeat {
		rounds, ms = uint64(ms/s.round()), ms%s.round()
	}
	area, more := s.areaAt(min(ms, s.round()))
	hi, lo := bits.Mul64(rounds, s.total())
	lo, carry := bits.Add64(lo, area, 0)
	hi += carry
	if hi >= s.unit {
		return maxEvents
	}
	n, rest := bits.Div64(hi, lo, s.unit)
	if rest > 0 || more {
		n++
	}
	return min(n, maxEvents)
}

// rateAt returns the rate ms after the start; 0 behind the end.
func (s *Stages) rateAt(ms int64) float64 {
	if s.repeat {
		ms %= s.round()
	}
	if ms >= s.round() {
		return 0
	}
	i, _ := slices.BinarySearch(s.time, ms+1)
	g := s.list[i-1]
	from, to := g.From.PerSecond(), g.To.PerSecond()
	return from + (to-from)*float64(ms-s.time[i-1])/float64(g.Millis)
}

// areaAt returns the area of the first ms of a round, rounded down, and whether
// something was cut off.
func (s *Stages) areaAt(ms int64) (area uint64, more bool) {
	if ms == s.round() {
		return s.total(), false
	}
	i, _ := slices.BinarySearch(s.time, ms+1)
	i-- // the last stage that begins at ms or before
	hi, lo := s.ramp(i, uint64(ms-s.time[i]))
	q, r := bits.Div64(hi, lo, uint64(s.list[i].Millis))
	return s.area[i] + q, r > 0
}

// ramp returns D times the area of the first x ms of stage i, which lasts D ms:
// 2 * a0 * x * D + (a1 - a0) * x^2.
func (s *Stages) ramp(i int, x uint64) (hi, lo uint64) {
	a0, a1 := s.rates[2*i], s.rates[2*i+1]
	hi, lo = bits.Mul64(2*a0*x, uint64(s.list[i].Millis))
	if a1 >= a0 {
		h, l := bits.Mul64((a1-a0)*x, x)
		lo, h2 := bits.Add64(lo, l, 0)
		return hi + h + h2, lo
	}
	h, l := bits.Mul64((a0-a1)*x, x)
	lo, borrow := bits.Sub64(lo, l, 0)
	return hi - h - borrow, lo
}

// position is a place on the area of stages. It moves forward cheaply.
type position struct {
	s      *Stages
	rounds uint64 // that are over
	area   uint64 // in this round
	stage  int
	x      uint64 // ms in the stage: no later than at
	beyond bool   // behind the end, or behind every time there is
}

// position returns the place of an area.
func (s *Stages) position(hi, lo uint64) position {
	p := position{s: s}
	switch {
	case hi >= s.total():
		p.beyond = true
		return p
	default:
		p.rounds, p.area = bits.Div64(hi, lo, s.total())
	}
	p.seek()
	return p
}

// forward moves by an area.
func (p *position) forward(area uint64) {
	p.area += area // below 2^62 + 2^42
	if total := p.s.total(); p.area >= total {
		p.rounds += p.area / total
		p.area %= total
		p.stage, p.x = 0, 0
	}
	p.seek()
}

// seek moves to the stage of the area.
func (p *position) seek() {
	if p.rounds > 0 && !p.s.repeat || p.rounds > maxOffset/uint64(p.s.round()) {
		p.beyond = true
		return
	}
	for p.area >= p.s.area[p.stage+1] {
		p.stage, p.x = p.stage+1, 0
	}
}

// at returns the time in ms, and remembers it within the stage.
func (p *position) at() int64 {
	if p.beyond {
		return maxOffset
	}
	s, i := p.s, p.stage
	area := p.area - s.area[i]
	if a0 := s.rates[2*i]; a0 == s.rates[2*i+1] {
		p.x = area / (2 * a0)
	} else {
		p.x = s.solve(i, p.x, area)
	}
	return min(maxOffset, int64(p.rounds)*s.round()+s.time[i]+int64(p.x))
}

// solve returns the largest x, from the given one on, at which the ramp of
// stage i has no more than the area: whole ms before the time of the area. It
// gallops, then bisects.
func (s *Stages) solve(i int, from, area uint64) uint64 {
	length := uint64(s.list[i].Millis)
	wantHi, wantLo := bits.Mul64(area, length)
	fits := func(x uint64) bool {
		hi, lo := s.ramp(i, x)
		return hi < wantHi || hi == wantHi && lo <= wantLo
	}
	step := uint64(1)
	for from+step < length && fits(from+step) {
		from += step
		step *= 2
	}
	low, high := from, min(from+step, length) // fits(low), not fits(high)
	for high-low > 1 {
		if mid := low + (high-low)/2; fits(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}
