package core

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// The tests of this file compare event counts with exact probabilities by
// chi-square. Power: with ten million events a rating share that is off by 1%
// of its value moves the statistic by about 100; the critical values below
// belong to a false alarm in 10^6, and the events are always the same. Each
// test has mutants beside it that it must reject.

const distributionEvents = 10_000_000

// chiSquare returns Pearson's statistic over the cells with an expectation of
// at least 5, and its degrees of freedom; the rest is one cell. A count where
// nothing is expected is infinitely bad.
func chiSquare(counts []float64, chances []float64) (statistic float64, freedom int) {
	total := 0.0
	for _, c := range counts {
		total += c
	}
	cell := func(count, expected float64) {
		switch {
		case expected > 0:
			statistic += (count - expected) * (count - expected) / expected
			freedom++
		case count > 0:
			statistic = math.Inf(1)
		}
	}
	restCount, restExpected := 0.0, 0.0
	for i, c := range counts {
		if expected := total * chances[i]; expected >= 5 {
			cell(c, expected)
		} else {
			restCount, restExpected = restCount+c, restExpected+expected
		}
	}
	cell(restCount, restExpected)
	return statistic, freedom - 1
}

// critical returns the 1 - 10^-6 quantile of the chi-square distribution:
// Wilson and Hilferty, PNAS 17 (1931).
func critical(freedom int) float64 {
	f := float64(freedom)
	a := 2 / (9 * f)
	return f * math.Pow(1-a+4.7534*math.Sqrt(a), 3)
}

func fits(counts, chances []float64) error {
	statistic, freedom := chiSquare(counts, chances)
	if !(statistic <= critical(freedom)) {
		return fmt.Errorf("chi-square %.1f with %d degrees of freedom, critical %.1f", statistic, freedom, critical(freedom))
	}
	return nil
}

// ratingChances are the exact chances of the ratings 0 to 5.5 in half stars:
// none at 0 and above 10.
func ratingChances(s *Snapshot) []float64 {
	chances := make([]float64, 12)
	for i, p := range s.Shares() {
		chances[i+1] = p
	}
	return chances
}

func ratingCounts(s *Snapshot) []float64 {
	counts := make([]float64, 12)
	eachEvent(s, func(e Event) { counts[e.Rating]++ })
	return counts
}

func eachEvent(s *Snapshot, f func(Event)) {
	seq := Sequence{s, 42, ConstantSchedule(0, Rate{50, 1})}
	events := make([]Event, 10_000)
	for n := uint64(0); n < distributionEvents; n += uint64(len(events)) {
		seq.Fill(events, n)
		for _, e := range events {
			f(e)
		}
	}
}

func TestRatingSharesAreExact(t *testing.T) {
	s := testSnapshot(t, testParams())
	exact := ratingChances(s)
	if err := fits(ratingCounts(s), exact); err != nil {
		t.Errorf("ratings: %v", err)
	}
	for name, change := range map[string]func(*Params){
		"noise 0.25":         func(p *Params) { p.Noise = 0.25 },
		"alpha 0.6":          func(p *Params) { p.Alpha = 0.6 },
		"top-2":              func(p *Params) { p.TopK = 2 },
		"another population": func(p *Params) { p.Seed++ },
	} {
		p := testParams()
		change(&p)
		if err := fits(ratingCounts(testSnapshot(t, p)), exact); err == nil {
			t.Errorf("mutant %s is not rejected", name)
		}
	}
}

// formulas draws events from the population of s by the formulas as they
// stand in the profile's comment, in floating point, with other random numbers.
type formulas struct {
	round        func(float64) float64
	clamp        bool
	renormalised bool
}

func (f formulas) ratingCounts(s *Snapshot) []float64 {
	t, m := s.Tables(), s.model.(*genreModel)
	random := rand.New(rand.NewPCG(3, 4))
	p := s.Recipe.Params
	kept := make([]float64, t.Users()) // share of a user's taste that the top genres hold
	for u := range kept {
		kept[u] = 1
		if !f.renormalised {
			kept[u] = topShare(p, len(t.Genres), u)
		}
	}
	counts := make([]float64, 12)
	for range distributionEvents {
		u := random.IntN(t.Users())
		weights := t.User(u)
		x, g := random.Float64()*WeightSum, 0
		for g+1 < len(weights) && x >= float64(weights[g].Units) {
			x -= float64(weights[g].Units)
			g++
		}
		genre := weights[g].Genre
		mask := m.byGenre[int(m.first[genre])+random.IntN(int(m.count[genre]))].Mask
		affinity := 0.0
		for _, w := range weights {
			if mask>>w.Genre&1 == 1 {
				affinity += float64(w.Units) / WeightSum * kept[u]
			}
		}
		rating := 1 + 4*affinity + random.NormFloat64()*p.Noise
		if f.clamp {
			rating = min(max(rating, 0.5), 5)
		}
		counts[min(max(int(f.round(2*rating)), 0), 11)]++
	}
	return counts
}

// topShare returns the sum of a user's TopK largest weights before they are
// renormalised.
func topShare(p Params, genres, user int) float64 {
	weights := make([]float64, genres)
	sum, top := 0.0, 0.0
	for g := range weights {
		weights[g] = math.Exp(lnGamma(p.Seed, uint64(user), uint64(g), p.Alpha))
		sum += weights[g]
	}
	for range p.TopK {
		most := 0
		for g := range weights {
			if weights[g] > weights[most] {
				most = g
			}
		}
		top += weights[most] / sum
		weights[most] = 0
	}
	return top
}

func TestRatingSharesFollowTheFormulas(t *testing.T) {
	s := testSnapshot(t, testParams())
	exact := ratingChances(s)
	if err := fits(formulas{math.Round, true, true}.ratingCounts(s), exact); err != nil {
		t.Errorf("the formulas: %v", err)
	}
	for name, mutant := range map[string]formulas{
		"floor for round":          {math.Floor, true, true},
		"no clamp":                 {math.Round, false, true},
		"weights not renormalised": {math.Round, true, false},
	} {
		if err := fits(mutant.ratingCounts(s), exact); err == nil {
			t.Errorf("mutant %s is not rejected", name)
		}
	}
}

func TestUsersAndMoviesAreDrawnUniformly(t *testing.T) {
	s := testSnapshot(t, testParams())
	tab, m := s.Tables(), s.model.(*genreModel)
	users, movies := make([]float64, tab.Users()), make([]float64, len(tab.Movies))
	index := map[uint32]int{}
	for i, movie := range tab.Movies {
		index[movie.ID] = i
	}
	eachEvent(s, func(e Event) {
		users[e.User-1]++
		movies[index[e.Movie]]++
	})
	uniform := make([]float64, len(users))
	genres := make([]float64, len(tab.Genres))
	for u := range uniform {
		uniform[u] = 1 / float64(len(users))
		for _, w := range tab.User(u) {
			genres[w.Genre] += float64(w.Units) / WeightSum / float64(len(users))
		}
	}
	// A movie's chance: for each of its genres, the genre's by the users'
	// weights, spread evenly over the genre's movies.
	chances := make([]float64, len(movies))
	for i, movie := range tab.Movies {
		for g := range genres {
			if movie.Mask>>g&1 == 1 {
				chances[i] += genres[g] / float64(m.count[g])
			}
		}
	}
	if err := fits(users, uniform); err != nil {
		t.Errorf("users: %v", err)
	}
	if err := fits(movies, chances); err != nil {
		t.Errorf("movies: %v", err)
	}
	// Mutants: one user in ten 5% too rarely; genres drawn evenly.
	for u := 0; u < len(users); u += 10 {
		users[u] *= 0.95
	}
	if fits(users, uniform) == nil {
		t.Error("mutant: rare users are not rejected")
	}
	for i, movie := range tab.Movies {
		chances[i] = 0
		for g := range genres {
			if movie.Mask>>g&1 == 1 {
				chances[i] += 1 / float64(len(genres)) / float64(m.count[g])
			}
		}
	}
	if fits(movies, chances) == nil {
		t.Error("mutant: genres drawn evenly are not rejected")
	}
}

// TestWeightsAreDirichlet compares the first two moments of the weights of
// all genres, before the cut to the top, with those of the Dirichlet
// distribution: 1/G and (1/G)(1-1/G)/(G*alpha+1).
func TestWeightsAreDirichlet(t *testing.T) {
	const users, genres = 40_000, 20
	moments := func(alpha float64) (mean, variance float64) {
		for u := range users {
			var w [genres]float64
			sum := 0.0
			for g := range w {
				w[g] = math.Exp(lnGamma(7, uint64(u), uint64(g), alpha))
				sum += w[g]
			}
			share := w[u%genres] / sum
			mean += share / users
			variance += (share - 1.0/genres) * (share - 1.0/genres) / users
		}
		return mean, variance
	}
	for _, alpha := range []float64{0.1, 0.5, 1, 2, 10} {
		mean, variance := moments(alpha)
		want := (1.0 / genres) * (1 - 1.0/genres) / (genres*alpha + 1)
		// Five standard errors of a mean of 40,000 draws; of the variance 8%.
		if math.Abs(mean-1.0/genres) > 5*math.Sqrt(want/users) || math.Abs(variance/want-1) > 0.08 {
			t.Errorf("alpha %v: mean %v, variance %v; want %v, %v", alpha, mean, variance, 1.0/genres, want)
		}
	}
	if _, variance := moments(0.6); math.Abs(variance/((1.0/genres)*(1-1.0/genres)/(genres*0.5+1))-1) < 0.08 {
		t.Error("mutant: alpha 0.6 passes for 0.5")
	}
}

// TestQuantisingKeepsTheMean compares the mean rating with the one that
// unquantised weights give: the contract is a difference below 1e-3.
func TestQuantisingKeepsTheMean(t *testing.T) {
	p := testParams()
	s := testSnapshot(t, p)
	tab, m := s.Tables(), s.model.(*genreModel)
	var exact, quantised float64
	for u := range tab.Users() {
		weights := tab.User(u)
		drawn := make([]float64, len(weights))
		sum := 0.0
		for i, w := range weights {
			drawn[i] = math.Exp(lnGamma(p.Seed, uint64(u), uint64(w.Genre), p.Alpha))
			sum += drawn[i]
		}
		for i, w := range weights {
			movies := m.byGenre[m.first[w.Genre] : m.first[w.Genre]+m.count[w.Genre]]
			for _, movie := range movies {
				a, q := 0.0, 0.0
				for k, v := range weights {
					if movie.Mask>>v.Genre&1 == 1 {
						a += drawn[k] / sum
						q += float64(v.Units) / WeightSum
					}
				}
				exact += drawn[i] / sum * a / float64(len(movies))
				quantised += float64(w.Units) / WeightSum * q / float64(len(movies))
			}
		}
	}
	if d := 4 * math.Abs(exact-quantised) / float64(tab.Users()); d > 1e-3 {
		t.Errorf("the mean moves by %v", d)
	}
}
