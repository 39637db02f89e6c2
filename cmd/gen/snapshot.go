package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gen/core"
	"gen/emit/catalogue"
	"gen/emit/files"
	"gen/store"

	"github.com/urfave/cli/v2"
)

const builtinName = "builtin"

func snapshotCommand(e *env) *cli.Command {
	d := core.DefaultParams()
	return &cli.Command{
		Name:      "snapshot",
		Usage:     "compile a catalogue and a population of users",
		UsageText: "gen snapshot [flags]",
		Description: "Events are drawn from a snapshot. stream and dump make the default one by\n" +
			"themselves; this command makes others:\n\n" +
			"  gen snapshot --users 138493 --alpha 0.3\n" +
			"  gen snapshot --profile movielens --users 138493\n" +
			"  gen snapshot --profile movielens --fit ml-20m/ratings.csv\n" +
			"  gen snapshot --movies ml-20m/movies.csv\n" +
			"  gen snapshot --movies features/movies_features --genres features/genres_metadata",
		Flags: concat(stateFlags(), catalogueFlags(), []cli.Flag{
			&cli.IntFlag{Name: "max-genres", Value: d.MaxGenres, Usage: "keep the `N` most frequent genres", Category: catSequence},
			&cli.StringFlag{Name: "profile", Value: "seed", Usage: "`PROFILE` of the data: seed by the platform's formulas, document with the tables that its document prints, movielens like MovieLens-20M", Category: catSequence},
			&cli.IntFlag{Name: "users", Value: d.Users, Usage: "`N` users", Category: catSequence},
			&cli.Float64Flag{Name: "alpha", Value: d.Alpha, Usage: "Dirichlet `ALPHA`: 0.1 one-sided tastes, 2 even ones", Category: catSequence},
			&cli.IntFlag{Name: "top-k", Value: d.TopK, Usage: "`K` genres kept for each user", Category: catSequence},
			&cli.Float64Flag{Name: "noise", Value: d.Noise, Usage: "standard deviation `SD` of a rating's noise, in stars", Category: catSequence},
			&cli.Uint64Flag{Name: "seed", Value: d.Seed, Base: 10, Usage: "`SEED` of the population", Category: catSequence},
			&cli.StringFlag{Name: "fit", Usage: "with the profile movielens: resemble the ratings of `FILE` (userId,movieId,rating,...) instead of MovieLens-20M; none of its rows are kept", Category: catSequence},
			&cli.Float64Flag{Name: "sessions", Usage: "with the profile movielens: a user's ratings follow each other in sessions, with the gaps of MovieLens when they are played at `RATE` events a second", Category: catSequence, DefaultText: "none"},
			&cli.BoolFlag{Name: "force", Usage: "replace a snapshot that an unfinished run uses", Category: catRun, DisableDefaultText: true},
		}),
		Action: func(c *cli.Context) error {
			o, err := parseSnapshot(c)
			if err != nil {
				return err
			}
			return runSnapshot(c.Context, e, o)
		},
	}
}

// catalogueFlags say what a snapshot is made of.
func catalogueFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "movies", Value: builtinName, Usage: "`CATALOGUE`: builtin, a MovieLens movies.csv, a Parquet file, or a directory that Spark wrote, also in hdfs://host:port/path", Category: catSequence},
		&cli.StringFlag{Name: "genres", Usage: "`GENRES` to draw from: a genres_metadata directory, a file with the column genre, or a list: Drama,Comedy (default: all of the catalogue)", Category: catSequence},
	}
}

type snapshotOptions struct {
	state   string
	movies  string
	genres  string
	profile string
	fit     string // a file of ratings; empty: none
	params  core.Params
	force   bool
	json    bool
}

func parseSnapshot(c *cli.Context) (snapshotOptions, error) {
	o := snapshotOptions{
		state: c.String("state"), movies: c.String("movies"), genres: c.String("genres"),
		profile: c.String("profile"), fit: c.String("fit"), force: c.Bool("force"), json: c.Bool("json"),
		params: core.Params{
			Seed: c.Uint64("seed"), Users: c.Int("users"), Alpha: c.Float64("alpha"), TopK: c.Int("top-k"),
			Noise: c.Float64("noise"), MaxGenres: c.Int("max-genres"), Sessions: c.Float64("sessions"),
		},
	}
	if !slices.Contains(core.Profiles(), o.profile) {
		return o, fmt.Errorf("%w: --profile %q: there are %s", errUsage, o.profile, strings.Join(core.Profiles(), ", "))
	}
	if o.state == "" {
		return o, fmt.Errorf("%w: --state is empty", errUsage)
	}
	for _, param := range []string{"alpha", "top-k", "noise", "fit", "sessions"} {
		if c.IsSet(param) && !core.ProfileHas(o.profile, param) {
			return o, fmt.Errorf("%w: --%s: the profile %s has no such parameter", errUsage, param, o.profile)
		}
	}
	if c.IsSet("fit") && o.fit == "" {
		return o, fmt.Errorf("%w: --fit is empty", errUsage)
	}
	if c.IsSet("genres") && o.genres == "" {
		return o, fmt.Errorf("%w: --genres is empty", errUsage)
	}
	return o, o.params.Validate()
}

func runSnapshot(ctx context.Context, e *env, o snapshotOptions) error {
	begin := e.now()
	if takes := time.Duration(o.params.Users) * listCost; o.profile == "movielens" && takes > 3*time.Second {
		e.ui.say("drawing the lists of %d users takes some %s", o.params.Users, takes.Round(time.Second))
	}
	s, err := compile(e, o)
	if err != nil {
		return err
	}
	state := store.Open(o.state)
	if !o.force {
		if err := refuseInUse(state, s); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := state.SaveSnapshot(s); err != nil {
		return err
	}
	answer := describeSnapshot(s)
	if info, err := os.Stat(filepath.Join(o.state, "snapshot.db")); err == nil {
		answer.Bytes = uint64(info.Size())
	}
	answer.State, answer.Seconds = o.state, e.now().Sub(begin).Seconds()
	return e.answer(o.json, answer)
}

// listCost is about what a user's list takes to draw.
const listCost = 200 * time.Microsecond

// compile reads the catalogue and makes the snapshot.
func compile(e *env, o snapshotOptions) (*core.Snapshot, error) {
	cat, err := readCatalogue(e, o.movies)
	if err != nil {
		return nil, err
	}
	if o.genres != "" {
		if o.params.Genres, err = readGenres(e, o.genres); err != nil {
			return nil, err
		}
	}
	if o.fit != "" {
		if o.params.Fit, err = readFit(o.fit, cat); err != nil {
			return nil, err
		}
	}
	return core.Compile(o.profile, cat, o.params)
}

// readFit takes the aggregates of a file of ratings, for a catalogue.
func readFit(ratings string, cat *core.Catalogue) (*core.Fit, error) {
	fsys, name, err := files.Source(ratings)
	if err != nil {
		return nil, fmt.Errorf("--fit: %w", err)
	}
	fitter := core.NewFitter()
	if err := catalogue.ReadRatings(fsys, name, fitter.Add); err != nil {
		return nil, fmt.Errorf("--fit %s: %w", ratings, err)
	}
	fit, err := fitter.Fit(len(cat.Movies))
	if err != nil {
		return nil, fmt.Errorf("--fit %s: %w", ratings, err)
	}
	return fit, nil
}

func readCatalogue(e *env, movies string) (*core.Catalogue, error) {
	if movies == builtinName {
		return catalogue.Builtin()
	}
	fsys, name, err := files.Source(movies)
	if err != nil {
		return nil, fmt.Errorf("--movies: %w", err)
	}
	cat, warnings, err := catalogue.Read(fsys, name)
	for _, w := range warnings {
		e.ui.warn("--movies %s: %s", movies, w)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("--movies %s: %w", movies, err), catalogueHint(err, movies, "movies_features", "--movies builtin needs no file"))
	}
	return cat, nil
}

// catalogueHint says who writes what is missing, when it is what phase 4 of the
// pipeline writes, and what needs no file.
func catalogueHint(err error, path, written, instead string) string {
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return hintOf(err)
	case strings.Contains(path, "features"):
		return "run phase 4 of the pipeline first: it writes " + written + "; " + instead
	}
	return instead
}

// readGenres reads the genres of a file or directory, or of a list.
func readGenres(e *env, genres string) ([]string, error) {
	_, statErr := os.Stat(genres)
	isPath := statErr == nil || strings.ContainsAny(genres, "/") || slices.Contains([]string{".csv", ".parquet"}, filepath.Ext(genres))
	if !isPath {
		return core.SplitGenres(strings.ReplaceAll(genres, ",", "|")), nil
	}
	fsys, name, err := files.Source(genres)
	if err != nil {
		return nil, fmt.Errorf("--genres: %w", err)
	}
	list, warnings, err := catalogue.ReadGenres(fsys, name)
	for _, w := range warnings {
		e.ui.warn("--genres %s: %s", genres, w)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("--genres %s: %w", genres, err), catalogueHint(err, genres, "genres_metadata", "without --genres all of the catalogue are drawn from"))
	}
	return list, nil
}

// refuseInUse returns errMismatch when an unfinished run draws from another
// snapshot than s.
func refuseInUse(state *store.State, s *core.Snapshot) error {
	runs, err := state.Runs()
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Err != nil || r.Snapshot == "" || r.Done && !r.Locked || r.Snapshot == s.ID() {
			continue
		}
		return withHint(fmt.Errorf("%w: run %q into %s uses another snapshot; nothing was changed\n  saved: snapshot %.8s, %s\n  asked: snapshot %.8s, %s",
			errMismatch, r.Name, r.Target, r.Snapshot, recipeText(r.Recipe), s.ID(), recipeText(s.Recipe)),
			"take another --state, or --force; the run can then go on only with its own snapshot")
	}
	return nil
}

// snapshotAnswer is what snapshot and inspect print of a snapshot.
type snapshotAnswer struct {
	Snapshot string             `json:"snapshot"`
	Recipe   core.Recipe        `json:"recipe"`
	Users    int                `json:"users"`
	Movies   int                `json:"movies"`
	Unlisted int                `json:"unlisted"` // movies that are never drawn
	Genres   int                `json:"genres"`
	Counts   []core.Genre       `json:"genreMovies"`
	Example  exampleUser        `json:"example"`
	Epoch    uint64             `json:"epoch,omitempty"`        // ratings that all users give, none twice; 0: there is no such
	Seats    []uint32           `json:"sessionSeats,omitempty"` // see the comment of package core
	LongList int                `json:"longest,omitempty"`      // movies that the most active user rates
	BestRMSE float64            `json:"bestRMSE"`               // that a recommender can reach, in stars
	Shares   map[string]float64 `json:"ratingShares"`           // expected, of 1
	State    string             `json:"state"`
	Bytes    uint64             `json:"bytes,omitempty"`   // of snapshot.db
	Seconds  float64            `json:"seconds,omitempty"` // taken to make it
}

type exampleUser struct {
	User    int               `json:"userId"`
	Weights []core.UserWeight `json:"weights"`
}

func describeSnapshot(s *core.Snapshot) snapshotAnswer {
	t := s.Tables()
	a := snapshotAnswer{
		Snapshot: s.ID(), Recipe: s.Recipe, Users: t.Users(), Movies: len(t.Movies), Unlisted: t.Unlisted(),
		Genres: len(t.Genres), Counts: t.Genres, Example: exampleUser{1, t.UserWeights(0)}, Shares: map[string]float64{},
	}
	if lists := s.Lists(); lists != nil {
		a.Epoch, a.Seats = lists.Epoch(), lists.Seats()
		for u := range t.Users() {
			a.LongList = max(a.LongList, lists.Length(u))
		}
	}
	a.BestRMSE = s.BestRMSE()
	for i, p := range s.Shares() {
		a.Shares[fmt.Sprintf("%.1f", float64(i+1)/2)] = p
	}
	return a
}

func (a snapshotAnswer) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "snapshot %s\n", a.Snapshot)
	row("recipe", "%s", recipeText(a.Recipe))
	row("movies", "%d, of which %d without a listed genre are never drawn", a.Movies, a.Unlisted)
	row("genres", "%d: %s", a.Genres, genreText(a.Counts))
	row("users", "%d", a.Users)
	row("example", "%s", a.Example)
	var shares []string
	for i := range 10 {
		stars := fmt.Sprintf("%.1f", float64(i+1)/2)
		shares = append(shares, fmt.Sprintf("%s:%.2f%%", stars, 100*a.Shares[stars]))
	}
	if a.Epoch > 0 {
		row("epoch", "%d ratings, of which the most active user gives %d; none stands twice", a.Epoch, a.LongList)
	}
	row("ratings", "%s", strings.Join(shares, " "))
	row("best RMSE", "%.4f stars, that a recommender can reach", a.BestRMSE)
	if a.Bytes > 0 {
		row("state", "%s, snapshot.db of %s, made in %s", a.State, sizeText(a.Bytes), time.Duration(a.Seconds*1e9).Round(time.Millisecond))
	}
	return b.String()
}

// exampleGenres is how many genres of a user are shown.
const exampleGenres = 5

func (u exampleUser) String() string {
	var parts []string
	for i, w := range u.Weights {
		if i == exampleGenres {
			parts = append(parts, fmt.Sprintf("and %d more", len(u.Weights)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %.3f", w.Genre, w.Weight))
	}
	return fmt.Sprintf("user %d: %s", u.User, strings.Join(parts, ", "))
}

func genreText(genres []core.Genre) string {
	byCount := slices.Clone(genres)
	slices.SortStableFunc(byCount, func(a, b core.Genre) int { return b.Movies - a.Movies })
	var parts []string
	for _, g := range byCount {
		parts = append(parts, fmt.Sprintf("%s %d", g.Name, g.Movies))
	}
	return strings.Join(parts, ", ")
}

// recipeText returns a recipe in a line.
func recipeText(r core.Recipe) string {
	p := r.Params
	text := fmt.Sprintf("profile %s, catalogue %s %.8s, users %d", r.Profile, r.Catalogue.Kind, r.Catalogue.SHA256, p.Users)
	for _, has := range []struct {
		param string
		value any
	}{{"alpha", p.Alpha}, {"top-k", p.TopK}, {"noise", p.Noise}} {
		if core.ProfileHas(r.Profile, has.param) {
			text += fmt.Sprintf(", %s %v", has.param, has.value)
		}
	}
	if p.Sessions > 0 {
		text += fmt.Sprintf(", sessions %v", p.Sessions)
	}
	if p.Fit != nil {
		text += ", fitted to other data"
	}
	return text + fmt.Sprintf(", seed %d, format %d", p.Seed, r.Format)
}

// snapshotLine returns the command that makes a snapshot by its recipe.
func snapshotLine(r core.Recipe) string {
	p, d := r.Params, core.DefaultParams()
	line := "gen snapshot"
	add := func(flag string, value any, is bool) {
		if is {
			line += fmt.Sprintf(" --%s %v", flag, value)
		}
	}
	add("movies", "CATALOGUE", r.Catalogue.Kind != builtinName)
	add("genres", quoted(strings.Join(p.Genres, ",")), len(p.Genres) > 0)
	add("max-genres", p.MaxGenres, p.MaxGenres != d.MaxGenres)
	add("profile", r.Profile, r.Profile != "seed")
	add("fit", "RATINGS", p.Fit != nil)
	add("users", p.Users, p.Users != d.Users)
	add("alpha", p.Alpha, p.Alpha != d.Alpha)
	add("top-k", p.TopK, p.TopK != d.TopK)
	add("noise", p.Noise, p.Noise != d.Noise)
	add("sessions", p.Sessions, p.Sessions > 0)
	add("seed", p.Seed, p.Seed != d.Seed)
	return line
}

// openSnapshot loads the snapshot of a state directory. When there is none it
// makes the default one and says so.
func openSnapshot(e *env, dir string) (*core.Snapshot, error) {
	s, made, err := wouldOpenSnapshot(e, dir)
	if err != nil || !made {
		return s, err
	}
	if err := store.Open(dir).SaveSnapshot(s); err != nil {
		return nil, err
	}
	e.ui.say("no snapshot in %s: made the default one, %.8s (%s)", dir, s.ID(), recipeText(s.Recipe))
	return s, nil
}

// wouldOpenSnapshot returns what openSnapshot does, and whether that is made for it.
// It changes nothing.
func wouldOpenSnapshot(e *env, dir string) (s *core.Snapshot, made bool, err error) {
	s, err = store.Open(dir).LoadSnapshot()
	switch {
	case err == nil:
		return s, false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, snapshotTrouble(err)
	}
	s, err = compile(e, snapshotOptions{movies: builtinName, profile: "seed", params: core.DefaultParams()})
	return s, true, err
}

// snapshotTrouble adds the way out to an error of LoadSnapshot.
func snapshotTrouble(err error) error {
	if errors.Is(err, store.ErrCorrupt) {
		return withHint(err, "remove the file and make the snapshot again: gen snapshot with the same flags gives the same one; runs and their cursors are in other files")
	}
	return err
}

// snapshotOf returns the snapshot that a recorded run draws from: the one of
// the state directory, or one made again from the recipe when that needs
// nothing but the built-in catalogue.
func snapshotOf(dir, id string, r core.Recipe) (*core.Snapshot, error) {
	s, err := store.Open(dir).LoadSnapshot()
	if err == nil && s.ID() == id {
		return s, nil
	}
	if r.Format != core.FormatVersion {
		return nil, fmt.Errorf("%w: it was made with format version %d, this gen has %d", errMismatch, r.Format, core.FormatVersion)
	}
	if r.Catalogue.Kind != builtinName {
		return nil, withHint(fmt.Errorf("snapshot %.8s is not in %s, and its catalogue (%s %.8s) is not built in", id, dir, r.Catalogue.Kind, r.Catalogue.SHA256),
			snapshotLine(r)+" --state DIR, then the same command with --state DIR")
	}
	cat, err := catalogue.Builtin()
	if err != nil {
		return nil, err
	}
	s, err = core.Compile(r.Profile, cat, r.Params)
	if err != nil {
		return nil, err
	}
	if s.ID() != id {
		return nil, fmt.Errorf("%w: the recipe makes another snapshot\n  saved: %.16s\n  made:  %.16s", errMismatch, id, s.ID())
	}
	return s, nil
}
