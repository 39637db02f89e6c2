package core

import (
	"fmt"
	"math"
	"slices"
)

// compileSeed is the profile "seed": the platform's formulas to the letter.
//
//	weights  ~ Dirichlet(alpha) over the genres, the TopK largest, renormalised
//	affinity = sum of the user's weights over the movie's genres
//	rating   = 1 + 4*affinity + N(0, noise), clamped to [0.5, 5], to the nearest 0.5
func compileSeed(cat *Catalogue, p Params) (model, error) {
	genres, err := cat.selectGenres(p.Genres, p.MaxGenres)
	if err != nil {
		return nil, err
	}
	if p.TopK > len(genres) {
		return nil, fmt.Errorf("%w: top-k %d, but the catalogue has %d genres to draw from", ErrParams, p.TopK, len(genres))
	}
	t := &GenreTables{Tables: Tables{Genres: genres, TopK: p.TopK, Movies: movieMasks(cat, genres)}}
	t.Weights = drawWeights(p.Seed, p.Users, slices.Repeat([]float64{p.Alpha}, len(genres)), p.TopK)
	for level := range t.Below {
		t.Below[level] = ratingRow(1+float64(4*(float64(level)/WeightSum)), p.Noise)
	}
	return newGenreModel(t), nil
}

// ratingRow returns for a mean in stars and a standard deviation the scaled
// probabilities that the clamped and rounded normal is below rating 2, 3, ...
// 10 (in half stars). Clamping changes nothing but the two outer cells, so
// that the cuts lie halfway between neighbouring ratings.
func ratingRow(mean, sd float64) (row Chances) {
	for j := range row {
		cut := 0.75 + float64(0.5*float64(j))
		below := 0.0
		switch {
		case sd > 0:
			below = normalCDF((cut - mean) / sd)
		case mean < cut:
			below = 1
		}
		row[j] = chance(below)
	}
	return row
}

// chance returns a probability in units of 1/ChanceOne.
func chance(p float64) uint32 { return uint32(math.Floor(float64(p*ChanceOne) + 0.5)) }
