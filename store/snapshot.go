package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"gen/core"
)

// LoadSnapshot reads the snapshot and closes its file again; 10,000 users and
// 27,278 movies take about 7 ms. It returns fs.ErrNotExist when there is none,
// ErrCorrupt, ErrLocked, ErrNewer, or core.ErrFormat for a snapshot of an
// older sequence format. Every error names the file.
func (s *State) LoadSnapshot() (*core.Snapshot, error) {
	path := s.snapshotPath()
	var value []byte
	err := retryReplaced(func() (err error) {
		value, err = readSnapshot(path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load snapshot %s: %w", path, cause(err, path))
	}
	snap, err := unpackSnapshot(value)
	if err != nil {
		return nil, fmt.Errorf("load snapshot %s: %w", path, err)
	}
	return snap, nil
}

func readSnapshot(path string) ([]byte, error) {
	d, err := openDatabase(path, true)
	if err != nil {
		return nil, err
	}
	value, err := d.value()
	return value, errors.Join(err, d.close())
}

// SaveSnapshot writes the snapshot under a temporary name and renames it over
// the old one, so that a reader, or a crash, finds the old or the new one. It
// is durable when SaveSnapshot returns nil. It makes the state directory. It
// returns ErrLocked, and changes nothing, while another process has the old
// one locked for writing.
func (s *State) SaveSnapshot(snap *core.Snapshot) error {
	path := s.snapshotPath()
	if err := s.saveSnapshot(path, snap); err != nil {
		return fmt.Errorf("save snapshot %s: %w", path, cause(err, path))
	}
	return nil
}

func (s *State) saveSnapshot(path string, snap *core.Snapshot) error {
	value, err := packSnapshot(snap)
	if err != nil {
		return err
	}
	if err := makeDir(s.dir); err != nil {
		return err
	}
	old, err := os.Open(path)
	switch {
	case err == nil:
		// Shared, and kept until the end: readers do not mind.
		defer old.Close()
		if err := lock(old, false, lockWait); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	temp, err := writeTemp(path, value)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return syncDir(s.dir)
}

func packSnapshot(snap *core.Snapshot) ([]byte, error) {
	recipe, err := json.Marshal(snap.Recipe)
	if err != nil {
		return nil, err
	}
	return pack(kindSnapshot, []byte(snap.ID()), recipe, packTitles(snap.Titles()), snap.Bytes())
}

// unpackSnapshot decodes a packed value. What is intact by its checksum but
// unknown here, a sequence format or a profile, was written by a newer
// version.
func unpackSnapshot(value []byte) (*core.Snapshot, error) {
	parts, err := unpack(value, kindSnapshot, 4)
	if err != nil {
		return nil, err
	}
	var recipe core.Recipe
	if err := json.Unmarshal(parts[1], &recipe); err != nil {
		return nil, corrupt("recipe: %v", err)
	}
	switch {
	case recipe.Format > core.FormatVersion:
		return nil, fmt.Errorf("%w: sequence %w %d, this program has %d", ErrNewer, core.ErrFormat, recipe.Format, core.FormatVersion)
	case recipe.Format == core.FormatVersion && !slices.Contains(core.Profiles(), recipe.Profile):
		return nil, fmt.Errorf("%w: unknown profile %q", ErrNewer, recipe.Profile)
	}
	titles, err := unpackTitles(parts[2])
	if err != nil {
		return nil, err
	}
	snap, err := core.Decode(recipe, titles, parts[3])
	if errors.Is(err, core.ErrFormat) {
		return nil, err
	}
	if err != nil {
		return nil, corrupt("%v", err)
	}
	if id := string(parts[0]); snap.ID() != id {
		return nil, corrupt("the tables are those of snapshot %s, not of %s", snap.ID(), id)
	}
	return snap, nil
}
