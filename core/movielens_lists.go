package core

import (
	"math/bits"
	"slices"
)

// How a user's movies are drawn: one after the other without repeats, each with
// a probability proportional to
//
//	weight * (0.45/W + 0.55 * sum over its genres of the user's weight/W_g) * exp(taste)
//
// where W is the sum of the weights of all movies and W_g of those of a genre.
// Two methods give the same distribution. A short list is drawn by proposals:
// from all movies, or from those of a genre of the user's, by weight, accepted
// with the probability exp(taste-3), tasteMost being 3, and when it is new. For
// a long list, where few are new, every movie gets an exponential variate of
// that rate, and the smallest are taken: Efraimidis and Spirakis, Weighted Random
// Sampling with a Reservoir, Information Processing Letters 97(5), 2006.

// The shares of the proposals in units of 1/proposals: 9 in 20 are from all
// movies.
const (
	fromAll    = 9 * WeightSum
	fromGenre  = 11
	proposals  = fromAll + fromGenre*WeightSum
	longList   = 50  // a list longer than the catalogue divided by this is long
	maxTries   = 400 // proposals for a movie, on the average of a list; a longer search is a race
	methodDraw = 0
	methodRace = 1
)

// drawer draws the lists of users.
type drawer struct {
	t       *ListTables
	seed    uint64
	weights []float64
	all     sampler
	genres  []sampler
	taken   []uint32 // by movie: 1 + the last user who got it
	times   []float64
}

func (t *ListTables) newDrawer(seed uint64, weights []float64) *drawer {
	d := &drawer{t: t, seed: seed, weights: weights, taken: make([]uint32, len(weights)), times: make([]float64, len(weights))}
	d.all = newSampler(weights, func(int) bool { return true })
	for g := range t.Genres {
		d.genres = append(d.genres, newSampler(weights, func(i int) bool { return t.Movies[i].Mask>>g&1 == 1 }))
	}
	return d
}

// drawLists sets the entries, without rows. A movie of weight 0 is in no list.
func (t *ListTables) drawLists(seed uint64, sizes []int, weights []float64) {
	d := t.newDrawer(seed, weights)
	drawn := len(d.all.items)
	t.entries = make([]entry, 0, t.starts[len(sizes)])
	for u, size := range sizes {
		begin := len(t.entries)
		if size*longList > drawn || !d.propose(u, size) {
			t.entries = t.entries[:begin]
			d.race(u, size)
		}
		slices.Sort(t.entries[begin:])
	}
}

// propose appends size movies by proposals. It tells whether there were enough.
func (d *drawer) propose(u, size int) bool {
	t := d.t
	weights := t.User(u)
	for draw, most := uint64(0), uint64(size*maxTries); size > 0; draw++ {
		if draw == most {
			return false
		}
		w := Philox(d.seed, LaneList, [4]uint64{uint64(u), draw, methodDraw, 0})
		from := &d.all
		if x := below(w[0], proposals); x >= fromAll {
			from = &d.genres[pickWeight(weights, uint32(x-fromAll)/fromGenre)]
		}
		i := from.draw(w[1], w[2])
		if d.taken[i] == uint32(u)+1 || unit(w[3]) >= exp(tasteOf(t, u, i)-3) {
			continue
		}
		d.taken[i] = uint32(u) + 1
		t.entries = append(t.entries, entry(i<<rowBits))
		size--
	}
	return true
}

// tasteOf returns the taste as a floating-point number, from -3 to 3.
func tasteOf(t *ListTables, u int, movie uint32) float64 {
	return float64(taste(&t.users[u], &t.movies[movie])) / (1 << tasteBits)
}

// pickWeight returns the genre at which the running sum of weights is above x.
func pickWeight(weights []Weight, x uint32) uint8 {
	for _, w := range weights {
		if x < uint32(w.Units) {
			return w.Genre
		}
		x -= uint32(w.Units)
	}
	panic("unreachable: the weights sum to WeightSum")
}

// race appends the size movies whose exponential variates are the smallest.
func (d *drawer) race(u, size int) {
	t := d.t
	var perGenre [MaxGenres]float64
	for _, w := range t.User(u) {
		perGenre[w.Genre] = float64(float64(w.Units)*fromGenre) / (proposals * d.genres[w.Genre].sum)
	}
	base := fromAll / (proposals * d.all.sum)
	var w [4]uint64
	for k, i := range d.all.items {
		if k%len(w) == 0 {
			w = Philox(d.seed, LaneList, [4]uint64{uint64(u), uint64(k / len(w)), methodRace, 0})
		}
		rate := base
		for mask := t.Movies[i].Mask; mask != 0; mask &= mask - 1 {
			rate += perGenre[bits.TrailingZeros32(mask)]
		}
		rate = float64(float64(rate*d.weights[i]) * exp(tasteOf(t, u, i)))
		d.times[k] = -ln(unit(w[k%len(w)])) / rate
	}
	times := d.times[:len(d.all.items)]
	last := nthSmallest(slices.Clone(times), size)
	for k, i := range d.all.items {
		if times[k] <= last && size > 0 {
			t.entries = append(t.entries, entry(i<<rowBits))
			size--
		}
	}
}

// nthSmallest returns the n-th smallest of x, n from 1 on, and reorders x:
// Hoare's Find, CACM 4(7), 1961.
func nthSmallest(x []float64, n int) float64 {
	low, high := 0, len(x)-1
	for low < high {
		pivot, i, j := x[n-1], low, high
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for pivot < x[j] {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i, j = i+1, j-1
			}
		}
		if j < n-1 {
			low = i
		}
		if n-1 < i {
			high = j
		}
	}
	return x[n-1]
}

// sampler draws items by their weights in constant time: Vose, A Linear
// Algorithm for Generating Random Numbers with a Given Distribution, IEEE
// Transactions on Software Engineering 17(9), 1991.
type sampler struct {
	items []uint32
	keep  []float64 // probability that a cell gives its own item
	other []uint32  // the one it gives otherwise
	sum   float64   // of the weights
}

// newSampler returns a sampler of the indices of weights above 0 that are in.
func newSampler(weights []float64, in func(i int) bool) sampler {
	var s sampler
	for i, w := range weights {
		if w > 0 && in(i) {
			s.items = append(s.items, uint32(i))
			s.sum += w
		}
	}
	n := len(s.items)
	s.keep, s.other = make([]float64, n), make([]uint32, n)
	var small, large []int
	for k, i := range s.items {
		s.keep[k], s.other[k] = float64(weights[i]*float64(n))/s.sum, i
		if s.keep[k] < 1 {
			small = append(small, k)
		} else {
			large = append(large, k)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		k, to := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		s.other[k] = s.items[to]
		if s.keep[to] -= 1 - s.keep[k]; s.keep[to] < 1 {
			large = large[:len(large)-1]
			small = append(small, to)
		}
	}
	return s
}

// draw returns an item by two random words.
func (s *sampler) draw(w, coin uint64) uint32 {
	k := below(w, uint64(len(s.items)))
	if unit(coin) < s.keep[k] {
		return s.items[k]
	}
	return s.other[k]
}
