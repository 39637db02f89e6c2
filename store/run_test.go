package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gen/core"

	"pgregory.net/rapid"
)

func TestRunFileName(t *testing.T) {
	for _, c := range []struct{ target, name, want string }{
		{"file:///data/out", "seed-42", "seed-42-"},
		{"kafka:abc/ratings", "seed-42", "seed-42-"},
		{"t", "load test/a b", "load_test_a_b-"},
		{"t", "../../etc/passwd", "_.._.._etc_passwd-"},
		{"t", ".hidden", "_.hidden-"},
		{"t", "-rf", "_-rf-"},
		{"t", "", "_-"},
		{"t", "käse", "k_se-"},
		{"t", strings.Repeat("x", 300), strings.Repeat("x", 64) + "-"},
	} {
		got := runFileName(c.target, c.name)
		if !strings.HasPrefix(got, c.want) || len(got) != len(c.want)+12+len(".db") {
			t.Errorf("runFileName(%q, %q) = %q, want %s + 12 digits + .db", c.target, c.name, got, c.want)
		}
	}
	// printf 'a\0b' | sha256sum
	if got, want := runFileName("a", "b"), "b-59b271ae1bbc.db"; got != want {
		t.Errorf("runFileName(a, b) = %q, want %q", got, want)
	}
	if runFileName("a", "bc") == runFileName("ab", "c") {
		t.Error("the border between target and name is lost")
	}
}

// runMachine compares a record with a model of it through saves, reopenings,
// resets and rivals.
type runMachine struct {
	s     *State
	r     *RunFile
	saved *core.Run
}

func (m *runMachine) save(t *rapid.T) {
	run := testRun(rapid.Uint64().Draw(t, "next"))
	run.From, run.Done = rapid.Uint64().Draw(t, "from"), rapid.Bool().Draw(t, "done")
	run.Recipe.Params.Genres = rapid.SliceOf(rapid.String()).Draw(t, "genres")
	// Many segments take the record out of the bucket's inline page.
	for i := range rapid.IntRange(0, 200).Draw(t, "segments") {
		last := run.Schedule.Segments[i]
		last.From, last.Start = last.From+10, last.Start+rapid.Int64Range(30_000, 1<<40).Draw(t, "gap")
		run.Schedule.Segments = append(run.Schedule.Segments, last)
	}
	if err := m.r.Save(run); err != nil {
		t.Fatalf("Save(%d) = %v", run.Next, err)
	}
	m.saved = &run
}

func (m *runMachine) reopen(t *rapid.T) {
	if err := m.r.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	m.open(t)
}

func (m *runMachine) open(t *rapid.T) {
	r, err := m.s.OpenRun(testTarget, testName, "")
	if err != nil {
		t.Fatalf("OpenRun() = %v", err)
	}
	m.r = r
}

func (m *runMachine) reset(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 { // it is slow: four syncs
		t.Skip()
	}
	if err := errors.Join(m.r.Close(), m.s.ResetRun(testTarget, testName, "")); err != nil {
		t.Fatalf("ResetRun() = %v", err)
	}
	m.saved = nil
	m.open(t)
}

func (m *runMachine) check(t *rapid.T) {
	got, ok, err := m.r.Load()
	if err != nil || ok != (m.saved != nil) || ok && !equalRun(got, *m.saved) {
		t.Fatalf("Load() = %+v, %v, %v, want %+v", got, ok, err, m.saved)
	}
	list, err := m.s.Runs()
	if err != nil || len(list) != 1 || !list[0].Locked || list[0].Err != nil || list[0].Name != testName ||
		m.saved != nil && !equalRun(list[0].Run, *m.saved) {
		t.Fatalf("Runs() = %+v, %v, want the one held run %+v", list, err, m.saved)
	}
}

func TestRunModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "store-model-") //nolint:usetesting // rapid.T has no TempDir
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &runMachine{s: Open(dir)}
		m.open(t)
		defer func() { m.r.Close() }()
		t.Repeat(map[string]func(*rapid.T){"save": m.save, "reopen": m.reopen, "reset": m.reset, "": m.check})
	})
}

func TestRunLocked(t *testing.T) {
	dir := t.TempDir()
	first, second := Open(dir), Open(dir)
	r := mustOpenRun(t, first)
	if err := r.Save(testRun(5)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err := second.OpenRun(testTarget, testName, "")
	checkError(t, "second OpenRun()", err, ErrLocked, first.runPath(testTarget, testName))
	if d := time.Since(start); d < 900*time.Millisecond || d > 1500*time.Millisecond {
		t.Errorf("second OpenRun() gave up after %v, want 1 s", d)
	}
	err = second.ResetRun(testTarget, testName, "")
	checkError(t, "ResetRun() of a held run", err, ErrLocked, first.runPath(testTarget, testName))
	other, err := second.OpenRun(testTarget, "seed-7", "")
	if err != nil {
		t.Fatalf("OpenRun() of another run = %v", err)
	}
	time.AfterFunc(300*time.Millisecond, func() { r.Close() })
	again, err := second.OpenRun(testTarget, testName, "")
	if err != nil {
		t.Fatalf("OpenRun() while the owner closes = %v", err)
	}
	if run, ok, err := again.Load(); err != nil || !ok || run.Next != 5 {
		t.Errorf("Load() = %d, %v, %v, want 5", run.Next, ok, err)
	}
	if err := errors.Join(again.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}

// raceToCreate lets rivals open a run that does not exist yet, and returns the
// largest number that held it at one time.
func raceToCreate(t *testing.T, open func(*State) (*RunFile, error)) int32 {
	var most atomic.Int32
	for range 12 {
		s := Open(t.TempDir())
		var holders atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				r, err := open(s)
				if err != nil {
					if !errors.Is(err, ErrLocked) {
						t.Errorf("OpenRun() = %v, want nil or ErrLocked", err)
					}
					return
				}
				if now := holders.Add(1); now > most.Load() {
					most.Store(now)
				}
				time.Sleep(20 * time.Millisecond) // hold it while the others try
				holders.Add(-1)
				r.Close()
			})
		}
		wg.Wait()
	}
	return most.Load()
}

func TestRaceToCreate(t *testing.T) {
	if most := raceToCreate(t, func(s *State) (*RunFile, error) { return s.OpenRun(testTarget, testName, "") }); most != 1 {
		t.Errorf("%d held one run at one time, want 1", most)
	}
}

// TestRaceToCreateControl: a new file published by rename lets two hold a run.
func TestRaceToCreateControl(t *testing.T) {
	most := raceToCreate(t, func(s *State) (*RunFile, error) {
		r := &RunFile{path: s.runPath(testTarget, testName), target: testTarget, name: testName}
		if err := r.open(); err == nil {
			return r, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %w", ErrLocked, err)
		}
		value, _ := packRun(testTarget, testName, "", nil)
		if err := makeDir(s.runsDir()); err != nil {
			return nil, err
		}
		temp, err := writeTemp(r.path, value)
		if err != nil {
			return nil, err
		}
		if err := os.Rename(temp, r.path); err != nil {
			return nil, err
		}
		if err := r.open(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLocked, err) // replaced in turn
		}
		return r, nil
	})
	if most < 2 {
		t.Errorf("%d held one run at one time: the race does not show what it should", most)
	}
}

func TestSaveRefuses(t *testing.T) {
	s := Open(t.TempDir())
	r := mustOpenRun(t, s)
	if err := r.Save(testRun(5)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*core.Run)
	}{
		{"another target", func(run *core.Run) { run.Target = "file:///other" }},
		{"another name", func(run *core.Run) { run.Name = "seed-7" }},
		{"a schedule without segments", func(run *core.Run) { run.Schedule = core.Schedule{} }},
	} {
		run := testRun(6)
		c.change(&run)
		if err := r.Save(run); err == nil || !strings.Contains(err.Error(), r.path) {
			t.Errorf("%s: Save() = %v, want an error that names the file", c.name, err)
		}
		if got, ok, err := r.Load(); err != nil || !ok || got.Next != 5 {
			t.Errorf("%s: Load() = %d, %v, %v, want 5 as before", c.name, got.Next, ok, err)
		}
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Errorf("closing twice = %v", err)
	}
	checkError(t, "Save() after Close", r.Save(testRun(6)), fs.ErrClosed, r.path)
	_, _, err := r.Load()
	checkError(t, "Load() after Close", err, fs.ErrClosed, r.path)
}

func TestOpenRunRefuses(t *testing.T) {
	s, path := savedRun(t, 5)
	value := func(target, name, record string) []byte {
		b, _ := pack(kindRun, []byte(target), []byte(name), []byte(record))
		return b
	}
	record, _ := json.Marshal(testRun(5))
	later := strings.Replace(string(record), `"rate 1/3"`, `"later 1/3"`, 1)
	newer := value(testTarget, testName, string(record))
	le.PutUint32(newer[8:], packVersion+1)
	for _, c := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"record of another run", value(testTarget, "seed-7", string(record)), ErrCorrupt},
		{"record of another target", value("file:///x", testName, string(record)), ErrCorrupt},
		{"newer packed value", seal(newer), ErrNewer},
		{"arrival process of a later release", value(testTarget, testName, later), ErrNewer},
		{"no packed value", []byte("{}"), ErrCorrupt},
	} {
		writeValue(t, path, c.value)
		_, err := s.OpenRun(testTarget, testName, "")
		checkError(t, c.name+": OpenRun()", err, c.want, path)
		list, err := s.Runs()
		if err != nil || len(list) != 1 || list[0].Locked || !equalRun(list[0].Run, core.Run{}) {
			t.Fatalf("%s: Runs() = %+v, %v, want one entry without a run", c.name, list, err)
		}
		checkError(t, c.name+": Runs()", list[0].Err, c.want, path)
	}
	if err := s.ResetRun(testTarget, testName, ""); err != nil {
		t.Fatal(err)
	}
	r := mustOpenRun(t, s)
	defer r.Close()
	if _, ok, err := r.Load(); ok || err != nil {
		t.Errorf("Load() after ResetRun = %v, %v, want no record", ok, err)
	}
	if err := r.Save(testRun(9)); err != nil {
		t.Errorf("Save() after ResetRun = %v", err)
	}
}

// TestRunNamesAreBytes: a name or target that is not UTF-8 survives.
func TestRunNamesAreBytes(t *testing.T) {
	s, name, target := Open(t.TempDir()), "a\xff\x00b", "file:///\xfe"
	r, err := s.OpenRun(target, name, "")
	if err != nil {
		t.Fatal(err)
	}
	run := testRun(3)
	run.Name, run.Target = name, target
	if err := errors.Join(r.Save(run), r.Close()); err != nil {
		t.Fatal(err)
	}
	list, err := s.Runs()
	if err != nil || len(list) != 1 || list[0].Err != nil || !equalRun(list[0].Run, run) {
		t.Errorf("Runs() = %+v, %v, want %+v", list, err, run)
	}
}

func TestRunsList(t *testing.T) {
	s := Open(t.TempDir())
	for i, name := range []string{"c", "a", "b"} {
		r, err := s.OpenRun(testTarget, name, "")
		if err != nil {
			t.Fatal(err)
		}
		run := testRun(uint64(i))
		run.Name = name
		if err := errors.Join(r.Save(run), r.Close()); err != nil {
			t.Fatal(err)
		}
	}
	empty, err := s.OpenRun(testTarget, "d-empty", "")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	for name, text := range map[string]string{"b2.db": "", "notes.txt": "x", ".c.db-X.tmp": "x", ".x.db": "x"} {
		if err := os.WriteFile(filepath.Join(s.runsDir(), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// A copy under another name must not pass for that run.
	b, _ := os.ReadFile(s.runPath(testTarget, "a"))
	if err := os.WriteFile(filepath.Join(s.runsDir(), "e.db"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.runsDir(), "f.db"), 0o755); err != nil {
		t.Fatal(err)
	}
	list, err := s.Runs()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		base, _, _ := strings.Cut(filepath.Base(e.File), "-")
		got = append(got, fmt.Sprintf("%s %q next %d locked %v damaged %v", base, e.Name, e.Next, e.Locked, errors.Is(e.Err, ErrCorrupt)))
	}
	want := []string{
		`a "a" next 1 locked false damaged false`,
		`b "b" next 2 locked false damaged false`,
		`b2.db "" next 0 locked false damaged true`,
		`c "c" next 0 locked false damaged false`,
		`d "d-empty" next 0 locked true damaged false`,
		`e.db "" next 0 locked false damaged true`,
		`f.db "" next 0 locked false damaged true`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Runs():\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRunsBesideAWriter reads a record that is saved without a pause: each
// reading is a value that was saved, and they do not go back.
func TestRunsBesideAWriter(t *testing.T) {
	s := Open(t.TempDir())
	r := mustOpenRun(t, s)
	if err := r.Save(testRun(1)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		for n := uint64(2); ; n++ {
			select {
			case <-stop:
				done <- r.Close()
				return
			default:
			}
			run := testRun(n)
			// Sizes change, so that pages do.
			run.Recipe.Params.Genres = []string{strings.Repeat("x", int(n*977%9000))}
			if err := r.Save(run); err != nil {
				done <- err
				return
			}
		}
	}()
	for last := uint64(0); last < 150; {
		list, err := s.Runs()
		if err != nil || len(list) != 1 || list[0].Err != nil || !list[0].Locked {
			t.Fatalf("Runs() = %+v, %v", list, err)
		}
		e := list[0]
		if e.Next < last || len(e.Recipe.Params.Genres) > 0 && len(e.Recipe.Params.Genres[0]) != int(e.Next*977%9000) {
			t.Fatalf("Runs() read next %d after %d", e.Next, last)
		}
		last = e.Next
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// Each shard of a run has a record of its own, which holds its shard.
func TestShardsHaveRecords(t *testing.T) {
	s := Open(t.TempDir())
	for i, shard := range []string{"0-of-1", "0-of-2", "1-of-2"} {
		r, err := s.OpenRun(testTarget, testName, shard)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := s.OpenRun(testTarget, testName, shard); !errors.Is(err, ErrLocked) {
			t.Errorf("OpenRun(%s) a second time = %v, want ErrLocked", shard, err)
		}
		run := testRun(uint64(i))
		run.Shard = shard
		if err := r.Save(run); err != nil {
			t.Errorf("Save() into %s = %v", shard, err)
		}
		run.Shard = "1-of-3"
		if err := r.Save(run); err == nil {
			t.Errorf("Save() of another shard into %s is taken", shard)
		}
	}
	if _, err := s.OpenRun(testTarget, testName, ""); !errors.Is(err, ErrLocked) {
		t.Errorf("OpenRun() beside the only shard = %v, want ErrLocked", err)
	}
	runs, err := s.Runs()
	if err != nil || len(runs) != 3 {
		t.Fatalf("Runs() = %v, %v, want three", runs, err)
	}
	for i, want := range []string{"", "0-of-2", "1-of-2"} {
		found := slices.ContainsFunc(runs, func(e RunEntry) bool { return e.Err == nil && e.Shard == want && e.Next == uint64(i) })
		if !found {
			t.Errorf("Runs() has no shard %q with event %d: %+v", want, i, runs)
		}
	}
}
