package report

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"gen/core"

	"gonum.org/v1/gonum/mathext"
)

// Expected is what a snapshot says of its events, and how likely the events are
// given that.
type Expected struct {
	Ratings [10]float64 `json:"ratings"` // probability of each, 0.5 to 5.0
	Mean    float64     `json:"mean"`    // stars
	To      Distance    `json:"to"`      // from the measured shares
	// RatingsP is the probability of counts of the ratings that are at least so
	// far from the expected ones (Pearson's chi-square). Nil of too few events.
	RatingsP *float64 `json:"ratingsP,omitempty"`
	// Draws is nil for a profile whose events do not follow these formulas.
	Draws *Draws `json:"draws,omitempty"`
}

// Draws is the test of the formulas: a user uniformly, a genre by the user's
// weights, a movie uniformly among the genre's.
type Draws struct {
	Genres []float64 `json:"genres"` // expected share of the ratings, in order of name
	// GenresZ is the largest distance of a genre's share from the expected one,
	// in standard errors.
	GenresZ float64 `json:"genresZ"`
	// UsersP and MoviesP are those of the chi-squares of the ratings of each user
	// and movie. Nil of too few events.
	UsersP  *float64 `json:"usersP,omitempty"`
	MoviesP *float64 `json:"moviesP,omitempty"`
	// Top3Z is the largest distance of a genre's share of the users' top three
	// from that of all genres alike, in standard errors. Nil when the weights of
	// the genres are not drawn alike.
	Top3Z *float64 `json:"top3Z,omitempty"`
}

// alike are the profiles whose events follow the formulas of Draws; true for
// those that also draw the weights of all genres alike.
var alike = map[string]bool{"seed": true, "document": false}

func (m *Measure) expect(s *core.Snapshot, x *matrix) *Expected {
	e := &Expected{Ratings: s.Shares()}
	shares := make([]float64, 10)
	var observed []uint64
	for i, p := range e.Ratings {
		e.Mean += p * stars(i)
		shares[i] = float64(m.ratings[i+1]) / float64(m.count)
		observed = append(observed, m.ratings[i+1])
	}
	e.To = distance(shares, e.Ratings[:])
	e.RatingsP = chiSquareP(observed, e.Ratings[:], m.count)
	if same, ok := alike[s.Recipe.Profile]; ok {
		e.Draws = m.draws(s.Tables(), x)
		if same {
			z := topThreeZ(s.Tables())
			e.Draws.Top3Z = &z
		}
	}
	return e
}

func (m *Measure) draws(t *core.Tables, x *matrix) *Draws {
	drawn := make([]float64, len(t.Genres)) // probability that a genre is drawn
	for u := range t.Users() {
		for _, w := range t.User(u) {
			drawn[w.Genre] += float64(w.Units) / core.WeightSum / float64(t.Users())
		}
	}
	d := &Draws{Genres: make([]float64, len(t.Genres))}
	observed := make([]uint64, len(t.Genres))
	movies := make([]float64, len(t.Movies))
	counts := make([]uint64, len(t.Movies))
	at := 0
	for i, movie := range t.Movies {
		for mask := movie.Mask; mask != 0; mask &= mask - 1 {
			g := bits.TrailingZeros32(mask)
			movies[i] += drawn[g] / float64(t.Genres[g].Movies)
		}
		for at < len(x.movies) && x.movies[at] < movie.ID {
			at++
		}
		if at < len(x.movies) && x.movies[at] == movie.ID {
			counts[i] = uint64(x.movieCounts[at])
		}
		for mask := movie.Mask; mask != 0; mask &= mask - 1 {
			g := bits.TrailingZeros32(mask)
			d.Genres[g] += movies[i]
			observed[g] += counts[i]
		}
	}
	n := float64(m.count)
	for g, p := range d.Genres {
		d.GenresZ = max(d.GenresZ, math.Abs(float64(observed[g])/n-p)/math.Sqrt(p*(1-p)/n))
	}
	d.MoviesP = chiSquareP(counts, movies, m.count)
	d.UsersP = m.usersP(t.Users(), x)
	return d
}

// usersP tests whether every user rates as often as every other.
func (m *Measure) usersP(users int, x *matrix) *float64 {
	counts, chances := make([]uint64, users), make([]float64, users)
	for i := range chances {
		chances[i] = 1 / float64(users)
	}
	for i, id := range x.users {
		if int(id) <= users {
			counts[id-1] = uint64(x.userCounts[i])
		}
	}
	return chiSquareP(counts, chances, m.count)
}

// fewestExpected is how many events a cell must expect for its chi-square to be
// near its distribution.
const fewestExpected = 5

// cell is a class of events: how many there are, and how many are expected.
type cell struct{ observed, expected float64 }

// chiSquareP returns the probability of counts of n events that are at least so
// far from what the chances make expected: 0 when what has no chance has happened,
// nil when the events are too few to tell.
func chiSquareP(counts []uint64, chances []float64, n uint64) *float64 {
	cells := make([]cell, len(chances))
	for i, p := range chances {
		cells[i] = cell{float64(counts[i]), p * float64(n)}
		if p == 0 && counts[i] > 0 {
			return ptr(0.)
		}
	}
	cells = pooled(cells)
	sum := 0.0
	for _, c := range cells {
		sum += (c.observed - c.expected) * (c.observed - c.expected) / c.expected
	}
	if len(cells) < 2 {
		return nil
	}
	return ptr(mathext.GammaIncRegComp(float64(len(cells)-1)/2, sum/2))
}

// pooled puts all cells that expect few events together, and these to the cell
// that expects the fewest of the others when they still expect few.
func pooled(cells []cell) []cell {
	slices.SortFunc(cells, func(a, b cell) int { return cmp.Compare(a.expected, b.expected) })
	var pool cell
	for len(cells) > 0 && (cells[0].expected < fewestExpected || pool.expected > 0 && pool.expected < fewestExpected) {
		pool = cell{pool.observed + cells[0].observed, pool.expected + cells[0].expected}
		cells = cells[1:]
	}
	if pool.expected > 0 {
		cells = append(cells, pool)
	}
	return cells
}

// topThreeZ returns how far the genre whose share of the users' top three is most
// unlike that of all genres alike is from it, in standard errors.
func topThreeZ(t *core.Tables) (z float64) {
	p := float64(min(3, t.TopK)) / float64(len(t.Genres))
	if p >= 1 {
		return 0
	}
	for _, share := range topThree(t) {
		z = max(z, math.Abs(share-p)/math.Sqrt(p*(1-p)/float64(t.Users())))
	}
	return z
}
