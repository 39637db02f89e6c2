package core

import (
	"fmt"
	"maps"
	"slices"
)

// Fitter gathers the aggregates of real ratings that a Fit is made of.
type Fitter struct {
	users  map[uint32]*[10]uint32 // ratings of 0.5, 1.0, ..., 5.0
	movies map[uint32]uint32
}

// NewFitter returns a Fitter without ratings.
func NewFitter() *Fitter {
	return &Fitter{map[uint32]*[10]uint32{}, map[uint32]uint32{}}
}

// Add counts a rating in half stars, 1 to 10.
func (f *Fitter) Add(user, movie uint32, halves uint8) {
	counts := f.users[user]
	if counts == nil {
		counts = new([10]uint32)
		f.users[user] = counts
	}
	counts[halves-1]++
	f.movies[movie]++
}

// The least that says something about a distribution of users and of movies.
const (
	fitUsers  = 20
	fitMovies = 20
)

// Fit returns the aggregates, for a catalogue of so many movies: those that are not
// rated count too. It returns ErrParams when there are too few users or movies.
func (f *Fitter) Fit(catalogue int) (*Fit, error) {
	if len(f.users) < fitUsers || len(f.movies) < fitMovies {
		return nil, fmt.Errorf("%w: ratings of %d users and %d movies; a fit wants %d users and %d movies", ErrParams, len(f.users), len(f.movies), fitUsers, fitMovies)
	}
	fit := &Fit{}
	sizes := f.fitUsers(fit)
	slices.Sort(sizes)
	for i := range fit.Activity {
		z := activityFirst + float64(activityStep*float64(i))
		fit.Activity[i] = ln(quantile(sizes, normalCDF(z)))
	}
	counts := slices.Sorted(maps.Values(f.movies))
	slices.Reverse(counts)
	counts = append(counts, make([]uint32, max(catalogue-len(counts), 0))...)
	fit.Popularity = fitPopularity(sizes, counts)
	return fit, fit.check()
}

// fitUsers sets the shares of the ratings and returns how many each user gives.
func (f *Fitter) fitUsers(fit *Fit) (sizes []uint32) {
	var half, whole, users float64
	for _, id := range slices.Sorted(maps.Keys(f.users)) {
		counts := f.users[id]
		size, halves := uint32(0), uint32(0)
		for i, n := range counts {
			size += n
			if i%2 == 0 {
				halves += n
			}
		}
		sizes = append(sizes, size)
		shares, sum := &fit.Whole, &whole
		if halves > 0 {
			shares, sum = &fit.Half, &half
			users++
		}
		*sum += float64(size)
		for i, n := range counts {
			shares[i] += float64(n)
		}
	}
	fit.HalfUsers = users / float64(len(sizes))
	for i := range fit.Half {
		fit.Half[i] /= max(half, 1)
		fit.Whole[i] /= max(whole, 1)
	}
	// Users there are none of draw from the others' shares, should they appear.
	if half == 0 {
		fit.Half = fit.Whole
	}
	if whole == 0 {
		fit.Whole = fit.Half
	}
	return sizes
}

// fitLeast stands for the mean count of movies that nobody rates.
const fitLeast = 0.01

// quantile returns the quantile p of sorted numbers above 0, between two of them
// linearly.
func quantile(sorted []uint32, p float64) float64 {
	at := min(max(float64(p*float64(len(sorted)))-0.5, 0), float64(len(sorted)-1))
	i := min(int(at), len(sorted)-2)
	low, high := float64(sorted[i]), float64(sorted[i+1])
	return low + float64((at-float64(i))*(high-low))
}

// tasteStretch is by how much the logarithms of the weights must be farther
// apart than the popularity is, as users have tastes.
const tasteStretch = 1.06

// fitPopularity returns the logarithms of the weights at PopularityRanks that
// give the movies about these counts, in descending order, when users of these
// sizes draw without repeats: movie i is drawn by a user with the probability
// 1 - exp(-w_i*t), where t is such that the sum over the movies is the user's
// size. Weights and times are fitted to each other in turns.
func fitPopularity(sizes, counts []uint32) (popularity [15]float64) {
	shares := sampleCounts(counts, float64(len(sizes)))
	var weights [15]float64
	for i, s := range shares {
		weights[i] = ln(s)
	}
	const classes, rounds = 40, 30
	for range rounds {
		curve := Fit{Popularity: weights}
		var lnWeights []float64
		for rank := range counts {
			lnWeights = append(lnWeights, curve.lnWeight(rank+1, len(counts)))
		}
		groups := grouped(lnWeights)
		var times [classes]float64
		for i := range times {
			times[i] = drawTime(groups, quantile(sizes, (float64(i)+0.5)/classes))
		}
		for i := range weights {
			weights[i] = solve(func(w float64) float64 {
				sum := 0.0
				for _, t := range times {
					sum += 1 - exp(-exp(w+t))
				}
				return sum / classes
			}, shares[i])
		}
	}
	for i := range popularity {
		popularity[i] = min(0, float64(tasteStretch*(weights[i]-weights[0])))
		if i > 0 {
			popularity[i] = min(popularity[i], popularity[i-1])
		}
	}
	return popularity
}

// sampleCounts returns the mean counts around the places of PopularityRanks as
// shares of the users.
func sampleCounts(counts []uint32, users float64) (shares [15]float64) {
	const around = 1.15
	for i, r := range PopularityRanks {
		at := float64(r*float64(len(counts))) / popularityMovies
		low := min(int(at/around), len(counts)-1)
		high := max(low+1, min(int(float64(at*around))+1, len(counts)))
		sum := 0.0
		for _, n := range counts[low:high] {
			sum += float64(n)
		}
		shares[i] = min(max(sum/float64(high-low), fitLeast)/users, 0.999)
	}
	return shares
}

// group is some movies of about one weight.
type group struct{ lnWeight, movies float64 }

// grouped joins weights in descending order that are within a hundredth.
func grouped(lnWeights []float64) (groups []group) {
	for _, w := range lnWeights {
		if n := len(groups); n > 0 && groups[n-1].lnWeight-w < 0.01 {
			groups[n-1].movies++
			continue
		}
		groups = append(groups, group{w, 1})
	}
	return groups
}

// drawTime returns the logarithm of the time in which size movies are drawn.
func drawTime(groups []group, size float64) float64 {
	return solve(func(t float64) float64 {
		sum := 0.0
		for _, g := range groups {
			sum += float64(g.movies * (1 - exp(-exp(g.lnWeight+t))))
		}
		return sum
	}, size)
}

// solve returns where an ascending function has a value, between -60 and 60.
func solve(f func(float64) float64, value float64) float64 {
	low, high := -60.0, 60.0
	for range 50 {
		middle := float64(0.5 * (low + high))
		if f(middle) < value {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
