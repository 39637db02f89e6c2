package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gen/core"
)

// RunEntry is one record in the list of runs.
type RunEntry struct {
	core.Run        // only Name and Target when nothing was saved yet
	File     string // path of the record
	Locked   bool   // a process holds it now
	Err      error  // ErrCorrupt or ErrNewer; Run is then empty
}

// Runs returns the records of all runs in order of file name; none when there
// is no state directory. It never waits and never keeps a process from its
// run: a record that is held is read beside its owner. A file that cannot be
// read is an entry with Err.
func (s *State) Runs() ([]RunEntry, error) {
	files, err := os.ReadDir(s.runsDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list runs in %s: %w", s.runsDir(), cause(err, s.runsDir()))
	}
	var entries []RunEntry
	for _, file := range files {
		name := file.Name()
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".db") {
			continue
		}
		e := RunEntry{File: filepath.Join(s.runsDir(), name)}
		e.Run, e.Locked, e.Err = peek(e.File)
		if errors.Is(e.Err, fs.ErrNotExist) { // reset since ReadDir
			continue
		}
		if e.Err != nil {
			e.Run, e.Err = core.Run{}, fmt.Errorf("read run %s: %w", e.File, cause(e.Err, e.File))
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// peekTries is how often a held record is read before it counts as damaged.
// One that is saved without a pause is read at the first try nearly always.
const peekTries = 50

// peek reads a record without bbolt, whose shared lock would not be granted
// while the run is held. The owner may commit meanwhile, and then the pages we
// read may be overwritten: it reads again until the last transaction before
// and after is the same, whose pages bbolt has left alone in between.
func peek(path string) (run core.Run, locked bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return run, false, err
	}
	defer f.Close()
	err = lock(f, false, 0)
	if locked = errors.Is(err, ErrLocked); err != nil && !locked {
		return run, false, err
	}
	run, err = readRun(f)
	for try := 1; locked && errors.Is(err, ErrCorrupt) && try < peekTries; try++ {
		time.Sleep(time.Millisecond)
		run, err = readRun(f)
	}
	return run, locked, err
}

func readRun(f *os.File) (core.Run, error) {
	info, err := f.Stat()
	if err != nil {
		return core.Run{}, err
	}
	if !info.Mode().IsRegular() {
		return core.Run{}, corrupt("not a regular file")
	}
	value, err := readValue(f, info.Size())
	if err != nil {
		return core.Run{}, err
	}
	run, _, err := unpackRun(value)
	if err == nil && runFileName(run.Target, shardName(run.Name, run.Shard)) != filepath.Base(f.Name()) {
		err = corrupt("it belongs to run %q at %q", run.Name, run.Target)
	}
	return run, err
}

func readValue(f io.ReaderAt, size int64) ([]byte, error) {
	before, err := newestMeta(f, size)
	if err != nil {
		return nil, err
	}
	at, err := locate(f, size)
	if err != nil {
		return nil, err
	}
	value := make([]byte, at.size)
	if err := readFull(f, value, at.off); err != nil {
		return nil, err
	}
	// Without this a value shows that is written but not committed.
	after, err := newestMeta(f, size)
	if err == nil && after != before {
		err = corrupt("changed while it was read")
	}
	return value, err
}
