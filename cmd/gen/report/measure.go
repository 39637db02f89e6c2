package report

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"gen/core"
)

// ErrEmpty is returned when there is no event to report about.
var ErrEmpty = errors.New("no events")

// Known is what is known of the events besides themselves. The zero value is
// good: nothing is known.
type Known struct {
	Genres   []string         // by their bit in a mask
	Movies   []core.MovieMask // the catalogue, in order of ID
	Snapshot *core.Snapshot   // nil when gen has not made the events
	Timeless bool             // the events have no times
	// Epoch is how many events pass before users come again under new ids: what
	// single users do shows in whole epochs only. 0: there are no epochs.
	Epoch uint64
}

// KnownOf returns what a snapshot knows.
func KnownOf(s *core.Snapshot) Known {
	t := s.Tables()
	k := Known{Movies: t.Movies, Snapshot: s}
	for _, g := range t.Genres {
		k.Genres = append(k.Genres, g.Name)
	}
	if lists := s.Lists(); lists != nil {
		k.Epoch = lists.Epoch()
	}
	return k
}

// KnownFrom returns what a catalogue knows: of its genres the most frequent, as
// many as a mask has bits.
func KnownFrom(cat *core.Catalogue) Known {
	counts := map[string]int{}
	for _, m := range cat.Movies {
		for _, g := range m.Genres {
			counts[g]++
		}
	}
	var k Known
	for g := range counts {
		k.Genres = append(k.Genres, g)
	}
	slices.SortFunc(k.Genres, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	k.Genres = k.Genres[:min(len(k.Genres), core.MaxGenres)]
	slices.Sort(k.Genres)
	for _, m := range cat.Movies {
		movie := core.MovieMask{ID: m.ID}
		for _, name := range m.Genres {
			if g, ok := slices.BinarySearch(k.Genres, name); ok {
				movie.Mask |= 1 << g
			}
		}
		k.Movies = append(k.Movies, movie)
	}
	return k
}

// Measure takes events. It is safe for use from many goroutines.
type Measure struct {
	known Known

	mu          sync.Mutex
	count       uint64
	ratings     [11]uint64 // by half stars
	hours       [24]uint64 // of the day, UTC
	first, last int64      // epoch ms
	users       numbering
	movies      numbering
	lots        [][]uint64 // packed events
}

// New returns a Measure of events about which so much is known.
func New(known Known) *Measure { return &Measure{known: known} }

const (
	// lotEvents is how many events are stored together: memory grows by a lot,
	// and nothing is copied.
	lotEvents = 1 << 20

	// An event is packed as user (31 bits), movie (29 bits), rating (4 bits), the
	// first two by number.
	userShift   = 33
	movieShift  = 4
	movieBits   = userShift - movieShift
	ratingMask  = 1<<movieShift - 1
	mostMovies  = 1 << 28 // an entry of a matrix has 32 bits
	dayMillis   = 24 * hourMillis
	hourMillis  = 3_600_000
	smallestIDs = 1 << 24
)

// Add takes events in any order. It costs some 20 ns an event.
func (m *Measure) Add(events []core.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range events {
		m.ratings[e.Rating]++
		m.hours[((e.Time%dayMillis)+dayMillis)%dayMillis/hourMillis]++
		if m.count == 0 {
			m.first, m.last = e.Time, e.Time
		}
		m.first, m.last = min(m.first, e.Time), max(m.last, e.Time)
		m.count++
		m.push(uint64(m.users.take(e.User))<<userShift | uint64(m.movies.take(e.Movie))<<movieShift | uint64(e.Rating))
	}
}

func (m *Measure) push(packed uint64) {
	last := len(m.lots) - 1
	if last < 0 || len(m.lots[last]) == lotEvents {
		// The first one grows, so that a small sample takes little.
		size := lotEvents
		if last < 0 {
			size = 1024
		}
		m.lots = append(m.lots, make([]uint64, 0, size))
		last++
	}
	m.lots[last] = append(m.lots[last], packed)
}

// numbering numbers ids in the order in which they are met, and counts how often
// each is.
type numbering struct {
	small  []uint32          // number + 1 by id, of ids below smallestIDs
	large  map[uint32]uint32 // number by id, of the others
	ids    []uint32          // by number
	counts []uint32          // by number
}

func (x *numbering) take(id uint32) uint32 {
	if int(id) < len(x.small) && x.small[id] > 0 {
		n := x.small[id] - 1
		x.counts[n]++
		return n
	}
	n, ok := x.large[id]
	if !ok {
		n = uint32(len(x.ids))
		x.ids, x.counts = append(x.ids, id), append(x.counts, 0)
		x.enter(id, n)
	}
	x.counts[n]++
	return n
}

func (x *numbering) enter(id, n uint32) {
	if id >= smallestIDs {
		if x.large == nil {
			x.large = map[uint32]uint32{}
		}
		x.large[id] = n
		return
	}
	if int(id) >= len(x.small) {
		x.small = append(x.small, make([]uint32, max(int(id)+1, 2*len(x.small))-len(x.small))...)
	}
	x.small[id] = n + 1
}

// ranked returns the ids in ascending order with their counts, and the place of
// each number in that order.
func (x *numbering) ranked() (ids, counts, place []uint32) {
	order := make([]uint32, len(x.ids))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(x.ids[a], x.ids[b]) })
	place = make([]uint32, len(order))
	for rank, n := range order {
		place[n] = uint32(rank)
		ids, counts = append(ids, x.ids[n]), append(counts, x.counts[n])
	}
	return ids, counts, place
}

// matrix is the ratings by user. Users and movies are numbered in the order of
// their ids, so that nothing depends on the order of the events.
type matrix struct {
	users       []uint32 // ids
	movies      []uint32 // ids
	userCounts  []uint32 // ratings
	movieCounts []uint32
	offsets     []int    // the entries of user u are offsets[u] up to offsets[u+1]
	entries     []uint32 // movie << movieShift | half stars, ascending
}

func (m *matrix) of(u int) []uint32 { return m.entries[m.offsets[u]:m.offsets[u+1]] }

// matrix uses up the stored events.
func (m *Measure) matrix() (*matrix, error) {
	if len(m.movies.ids) > mostMovies {
		return nil, errors.New("more than 2^28 movies are rated")
	}
	x := &matrix{entries: make([]uint32, m.count)}
	var userPlace, moviePlace []uint32
	x.users, x.userCounts, userPlace = m.users.ranked()
	x.movies, x.movieCounts, moviePlace = m.movies.ranked()
	x.offsets = make([]int, len(x.users)+1)
	for u, n := range x.userCounts {
		x.offsets[u+1] = x.offsets[u] + int(n)
	}
	next := slices.Clone(x.offsets)
	for i, lot := range m.lots {
		for _, packed := range lot {
			u := userPlace[packed>>userShift]
			movie := moviePlace[packed>>movieShift&(1<<movieBits-1)]
			x.entries[next[u]] = movie<<movieShift | uint32(packed&ratingMask)
			next[u]++
		}
		m.lots[i] = nil
	}
	m.lots = nil
	for u := range x.users {
		slices.Sort(x.of(u))
	}
	return x, nil
}
