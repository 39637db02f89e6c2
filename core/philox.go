package core

import "math/bits"

// Lane separates the random numbers of one purpose from those of every other:
// it is the second word of the Philox key. A new purpose takes a new lane, so
// that adding one changes no number drawn for another.
type Lane uint64

// The lanes in use. Their values are part of the sequence.
const (
	LaneEvent      Lane = 1 // event n: counter (n, 0, 0, 0)
	LanePreference Lane = 2 // a user's genre weights: counter (user, genre, attempt, 0)
	LaneCatalogue  Lane = 3 // the built-in catalogue
	LaneArrival    Lane = 4 // Poisson arrivals: counter (block, index, 0, 0)
	LaneUser       Lane = 5 // what a user is like, movielens: counter (user, trait, attempt, 0)
	LaneMovie      Lane = 6 // what a movie is like, movielens: counter (movieId, trait, attempt, 0)
	LaneList       Lane = 7 // the movies that a user rates: counter (user, draw, method, 0)
	LaneOrder      Lane = 8 // the order of an epoch: counter (epoch, index, 0, 0)
	LaneSession    Lane = 9 // sessions: counter (epoch, index, class, row), (epoch, index, user, 2^32)
)

// Multipliers and key increments of Philox4x64 (Salmon, Moraes, Dror, Shaw:
// Parallel Random Numbers: As Easy as 1, 2, 3, SC'11, table 2 and section 3).
const (
	philoxM0 = 0xD2E7470EE14C6C93
	philoxM1 = 0xCA5A826395121157
	philoxW0 = 0x9E3779B97F4A7C15
	philoxW1 = 0xBB67AE8584CAA73B
)

// Philox returns the 256 bits of Philox4x64-10 for the key (seed, lane) and
// the counter. It is the function of Random123's philox4x64_R(10, ...);
// numpy.random.Philox is the same one, but increments its counter before the
// first block.
func Philox(seed uint64, lane Lane, counter [4]uint64) [4]uint64 {
	w0, w1, w2, w3 := philox(seed, uint64(lane), counter[0], counter[1], counter[2], counter[3])
	return [4]uint64{w0, w1, w2, w3}
}

// philox is Philox with its values in registers and its rounds unrolled:
// 14 ns instead of 27.
func philox(k0, k1, c0, c1, c2, c3 uint64) (w0, w1, w2, w3 uint64) {
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	return philoxRound(c0, c1, c2, c3, k0, k1)
}

// philoxFirst is the first word of philox for the counter (n, 0, 0, 0). What the
// zeros and the words that nobody asks for would cost is left out.
func philoxFirst(k0, k1, n uint64) uint64 {
	// The first round leaves (k0, 0, hi, lo) of the counter's product.
	h, l := bits.Mul64(philoxM0, n)
	c0, c1, c2, c3 := k0, uint64(0), h^k1, l
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	c0, c1, c2, c3 = philoxRound(c0, c1, c2, c3, k0, k1)
	k0, k1 = k0+philoxW0, k1+philoxW1
	_, c1, c2, _ = philoxRound(c0, c1, c2, c3, k0, k1)
	h, _ = bits.Mul64(philoxM1, c2)
	return h ^ c1 ^ (k0 + philoxW0)
}

func philoxRound(c0, c1, c2, c3, k0, k1 uint64) (uint64, uint64, uint64, uint64) {
	h0, l0 := bits.Mul64(philoxM0, c0)
	h1, l1 := bits.Mul64(philoxM1, c2)
	return h1 ^ c1 ^ k0, l1, h0 ^ c3 ^ k1, l0
}

// below maps 64 random bits to an integer in [0, n): the high half of the
// 128-bit product. The bias is at most n/2^64.
func below(w, n uint64) uint64 {
	hi, _ := bits.Mul64(w, n)
	return hi
}

// unit maps 64 random bits to a float in (0, 1): (k+1/2)/2^52 with the upper
// 52 bits as k, which float64 holds exactly.
func unit(w uint64) float64 {
	return (float64(w>>12) + 0.5) / (1 << 52)
}
