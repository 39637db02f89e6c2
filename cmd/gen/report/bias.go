package report

// The constants of the bias model: see the package comment.
const (
	shrinkMovie = 25
	shrinkUser  = 10
	heldOut     = 10 // one in so many pairs is held out
)

// Bias is how much of the ratings' variance the bias model explains.
type Bias struct {
	R2      float64 `json:"r2"`      // of the ratings held out
	Fit     float64 `json:"fit"`     // of those it was made from
	HeldOut uint64  `json:"heldOut"` // ratings
}

// isHeldOut tells whether the ratings of a movie by a user are held out: an event
// that repeats another is on its side.
func isHeldOut(user, movie uint32) bool {
	h := uint64(user)*0x9E3779B97F4A7C15 + uint64(movie)*0xD1B54A32D192ED03
	h = (h ^ h>>32) * 0x9E3779B97F4A7C15
	return h>>32%heldOut == 0
}

// sums are those of a user's or a movie's ratings: whole numbers, so that their
// order does not matter.
type sums struct{ n, halves uint64 }

func (s *sums) add(entry uint32) { s.n, s.halves = s.n+1, s.halves+uint64(entry&ratingMask) }

// over returns the sum of the ratings, in stars, less so much for each.
func (s sums) over(mean float64) float64 { return float64(s.halves)/2 - float64(s.n)*mean }

// bias fits the bias model and tests it. It returns nil when there is nothing to
// fit or to test.
func (x *matrix) bias() *Bias {
	var all sums
	movies := make([]sums, len(x.movies))
	x.eachSide(func(_ int, entry uint32, held bool) {
		if !held {
			all.add(entry)
			movies[entry>>movieShift].add(entry)
		}
	})
	if all.n == 0 {
		return nil
	}
	mean := all.over(0) / float64(all.n)
	ofMovie := make([]float64, len(x.movies))
	for i, s := range movies {
		ofMovie[i] = s.over(mean) / (shrinkMovie + float64(s.n))
	}
	users := make([]sums, len(x.users))
	ofMovies := make([]float64, len(x.users)) // sum of the movies' biases
	x.eachSide(func(u int, entry uint32, held bool) {
		if !held {
			users[u].add(entry)
			ofMovies[u] += ofMovie[entry>>movieShift]
		}
	})
	var fit, test residuals
	x.eachSide(func(u int, entry uint32, held bool) {
		ofUser := (users[u].over(mean) - ofMovies[u]) / (shrinkUser + float64(users[u].n))
		side := &fit
		if held {
			side = &test
		}
		side.add(float64(entry&ratingMask)/2, mean+ofUser+ofMovie[entry>>movieShift])
	})
	if test.ratings.sd() == 0 || fit.ratings.sd() == 0 {
		return nil
	}
	return &Bias{R2: test.r2(), Fit: fit.r2(), HeldOut: uint64(test.ratings.n)}
}

// eachSide calls each with every rating and the side that it is on.
func (x *matrix) eachSide(each func(u int, entry uint32, held bool)) {
	for u, user := range x.users {
		for _, entry := range x.of(u) {
			each(u, entry, isHeldOut(user, x.movies[entry>>movieShift]))
		}
	}
}

// residuals are what predictions leave of ratings.
type residuals struct {
	ratings moments
	squares float64
}

func (r *residuals) add(rating, prediction float64) {
	r.ratings.add(rating)
	r.squares += (rating - prediction) * (rating - prediction)
}

func (r *residuals) r2() float64 {
	return 1 - r.squares/(r.ratings.squares-r.ratings.sum*r.ratings.mean())
}
