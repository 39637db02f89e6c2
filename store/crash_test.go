package store

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"gen/core"
)

// crashWriters are the endless loops that a child process runs until it is
// killed: save number from+1, from+2, ..., and say so after each.
var crashWriters = map[string]func(s *State, from uint64, saved func(uint64)) error{
	"run": func(s *State, from uint64, saved func(uint64)) error {
		r, err := s.OpenRun(testTarget, testName, "")
		for n := from + 1; err == nil; n++ {
			if err = r.Save(testRun(n)); err == nil {
				saved(n)
			}
		}
		return err
	},
	"snapshot": func(s *State, from uint64, saved func(uint64)) error {
		snaps, err := crashSnapshots()
		for n := from + 1; err == nil; n++ {
			if err = s.SaveSnapshot(snaps[n%3]); err == nil {
				saved(n)
			}
		}
		return err
	},
	// One try of each, with a limit on the size of files.
	"disk full": func(s *State, _ uint64, _ func(uint64)) error {
		snap, err := compileTest(7, 5)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10_000, Max: 10_000}); err != nil {
			return err
		}
		saveErr := s.SaveSnapshot(snap)
		_, openErr := s.OpenRun(testTarget, testName, "")
		return errors.Join(saveErr, openErr)
	},
	// The control: a snapshot written in place.
	"broken": func(s *State, from uint64, saved func(uint64)) error {
		snaps, err := crashSnapshots()
		for n := from + 1; err == nil; n++ {
			if err = saveInPlace(s.snapshotPath(), snaps[n%3]); err == nil {
				saved(n)
			}
		}
		return err
	},
}

func saveInPlace(path string, snap *core.Snapshot) error {
	value, err := packSnapshot(snap)
	if err != nil {
		return err
	}
	if err := os.Truncate(path, 0); err != nil {
		return err
	}
	return writeNew(path, value)
}

// crashSnapshots are three that tell the save before, this save and the next
// apart.
func crashSnapshots() (snaps [3]*core.Snapshot, err error) {
	for i := range snaps {
		var one error
		snaps[i], one = compileTest(uint64(i), 5)
		err = errors.Join(err, one)
	}
	return snaps, err
}

const crashEnv = "GEN_STORE_CRASH_CHILD"

// TestMain runs the tests, or, as a child, one of the writers.
func TestMain(m *testing.M) {
	write := crashWriters[os.Getenv(crashEnv)]
	if write == nil {
		os.Exit(m.Run())
	}
	from, _ := strconv.ParseUint(os.Args[2], 10, 64)
	err := write(Open(os.Args[1]), from, func(n uint64) { fmt.Println(n) })
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// startWriter starts a child that saves from+1, from+2, ..., and returns the
// lines in which it says so.
func startWriter(t *testing.T, writer string, s *State, from uint64) (*exec.Cmd, *bufio.Scanner) {
	child := exec.Command(os.Args[0], s.dir, strconv.FormatUint(from, 10))
	child.Env = append(os.Environ(), crashEnv+"="+writer)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, bufio.NewScanner(out)
}

// crash kills a writer 20 times at random moments. After each it checks what
// is on disk against the last save that was acknowledged, and returns the
// first difference.
func crash(t *testing.T, writer string, s *State, check func(acknowledged uint64) error) error {
	last := uint64(0)
	for kill := range 20 {
		child, lines := startWriter(t, writer, s, last)
		// Start-up counts as a moment, so the clock starts now in one of four.
		if kill%4 > 0 && lines.Scan() {
			last, _ = strconv.ParseUint(lines.Text(), 10, 64)
		}
		time.AfterFunc(time.Duration(rand.Int64N(int64(30*time.Millisecond))), func() { child.Process.Kill() })
		for lines.Scan() {
			last, _ = strconv.ParseUint(lines.Text(), 10, 64)
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the writer ended by itself: %v", err)
		}
		if err := check(last); err != nil {
			return fmt.Errorf("kill %d, after save %d: %w", kill, last, err)
		}
	}
	if last < 10 {
		t.Errorf("%d saves between 20 kills: nothing was tested", last)
	}
	t.Logf("20 kills, %d saves", last)
	return nil
}

func TestCrashRun(t *testing.T) {
	s, _ := savedRun(t, 0)
	err := crash(t, "run", s, func(acknowledged uint64) error {
		r, err := s.OpenRun(testTarget, testName, "")
		if err != nil {
			return err
		}
		run, ok, err := r.Load()
		if err == nil && (!ok || run.Next != acknowledged && run.Next != acknowledged+1) {
			err = fmt.Errorf("Load() = %d, %v", run.Next, ok)
		}
		// The next writer counts on from what was acknowledged.
		return errors.Join(err, r.Save(testRun(acknowledged)), r.Close())
	})
	if err != nil {
		t.Error(err)
	}
}

// TestLockedByProcess: a run that a living process holds is refused, listed
// with what it has saved, and free as soon as the process is killed.
func TestLockedByProcess(t *testing.T) {
	s, path := savedRun(t, 0)
	child, lines := startWriter(t, "run", s, 100)
	defer child.Process.Kill()
	lines.Scan()
	go func() {
		for lines.Scan() { // a full pipe would stop the writer
		}
	}()
	_, err := s.OpenRun(testTarget, testName, "")
	checkError(t, "OpenRun()", err, ErrLocked, path)
	list, err := s.Runs()
	if err != nil || len(list) != 1 || list[0].Err != nil || !list[0].Locked || list[0].Next <= 100 {
		t.Errorf("Runs() = %+v, %v, want a held run beyond event 100", list, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r := mustOpenRun(t, s)
	if run, ok, err := r.Load(); err != nil || !ok || run.Next < list[0].Next {
		t.Errorf("Load() = %d, %v, %v, want %d or later", run.Next, ok, err, list[0].Next)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	child.Wait()
}

// checkCrashedSnapshot accepts the snapshot that was acknowledged and the next.
func checkCrashedSnapshot(s *State, snaps [3]*core.Snapshot) func(uint64) error {
	return func(acknowledged uint64) error {
		got, err := s.LoadSnapshot()
		if err != nil {
			return err
		}
		if got.ID() != snaps[(acknowledged+1)%3].ID() {
			return checkSnapshot(got, snaps[acknowledged%3])
		}
		return s.SaveSnapshot(snaps[acknowledged%3])
	}
}

func crashState(t *testing.T) (*State, [3]*core.Snapshot) {
	s := Open(filepath.Join(t.TempDir(), "state"))
	snaps, err := crashSnapshots()
	if err := errors.Join(err, s.SaveSnapshot(snaps[0])); err != nil {
		t.Fatal(err)
	}
	return s, snaps
}

func TestCrashSnapshot(t *testing.T) {
	s, snaps := crashState(t)
	if err := crash(t, "snapshot", s, checkCrashedSnapshot(s, snaps)); err != nil {
		t.Error(err)
	}
	t.Logf("%d temporary files left by the kills", len(leftovers(t, s.dir)))
}

// TestCrashControl: the same check rejects a writer that has no temporary file
// and no rename.
func TestCrashControl(t *testing.T) {
	s, snaps := crashState(t)
	err := crash(t, "broken", s, checkCrashedSnapshot(s, snaps))
	if err == nil {
		t.Fatal("20 kills did not show that writing in place is broken")
	}
	t.Log(err)
}
