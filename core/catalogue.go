package core

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrCatalogue is returned when a catalogue cannot be used: it is empty, a
// movieId stands twice or is out of range, a genre has no movie.
var ErrCatalogue = errors.New("catalogue")

// MaxID is the largest movieId and userId: the Parquet columns are int32.
const MaxID = math.MaxInt32

// MaxGenres is the most genres that a snapshot can hold: a movie's genres are
// a 32-bit mask.
const MaxGenres = 32

// Movie is one row of a catalogue.
type Movie struct {
	ID     uint32   // movieId, 1 to MaxID
	Title  string   // for people; no event depends on it
	Genres []string // distinct and not empty strings; may be none
}

// Catalogue is a set of movies in ascending order of ID.
type Catalogue struct {
	Kind   string // where it was read: "builtin", "csv", "parquet"
	Movies []Movie
}

// NewCatalogue sorts and checks movies. It returns ErrCatalogue for an empty
// list, an ID out of range and an ID that stands twice.
func NewCatalogue(kind string, movies []Movie) (*Catalogue, error) {
	if len(movies) == 0 {
		return nil, fmt.Errorf("%w: no movies", ErrCatalogue)
	}
	movies = slices.Clone(movies)
	slices.SortStableFunc(movies, func(a, b Movie) int { return cmp.Compare(a.ID, b.ID) })
	for i, m := range movies {
		if m.ID == 0 || m.ID > MaxID {
			return nil, fmt.Errorf("%w: movieId %d (%q) is out of range 1 to %d", ErrCatalogue, m.ID, m.Title, MaxID)
		}
		if i > 0 && m.ID == movies[i-1].ID {
			return nil, fmt.Errorf("%w: movieId %d stands twice (%q and %q)", ErrCatalogue, m.ID, movies[i-1].Title, m.Title)
		}
	}
	return &Catalogue{Kind: kind, Movies: movies}, nil
}

// SplitGenres cuts "Adventure|Animation" into its distinct genres, in order.
func SplitGenres(s string) []string {
	var genres []string
	for g := range strings.SplitSeq(s, "|") {
		g = strings.TrimSpace(g)
		if g != "" && !slices.Contains(genres, g) {
			genres = append(genres, g)
		}
	}
	return genres
}

// SHA256 returns the hexadecimal SHA-256 of the rows "movieId TAB title TAB
// genre|genre LF" in order of movieId.
func (c *Catalogue) SHA256() string {
	var b bytes.Buffer
	for _, m := range c.Movies {
		b.Write(strconv.AppendUint(b.AvailableBuffer(), uint64(m.ID), 10))
		b.WriteString("\t" + m.Title + "\t" + strings.Join(m.Genres, "|") + "\n")
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

// Genre is one genre of a snapshot.
type Genre struct {
	Name   string `json:"genre"`
	Movies int    `json:"movies"` // movies that have it
}

// selectGenres returns the genres to draw from, in order of name. An empty
// want means every genre of the catalogue. When there are more than limit the
// most frequent stay (ties: the first by name).
func (c *Catalogue) selectGenres(want []string, limit int) ([]Genre, error) {
	counts := map[string]int{}
	for _, m := range c.Movies {
		for _, g := range m.Genres {
			counts[g]++
		}
	}
	if len(want) == 0 {
		for g := range counts {
			want = append(want, g)
		}
	}
	var genres []Genre
	for _, name := range want {
		if counts[name] == 0 {
			return nil, fmt.Errorf("%w: no movie has the genre %q", ErrCatalogue, name)
		}
		if !utf8.ValidString(name) || len(name) > math.MaxUint16 {
			return nil, fmt.Errorf("%w: genre %q is not UTF-8 or too long", ErrCatalogue, name)
		}
		genres = append(genres, Genre{name, counts[name]})
	}
	if len(genres) == 0 {
		return nil, fmt.Errorf("%w: no movie has a genre", ErrCatalogue)
	}
	byName := func(a, b Genre) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(genres, byName)
	genres = slices.Compact(genres)
	if len(genres) > limit {
		slices.SortStableFunc(genres, func(a, b Genre) int { return cmp.Compare(b.Movies, a.Movies) })
		genres = genres[:limit]
		slices.SortFunc(genres, byName)
	}
	return genres, nil
}
