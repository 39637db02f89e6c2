package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"gen/core"
)

// RunFile is the open record of one run. Its methods may be called from
// several goroutines.
type RunFile struct {
	path, target, name string
	shard              string // empty: the run is not cut

	mu sync.Mutex
	db *database // nil when closed
}

// OpenRun opens the record of a shard, "" or that of a run that is not cut, of the
// run name at target, makes an empty one when there is none, and holds it until
// Close: nobody else can. It returns ErrLocked within a second, ErrCorrupt (see
// ResetRun) or ErrNewer; every error names the file.
func (s *State) OpenRun(target, name, shard string) (*RunFile, error) {
	r := &RunFile{path: s.runPath(target, shardName(name, shard)), target: target, name: name, shard: normal(shard)}
	err := r.open()
	// Another process may remove the file or make it at any moment; each round
	// means that one has.
	for try := 0; try < 10; try++ {
		if errors.Is(err, fs.ErrNotExist) {
			err = r.create()
		} else if !errors.Is(err, errReplaced) {
			break
		}
		if err == nil {
			err = r.open()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open run %s: %w", r.path, cause(err, r.path))
	}
	return r, nil
}

// ResetRun removes the record of a run, whatever state it is in, so that the
// next OpenRun begins with an empty one. It is the way out of ErrCorrupt: the
// truth about a cursor lives with the target (in Kafka's cursor topic, in a
// directory's files), so the caller reads it there and saves it again. Nil
// when there is none; ErrLocked while a process holds it.
func (s *State) ResetRun(target, name, shard string) error {
	path := s.runPath(target, shardName(name, shard))
	err := retryReplaced(func() error { return removeLocked(path) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reset run %s: %w", path, cause(err, path))
	}
	return nil
}

func removeLocked(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lockAndCheck(f, true); err != nil && !errors.Is(err, ErrCorrupt) {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (s *State) runPath(target, name string) string {
	return filepath.Join(s.runsDir(), runFileName(target, name))
}

// normal returns the one way to write the shard of a run that is not cut.
func normal(shard string) string {
	if shard == "0-of-1" {
		return ""
	}
	return shard
}

// shardName returns the name of a shard's record: that of the run, and for a part
// of it NUL and the shard.
func shardName(name, shard string) string {
	if shard = normal(shard); shard != "" {
		name += "\x00" + shard
	}
	return name
}

// runFileName is readable by its beginning and unique by its end.
func runFileName(target, name string) string {
	sum := sha256.Sum256([]byte(target + "\x00" + name))
	return sanitise(name) + "-" + hex.EncodeToString(sum[:])[:12] + ".db"
}

// sanitise keeps of a name what every shell and file system takes, and at
// most 64 bytes of it.
func sanitise(name string) string {
	name = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
			return c
		}
		return '_'
	}, name)
	name = name[:min(len(name), 64)]
	if name == "" || name[0] == '.' || name[0] == '-' { // hidden; an option
		name = "_" + name
	}
	return name
}

func (r *RunFile) open() error {
	d, err := openDatabase(r.path, false)
	if err != nil {
		return err
	}
	r.db = d
	// Damage shows now, not after the first events.
	if _, _, err := r.load(); err != nil {
		r.db = nil
		return errors.Join(err, d.close())
	}
	return nil
}

// create publishes an empty record; nil too when another process was faster.
func (r *RunFile) create() error {
	dir := filepath.Dir(r.path)
	value, err := packRun(r.target, r.name, r.shard, nil)
	if err != nil {
		return err
	}
	if err := makeDir(dir); err != nil {
		return err
	}
	temp, err := writeTemp(r.path, value)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	// Not a rename: it would replace the file that another process has made
	// and locked since.
	if err := os.Link(temp, r.path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// Load returns the run as it was last saved; ok is false when it never was.
// It returns ErrCorrupt or ErrNewer.
func (r *RunFile) Load() (run core.Run, ok bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return run, false, fmt.Errorf("load run %s: %w", r.path, fs.ErrClosed)
	}
	if run, ok, err = r.load(); err != nil {
		return core.Run{}, false, fmt.Errorf("load run %s: %w", r.path, err)
	}
	return run, ok, nil
}

func (r *RunFile) load() (core.Run, bool, error) {
	value, err := r.db.value()
	if err != nil {
		return core.Run{}, false, err
	}
	run, ok, err := unpackRun(value)
	if err == nil && !r.isOf(run) {
		err = corrupt("it belongs to run %q at %q, not to %q at %q", run.Name+run.Shard, run.Target, r.name+r.shard, r.target)
	}
	return run, ok, err
}

func (r *RunFile) isOf(run core.Run) bool {
	return run.Target == r.target && run.Name == r.name && normal(run.Shard) == r.shard
}

// Save replaces the record. It is durable when Save returns nil; after an
// error the old or the new one is there. Name, target and shard must be those
// given to OpenRun.
func (r *RunFile) Save(run core.Run) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.save(run); err != nil {
		return fmt.Errorf("save run %s: %w", r.path, cause(err, r.path))
	}
	return nil
}

func (r *RunFile) save(run core.Run) error {
	if r.db == nil {
		return fs.ErrClosed
	}
	if !r.isOf(run) {
		return fmt.Errorf("it belongs to run %q at %q, not to %q at %q", r.name+r.shard, r.target, run.Name+run.Shard, run.Target)
	}
	value, err := packRun(r.target, r.name, r.shard, &run)
	if err != nil {
		return err
	}
	return r.db.put(value)
}

// Close releases the record and its lock. Closing twice does nothing.
func (r *RunFile) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return nil
	}
	err := r.db.close()
	r.db = nil
	if err != nil {
		return fmt.Errorf("close run %s: %w", r.path, err)
	}
	return nil
}

// packRun packs a run, or its absence when run is nil. It refuses what cannot
// be read back, such as a schedule without segments.
func packRun(target, name, shard string, run *core.Run) ([]byte, error) {
	var record []byte
	if run != nil {
		var err error
		if record, err = json.Marshal(run); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(record, new(core.Run)); err != nil {
			return nil, fmt.Errorf("not a valid run: %w", err)
		}
	}
	if shard == "" {
		return pack(kindRun, []byte(target), []byte(name), record)
	}
	return pack(kindShard, []byte(target), []byte(name), record, []byte(shard))
}

// unpackRun decodes a packed value; without a record, run is its target, name and
// shard. Save refuses what this version cannot decode, so an intact record that
// does not decode was written by a newer one, with an unknown arrival process
// for example.
func unpackRun(value []byte) (run core.Run, ok bool, err error) {
	parts, err := unpack(value, kindRun, 3)
	if kindOf(value) == kindShard {
		parts, err = unpack(value, kindShard, 4)
	}
	if err != nil {
		return run, false, err
	}
	run.Target, run.Name = string(parts[0]), string(parts[1])
	if len(parts) == 4 {
		run.Shard = string(parts[3])
	}
	if len(parts[2]) == 0 {
		return run, false, nil
	}
	var record core.Run
	if err := json.Unmarshal(parts[2], &record); err != nil {
		return run, false, fmt.Errorf("%w: %w", ErrNewer, err)
	}
	// JSON is UTF-8; the name and the target need not be.
	record.Target, record.Name, record.Shard = run.Target, run.Name, run.Shard
	return record, true, nil
}
