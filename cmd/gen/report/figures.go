package report

import (
	"encoding/json"
	"maps"
	"math"
	"math/bits"
	"slices"

	"gen/core"
)

const (
	// fewestRatings is how many ratings a user must have given for figures of
	// single users: in MovieLens-20M each has 20.
	fewestRatings = 20
	// fewestPerMovie is the same for movies.
	fewestPerMovie = 50
)

// Figures are what was measured. Shares are of 1.
type Figures struct {
	Count   uint64  `json:"count"`           // events
	Epoch   uint64  `json:"epoch,omitempty"` // see Known
	Time    *Span   `json:"time,omitempty"`  // nil of timeless events
	Ratings Ratings `json:"ratings"`
	Users   Users   `json:"users"`
	Movies  Movies  `json:"movies"`
	Repeats Repeats `json:"repeats"`
	Genres  *Genres `json:"genres,omitempty"` // nil without a catalogue
	Bias    *Bias   `json:"bias,omitempty"`   // nil of too few events
	Hours   *Hours  `json:"hours,omitempty"`
	// AffinityCorrelation is Pearson's, between the rating and the affinity: the
	// sum of the user's weights over the movie's genres. Nil without a snapshot.
	AffinityCorrelation *float64    `json:"affinityCorrelation,omitempty"`
	Expected            *Expected   `json:"expected,omitempty"`   // by the snapshot
	Partitions          []Partition `json:"partitions,omitempty"` // of a topic
	Lag                 *Lag        `json:"lag,omitempty"`        // of a topic that was filled live
}

// Span is the event time of the first and the last event.
type Span struct {
	First int64   `json:"first"` // epoch ms
	Last  int64   `json:"last"`
	Rate  float64 `json:"rate"` // events a second in between, 0 when there is no time
}

// Ratings is what was given.
type Ratings struct {
	Counts    [10]uint64  `json:"counts"` // of 0.5, 1.0, ..., 5.0
	Shares    [10]float64 `json:"shares"`
	Mean      float64     `json:"mean"` // stars
	SD        float64     `json:"sd"`
	Skew      float64     `json:"skew"`
	HalfStars float64     `json:"halfStars"` // share of 0.5, 1.5, ..., 4.5
	MovieLens Distance    `json:"toMovieLens"`
	Document  Distance    `json:"toDocument"` // the table that the platform's document prints
}

// Users is who rated.
type Users struct {
	Distribution
	Curve []Point `json:"curve"` // [ratings, share of the users with at least so many]
	// Enough is how many users have given 20 ratings: MeanSD and NoHalfStars are
	// of them, and 0 when they are too few.
	Enough      int     `json:"enough"`
	MeanSD      float64 `json:"meanSD"`      // standard deviation of the users' mean ratings
	NoHalfStars float64 `json:"noHalfStars"` // share of users who never give a half star
}

// Movies is what was rated.
type Movies struct {
	Distribution               // of the movies with a rating
	Curve        []Point       `json:"curve"`               // [rank, share of the ratings]
	Catalogue    *Distribution `json:"catalogue,omitempty"` // the same, with those that nobody rated
	Unknown      int           `json:"unknown"`             // rated movies that are not in the catalogue
	Enough       int           `json:"enough"`              // movies with 50 ratings: MeanSD is of them, or 0
	MeanSD       float64       `json:"meanSD"`              // standard deviation of the movies' mean ratings
}

// Repeats are the events of a user and a movie that had met before.
type Repeats struct {
	Events uint64  `json:"events"`
	Share  float64 `json:"share"`
}

// Genres are those of the rated movies.
type Genres struct {
	List      []Genre  `json:"list"`        // in order of name
	MovieLens Distance `json:"toMovieLens"` // of the shares, scaled to sum to 1
}

// Genre is one genre.
type Genre struct {
	Name  string  `json:"genre"`
	Share float64 `json:"share"` // of the ratings whose movie has it
	// Top3 is the share of the snapshot's users who have it among their three
	// heaviest genres. Nil without a snapshot.
	Top3 *float64 `json:"top3,omitempty"`
}

// Hours are the events by hour of the day, UTC.
type Hours struct {
	Shares    [24]float64 `json:"shares"`
	MovieLens Distance    `json:"toMovieLens"`
}

// Partition is what was read of a partition of a topic.
type Partition struct {
	Partition int32  `json:"partition"`
	Events    uint64 `json:"events"`
}

// Lag is from the event time to the record's own timestamp, in ms.
type Lag struct {
	P50  int64 `json:"p50"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p999"`
	Max  int64 `json:"max"`
}

func marshalPair(x, y float64) ([]byte, error) { return json.Marshal([2]float64{x, y}) }

// Figures computes the figures and uses up the events. It returns ErrEmpty when
// there was none.
func (m *Measure) Figures() (*Figures, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == 0 {
		return nil, ErrEmpty
	}
	f := &Figures{Count: m.count, Epoch: m.known.Epoch, Ratings: m.ratingFigures()}
	if !m.known.Timeless {
		f.Time, f.Hours = m.timeFigures()
	}
	x, err := m.matrix()
	if err != nil {
		return nil, err
	}
	masks := m.masks(x, f)
	x.userFigures(f)
	x.movieFigures(f, m.known)
	f.Repeats = x.repeats()
	f.Bias = x.bias()
	if m.known.Genres != nil {
		f.Genres = m.genreFigures(x, masks)
	}
	if s := m.known.Snapshot; s != nil {
		if r, ok := x.affinity(s.Tables(), masks); ok {
			f.AffinityCorrelation = &r
		}
		f.Expected = m.expect(s, x)
	}
	return f, nil
}

func (m *Measure) timeFigures() (*Span, *Hours) {
	span, hours := &Span{First: m.first, Last: m.last}, &Hours{}
	if m.last > m.first {
		span.Rate = float64(m.count-1) / (float64(m.last-m.first) / 1000)
	}
	for h, n := range m.hours {
		hours.Shares[h] = float64(n) / float64(m.count)
	}
	hours.MovieLens = distance(hours.Shares[:], realHours[:])
	return span, hours
}

func (m *Measure) ratingFigures() (r Ratings) {
	n := float64(m.count)
	var deviations [4]float64 // sums of their powers
	for i := range r.Counts {
		r.Counts[i] = m.ratings[i+1]
		r.Shares[i] = float64(r.Counts[i]) / n
		r.Mean += r.Shares[i] * stars(i)
		if i%2 == 0 {
			r.HalfStars += r.Shares[i]
		}
	}
	for i, share := range r.Shares {
		for power := 2; power <= 3; power++ {
			deviations[power] += share * math.Pow(stars(i)-r.Mean, float64(power))
		}
	}
	if deviations[2] > 0 {
		r.SD = math.Sqrt(deviations[2] * n / (n - 1))
		r.Skew = deviations[3] / math.Pow(deviations[2], 1.5)
	}
	r.MovieLens = distance(r.Shares[:], realShares())
	r.Document = distance(r.Shares[:], documentRatings[:])
	return r
}

// stars returns the rating that stands at place i of ten.
func stars(i int) float64 { return core.Event{Rating: uint8(i + 1)}.Stars() }

func realShares() []float64 {
	shares := make([]float64, len(realRatings))
	for i, n := range realRatings {
		shares[i] = float64(n) / realCount
	}
	return shares
}

// masks returns the genres of the matrix's movies, and counts those that the
// catalogue does not have.
func (m *Measure) masks(x *matrix, f *Figures) []uint32 {
	masks := make([]uint32, len(x.movies))
	if m.known.Movies == nil {
		return masks
	}
	at := 0
	for i, id := range x.movies {
		for at < len(m.known.Movies) && m.known.Movies[at].ID < id {
			at++
		}
		if at < len(m.known.Movies) && m.known.Movies[at].ID == id {
			masks[i] = m.known.Movies[at].Mask
			continue
		}
		f.Movies.Unknown++
	}
	return masks
}

func (x *matrix) userFigures(f *Figures) {
	sorted := sortedCopy(x.userCounts, 0)
	f.Users.Distribution, f.Users.Curve = distributionOf(sorted), tail(sorted)
	var means moments
	never := 0
	for u, n := range x.userCounts {
		if n < fewestRatings {
			continue
		}
		sum, half := 0, false
		for _, entry := range x.of(u) {
			sum += int(entry & ratingMask)
			half = half || entry&1 == 1
		}
		means.add(float64(sum) / 2 / float64(n))
		if !half {
			never++
		}
	}
	f.Users.Enough = int(means.n)
	if f.Users.Enough > 0 {
		f.Users.MeanSD, f.Users.NoHalfStars = means.sd(), float64(never)/means.n
	}
}

func (x *matrix) movieFigures(f *Figures, known Known) {
	sorted := sortedCopy(x.movieCounts, 0)
	f.Movies.Distribution, f.Movies.Curve = distributionOf(sorted), byRank(sorted, float64(f.Count))
	if known.Movies != nil {
		d := distributionOf(sortedCopy(x.movieCounts, len(known.Movies)-(len(x.movies)-f.Movies.Unknown)))
		f.Movies.Catalogue = &d
	}
	sums := make([]uint64, len(x.movies))
	for _, entry := range x.entries {
		sums[entry>>movieShift] += uint64(entry & ratingMask)
	}
	var means moments
	for i, n := range x.movieCounts {
		if n >= fewestPerMovie {
			means.add(float64(sums[i]) / 2 / float64(n))
		}
	}
	f.Movies.Enough, f.Movies.MeanSD = int(means.n), means.sd()
}

// repeats counts the entries of a user whose movie stands there already.
func (x *matrix) repeats() (r Repeats) {
	for u := range x.users {
		entries := x.of(u)
		for i := 1; i < len(entries); i++ {
			if entries[i]>>movieShift == entries[i-1]>>movieShift {
				r.Events++
			}
		}
	}
	r.Share = float64(r.Events) / float64(len(x.entries))
	return r
}

func (m *Measure) genreFigures(x *matrix, masks []uint32) *Genres {
	counts := make([]uint64, len(m.known.Genres))
	for i, mask := range masks {
		for ; mask != 0; mask &= mask - 1 {
			counts[bits.TrailingZeros32(mask)] += uint64(x.movieCounts[i])
		}
	}
	var top3 []float64
	if s := m.known.Snapshot; s != nil {
		top3 = topThree(s.Tables())
	}
	g := &Genres{}
	var ours, theirs []float64
	for i, name := range m.known.Genres {
		genre := Genre{Name: name, Share: float64(counts[i]) / float64(m.count)}
		if top3 != nil {
			genre.Top3 = &top3[i]
		}
		g.List = append(g.List, genre)
		ours, theirs = append(ours, genre.Share), append(theirs, realGenres[name])
	}
	for _, name := range slices.Sorted(maps.Keys(realGenres)) {
		if !slices.Contains(m.known.Genres, name) {
			ours, theirs = append(ours, 0), append(theirs, realGenres[name])
		}
	}
	g.MovieLens = distance(ours, theirs)
	return g
}

// topThree returns for each genre the share of the users who have it among their
// three heaviest.
func topThree(t *core.Tables) []float64 {
	shares := make([]float64, len(t.Genres))
	for u := range t.Users() {
		weights := t.User(u)
		for _, w := range weights[:min(3, len(weights))] {
			shares[w.Genre] += 1 / float64(t.Users())
		}
	}
	return shares
}

// affinity returns the correlation between the rating and the affinity. The
// users of a snapshot come again, in later epochs, with ids above its users.
func (x *matrix) affinity(t *core.Tables, masks []uint32) (r float64, ok bool) {
	var c correlation
	var units [core.MaxGenres]int
	for u, id := range x.users {
		weights := t.User(int(id-1) % t.Users())
		for _, w := range weights {
			units[w.Genre] = int(w.Units)
		}
		for _, entry := range x.of(u) {
			sum := 0
			for mask := masks[entry>>movieShift]; mask != 0; mask &= mask - 1 {
				sum += units[bits.TrailingZeros32(mask)]
			}
			c.add(float64(sum)/core.WeightSum, float64(entry&ratingMask)/2)
		}
		for _, w := range weights {
			units[w.Genre] = 0
		}
	}
	return c.r()
}
