package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gen/core"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

func TestSnapshotRoundTrip(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "made", "when", "needed"))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 40).Draw(t, "movies")
		title := rapid.StringN(0, 30, 90)
		movies := make([]core.Movie, n)
		for i := range movies {
			movies[i] = core.Movie{ID: uint32(i + 1), Title: title.Draw(t, "title"), Genres: []string{fmt.Sprint("genre ", i%3)}}
		}
		cat, err := core.NewCatalogue(rapid.String().Draw(t, "kind"), movies)
		if err != nil {
			t.Fatal(err)
		}
		p := core.DefaultParams()
		p.Seed = rapid.Uint64().Draw(t, "seed")
		p.Users = rapid.IntRange(1, 300).Draw(t, "users")
		p.Alpha = rapid.Float64Range(0.1, 2).Draw(t, "alpha")
		want, err := core.Compile("seed", cat, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SaveSnapshot(want); err != nil {
			t.Fatal(err)
		}
		got, err := s.LoadSnapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSnapshot(got, want); err != nil {
			t.Fatal(err)
		}
	})
	if left := leftovers(t, s.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// writeValue makes a sound bbolt file of any value, as a newer program would.
func writeValue(tb testing.TB, path string, value []byte) {
	tb.Helper()
	temp, err := writeTemp(path, value)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		tb.Fatal(err)
	}
}

func TestLoadSnapshotRefuses(t *testing.T) {
	s, snap, path := savedSnapshot(t)
	value := func(id string, change func(*core.Recipe), titles []string, body []byte) []byte {
		recipe := snap.Recipe
		change(&recipe)
		text, _ := json.Marshal(recipe)
		b, err := pack(kindSnapshot, []byte(id), text, packTitles(titles), body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	same := func(*core.Recipe) {}
	newer := value(snap.ID(), same, snap.Titles(), snap.Bytes())
	le.PutUint32(newer[8:], packVersion+1)
	aRun, _ := packRun(testTarget, testName, "", nil)
	for _, c := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"newer packed value", seal(newer), ErrNewer},
		{"newer sequence format", value(snap.ID(), func(r *core.Recipe) { r.Format++ }, snap.Titles(), snap.Bytes()), ErrNewer},
		{"newer sequence format is core's error too", value(snap.ID(), func(r *core.Recipe) { r.Format++ }, snap.Titles(), snap.Bytes()), core.ErrFormat},
		{"older sequence format", value(snap.ID(), func(r *core.Recipe) { r.Format-- }, snap.Titles(), snap.Bytes()), core.ErrFormat},
		{"profile of a later release", value(snap.ID(), func(r *core.Recipe) { r.Profile = "later" }, snap.Titles(), snap.Bytes()), ErrNewer},
		{"ID of another snapshot", value(strings.Repeat("0", 64), same, snap.Titles(), snap.Bytes()), ErrCorrupt},
		{"a title missing", value(snap.ID(), same, snap.Titles()[1:], snap.Bytes()), ErrCorrupt},
		{"tables cut short", value(snap.ID(), same, snap.Titles(), snap.Bytes()[:100]), ErrCorrupt},
		{"a run's record", aRun, ErrCorrupt},
	} {
		writeValue(t, path, c.value)
		got, err := s.LoadSnapshot()
		checkError(t, c.name+": LoadSnapshot()", err, c.want, path)
		if got != nil {
			t.Errorf("%s: LoadSnapshot() returned a snapshot and an error", c.name)
		}
	}
	writeValue(t, path, value(snap.ID(), same, snap.Titles(), snap.Bytes()))
	if _, err := s.LoadSnapshot(); err != nil {
		t.Errorf("LoadSnapshot() of the unchanged value = %v", err)
	}
}

// TestSnapshotLocked: a bbolt tool that holds the file for writing keeps both
// readers and writers away; readers keep nobody away.
func TestSnapshotLocked(t *testing.T) {
	s, _, path := savedSnapshot(t)
	before, _ := os.ReadFile(path)
	holder, err := bbolt.Open(path, 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = s.LoadSnapshot()
	checkError(t, "LoadSnapshot()", err, ErrLocked, path)
	err = s.SaveSnapshot(testSnapshot(t, 7, 5))
	checkError(t, "SaveSnapshot()", err, ErrLocked, path)
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("two refusals took %v, want 1 s each", d)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); !slices.Equal(before, after) {
		t.Error("a refused SaveSnapshot changed the file")
	}
	reader, err := bbolt.Open(path, 0o644, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := s.SaveSnapshot(testSnapshot(t, 7, 5)); err != nil {
		t.Errorf("SaveSnapshot() beside a reader = %v", err)
	}
	if _, err := s.LoadSnapshot(); err != nil {
		t.Errorf("LoadSnapshot() beside a reader = %v", err)
	}
}

func TestSaveSnapshotCleansUp(t *testing.T) {
	dir := t.TempDir()
	s := Open(dir)
	// The rename fails: a directory that is not empty has the name.
	if err := os.MkdirAll(filepath.Join(s.snapshotPath(), "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveSnapshot(testSnapshot(t, 42, 5)); err == nil || !strings.Contains(err.Error(), s.snapshotPath()) {
		t.Errorf("SaveSnapshot() over a directory = %v, want an error that names it", err)
	}
	_, err := s.LoadSnapshot()
	checkError(t, "LoadSnapshot() of a directory", err, ErrCorrupt, s.snapshotPath())
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	// What a killed process left goes after an hour, not before.
	old, young := filepath.Join(dir, ".snapshot.db-OLD.tmp"), filepath.Join(dir, ".snapshot.db-YOUNG.tmp")
	for _, path := range []string{old, young, filepath.Join(dir, ".other")} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	hours := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(os.Chtimes(old, hours, hours), os.RemoveAll(s.snapshotPath()), s.SaveSnapshot(testSnapshot(t, 42, 5))); err != nil {
		t.Fatal(err)
	}
	if got, want := leftovers(t, dir), []string{filepath.Join(dir, ".other"), young}; !slices.Equal(got, want) {
		t.Errorf("hidden files after a save: %v, want %v", got, want)
	}
}

// TestDiskFull: a limit on the size of files, in a child process, stands in
// for a full disk. What was saved stays, and no temporary file does.
func TestDiskFull(t *testing.T) {
	s, want, path := savedSnapshot(t)
	child := exec.Command(os.Args[0], s.dir, "0")
	child.Env = append(os.Environ(), crashEnv+"=disk full")
	out, _ := child.CombinedOutput()
	for _, line := range []string{
		"save snapshot " + path + ": file too large\n",
		"open run " + s.runPath(testTarget, testName) + ": file too large\n",
	} {
		if !strings.Contains(string(out), line) {
			t.Errorf("on a full disk:\n%swant %q", out, line)
		}
	}
	got, err := s.LoadSnapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSnapshot(got, want); err != nil {
		t.Error(err)
	}
	if left := leftovers(t, s.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestSaveSnapshotWithoutPermission(t *testing.T) {
	s := Open("/proc/none/state")
	err := s.SaveSnapshot(testSnapshot(t, 42, 5))
	if err == nil || !strings.Contains(err.Error(), s.snapshotPath()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("SaveSnapshot() = %v, want one line that names the file", err)
	}
}
