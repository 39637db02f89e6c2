package core

import (
	"encoding/binary"
	"fmt"
	"math/bits"
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

// GenreTables are the integers from which an event is computed; the package
// comment tells how.
type GenreTables struct {
	Genres  []Genre     // in order of name; the index is the genre's number
	TopK    int         // weights per user
	Weights []Weight    // user index * TopK, heaviest first
	Movies  []MovieMask // in order of ID
	// Below[a][j] / ChanceOne is the probability that an event of affinity
	// a / WeightSum has a rating of at most (j+1)/2 stars.
	Below [WeightSum + 1][9]uint32
}

// Users returns the number of users; user index u has userId u+1.
func (t *GenreTables) Users() int { return len(t.Weights) / t.TopK }

// User returns the weights of the user with index u, heaviest first.
func (t *GenreTables) User(u int) []Weight { return t.Weights[u*t.TopK : (u+1)*t.TopK] }

// MovieGenres returns the names of the genres in mask, in order of number.
func (t *GenreTables) MovieGenres(mask uint32) []string {
	names := make([]string, 0, bits.OnesCount32(mask))
	for ; mask != 0; mask &= mask - 1 {
		names = append(names, t.Genres[bits.TrailingZeros32(mask)].Name)
	}
	return names
}

// Unlisted returns the number of movies without a genre of the snapshot: they
// are never drawn.
func (t *GenreTables) Unlisted() int {
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
// (uint32); Below row by row (uint32).
func (t *GenreTables) append(b []byte) []byte {
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
	for _, row := range t.Below {
		for _, below := range row {
			b = le.AppendUint32(b, below)
		}
	}
	return b
}

// decodeGenreTables reads what append wrote and checks every bound that the
// events rely on. It returns ErrSnapshot.
func decodeGenreTables(body []byte) (*GenreTables, error) {
	r := reader{b: body}
	t := &GenreTables{}
	t.Genres = make([]Genre, r.uint8())
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
	for level := range t.Below {
		for j := range t.Below[level] {
			t.Below[level][j] = r.uint32()
		}
	}
	if r.short || len(r.b) != 0 {
		return nil, fmt.Errorf("%w: truncated or too long", ErrSnapshot)
	}
	return t, t.check()
}

func (t *GenreTables) check() error {
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
	for level, row := range t.Below {
		for j, below := range row {
			if below > ChanceOne || j > 0 && below < row[j-1] {
				return fmt.Errorf("%w: the probabilities of affinity %d do not ascend", ErrSnapshot, level)
			}
		}
	}
	return nil
}

// UserWeight is a user's weight of one genre, for people.
type UserWeight struct {
	Genre  string  `json:"genre"`
	Weight float64 `json:"weight"` // of 1
}

// UserWeights returns the weights of the user with index u, heaviest first.
func (t *GenreTables) UserWeights(u int) []UserWeight {
	var list []UserWeight
	for _, w := range t.User(u) {
		list = append(list, UserWeight{t.Genres[w.Genre].Name, float64(w.Units) / WeightSum})
	}
	return list
}
