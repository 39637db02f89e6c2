package core

import (
	"fmt"
	"math"
)

// Fit is what the profile movielens is to resemble: aggregates of real ratings,
// none of their rows.
type Fit struct {
	// HalfUsers is the share of the users who give half stars at all.
	HalfUsers float64 `json:"halfUsers"`
	// Half and Whole are the shares of the ratings 0.5, 1.0, ..., 5.0 by users
	// who do and by those who do not; each sums to 1.
	Half  [10]float64 `json:"half"`
	Whole [10]float64 `json:"whole"`
	// Activity holds ln(ratings of a user) at the quantiles Phi(z), z = -4.5,
	// -4.25, ..., 4.5, where Phi is the standard normal distribution.
	Activity [37]float64 `json:"activity"`
	// Popularity holds the logarithm of a movie's weight, 0 for the most popular,
	// at PopularityRanks.
	Popularity [15]float64 `json:"popularity"`
}

const (
	activityFirst = -4.5
	activityStep  = 0.25
)

// PopularityRanks are the ranks, from 1 on, to which Fit.Popularity belongs, in
// a catalogue of 27,278 movies; in another they are scaled.
var PopularityRanks = [15]float64{1, 3, 10, 30, 100, 300, 1000, 2000, 3500, 5500, 8000, 11000, 15000, 20000, popularityMovies}

const popularityMovies = 27278

// movieLens20M is MovieLens-20M: 20,000,263 ratings, the counts of each, 138,493
// users of at least 20 ratings. The curves of activity and popularity and the
// shares of the whole-star users are fitted; those of the half-star users are
// what is left.
var movieLens20M = func() *Fit {
	f := &Fit{
		HalfUsers:  .57,
		Popularity: [15]float64{0, -.295, -.643, -1.031, -1.85, -2.61, -3.837, -4.83, -5.797, -6.78, -7.743, -8.81, -10.147, -11.417, -12.839},
	}
	for i := range f.Popularity {
		f.Popularity[i] = float64(f.Popularity[i] * tasteStretch)
	}
	counts := [10]float64{239125, 680732, 279252, 1430997, 883398, 4291193, 2200156, 5561926, 1534824, 2898660}
	below := 0.0
	for i, cut := range []float64{-1.643, -1.053, -.132, .780, 9} {
		upTo := normalCDF(cut)
		f.Whole[2*i+1], below = upTo-below, upTo
	}
	for i, n := range counts {
		f.Half[i] = (n/20000263 - float64((1-f.HalfUsers)*f.Whole[i])) / f.HalfUsers
	}
	for i := range f.Activity {
		z := activityFirst + float64(activityStep*float64(i))
		n := 19.5 + float64(49*exp(float64(1.555*z)-float64(float64(.085*z)*z)))
		f.Activity[i] = ln(min(max(n, 20), 9254))
	}
	return f
}()

// check returns ErrParams for what is no distribution.
func (f *Fit) check() error {
	for i, shares := range [][10]float64{f.Half, f.Whole} {
		name, sum := [...]string{"half", "whole"}[i], 0.0
		for _, s := range shares {
			if !(s >= 0 && s <= 1) {
				return fmt.Errorf("%w: fit: the shares %q have one of %v", ErrParams, name, s)
			}
			sum += s
		}
		if sum < 1-1e-6 || sum > 1+1e-6 {
			return fmt.Errorf("%w: fit: the shares %q sum to %v", ErrParams, name, sum)
		}
	}
	if !(f.HalfUsers >= 0 && f.HalfUsers <= 1) {
		return fmt.Errorf("%w: fit: halfUsers is %v", ErrParams, f.HalfUsers)
	}
	for i, a := range f.Activity {
		if !(a >= 0 && a <= ln(MaxID)) || i > 0 && a < f.Activity[i-1] {
			return fmt.Errorf("%w: fit: the activity does not ascend from 0", ErrParams)
		}
	}
	for i, p := range f.Popularity {
		if !(p <= 0 && p >= -100) || i > 0 && p > f.Popularity[i-1] {
			return fmt.Errorf("%w: fit: the popularity does not descend from 0", ErrParams)
		}
	}
	return nil
}

// activity returns how many movies the user with the standard normal activity z
// rates, at most limit.
func (f *Fit) activity(z float64, limit int) int {
	at := min(max((z-activityFirst)/activityStep, 0), float64(len(f.Activity)-1))
	i := min(int(at), len(f.Activity)-2)
	lnN := f.Activity[i] + float64((at-float64(i))*(f.Activity[i+1]-f.Activity[i]))
	return max(1, min(limit, int(math.Floor(exp(lnN)+0.5))))
}

// lnWeight returns the logarithm of the weight of the movie of a rank, from 1
// on, among n.
func (f *Fit) lnWeight(rank, n int) float64 {
	x := ln(float64(rank) * popularityMovies / float64(n))
	last := len(PopularityRanks) - 1
	if x <= 0 {
		return f.Popularity[0]
	}
	for i := 1; i < last; i++ {
		if x < ln(PopularityRanks[i]) {
			return f.between(i-1, x)
		}
	}
	return f.between(last-1, x)
}

// between interpolates the popularity linearly between two ranks.
func (f *Fit) between(i int, lnRank float64) float64 {
	low, high := ln(PopularityRanks[i]), ln(PopularityRanks[i+1])
	share := (lnRank - low) / (high - low)
	return f.Popularity[i] + float64(share*(f.Popularity[i+1]-f.Popularity[i]))
}
