package core

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// ulps returns how many floats lie between a and b.
func ulps(a, b float64) float64 {
	return math.Abs(float64(int64(math.Float64bits(a)) - int64(math.Float64bits(b))))
}

// Both sides are within one ulp of the exact value, so within two of each other.
func TestExpAndLnAgainstTheStandardLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		x := random.Float64()*1417 - 708
		if random.IntN(2) == 0 {
			x /= 500
		}
		if got, want := exp(x), math.Exp(x); ulps(got, want) > 2 {
			t.Fatalf("exp(%v) = %v, want %v", x, got, want)
		}
		y := math.Exp(x)
		if got, want := ln(y), math.Log(y); ulps(got, want) > 2 {
			t.Fatalf("ln(%v) = %v, want %v", y, got, want)
		}
	}
	for _, x := range []float64{0x1p-52, 0.5, math.Sqrt2 / 2, 1 - 0x1p-53, 1, 1 + 0x1p-52, math.Sqrt2, 2, math.E} {
		if got, want := ln(x), math.Log(x); ulps(got, want) > 2 {
			t.Errorf("ln(%v) = %v, want %v", x, got, want)
		}
	}
	if exp(-709) != 0 || exp(0) != 1 {
		t.Errorf("exp(-709) = %v, exp(0) = %v", exp(-709), exp(0))
	}
}

func TestNormalCDFAgainstErfc(t *testing.T) {
	for x := -10.0; x <= 10; x += 1.0 / 128 {
		want := 0.5 * math.Erfc(-x/math.Sqrt2)
		if got := normalCDF(x); math.Abs(got-want) > 1e-14 {
			t.Fatalf("normalCDF(%v) = %v, want %v", x, got, want)
		}
	}
}

func TestRatingRowsAreWithinAMillionth(t *testing.T) {
	for _, sd := range []float64{0.1, 0.3, 1.1} {
		for level := 0; level <= WeightSum; level++ {
			mean := 1 + 4*float64(level)/WeightSum
			row := ratingRow(mean, sd)
			for j, got := range row {
				cut := 0.75 + 0.5*float64(j)
				want := 0.5 * math.Erfc((mean-cut)/sd/math.Sqrt2)
				if math.Abs(float64(got)/ChanceOne-want) > 1e-9 {
					t.Fatalf("mean %v, sd %v, cut %v: %v, want %v", mean, sd, cut, float64(got)/ChanceOne, want)
				}
			}
		}
	}
}

func TestRateCountsThresholds(t *testing.T) {
	s := testSnapshot(t, testParams())
	m := s.model.(*genreModel)
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.IntRange(0, WeightSum).Draw(t, "level")
		w := rapid.Uint64().Draw(t, "w")
		if rapid.Bool().Draw(t, "at a threshold") {
			j := rapid.IntRange(0, 8).Draw(t, "j")
			w = uint64(min(s.Affinities().Below[level][j], ChanceOne-1)) << (64 - chanceBits)
		}
		want := uint8(1)
		for _, below := range s.Affinities().Below[level] {
			if uint32(w>>(64-chanceBits)) >= below {
				want++
			}
		}
		if got := rate(&m.below[level], w); got != want {
			t.Fatalf("rate(level %d, %x) = %d, want %d", level, w, got, want)
		}
	})
}

func TestApportionSumsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(1, MaxGenres).Draw(t, "k")
		shares := make([]float64, k)
		sum := 0.0
		for i := range shares {
			shares[i] = rapid.Float64Range(1e-9, 1).Draw(t, "share")
			sum += shares[i]
		}
		for i := range shares {
			shares[i] /= sum
		}
		units := make([]uint16, k)
		apportion(units, shares)
		total := 0
		for i, u := range units {
			total += int(u)
			if math.Abs(float64(u)-shares[i]*WeightSum) >= 1 {
				t.Fatalf("share %v became %d units", shares[i], u)
			}
		}
		if total != WeightSum {
			t.Fatalf("units sum to %d", total)
		}
	})
}
