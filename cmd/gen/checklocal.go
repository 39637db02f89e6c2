package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gen/core"
	"gen/emit/files"
	"gen/store"
)

// localChecks are those of every target.
var localChecks = []check{
	{"catalogue", nil, lookAtCatalogue},
	{"snapshot", nil, lookAtSnapshot},
	{"state", nil, lookAtState},
}

// dirChecks are those of a directory.
var dirChecks = []check{
	{"directory", nil, lookAtDirectory},
	{"disk", []string{"directory"}, lookAtDisk},
}

// lookAtCatalogue compiles a snapshot of the catalogue, in memory.
func lookAtCatalogue(_ context.Context, x *checkup) finding {
	var warned strings.Builder
	listening := *x.env
	listening.ui = &ui{w: &warned}
	var err error
	x.compiled, err = compile(&listening, snapshotOptions{movies: x.opts.movies, genres: x.opts.genres, profile: "seed", params: core.DefaultParams()})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing(hintOf(err), "%v", err)
	case err != nil:
		without := "gen check --movies " + builtinName
		if x.opts.genres != "" {
			without = "gen check --movies " + quoted(x.opts.movies)
		}
		return wrong(cmp.Or(hintOf(err), without), "%v", err)
	}
	t := x.compiled.Tables()
	text := fmt.Sprintf("%s %.8s: %d movies, %d genres", x.opts.movies, x.compiled.Recipe.Catalogue.SHA256, len(t.Movies), len(t.Genres))
	if n := t.Unlisted(); n > 0 {
		text += fmt.Sprintf("; %s without a listed genre, never drawn", plural(n, "movie"))
	}
	if warned.Len() > 0 {
		return warning(x.snapshotCommand(), "%s; %s", text, strings.TrimSpace(strings.ReplaceAll(warned.String(), "gen: warning: ", "")))
	}
	return fine("%s", text)
}

// snapshotCommand makes a snapshot of the catalogue that was asked for.
func (x *checkup) snapshotCommand() string {
	line := "gen snapshot --state " + quoted(x.opts.state) + " --movies " + quoted(x.opts.movies)
	if x.opts.genres != "" {
		line += " --genres " + quoted(x.opts.genres)
	}
	return line
}

func lookAtSnapshot(_ context.Context, x *checkup) finding {
	s, err := store.Open(x.opts.state).LoadSnapshot()
	switch {
	case errors.Is(err, fs.ErrNotExist) && x.compiled == nil:
		return missing("gen check --movies "+builtinName, "there is none in %s, and no catalogue to make it of", x.opts.state)
	case errors.Is(err, fs.ErrNotExist) && x.opts.ownCatalogue:
		x.snapshot = x.compiled
		return warning(x.snapshotCommand(), "there is none in %s: gen stream would make the default one, of the built-in catalogue", x.opts.state)
	case errors.Is(err, fs.ErrNotExist):
		x.snapshot = x.compiled
		return fine("there is none in %s yet: gen stream makes the default one, %.8s", x.opts.state, x.snapshot.ID())
	case err != nil:
		err = snapshotTrouble(err)
		return wrong(hintOf(err), "%v", err)
	}
	x.snapshot = s
	made := s.Recipe.Catalogue
	if x.opts.ownCatalogue && x.compiled != nil && (made != x.compiled.Recipe.Catalogue || !slices.Equal(s.Recipe.Params.Genres, x.compiled.Recipe.Params.Genres)) {
		return warning(x.snapshotCommand(), "%.8s in %s, which gen stream uses, was made of other movies or genres: %s %.8s", s.ID(), x.opts.state, made.Kind, made.SHA256)
	}
	return fine("%.8s in %s: %d movies, %d users, profile %s", s.ID(), x.opts.state, len(s.Tables().Movies), s.Tables().Users(), s.Recipe.Profile)
}

func lookAtState(_ context.Context, x *checkup) finding {
	dir := x.opts.state
	runs, err := store.Open(dir).Runs()
	if err != nil {
		return wrong("gen check --state ANOTHER", "%v", err)
	}
	text := fmt.Sprintf("%s: %s", dir, plural(len(runs), "run"))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		text = dir + " will be made"
	}
	f := room(dir, text, "gen check --state ANOTHER")
	for _, r := range runs {
		if r.Err != nil && f.Result == resultOK {
			return warning("gen inspect --state "+quoted(dir), "%v; its target knows how far it is", r.Err)
		}
	}
	return f
}

// lowSpace is the free space below which a disk is told to be nearly full.
const lowSpace = 1e9

// room tells whether a local directory, or the one in which it will be made,
// can be written and has space.
func room(dir, text, otherwise string) finding {
	there, err := existing(dir)
	if err == nil {
		err = tryToWrite(there)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return wrong("chmod u+rwx "+quoted(there), "%s cannot be written: %v", dir, err)
	case err != nil:
		return wrong(otherwise, "%s cannot be written: %v", dir, err)
	}
	free, err := files.FreeSpace(there)
	if err != nil {
		return warning("df -h "+quoted(there), "%s; free space is not known: %v", text, err)
	}
	return judgeSpace(there, text, free)
}

func judgeSpace(dir, text string, free uint64) finding {
	if free < lowSpace {
		return warning("df -h "+quoted(dir), "%s; only %s free", text, sizeText(free))
	}
	return fine("%s; %s free", text, sizeText(free))
}

// existing returns the part of a path that is there: a directory.
func existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("%s is no directory", path)
		case err == nil || !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path):
			return path, err
		}
		path = filepath.Dir(path)
	}
}

// tryToWrite makes a file in a directory and removes it.
func tryToWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".gen-check-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func lookAtDirectory(_ context.Context, x *checkup) finding {
	dir, err := files.Open(x.opts.to)
	if err != nil {
		return wrong(cmp.Or(hintOf(err), "gen check --to ANOTHER"), "%v", err)
	}
	x.dir = dir
	meta, err := files.ReadMeta(dir)
	switch {
	case errors.Is(err, files.ErrNoRun):
		return emptyDirectory(dir)
	case err != nil:
		return wrong("gen check --to ANOTHER", "%v", err)
	}
	state, err := files.Inspect(dir, meta)
	if err != nil {
		return wrong("gen inspect "+quoted(x.opts.to), "%v", err)
	}
	if meta.Seed != x.opts.seed || x.snapshot != nil && meta.Snapshot != x.snapshot.ID() {
		return wrong("gen check --to ANOTHER", "%s holds seed %d of snapshot %.8s, run %s: another run cannot go there", dir.URL(), meta.Seed, meta.Snapshot, meta.Run)
	}
	if state.Finished {
		return fine("%s is finished: run %s, %s", dir.URL(), meta.Run, files.RangeText(meta.From, state.Next))
	}
	return fine("%s: run %s goes on at event %d", dir.URL(), meta.Run, state.Next)
}

// emptyDirectory judges a directory that holds no run.
func emptyDirectory(dir files.Dir) finding {
	entries, err := fs.ReadDir(dir.FS(), ".")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fine("%s will be made", dir.URL())
	case err != nil:
		return wrong("gen check --to ANOTHER", "%s: %v", dir.URL(), err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "_") && !strings.HasPrefix(e.Name(), ".") {
			return wrong("gen check --to ANOTHER", "%s holds %s, which gen did not write", dir.URL(), e.Name())
		}
	}
	return fine("%s is empty", dir.URL())
}

func lookAtDisk(_ context.Context, x *checkup) finding {
	u, err := url.Parse(x.dir.URL())
	if err == nil && u.Scheme == "file" {
		return room(u.Path, "writable", "gen check --to ANOTHER")
	}
	if err := files.TryToWrite(x.dir); err != nil {
		return wrong(cmp.Or(hintOf(err), "gen check --to ANOTHER"), "%v", err)
	}
	return fine("writable: a file was written and removed")
}

// quoted returns an argument as a shell takes it.
func quoted(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=:,/@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
