package core

import (
	"fmt"
	"slices"
)

// What the platform's document prints of its own data: the shares of the
// ratings 0.5, 1.0, ..., 5.0, and of the users with a genre among their top 3.
var (
	documentShares = [10]float64{.02, .05, .08, .12, .15, .18, .16, .13, .08, .03}
	documentGenres = map[string]float64{"Drama": .3245, "Comedy": .2876, "Action": .2134, "Thriller": .1567, "Romance": .1178}
)

// documentAlpha is the Dirichlet alpha of a genre that the document does not name.
const documentAlpha = .441

// compileDocument is the profile "document": both tables that the platform's
// document prints, which its formulas do not give.
//
//	weights  ~ Dirichlet over the genres, the 3 largest, renormalised
//	affinity = sum of the user's weights over the movie's genres
//	rating   = 2.7 + 0.5*affinity + N(0, 1.1), cut where the printed shares are met
func compileDocument(cat *Catalogue, p Params) (model, error) {
	genres, err := cat.selectGenres(p.Genres, p.MaxGenres)
	if err != nil {
		return nil, err
	}
	if p.TopK > len(genres) {
		return nil, fmt.Errorf("%w: the profile document takes a user's top %d genres, but there are %d to draw from", ErrParams, p.TopK, len(genres))
	}
	t := &GenreTables{Tables: Tables{Genres: genres, TopK: p.TopK, Movies: movieMasks(cat, genres)}}
	t.Weights = drawWeights(p.Seed, p.Users, documentAlphas(genres, p), p.TopK)
	means := make([]float64, len(t.Below))
	for level := range means {
		means[level] = 2.7 + float64(0.5*(float64(level)/WeightSum))
	}
	cutToShares(t.Below[:], newGenreModel(t).levels()[:], means, 1.1, documentShares)
	return newGenreModel(t), nil
}

// documentAlphas returns the alpha of each genre: those that the document names
// get ones by which they are among the top genres of as many of the first 100,000
// users as it says. The users are the same at each round: what is left is less
// than what users drawn independently would differ by.
func documentAlphas(genres []Genre, p Params) []float64 {
	const rounds, most = 8, 100_000
	alpha := slices.Repeat([]float64{documentAlpha}, len(genres))
	users := min(p.Users, most)
	for range rounds {
		tops := make([]float64, len(genres))
		for _, w := range drawWeights(p.Seed, users, alpha, p.TopK) {
			tops[w.Genre]++
		}
		for i, g := range genres {
			want, named := documentGenres[g.Name]
			if !named {
				continue
			}
			more := float64(want*float64(users)) / max(tops[i], 1)
			alpha[i] = min(max(float64(alpha[i]*min(max(more, 0.5), 2)), 0.01), 10)
		}
	}
	return alpha
}

// cutToShares sets the rows to the thresholds of a normal variable of a row's
// mean and the standard deviation sd, cut at places that are the same for all
// rows and such that, when row i has the probability weights[i], the ratings have
// the shares. Weights and shares sum to 1.
func cutToShares(rows []Chances, weights, means []float64, sd float64, shares [10]float64) {
	upTo := 0.0
	for j := range len(shares) - 1 {
		upTo += shares[j]
		cut := cutAt(weights, means, sd, upTo)
		for i := range rows {
			rows[i][j] = chance(normalCDF((cut - means[i]) / sd))
		}
	}
}

// cutAt returns where to cut so that the mixture is below with probability p:
// by halving, to 2^-40 of the range of 16 standard deviations around the means.
func cutAt(weights, means []float64, sd, p float64) float64 {
	low, high := means[0], means[0]
	for _, m := range means {
		low, high = min(low, m), max(high, m)
	}
	low, high = low-float64(8*sd), high+float64(8*sd)
	for range 40 {
		middle := low + float64(0.5*(high-low))
		below := 0.0
		for i, w := range weights {
			if w > 0 {
				below += float64(w * normalCDF((middle-means[i])/sd))
			}
		}
		if below < p {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
