package core

import (
	"cmp"
	"math"
	"slices"
)

// lnGamma returns the logarithm of a Gamma(alpha, 1) variate for one user and
// one genre: Marsaglia and Tsang, A Simple Method for Generating Gamma
// Variables, ACM TOMS 26(3), 2000, with their step for alpha < 1 (a variate
// of alpha+1 times U^(1/alpha)), in logarithms so that a small alpha does not
// underflow. Attempt a takes one block of random bits, counter (user, genre,
// a, 0): two words for a normal variate by Marsaglia's polar method, one to
// accept, one for U.
func lnGamma(seed, user, genre uint64, alpha float64) float64 {
	shape := alpha
	if alpha < 1 {
		shape = alpha + 1
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(float64(9*d))
	for attempt := uint64(0); ; attempt++ {
		w := Philox(seed, LanePreference, [4]uint64{user, genre, attempt, 0})
		p, q := float64(2*unit(w[0]))-1, float64(2*unit(w[1]))-1
		s := float64(p*p) + float64(q*q)
		if s >= 1 || s == 0 {
			continue
		}
		x := float64(p * math.Sqrt(float64(-2*ln(s))/s))
		root := 1 + float64(c*x)
		if root <= 0 {
			continue
		}
		v := float64(float64(root*root) * root)
		if ln(unit(w[2])) >= float64(float64(0.5*x)*x)+d-float64(d*v)+float64(d*ln(v)) {
			continue
		}
		g := ln(float64(d * v))
		if alpha < 1 {
			g += ln(unit(w[3])) / alpha
		}
		return g
	}
}

// drawWeights returns the weights of all users, topK for each.
func drawWeights(seed uint64, users int, alpha []float64, topK int) []Weight {
	weights := make([]Weight, 0, users*topK)
	for u := range users {
		weights = appendUserWeights(weights, seed, uint64(u), alpha, topK)
	}
	return weights
}

// appendUserWeights appends the topK heaviest genres of a user, heaviest
// first (ties: the lower genre number), whose weights are drawn from the
// Dirichlet distribution and sum to WeightSum. A genre of alpha 0 gets no weight
// as long as there is another.
func appendUserWeights(dst []Weight, seed, user uint64, alpha []float64, topK int) []Weight {
	type logWeight struct {
		genre uint8
		ln    float64
	}
	var buf [MaxGenres]logWeight
	logs := buf[:0]
	for g, a := range alpha {
		weight := logWeight{uint8(g), -math.MaxFloat64}
		if a > 0 {
			weight.ln = lnGamma(seed, user, uint64(g), a)
		}
		logs = append(logs, weight)
	}
	slices.SortStableFunc(logs, func(a, b logWeight) int { return cmp.Compare(b.ln, a.ln) })
	logs = logs[:topK]

	var shares [MaxGenres]float64
	sum := 0.0
	for i, l := range logs {
		shares[i] = exp(l.ln - logs[0].ln)
		sum += shares[i]
	}
	for i := range logs {
		shares[i] /= sum
	}
	var units [MaxGenres]uint16
	apportion(units[:topK], shares[:topK])
	for i, l := range logs {
		dst = append(dst, Weight{l.genre, units[i]})
	}
	return dst
}

// apportion sets units to whole numbers that sum to WeightSum and are
// proportional to shares, which sum to 1: the largest remainders are rounded
// up (ties: the first).
func apportion(units []uint16, shares []float64) {
	var remainders [MaxGenres]float64
	left := WeightSum
	for i, s := range shares {
		scaled := float64(s * WeightSum)
		whole := math.Floor(scaled)
		units[i] = uint16(whole)
		remainders[i] = scaled - whole
		left -= int(whole)
	}
	for ; left > 0; left-- {
		most := 0
		for i := range shares {
			if remainders[i] > remainders[most] {
				most = i
			}
		}
		units[most]++
		remainders[most] = -1
	}
}
