package core

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// What the score of a rating is made of: the shares of its variance, and what is
// left, chance. They add up to 1, but the parts are not independent.
const (
	varianceBias     = .14
	varianceQuality  = .13
	varianceAffinity = .04
	varianceTaste    = .24
	varianceChance   = .45

	qualityOfPopularity = .3   // correlation of a movie's quality with its popularity
	biasOfActivity      = -.16 // correlation of a user's bias with their activity
)

// noGenres is what MovieLens calls the movies that have no genre; nobody is
// drawn to them.
const noGenres = "(no genres listed)"

// genreShares holds, of MovieLens-20M, the share of the ratings whose movie has
// the genre and of the movies that have it, in percent.
var genreShares = map[string]struct{ ratings, movies float64 }{
	"Drama": {44.3, 48.92}, "Comedy": {37.5, 30.70}, "Action": {28.1, 12.90}, "Thriller": {26.6, 15.32}, "Adventure": {21.9, 8.54},
	"Romance": {19.0, 15.13}, "Crime": {16.5, 10.77}, "Sci-Fi": {15.8, 6.39}, "Fantasy": {10.6, 5.18}, "Children": {8.3, 4.18},
	"Mystery": {7.8, 5.55}, "Horror": {7.4, 9.57}, "Animation": {5.7, 3.77}, "War": {5.2, 4.38}, "Musical": {4.4, 3.80}, "IMAX": {2.5, .72},
	"Western": {2.1, 2.48}, "Documentary": {1.2, 9.06}, "Film-Noir": {1.1, 1.21}, noGenres: {.0018, .90},
}

// traits of a user and a movie: the second word of their counters.
const (
	traitActivity = iota // a user's activity and bias; a movie's place and quality
	traitFactors         // two pairs
	traitHabit    = traitFactors + factors/2
)

// maxRatings is how many ratings the lists of a snapshot may hold.
const maxRatings = 400_000_000

// compileMovielens is the profile "movielens": long-tailed activity and
// popularity, nobody rates a movie twice in an epoch, half-star habits, users,
// movies and tastes that a recommender can learn.
//
//	list   = that many movies, without repeats, drawn by popularity, genres, taste
//	score  = the sum of bias, quality, affinity, taste and chance, each standard
//	         normal or standardised over the events, times the root of its variance
//	rating = the score, cut where the shares of Fit are met
func compileMovielens(cat *Catalogue, p Params) (model, error) {
	fit := p.Fit
	if fit == nil {
		fit = movieLens20M
	}
	genres, err := cat.selectGenres(p.Genres, p.MaxGenres)
	if err != nil {
		return nil, err
	}
	if len(cat.Movies) > maxListMovies {
		return nil, fmt.Errorf("%w: the profile movielens takes at most %d movies, not %d", ErrCatalogue, maxListMovies, len(cat.Movies))
	}
	t := &ListTables{Tables: Tables{Genres: genres, TopK: len(genres), Movies: movieMasks(cat, genres)}}
	sizes := t.drawUsers(p.Seed, p.Users, fit)
	if t.starts[p.Users] > maxRatings {
		return nil, fmt.Errorf("%w: the lists of %d users would hold %d ratings; at most %d are possible: take fewer users", ErrParams, p.Users, t.starts[p.Users], maxRatings)
	}
	t.Weights = drawWeights(p.Seed, p.Users, preferenceAlpha(genres, p.Alpha, len(cat.Movies)), t.TopK)
	popularity := t.drawMovies(p.Seed)
	t.drawLists(p.Seed, sizes, rankWeights(popularity, t.Movies, fit))
	t.standardise()
	t.setRows()
	t.cutRows(fit)
	if p.Sessions > 0 {
		t.seats = sessionSeats(p.Sessions)
	}
	return newListModel(t), nil
}

// preferenceAlpha returns the Dirichlet alpha of each genre: proportional to its
// share of the ratings, with the mean alpha.
func preferenceAlpha(genres []Genre, alpha float64, movies int) []float64 {
	shares := make([]float64, len(genres))
	sum, n := 0.0, 0
	for i, g := range genres {
		if g.Name == noGenres {
			continue
		}
		known, ok := genreShares[g.Name]
		if shares[i] = known.ratings; !ok {
			shares[i] = float64(100*float64(g.Movies)) / float64(movies)
		}
		sum, n = sum+shares[i], n+1
	}
	for i := range shares {
		if shares[i] > 0 {
			shares[i] = float64(float64(alpha*float64(n))*shares[i]) / sum
		}
	}
	return shares
}

// lift returns how much more often than others the movies of some genres are
// rated: the mean of the logarithms.
func (t *Tables) lift(mask uint32) float64 {
	sum, n := 0.0, 0
	for g, genre := range t.Genres {
		if mask>>g&1 == 0 {
			continue
		}
		n++
		if s, ok := genreShares[genre.Name]; ok {
			sum += ln(s.ratings / s.movies)
		}
	}
	return sum / float64(max(n, 1))
}

// drawMovies sets what the movies are like and returns their popularity: by
// which they are ranked.
func (t *ListTables) drawMovies(seed uint64) (popularity []float64) {
	t.movies = make([]movieTraits, len(t.Movies))
	popularity = make([]float64, len(t.Movies))
	quality := make([]float64, len(t.Movies))
	sum, squares := 0.0, 0.0
	for i, m := range t.Movies {
		var chance float64
		chance, quality[i] = normalPair(seed, LaneMovie, uint64(m.ID), traitActivity)
		popularity[i] = t.lift(m.Mask) + chance
		sum += popularity[i]
		squares += float64(popularity[i] * popularity[i])
		t.movies[i].factors = drawFactors(seed, LaneMovie, uint64(m.ID))
	}
	n := float64(len(t.Movies))
	mean := sum / n
	sd := math.Sqrt(max(squares/n-float64(mean*mean), 0))
	for i := range quality {
		standard := 0.0
		if sd > 0 {
			standard = (popularity[i] - mean) / sd
		}
		t.movies[i].quality = trait(correlated(standard, quality[i], qualityOfPopularity))
	}
	return popularity
}

// rankWeights returns the weight of each movie by the rank of its popularity
// (ties: the lower movieId) among those that are drawn; 0 for the others.
func rankWeights(popularity []float64, movies []MovieMask, fit *Fit) []float64 {
	var ranked []int
	for i, m := range movies {
		if m.Mask != 0 {
			ranked = append(ranked, i)
		}
	}
	slices.SortStableFunc(ranked, func(a, b int) int { return cmp.Compare(popularity[b], popularity[a]) })
	weights := make([]float64, len(movies))
	for rank, i := range ranked {
		weights[i] = exp(fit.lnWeight(rank+1, len(ranked)))
	}
	return weights
}

// longestList returns how many of n movies a user may rate: a third and a bit,
// as the most active user of MovieLens-20M does.
func longestList(n int) int { return max(1, n*34/100) }

// drawUsers sets what the users are like and starts, and returns the lengths of
// their lists.
func (t *ListTables) drawUsers(seed uint64, users int, fit *Fit) (sizes []int) {
	limit := longestList(len(t.Movies) - t.Unlisted())
	t.users = make([]userTraits, users)
	t.starts = make([]uint64, 1, users+1)
	sizes = make([]int, users)
	for u := range t.users {
		activity, bias := normalPair(seed, LaneUser, uint64(u), traitActivity)
		habit := Philox(seed, LaneUser, [4]uint64{uint64(u), traitHabit, 0, 0})
		t.users[u] = userTraits{
			halves:  unit(habit[0]) < fit.HalfUsers,
			bias:    trait(correlated(activity, bias, biasOfActivity)),
			factors: drawFactors(seed, LaneUser, uint64(u)),
		}
		sizes[u] = fit.activity(activity, limit)
		t.starts = append(t.starts, t.starts[u]+uint64(sizes[u]))
	}
	return sizes
}

func drawFactors(seed uint64, lane Lane, id uint64) (f [factors]int16) {
	for i := 0; i < factors; i += 2 {
		x, y := normalPair(seed, lane, id, traitFactors+uint64(i/2))
		f[i], f[i+1] = trait(x), trait(y)
	}
	return f
}

// correlated returns a standard normal variate that has the correlation r with
// x, of x and y, which are independent ones.
func correlated(x, y, r float64) float64 {
	return float64(r*x) + float64(math.Sqrt(1-float64(r*r))*y)
}

// trait returns x in units of 1/traitOne.
func trait(x float64) int16 {
	return int16(math.Floor(float64(max(-30, min(30, x))*traitOne) + 0.5))
}

// moment gathers the mean and the standard deviation of whole numbers.
type moment struct{ n, sum, squares float64 }

func (m *moment) add(x int64) {
	m.n++
	m.sum += float64(x)
	m.squares += float64(float64(x) * float64(x))
}

// scale returns the factor that gives the numbers, in units of 1/one, the
// variance, in units of 1/scoreOne, and what is to be added so that their mean
// is 0.
func (m *moment) scale(variance, one float64) (factor, shift int64) {
	mean := m.sum / m.n
	sd := math.Sqrt(max(m.squares/m.n-float64(mean*mean), 0))
	if sd == 0 {
		return 0, 0
	}
	f := math.Floor(float64(float64(math.Sqrt(variance)*scoreOne)*one)/sd + 0.5)
	return int64(f), -int64(math.Floor(float64(f*mean)/one + 0.5))
}

// standardise sets what the score is of, so that each part has its variance
// over the events of an epoch.
func (t *ListTables) standardise() {
	var bias, quality, affinity, style moment
	for u := range t.users {
		for _, e := range t.entries[t.starts[u]:t.starts[u+1]] {
			bias.add(int64(t.users[u].bias))
			quality.add(int64(t.movies[e.movie()].quality))
			affinity.add(t.affinity(u, t.Movies[e.movie()].Mask))
			style.add(taste(&t.users[u], &t.movies[e.movie()]))
		}
	}
	var shifts [4]int64
	t.ofBias, shifts[0] = bias.scale(varianceBias, 1)
	t.ofQuality, shifts[1] = quality.scale(varianceQuality, 1)
	t.ofAffinity, shifts[2] = affinity.scale(varianceAffinity, 1)
	t.ofTaste, shifts[3] = style.scale(varianceTaste, 1<<tasteBits)
	t.constant = shifts[0] + shifts[1] + shifts[2] + shifts[3]
}

// cutRows sets the distribution of the rating of each row so that over an epoch
// the shares are those of the fit.
func (t *ListTables) cutRows(fit *Fit) {
	var counts [listRows]float64
	for _, e := range t.entries {
		counts[e.row()]++
	}
	for habit, shares := range [2][10]float64{fit.Whole, fit.Half} {
		of := counts[habit*levels : (habit+1)*levels]
		sum := 0.0
		for _, n := range of {
			sum += n
		}
		var weights, scores [levels]float64
		for level, n := range of {
			weights[level] = n / max(sum, 1)
			scores[level] = (float64(level-levels/2) + 0.5) / levelsPerSD
		}
		cutToShares(t.Rows[habit*levels:(habit+1)*levels], weights[:], scores[:], math.Sqrt(varianceChance), shares)
	}
}
