package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gen/core"
)

// testSnapshot compiles a small snapshot; another seed is another snapshot.
func testSnapshot(tb testing.TB, seed uint64, users int) *core.Snapshot {
	tb.Helper()
	snap, err := compileTest(seed, users)
	if err != nil {
		tb.Fatal(err)
	}
	return snap
}

func compileTest(seed uint64, users int) (*core.Snapshot, error) {
	movies := []core.Movie{
		{ID: 1, Title: "Toy Story (1995)", Genres: []string{"Animation", "Comedy"}},
		{ID: 2, Title: "Città \"d'oro\",\n\x00\xff (1994)", Genres: []string{"Drama"}},
		{ID: 7, Title: "", Genres: []string{"Comedy", "Drama", "War"}},
		{ID: 9, Title: "No genre", Genres: nil},
	}
	cat, err := core.NewCatalogue("test", movies)
	if err != nil {
		return nil, err
	}
	p := core.DefaultParams()
	p.Seed, p.Users = seed, users
	return core.Compile("seed", cat, p)
}

const testTarget, testName = "file:///data/out", "seed-42"

// testRun is a run whose next event is next.
func testRun(next uint64) core.Run {
	rate, _ := core.ParseRate("1/3")
	return core.Run{
		Name: testName, Target: testTarget, Snapshot: strings.Repeat("ab", 32), Seed: 1<<64 - 1, Format: core.FormatVersion,
		Recipe:   core.Recipe{Format: core.FormatVersion, Profile: "seed", Params: core.DefaultParams()},
		Schedule: core.ConstantSchedule(1735689600000, rate), Next: next,
	}
}

func equalRun(a, b core.Run) bool {
	return a.Name == b.Name && a.Target == b.Target && a.SameEvents(b) && reflect.DeepEqual(a.Recipe, b.Recipe) &&
		a.Schedule.Equal(b.Schedule) && a.From == b.From && a.Next == b.Next && a.Done == b.Done
}

func mustOpenRun(tb testing.TB, s *State) *RunFile {
	tb.Helper()
	r, err := s.OpenRun(testTarget, testName, "")
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// savedRun makes a state directory with one run saved at next and returns the
// path of its record.
func savedRun(tb testing.TB, next uint64) (*State, string) {
	tb.Helper()
	s := Open(tb.TempDir())
	r := mustOpenRun(tb, s)
	if err := errors.Join(r.Save(testRun(next)), r.Close()); err != nil {
		tb.Fatal(err)
	}
	return s, s.runPath(testTarget, testName)
}

// savedSnapshot makes a state directory with one snapshot.
func savedSnapshot(tb testing.TB) (*State, *core.Snapshot, string) {
	tb.Helper()
	s, snap := Open(tb.TempDir()), testSnapshot(tb, 42, 5)
	if err := s.SaveSnapshot(snap); err != nil {
		tb.Fatal(err)
	}
	return s, snap, s.snapshotPath()
}

// checkSnapshot compares all that a snapshot consists of.
func checkSnapshot(got, want *core.Snapshot) error {
	switch {
	case got.ID() != want.ID():
		return fmt.Errorf("snapshot %s, want %s", got.ID(), want.ID())
	case !reflect.DeepEqual(got.Recipe, want.Recipe):
		return fmt.Errorf("recipe %+v, want %+v", got.Recipe, want.Recipe)
	case !slices.Equal(got.Titles(), want.Titles()):
		return fmt.Errorf("titles %q, want %q", got.Titles(), want.Titles())
	case !slices.Equal(got.Bytes(), want.Bytes()):
		return fmt.Errorf("canonical bytes differ")
	}
	return nil
}

// checkError asserts one line that names the file and wraps the sentinel.
func checkError(tb testing.TB, call string, err, want error, file string) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Fatalf("%s = %v, want %v", call, err, want)
	}
	if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, file) {
		tb.Errorf("%s = %q, want one line that names %s", call, text, file)
	}
}

// leftovers lists the temporary files below a directory.
func leftovers(tb testing.TB, dir string) (found []string) {
	tb.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if strings.HasPrefix(d.Name(), ".") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func TestOpenTouchesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "state")
	s := Open(dir)
	_, err := s.LoadSnapshot()
	checkError(t, "LoadSnapshot()", err, fs.ErrNotExist, s.snapshotPath())
	if runs, err := s.Runs(); len(runs) != 0 || err != nil {
		t.Errorf("Runs() = %v, %v, want none", runs, err)
	}
	if err := s.ResetRun(testTarget, testName, ""); err != nil {
		t.Errorf("ResetRun() of a run that is not there = %v, want nil", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s exists after reading only", filepath.Dir(dir))
	}
}
