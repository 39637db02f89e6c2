package core

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// ErrRate is returned when a rate cannot be parsed or is out of range.
var ErrRate = errors.New("rate")

// maxRateTerm bounds both terms of a rate: at most a thousand million events
// a second, at least one event in 31 years.
const maxRateTerm = 1_000_000_000

// Rate is Num/Den events per second, in lowest terms.
type Rate struct{ Num, Den uint64 }

// ParseRate reads events per second: "50", "0.5", "1/3", or per minute, hour
// or day: "90/m", "20/h", "5/d". It returns ErrRate when the rate is not
// above zero or a term passes 10^9 in lowest terms.
func ParseRate(s string) (Rate, error) {
	bad := func(why string) (Rate, error) {
		return Rate{}, fmt.Errorf("%w %q %s", ErrRate, s, why)
	}
	number, unit, hasUnit := strings.Cut(s, "/")
	seconds := big.NewRat(1, 1)
	if hasUnit {
		perUnit := map[string]int64{"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
		switch {
		case perUnit > 0:
			seconds.SetInt64(perUnit)
		case !plainNumber(unit):
			return bad("is not events per second (50, 0.5, 1/3) or per minute, hour, day (90/m, 20/h, 5/d)")
		default:
			seconds.SetString(unit)
		}
	}
	if !plainNumber(number) {
		return bad("is not events per second (50, 0.5, 1/3) or per minute, hour, day (90/m, 20/h, 5/d)")
	}
	events, _ := new(big.Rat).SetString(number)
	if events.Sign() <= 0 || seconds.Sign() <= 0 {
		return bad("must be above 0")
	}
	r := new(big.Rat).Quo(events, seconds)
	if !r.Num().IsUint64() || r.Num().Uint64() > maxRateTerm || !r.Denom().IsUint64() || r.Denom().Uint64() > maxRateTerm {
		return bad("is out of range: a fraction of whole numbers up to 1000000000")
	}
	return Rate{r.Num().Uint64(), r.Denom().Uint64()}, nil
}

// plainNumber tells whether s is a decimal number without exponent, short
// enough that big.Rat reads it at once.
func plainNumber(s string) bool {
	whole, fraction, hasPoint := strings.Cut(s, ".")
	digits := func(t string) bool { return t != "" && strings.Trim(t, "0123456789") == "" }
	return len(s) <= 24 && digits(whole) && (!hasPoint || digits(fraction))
}

// String returns the form that ParseRate reads: "50" or "1/3".
func (r Rate) String() string {
	if r.Den == 1 {
		return fmt.Sprint(r.Num)
	}
	return fmt.Sprintf("%d/%d", r.Num, r.Den)
}

// PerSecond returns the rate as a number to look at.
func (r Rate) PerSecond() float64 { return float64(r.Num) / float64(r.Den) }

func (Rate) kind() string { return "rate" }

// at returns floor(k * 1000 * Den / Num), the millisecond of arrival k,
// or maxOffset when it is later than that.
func (r Rate) at(k uint64) int64 {
	hi, lo := bits.Mul64(k, 1000*r.Den)
	if hi >= r.Num {
		return maxOffset
	}
	q, _ := bits.Div64(hi, lo, r.Num)
	return int64(min(q, maxOffset))
}

// count returns the number of arrivals k with at(k) < ms: the smallest k with
// k * 1000 * Den / Num >= ms, as floor(x) < ms is x < ms for a whole ms.
func (r Rate) count(ms int64) uint64 {
	if ms <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(ms), r.Num)
	d := 1000 * r.Den
	if hi >= d {
		return maxEvents
	}
	q, rem := bits.Div64(hi, lo, d)
	if rem > 0 {
		q++
	}
	return min(q, maxEvents)
}

// fill sets the times of the arrivals k, k+1, ... to start + at(k).
func (r Rate) fill(dst []Event, k uint64, start int64) {
	if len(dst) == 0 {
		return
	}
	// at(k) by exact increments: one 128-bit division a call, not one an event.
	hi, lo := bits.Mul64(k, 1000*r.Den)
	if hi >= r.Num {
		for i := range dst {
			dst[i].Time = start + maxOffset
		}
		return
	}
	q, rem := bits.Div64(hi, lo, r.Num)
	step, stepRem := 1000*r.Den/r.Num, 1000*r.Den%r.Num
	for i := range dst {
		dst[i].Time = start + int64(min(q, maxOffset))
		q += step
		rem += stepRem
		if rem >= r.Num {
			rem -= r.Num
			q++
		}
	}
}
