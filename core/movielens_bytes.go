package core

import (
	"encoding/binary"
	"fmt"
)

// appendBody writes the Tables, then, little-endian: of each user whether they
// give half stars (uint8), bias and factors (int16); of each movie quality and
// factors (int16); what the score is of (5 of int64); the rows (uint32); of each
// user the length of the list and, of each movie, the difference of its index to
// the one before, less one; the first's is its index (unsigned varints); then, when there are
// sessions, the seats of each class (uint32).
func (m *listModel) appendBody(b []byte) []byte {
	t, le := m.t, binary.LittleEndian
	b = t.append(b)
	for _, u := range t.users {
		halves := byte(0)
		if u.halves {
			halves = 1
		}
		b = le.AppendUint16(append(b, halves), uint16(u.bias))
		b = appendFactors(b, u.factors)
	}
	for _, movie := range t.movies {
		b = appendFactors(le.AppendUint16(b, uint16(movie.quality)), movie.factors)
	}
	for _, x := range []int64{t.ofBias, t.ofQuality, t.ofAffinity, t.ofTaste, t.constant} {
		b = le.AppendUint64(b, uint64(x))
	}
	b = appendChances(b, t.Rows[:])
	for u := range t.users {
		list := t.entries[t.starts[u]:t.starts[u+1]]
		b = binary.AppendUvarint(b, uint64(len(list)))
		next := uint32(0)
		for _, e := range list {
			b = binary.AppendUvarint(b, uint64(e.movie()-next))
			next = e.movie() + 1
		}
	}
	return t.seats.append(b)
}

func appendFactors(b []byte, f [factors]int16) []byte {
	for _, x := range f {
		b = binary.LittleEndian.AppendUint16(b, uint16(x))
	}
	return b
}

// decodeMovielens reads what appendBody wrote. It returns ErrSnapshot.
func decodeMovielens(body []byte) (model, error) {
	r := reader{b: body}
	tables, err := decodeTables(&r)
	if err != nil {
		return nil, err
	}
	t := &ListTables{Tables: *tables, users: make([]userTraits, tables.Users()), movies: make([]movieTraits, len(tables.Movies))}
	for i := range t.users {
		t.users[i] = userTraits{r.uint8() != 0, int16(r.uint16()), r.factors()}
	}
	for i := range t.movies {
		t.movies[i] = movieTraits{int16(r.uint16()), r.factors()}
	}
	for _, x := range []*int64{&t.ofBias, &t.ofQuality, &t.ofAffinity, &t.ofTaste, &t.constant} {
		if *x = int64(r.uint64()); *x > scoreOne*scoreOne || *x < -scoreOne*scoreOne {
			return nil, fmt.Errorf("%w: a score of %d", ErrSnapshot, *x)
		}
	}
	if err := decodeChances(&r, t.Rows[:]); err != nil {
		return nil, err
	}
	if err := t.decodeLists(&r); err != nil {
		return nil, err
	}
	if t.seats, err = decodeSeats(&r); err != nil {
		return nil, err
	}
	t.setRows()
	return newListModel(t), nil
}

// decodeLists sets starts and entries, without rows.
func (t *ListTables) decodeLists(r *reader) error {
	movies := uint64(len(t.Movies))
	if movies > maxListMovies {
		return fmt.Errorf("%w: %d movies", ErrSnapshot, movies)
	}
	t.starts = append(t.starts, 0)
	t.entries = make([]entry, 0, len(r.b)) // an entry takes a byte or more
	for u := range t.users {
		next := uint64(0)
		for n := r.uvarint(); n > 0 && !r.short; n-- {
			movie := next + r.uvarint()
			if movie >= movies || movie < next {
				return fmt.Errorf("%w: user %d rates movie number %d of %d", ErrSnapshot, u+1, movie, movies)
			}
			t.entries = append(t.entries, entry(movie<<rowBits))
			next = movie + 1
		}
		t.starts = append(t.starts, uint64(len(t.entries)))
	}
	if len(t.entries) == 0 {
		return fmt.Errorf("%w: nobody rates a movie", ErrSnapshot)
	}
	return nil
}

func (r *reader) factors() (f [factors]int16) {
	for i := range f {
		f[i] = int16(r.uint16())
	}
	return f
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
