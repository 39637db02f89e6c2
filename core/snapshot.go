package core

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
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
	explain(seed, n uint64) Explanation
	appendBody(b []byte) []byte // the tables, canonically: equal models, equal bytes
	tables() *GenreTables
	shares() [10]float64
}

// profile compiles a catalogue into a model and reads one back.
type profile struct {
	compile func(*Catalogue, Params) (model, error)
	decode  func(body []byte) (model, error)
}

// profiles is the list of profiles; a new one is one file and one line here.
var profiles = map[string]profile{
	"seed": {compileSeed, decodeSeed},
}

// Profiles returns the names of the profiles in alphabetical order.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }

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
	movies := s.model.tables().Movies
	i := sort.Search(len(movies), func(i int) bool { return movies[i].ID >= movie })
	if i == len(movies) || movies[i].ID != movie {
		return ""
	}
	return s.titles[i]
}

// Tables returns the tables behind the events. They must not be changed.
func (s *Snapshot) Tables() *GenreTables { return s.model.tables() }

// Shares returns the exact probability of each rating 0.5, 1.0, ..., 5.0 for
// an event of the snapshot. It costs about 50 ms for 10,000 users.
func (s *Snapshot) Shares() [10]float64 { return s.model.shares() }

// Explanation is how an event came about.
type Explanation struct {
	User     uint32       `json:"userId"`
	Weights  []UserWeight `json:"weights"` // the user's genres, heaviest first
	Genre    string       `json:"genre"`   // the one drawn
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
