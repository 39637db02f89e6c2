package core

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// ErrSnapshot is returned when the bytes of a snapshot are not what this
// version writes.
var ErrSnapshot = errors.New("snapshot")

// ErrFormat is returned for a snapshot of another format version.
var ErrFormat = errors.New("format version")

// model is a compiled profile: tables, and the function from (seed, n) to an
// event's user, movie and rating.
type model interface {
	fill(dst []Event, seed, n uint64)           // sets all but Time; integer arithmetic only
	pick(dst []Event, seed uint64, ns []uint64) // the same of the events ns
	fillUsers(dst []uint32, seed, n uint64)     // the User of the same events
	explain(seed, n uint64) Explanation
	appendBody(b []byte) []byte // the tables, canonically: equal models, equal bytes
	tables() *Tables
	rows() (rows []Chances, shares []float64) // the ratings' distributions, and of how many of the events each is
	lastUser() uint32
	truth(user, movie int) (mean, variance float64) // of the rating in stars, by indices
}

// profile compiles a catalogue into a model and reads one back.
type profile struct {
	compile func(*Catalogue, Params) (model, error)
	decode  func(body []byte) (model, error)
	params  []string // those that not every profile has, by the names of Params
}

// profiles is the list of profiles; a new one is one file and one line here.
var profiles = map[string]profile{
	"seed":      {compileSeed, decodeGenreModel, []string{"alpha", "top-k", "noise"}},
	"document":  {compileDocument, decodeGenreModel, nil},
	"movielens": {compileMovielens, decodeMovielens, []string{"alpha", "fit", "sessions"}},
}

// Profiles returns the names of the profiles in alphabetical order.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

// ProfileHas tells whether a profile has one of the parameters alpha, top-k,
// noise, fit and sessions. Every profile has the others.
func ProfileHas(profileName, param string) bool {
	return slices.Contains(profiles[profileName].params, param)
}

// Snapshot is a compiled population and catalogue: everything that events
// depend on besides the seed and the schedule. It is immutable and safe for
// use from many goroutines.
type Snapshot struct {
	Recipe Recipe
	titles []string // in the order of tables().Movies
	body   []byte   // canonical bytes
	id     string
	model  model
}

// Compile makes a snapshot. The same profile, parameters and catalogue give
// the same canonical bytes on every processor. It returns ErrParams or
// ErrCatalogue.
func Compile(profileName string, cat *Catalogue, p Params) (*Snapshot, error) {
	prof, ok := profiles[profileName]
	if !ok {
		return nil, fmt.Errorf("%w: no profile %q; there are %v", ErrParams, profileName, Profiles())
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := p.only(profileName); err != nil {
		return nil, err
	}
	m, err := prof.compile(cat, p)
	if err != nil {
		return nil, err
	}
	recipe := Recipe{FormatVersion, profileName, p, CatalogueRecipe{cat.Kind, cat.SHA256()}}
	titles := make([]string, len(cat.Movies))
	for i, movie := range cat.Movies {
		titles[i] = movie.Title
	}
	return newSnapshot(recipe, titles, m, canonical(profileName, m)), nil
}

// canonical returns "gen snapshot" LF, the format version (uint32), the
// profile's name (length as uint8) and the profile's tables, little-endian.
func canonical(profileName string, m model) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(snapshotMagic), FormatVersion)
	b = append(b, byte(len(profileName)))
	b = append(b, profileName...)
	return m.appendBody(b)
}

const snapshotMagic = "gen snapshot\n"

// Decode makes a snapshot from its canonical bytes, its recipe and the titles
// of its movies in order of movieId. It returns ErrFormat for another format
// version and ErrSnapshot for bytes that are damaged.
func Decode(recipe Recipe, titles []string, body []byte) (*Snapshot, error) {
	r := reader{b: body}
	if string(r.bytes(len(snapshotMagic))) != snapshotMagic {
		return nil, fmt.Errorf("%w: unknown beginning", ErrSnapshot)
	}
	if v := r.uint32(); v != FormatVersion || recipe.Format != FormatVersion {
		return nil, fmt.Errorf("%w %d of the snapshot is not the one of this program, %d", ErrFormat, v, FormatVersion)
	}
	name := string(r.bytes(int(r.uint8())))
	prof, ok := profiles[name]
	if !ok || name != recipe.Profile {
		return nil, fmt.Errorf("%w: profile %q, recipe %q", ErrSnapshot, name, recipe.Profile)
	}
	m, err := prof.decode(r.b)
	if err != nil {
		return nil, err
	}
	if n := len(m.tables().Movies); n != len(titles) {
		return nil, fmt.Errorf("%w: %d movies, %d titles", ErrSnapshot, n, len(titles))
	}
	return newSnapshot(recipe, titles, m, body), nil
}

func newSnapshot(recipe Recipe, titles []string, m model, body []byte) *Snapshot {
	sum := sha256.Sum256(body)
	return &Snapshot{recipe, titles, body, hex.EncodeToString(sum[:]), m}
}

// ID returns the snapshot's identity: the hexadecimal SHA-256 of its
// canonical bytes.
func (s *Snapshot) ID() string { return s.id }

// Bytes returns the canonical bytes. They must not be changed.
func (s *Snapshot) Bytes() []byte { return s.body }

// Titles returns the movies' titles in order of movieId. They must not be
// changed.
func (s *Snapshot) Titles() []string { return s.titles }

// Title returns a movie's title, "" when there is no such movie.
func (s *Snapshot) Title(movie uint32) string {
	i, ok := s.model.tables().movie(movie)
	if !ok {
		return ""
	}
	return s.titles[i]
}

// Tables returns the tables behind the events. They must not be changed.
func (s *Snapshot) Tables() *Tables { return s.model.tables() }

// Lists returns the tables of a profile whose users have lists, nil for others.
// They must not be changed.
func (s *Snapshot) Lists() *ListTables {
	if m, ok := s.model.(*listModel); ok {
		return m.t
	}
	return nil
}

// Affinities returns the tables of a profile whose users draw by genre, nil for
// others. They must not be changed.
func (s *Snapshot) Affinities() *GenreTables {
	if m, ok := s.model.(*genreModel); ok {
		return m.t
	}
	return nil
}

// Shares returns the exact probability of each rating 0.5, 1.0, ..., 5.0 for
// an event of the snapshot. It costs about 50 ms for 10,000 users.
func (s *Snapshot) Shares() (shares [10]float64) {
	rows, weights := s.model.rows()
	for i, p := range weights {
		for r := range shares {
			shares[r] += p * rows[i].of(uint8(r+1))
		}
	}
	return shares
}

// Truth returns the mean and the variance of the rating in stars that a user
// gives a movie, by their IDs. It returns ErrParams when there is no such user
// or movie.
func (s *Snapshot) Truth(user, movie uint32) (mean, variance float64, err error) {
	t := s.model.tables()
	i, ok := t.movie(movie)
	switch {
	case !ok:
		return 0, 0, fmt.Errorf("%w: no movie has the movieId %d", ErrParams, movie)
	case user == 0 || user > s.model.lastUser():
		return 0, 0, fmt.Errorf("%w: no user has the userId %d: there are 1 to %d", ErrParams, user, s.model.lastUser())
	}
	mean, variance = s.model.truth(int(user-1)%t.Users(), i)
	return mean, variance, nil
}

// BestRMSE returns the root of the mean squared error, in stars, that is left
// when the mean of every event's rating is known: no recommender can do better
// in the long run.
func (s *Snapshot) BestRMSE() float64 {
	rows, weights := s.model.rows()
	sum := 0.0
	for i, p := range weights {
		_, variance := rows[i].moments()
		sum += p * variance
	}
	return math.Sqrt(sum)
}

// Explanation is how an event came about.
type Explanation struct {
	User     uint32       `json:"userId"`
	Weights  []UserWeight `json:"weights"`          // the user's genres, heaviest first
	Genre    string       `json:"genre,omitempty"`  // the one drawn, when the movie is drawn by genre
	Listed   int          `json:"listed,omitempty"` // movies that the user rates, when they are a list
	Cohort   uint64       `json:"cohort,omitempty"` // number of the epoch, from 0, when there are lists
	Movie    uint32       `json:"movieId"`
	Title    string       `json:"title"`
	Genres   []string     `json:"genres"`   // the movie's, of those in the snapshot
	Affinity float64      `json:"affinity"` // 0 to 1
	Expected float64      `json:"expected"` // mean rating at this affinity
	Rating   float64      `json:"rating"`
	Chance   float64      `json:"chance"` // of this rating, given the affinity
}

// Explain tells how event n of the seed came about.
func (s *Snapshot) Explain(seed, n uint64) Explanation {
	e := s.model.explain(seed, n)
	e.Title = s.Title(e.Movie)
	return e
}

// reader takes little-endian values off a byte slice; past its end it yields
// zeros and remembers it.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.short, r.b = true, nil
		return nil
	}
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

// end returns ErrSnapshot when the bytes were too few or too many.
func (r *reader) end() error {
	if r.short || len(r.b) != 0 {
		return fmt.Errorf("%w: truncated or too long", ErrSnapshot)
	}
	return nil
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.short, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint8() uint8 {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}
