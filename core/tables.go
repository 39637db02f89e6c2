package core

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

const (
	// WeightSum is the sum of a user's weights, and the number of steps of
	// the affinity.
	WeightSum  = 1 << weightBits
	weightBits = 10
	// ChanceOne is the integer that stands for probability 1 in Below.
	ChanceOne  = 1 << chanceBits
	chanceBits = 31
)

// Weight is a user's liking of one genre.
type Weight struct {
	Genre uint8  // number of the genre
	Units uint16 // of WeightSum
}

// MovieMask is a movie and its genres: bit g stands for genre number g.
type MovieMask struct {
	ID   uint32
	Mask uint32
}

// Tables are the population and the catalogue, which every profile has.
type Tables struct {
	Genres  []Genre     // in order of name; the index is the genre's number
	TopK    int         // weights per user
	Weights []Weight    // user index * TopK, heaviest first
	Movies  []MovieMask // in order of ID
}

// Chances are the thresholds of one distribution of the rating: Chances[j] /
// ChanceOne is the probability of at most (j+1)/2 stars. They ascend.
type Chances [9]uint32

// Users returns the number of users; user index u has userId u+1.
func (t *Tables) Users() int { return len(t.Weights) / t.TopK }

// User returns the weights of the user with index u, heaviest first.
func (t *Tables) User(u int) []Weight { return t.Weights[u*t.TopK : (u+1)*t.TopK] }

// movie returns the index of a movie by its ID.
func (t *Tables) movie(id uint32) (index int, ok bool) {
	return slices.BinarySearchFunc(t.Movies, id, func(m MovieMask, id uint32) int { return cmp.Compare(m.ID, id) })
}

// MovieGenres returns the names of the genres in mask, in order of number.
func (t *Tables) MovieGenres(mask uint32) []string {
	names := make([]string, 0, bits.OnesCount32(mask))
	for ; mask != 0; mask &= mask - 1 {
		names = append(names, t.Genres[bits.TrailingZeros32(mask)].Name)
	}
	return names
}

// Unlisted returns the number of movies without a genre of the snapshot: they
// are never drawn.
func (t *Tables) Unlisted() int {
	n := 0
	for _, m := range t.Movies {
		if m.Mask == 0 {
			n++
		}
	}
	return n
}

func movieMasks(cat *Catalogue, genres []Genre) []MovieMask {
	number := map[string]int{}
	for i, g := range genres {
		number[g.Name] = i
	}
	masks := make([]MovieMask, len(cat.Movies))
	for i, m := range cat.Movies {
		masks[i].ID = m.ID
		for _, name := range m.Genres {
			if g, ok := number[name]; ok {
				masks[i].Mask |= 1 << g
			}
		}
	}
	return masks
}

// append writes, little-endian: the number of genres (uint8), each name
// (length as uint16); TopK (uint8), the number of users (uint32), each weight
// (genre uint8, units uint16); the number of movies (uint32), each ID and mask
// (uint32).
func (t *Tables) append(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, byte(len(t.Genres)))
	for _, g := range t.Genres {
		b = le.AppendUint16(b, uint16(len(g.Name)))
		b = append(b, g.Name...)
	}
	b = append(b, byte(t.TopK))
	b = le.AppendUint32(b, uint32(t.Users()))
	for _, w := range t.Weights {
		b = le.AppendUint16(append(b, w.Genre), w.Units)
	}
	b = le.AppendUint32(b, uint32(len(t.Movies)))
	for _, m := range t.Movies {
		b = le.AppendUint32(le.AppendUint32(b, m.ID), m.Mask)
	}
	return b
}

// decodeTables reads what append wrote and checks every bound that the events
// rely on. It returns ErrSnapshot.
func decodeTables(r *reader) (*Tables, error) {
	t := &Tables{Genres: make([]Genre, r.uint8())}
	for i := range t.Genres {
		t.Genres[i].Name = string(r.bytes(int(r.uint16())))
	}
	t.TopK = int(r.uint8())
	n := int(r.uint32()) * t.TopK
	if len(t.Genres) > MaxGenres || t.TopK == 0 || t.TopK > len(t.Genres) || n == 0 || n > len(r.b)/3 {
		return nil, fmt.Errorf("%w: impossible sizes", ErrSnapshot)
	}
	t.Weights = make([]Weight, n)
	for i := range t.Weights {
		t.Weights[i] = Weight{r.uint8(), r.uint16()}
	}
	n = int(r.uint32())
	if n > len(r.b)/8 {
		return nil, fmt.Errorf("%w: impossible sizes", ErrSnapshot)
	}
	t.Movies = make([]MovieMask, n)
	for i := range t.Movies {
		t.Movies[i] = MovieMask{r.uint32(), r.uint32()}
		for mask := t.Movies[i].Mask; mask != 0; mask &= mask - 1 {
			if g := bits.TrailingZeros32(mask); g < len(t.Genres) {
				t.Genres[g].Movies++
			}
		}
	}
	return t, t.check()
}

func (t *Tables) check() error {
	for u := range t.Users() {
		sum := 0
		for _, w := range t.User(u) {
			if int(w.Genre) >= len(t.Genres) {
				return fmt.Errorf("%w: user %d likes genre number %d", ErrSnapshot, u+1, w.Genre)
			}
			sum += int(w.Units)
		}
		if sum != WeightSum {
			return fmt.Errorf("%w: the weights of user %d sum to %d", ErrSnapshot, u+1, sum)
		}
	}
	for _, g := range t.Genres {
		if g.Movies == 0 {
			return fmt.Errorf("%w: no movie has the genre %q", ErrSnapshot, g.Name)
		}
	}
	return nil
}

func appendChances(b []byte, rows []Chances) []byte {
	for _, row := range rows {
		for _, below := range row {
			b = binary.LittleEndian.AppendUint32(b, below)
		}
	}
	return b
}

// decodeChances reads rows that appendChances wrote. It returns ErrSnapshot when
// they do not ascend.
func decodeChances(r *reader, rows []Chances) error {
	for i := range rows {
		for j := range rows[i] {
			rows[i][j] = r.uint32()
			if rows[i][j] > ChanceOne || j > 0 && rows[i][j] < rows[i][j-1] {
				return fmt.Errorf("%w: the probabilities of row %d do not ascend", ErrSnapshot, i)
			}
		}
	}
	return nil
}

// of returns the probability of a rating in half stars.
func (c *Chances) of(rating uint8) float64 {
	upper, lower := uint32(ChanceOne), uint32(0)
	if rating < 10 {
		upper = c[rating-1]
	}
	if rating > 1 {
		lower = c[rating-2]
	}
	return float64(upper-lower) / ChanceOne
}

// moments returns the mean and the variance of the rating in stars.
func (c *Chances) moments() (mean, variance float64) {
	for r := range uint8(10) {
		stars, p := float64(r+1)/2, c.of(r+1)
		mean += p * stars
		variance += p * stars * stars
	}
	return mean, variance - mean*mean
}

// UserWeight is a user's weight of one genre, for people.
type UserWeight struct {
	Genre  string  `json:"genre"`
	Weight float64 `json:"weight"` // of 1
}

// UserWeights returns the weights above 0 of the user with index u, heaviest
// first.
func (t *Tables) UserWeights(u int) []UserWeight {
	var list []UserWeight
	for _, w := range t.User(u) {
		if w.Units > 0 {
			list = append(list, UserWeight{t.Genres[w.Genre].Name, float64(w.Units) / WeightSum})
		}
	}
	return list
}
