package core

import (
	"errors"
	"fmt"
)

// ErrParams is returned when a parameter of a snapshot is out of its range.
var ErrParams = errors.New("snapshot parameters")

// FormatVersion is the version of the sequence and of the snapshot's bytes. A
// change that alters one event is a new version.
const FormatVersion = 1

// Params are the parameters of a profile. The zero value is not valid; see
// DefaultParams.
type Params struct {
	Seed      uint64   `json:"seed"`          // of the population
	Users     int      `json:"users"`         // 1 to 10,000,000
	Alpha     float64  `json:"alpha"`         // of the Dirichlet distribution, 0.001 to 1000
	TopK      int      `json:"topK"`          // genres kept for a user, 1 to MaxGenres
	Noise     float64  `json:"noise"`         // standard deviation of the rating's noise in stars, 0 to 10
	Genres    []string `json:"genres"`        // genres to draw from; none: all of the catalogue
	MaxGenres int      `json:"maxGenres"`     // the most frequent that stay, 1 to MaxGenres
	Fit       *Fit     `json:"fit,omitempty"` // real data that the profile movielens is to resemble; none: MovieLens-20M
	// Sessions, when above 0, has a user's ratings follow each other as in
	// MovieLens when the events are played at this rate, in events per second.
	Sessions float64 `json:"sessions,omitempty"`
}

// DefaultParams are those of the mission's platform.
func DefaultParams() Params {
	return Params{Seed: 42, Users: 10_000, Alpha: 0.5, TopK: 3, Noise: 0.3, MaxGenres: 20}
}

// Validate returns ErrParams and the first parameter that is out of range.
func (p Params) Validate() error {
	for _, c := range []struct {
		ok         bool
		name, want string
		got        any
	}{
		{p.Users >= 1 && p.Users <= 10_000_000, "users", "1 to 10000000", p.Users},
		{p.Alpha >= 0.001 && p.Alpha <= 1000, "alpha", "0.001 to 1000", p.Alpha},
		{p.TopK >= 1 && p.TopK <= MaxGenres, "top-k", fmt.Sprint("1 to ", MaxGenres), p.TopK},
		{p.Noise >= 0 && p.Noise <= 10, "noise", "0 to 10", p.Noise},
		{p.Sessions >= 0 && p.Sessions <= 1e6, "sessions", "0 to 1000000", p.Sessions},
		{p.MaxGenres >= 1 && p.MaxGenres <= MaxGenres, "max-genres", fmt.Sprint("1 to ", MaxGenres), p.MaxGenres},
	} {
		if !c.ok {
			return fmt.Errorf("%w: %s must be %s, not %v", ErrParams, c.name, c.want, c.got)
		}
	}
	if p.Fit != nil {
		return p.Fit.check()
	}
	return nil
}

// only returns ErrParams when a parameter that the profile does not have is set
// to another value than its default.
func (p Params) only(profileName string) error {
	d := DefaultParams()
	for _, param := range []struct {
		name    string
		differs bool
	}{
		{"alpha", p.Alpha != d.Alpha}, {"top-k", p.TopK != d.TopK}, {"noise", p.Noise != d.Noise}, {"fit", p.Fit != nil}, {"sessions", p.Sessions != 0},
	} {
		if param.differs && !ProfileHas(profileName, param.name) {
			return fmt.Errorf("%w: the profile %s has no parameter %s", ErrParams, profileName, param.name)
		}
	}
	return nil
}

// Recipe is what a snapshot was made from: enough to make it again.
type Recipe struct {
	Format    int             `json:"format"`
	Profile   string          `json:"profile"`
	Params    Params          `json:"params"`
	Catalogue CatalogueRecipe `json:"catalogue"`
}

// CatalogueRecipe names a catalogue by kind and content, not by place.
type CatalogueRecipe struct {
	Kind   string `json:"kind"`
	SHA256 string `json:"sha256"`
}
