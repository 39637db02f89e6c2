package store

import (
	"errors"
	"fmt"
	"path/filepath"
)

var (
	// ErrCorrupt is returned when a file is not what this package wrote: 0
	// bytes, truncated, not a bbolt file, a byte changed, another run's
	// record. To recover a snapshot, compile it again from its recipe and
	// save it: the ID will be the same. To recover a run, ResetRun, open it
	// again and save what the target says.
	ErrCorrupt = errors.New("damaged")

	// ErrLocked is returned when somebody else has held a file for longer
	// than a second. Nothing was changed. To recover, wait for that process
	// or stop it, or use another run name or state directory.
	ErrLocked = errors.New("locked")

	// ErrNewer is returned for an intact file that a newer version of the
	// program wrote. To recover, use that version; or treat the file as one
	// that is damaged, which loses nothing but the newer version's state.
	ErrNewer = errors.New("written by a newer version")
)

// State is a state directory. It holds no open file and no lock, and its
// methods may be called from several goroutines.
type State struct{ dir string }

// Open names a state directory. It touches nothing on disk: the directory is
// made when something is first written.
func Open(dir string) *State { return &State{dir} }

func (s *State) snapshotPath() string { return filepath.Join(s.dir, "snapshot.db") }

func (s *State) runsDir() string { return filepath.Join(s.dir, "runs") }

// corrupt returns ErrCorrupt with what is wrong.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
