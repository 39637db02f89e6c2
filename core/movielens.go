package core

// The profile movielens has a list of movies for each user. An epoch of T events
// is all lists, shuffled; after it a new cohort of users follows, with the same
// lists in another order and other ratings. When the userIds are used up, after
// more than 2^30 users, they begin again.

const (
	factors = 4 // dimensions of taste

	// A row of the rating's distribution is a user's habit and a level of the
	// score, of which there are levels, levelsPerSD to a standard deviation,
	// around 0.
	levels      = 512
	levelsPerSD = 64
	rowBits     = 10 // 2 habits of 512 levels
	listRows    = 1 << rowBits

	// scoreOne is the score of one standard deviation.
	scoreOne = 1 << scoreBits
	// traitOne is 1 of a user's or a movie's factor, bias or quality.
	traitOne  = 1 << traitBits
	scoreBits = 20
	traitBits = 10
	// tasteBits is how many fractional bits the taste has: the product of two
	// factors, halved so that its standard deviation is 1.
	tasteBits = 2*traitBits + 1
	tasteMost = 3 << tasteBits
)

// userTraits and movieTraits are what scores are made of; all but halves are in
// units of 1/traitOne.
type userTraits struct {
	halves  bool // gives half stars
	bias    int16
	factors [factors]int16
}

type movieTraits struct {
	quality int16
	factors [factors]int16
}

// ListTables are the integers from which the profile movielens computes an
// event; the package comment tells how.
type ListTables struct {
	Tables
	users  []userTraits
	movies []movieTraits
	// score is bias and quality, and these times affinity and taste, and a
	// constant.
	ofBias, ofQuality, ofAffinity, ofTaste, constant int64
	Rows                                             [listRows]Chances
	starts                                           []uint64 // of a user's list; one more than users
	seats                                            seats
	entries                                          []entry // the lists one after the other, each in order of movie
}

// entry is an index in Movies and, in the lower rowBits, a row.
type entry uint32

const maxListMovies = 1 << (32 - rowBits)

func (e entry) movie() uint32 { return uint32(e >> rowBits) }
func (e entry) row() uint32   { return uint32(e & (listRows - 1)) }

// taste returns how much a movie's style is a user's, standard normal before the
// clamp to -3 to 3, in 2^-tasteBits.
func taste(u *userTraits, m *movieTraits) int64 {
	sum := int64(0)
	for i := range u.factors {
		sum += int64(u.factors[i]) * int64(m.factors[i])
	}
	return max(-tasteMost, min(tasteMost, sum))
}

// affinity returns the sum of a user's weights over a movie's genres.
func (t *Tables) affinity(user int, mask uint32) int64 {
	sum := int64(0)
	for _, w := range t.User(user) {
		sum += int64(uint32(w.Units) & -(mask >> w.Genre & 1))
	}
	return sum
}

// row returns the row of the rating that a user gives a movie, by their indices.
func (t *ListTables) row(user int, movie uint32) uint32 {
	u, m := &t.users[user], &t.movies[movie]
	score := t.constant + t.ofBias*int64(u.bias) + t.ofQuality*int64(m.quality) +
		t.ofAffinity*t.affinity(user, t.Movies[movie].Mask) + t.ofTaste*taste(u, m)>>tasteBits
	level := max(0, min(levels-1, (score*levelsPerSD)>>scoreBits+levels/2))
	if u.halves {
		level += levels
	}
	return uint32(level)
}

// setRows sets the rows of all entries.
func (t *ListTables) setRows() {
	for u := range t.Users() {
		list := t.entries[t.starts[u]:t.starts[u+1]]
		for i, e := range list {
			list[i] = entry(e.movie()<<rowBits | t.row(u, e.movie()))
		}
	}
}

// EachRating calls do with the movieIds that the user of an index rates, in
// ascending order, and the row of each rating.
func (t *ListTables) EachRating(user int, do func(movie, row uint32)) {
	for _, e := range t.entries[t.starts[user]:t.starts[user+1]] {
		do(t.Movies[e.movie()].ID, e.row())
	}
}

// Length returns how many movies the user of an index rates.
func (t *ListTables) Length(user int) int { return int(t.starts[user+1] - t.starts[user]) }

// Seats returns the seats of the classes of sessions; none without sessions.
func (t *ListTables) Seats() []uint32 { return t.seats }

// Epoch returns how many events an epoch has.
func (t *ListTables) Epoch() uint64 { return uint64(len(t.entries)) }

// listModel draws an entry of the lists without repeats, then a rating from the
// entry's row.
type listModel struct {
	t     *ListTables
	below [listRows][16]uint32 // t.Rows; the rest of a row is never reached
	guide []uint32             // of each guideStep entries, the first one's user
}

const guideStep = 64

func newListModel(t *ListTables) *listModel {
	m := &listModel{t: t}
	for row := range m.below {
		m.below[row] = searchRow(&t.Rows[row])
	}
	user := uint32(0)
	for i := uint64(0); i < t.Epoch(); i += guideStep {
		for t.starts[user+1] <= i {
			user++
		}
		m.guide = append(m.guide, user)
	}
	return m
}

// user returns the index of the user whose list has the entry.
func (m *listModel) user(at uint64) uint32 {
	u := m.guide[at/guideStep]
	for m.t.starts[u+1] <= at {
		u++
	}
	return u
}

func (m *listModel) tables() *Tables { return &m.t.Tables }

// shuffle is the order of the epoch that was asked for last.
type shuffle struct {
	permutation
	epoch, seed uint64
	before      uint32 // the largest userId of the cohort before
	offset      uint64 // of sessions: the entry that they begin at
}

func (m *listModel) shuffle(seed, epoch uint64) shuffle {
	users := uint64(m.t.Users())
	cohort := epoch % (MaxID / users)
	size := m.t.Epoch()
	w := Philox(seed, LaneOrder, [4]uint64{epoch, sessionOffset, 0, 0})
	return shuffle{newPermutation(size, seed, LaneOrder, epoch, 0, 0), epoch, seed, uint32(cohort * users), below(w[0], size)}
}

func (m *listModel) fill(dst []Event, seed, n uint64) {
	order := m.shuffle(seed, n/m.t.Epoch())
	for len(dst) > 0 {
		k := min(lot, len(dst))
		var ns [lot]uint64
		for i := range k {
			ns[i] = n + uint64(i)
		}
		m.draw(dst[:k], &order, ns[:k])
		dst, n = dst[k:], n+uint64(k)
	}
}

func (m *listModel) pick(dst []Event, seed uint64, ns []uint64) {
	order := m.shuffle(seed, 0)
	for len(dst) > 0 {
		k := min(lot, len(dst))
		m.draw(dst[:k], &order, ns[:k])
		dst, ns = dst[k:], ns[k:]
	}
}

func (m *listModel) fillUsers(dst []uint32, seed, n uint64) {
	order := m.shuffle(seed, n/m.t.Epoch())
	for len(dst) > 0 {
		k := min(lot, len(dst))
		var at [lot]uint64
		for i := range dst[:k] {
			at[i] = m.place(&order, n+uint64(i))
			dst[i] = order.before
		}
		for i := range dst[:k] {
			dst[i] += m.user(at[i]) + 1
		}
		dst, n = dst[k:], n+uint64(k)
	}
}

// place returns the entry of event n, or, with sessions, any entry of its list, and
// sets order to that of its epoch.
func (m *listModel) place(order *shuffle, n uint64) uint64 {
	size := m.t.Epoch()
	if n-order.epoch*size >= size {
		*order = m.shuffle(order.seed, n/size)
	}
	x := n - order.epoch*size
	if m.t.seats != nil {
		return m.t.seats.list(m, order, x)
	}
	return order.at(x)
}

// draw sets dst to the events ns, at most lot of them.
func (m *listModel) draw(dst []Event, order *shuffle, ns []uint64) {
	var at, bits [lot]uint64
	for i, n := range ns {
		if at[i] = m.place(order, n); m.t.seats != nil {
			at[i] = m.t.seats.within(m, order, at[i])
		}
		dst[i].User = order.before
		_, _, _, bits[i] = philox(order.seed, uint64(LaneEvent), n, 0, 0, 0)
	}
	for i := range dst {
		e := m.t.entries[at[i]]
		dst[i].Movie = e.movie()
		dst[i].Rating = rate(&m.below[e.row()], bits[i])
	}
	for i := range dst {
		dst[i].User += m.user(at[i]) + 1
		dst[i].Movie = m.t.Movies[dst[i].Movie].ID
	}
}

func (m *listModel) explain(seed, n uint64) Explanation {
	var one [1]Event
	m.fill(one[:], seed, n)
	epoch := n / m.t.Epoch()
	u := int(one[0].User-1) % m.t.Users()
	movie, _ := m.t.movie(one[0].Movie)
	mask := m.t.Movies[movie].Mask
	row := &m.t.Rows[m.t.row(u, uint32(movie))]
	mean, _ := row.moments()
	return Explanation{
		User: one[0].User, Weights: m.t.UserWeights(u), Listed: m.t.Length(u), Cohort: epoch,
		Movie: one[0].Movie, Genres: m.t.MovieGenres(mask), Affinity: float64(m.t.affinity(u, mask)) / WeightSum,
		Expected: mean, Rating: one[0].Stars(), Chance: row.of(one[0].Rating),
	}
}

func (m *listModel) rows() ([]Chances, []float64) {
	var counts [listRows]uint64
	for _, e := range m.t.entries {
		counts[e.row()]++
	}
	shares := make([]float64, listRows)
	for row, n := range counts {
		shares[row] = float64(n) / float64(m.t.Epoch())
	}
	return m.t.Rows[:], shares
}

// lastUser is that of the last cohort.
func (m *listModel) lastUser() uint32 { return uint32(MaxID / m.t.Users() * m.t.Users()) }

func (m *listModel) truth(user, movie int) (mean, variance float64) {
	return m.t.Rows[m.t.row(user, uint32(movie))].moments()
}
