package core

// lot is how many events pass through the stages of fill together, so that
// the cache misses of their table look-ups overlap.
const lot = 128

// GenreTables are the integers from which the profiles seed and document
// compute an event; the package comment tells how.
type GenreTables struct {
	Tables
	Below [WeightSum + 1]Chances // of an event of affinity a / WeightSum
}

// genreModel draws a user, then a genre by the user's weights, then a movie
// of the genre, then a rating by the affinity.
type genreModel struct {
	t       *GenreTables
	users   []userGenre       // as t.Weights, packed
	first   [MaxGenres]uint32 // of a genre's movies in byGenre
	count   [MaxGenres]uint32
	byGenre []MovieMask               // the movies of genre 0 in order of ID, of genre 1, ...
	below   [WeightSum + 1][16]uint32 // t.Below; the rest of a row is never reached
}

// userGenre is a weight in the lower 16 bits and a genre's number above.
type userGenre uint32

func newGenreModel(t *GenreTables) *genreModel {
	m := &genreModel{t: t}
	for _, w := range t.Weights {
		m.users = append(m.users, userGenre(w.Genre)<<16|userGenre(w.Units))
	}
	for g := range t.Genres {
		m.first[g] = uint32(len(m.byGenre))
		for _, movie := range t.Movies {
			if movie.Mask>>g&1 == 1 {
				m.byGenre = append(m.byGenre, movie)
			}
		}
		m.count[g] = uint32(len(m.byGenre)) - m.first[g]
	}
	for level := range m.below {
		m.below[level] = searchRow(&t.Below[level])
	}
	return m
}

// searchRow returns the thresholds and, behind them, what is never reached.
func searchRow(c *Chances) (row [16]uint32) {
	for j := copy(row[:], c[:]); j < len(row); j++ {
		row[j] = ChanceOne
	}
	return row
}

func decodeGenreModel(body []byte) (model, error) {
	r := reader{b: body}
	tables, err := decodeTables(&r)
	if err != nil {
		return nil, err
	}
	t := &GenreTables{Tables: *tables}
	if err := decodeChances(&r, t.Below[:]); err != nil {
		return nil, err
	}
	return newGenreModel(t), r.end()
}

func (m *genreModel) tables() *Tables { return &m.t.Tables }
func (m *genreModel) rows() ([]Chances, []float64) {
	return m.t.Below[:], m.levels()[:]
}
func (m *genreModel) appendBody(b []byte) []byte {
	return appendChances(m.t.append(b), m.t.Below[:])
}

func (m *genreModel) fill(dst []Event, seed, n uint64) {
	for len(dst) > 0 {
		k := min(lot, len(dst))
		m.fillLot(dst[:k], seed, n)
		dst, n = dst[k:], n+uint64(k)
	}
}

// draw is what the stages of one event hand on.
type draw struct {
	genre, movie, rating uint64 // random words
	user, at             uint32 // user index; index in byGenre
}

func (m *genreModel) fillLot(dst []Event, seed, n uint64) {
	var draws [lot]draw
	users := uint64(m.t.Users())
	d := draws[:len(dst)]
	for i := range d {
		w0, w1, w2, w3 := philox(seed, uint64(LaneEvent), n+uint64(i), 0, 0, 0)
		d[i] = draw{genre: w1, movie: w2, rating: w3, user: uint32(below(w0, users))}
	}
	m.finish(dst, d)
}

func (m *genreModel) pick(dst []Event, seed uint64, ns []uint64) {
	users := uint64(m.t.Users())
	for len(dst) > 0 {
		var draws [lot]draw
		d := draws[:min(lot, len(dst))]
		for i := range d {
			w0, w1, w2, w3 := philox(seed, uint64(LaneEvent), ns[i], 0, 0, 0)
			d[i] = draw{genre: w1, movie: w2, rating: w3, user: uint32(below(w0, users))}
		}
		m.finish(dst[:len(d)], d)
		dst, ns = dst[len(d):], ns[len(d):]
	}
}

func (m *genreModel) fillUsers(dst []uint32, seed, n uint64) {
	users := uint64(m.t.Users())
	for i := range dst {
		dst[i] = uint32(below(philoxFirst(seed, uint64(LaneEvent), n+uint64(i)), users)) + 1
	}
}

// finish sets dst to what the random words say.
func (m *genreModel) finish(dst []Event, d []draw) {
	topK := m.t.TopK
	for i := range d {
		u := int(d[i].user) * topK
		g := pick(m.users[u:u+topK], d[i].genre)
		d[i].at = m.first[g] + uint32(below(d[i].movie, uint64(m.count[g])))
	}
	for i := range d {
		movie := m.byGenre[d[i].at]
		u := int(d[i].user) * topK
		dst[i].User = d[i].user + 1
		dst[i].Movie = movie.ID
		dst[i].Rating = rate(&m.below[affinity(m.users[u:u+topK], movie.Mask)], d[i].rating)
	}
}

// pick returns the genre drawn by the upper bits of w: the first whose
// cumulative weight is above them. It counts those that are not, because a
// branch on random bits is mispredicted.
func pick(weights []userGenre, w uint64) uint32 {
	x := uint32(w >> (64 - weightBits))
	sum, passed := uint32(0), uint32(0)
	for _, g := range weights {
		sum += uint32(g & 0xffff)
		passed += ^(x - sum) >> 31
	}
	return uint32(weights[passed] >> 16)
}

// affinity returns the sum of the weights of the genres in mask.
func affinity(weights []userGenre, mask uint32) uint32 {
	sum := uint32(0)
	for _, g := range weights {
		sum += uint32(g&0xffff) & -(mask >> (g >> 16) & 1)
	}
	return sum
}

// rate returns 1 + the number of thresholds that the upper bits of w reach.
// The thresholds ascend: a search of the 16 by halves.
func rate(row *[16]uint32, w uint64) uint8 {
	x := uint32(w >> (64 - chanceBits))
	// x - t has its upper bit set exactly when x < t, as both are at most 2^31.
	reached := func(t uint32) uint32 { return ^(x - t) >> 31 }
	j := reached(row[7]) << 3
	j += reached(row[j+3]) << 2
	j += reached(row[j+1]) << 1
	j += reached(row[j])
	return uint8(j + 1)
}

func (m *genreModel) explain(seed, n uint64) Explanation {
	w := Philox(seed, LaneEvent, [4]uint64{n, 0, 0, 0})
	u := int(below(w[0], uint64(m.t.Users())))
	weights := m.users[u*m.t.TopK : (u+1)*m.t.TopK]
	g := pick(weights, w[1])
	movie := m.byGenre[m.first[g]+uint32(below(w[2], uint64(m.count[g])))]
	level := affinity(weights, movie.Mask)
	rating := rate(&m.below[level], w[3])
	mean, _ := m.t.Below[level].moments()
	return Explanation{
		User: uint32(u) + 1, Weights: m.t.UserWeights(u), Genre: m.t.Genres[g].Name,
		Movie: movie.ID, Genres: m.t.MovieGenres(movie.Mask),
		Affinity: float64(level) / WeightSum, Expected: mean,
		Rating: float64(rating) / 2, Chance: m.t.Below[level].of(rating),
	}
}

// levels returns the probability of each affinity.
func (m *genreModel) levels() *[WeightSum + 1]float64 {
	// Movies of a genre with the same mask count together.
	type alike struct {
		mask   uint32
		movies int
	}
	masks := make([][]alike, len(m.t.Genres))
	for g := range masks {
		index := map[uint32]int{}
		for _, movie := range m.byGenre[m.first[g] : m.first[g]+m.count[g]] {
			i, ok := index[movie.Mask]
			if !ok {
				i = len(masks[g])
				index[movie.Mask] = i
				masks[g] = append(masks[g], alike{mask: movie.Mask})
			}
			masks[g][i].movies++
		}
	}
	var levels [WeightSum + 1]float64
	for u := range m.t.Users() {
		weights := m.users[u*m.t.TopK : (u+1)*m.t.TopK]
		for _, w := range weights {
			g := w >> 16
			each := float64(w&0xffff) / WeightSum / float64(m.count[g]) / float64(m.t.Users())
			for _, a := range masks[g] {
				levels[affinity(weights, a.mask)] += float64(each * float64(a.movies))
			}
		}
	}
	return &levels
}

func (m *genreModel) lastUser() uint32 { return uint32(m.t.Users()) }

func (m *genreModel) truth(user, movie int) (mean, variance float64) {
	weights := m.users[user*m.t.TopK : (user+1)*m.t.TopK]
	return m.t.Below[affinity(weights, m.t.Movies[movie].Mask)].moments()
}
