//go:build unix

package files

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock locks the directory itself, so that no file is left behind.
func (d *local) Lock() (func(), error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	f, err := os.Open(d.path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", d.path, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", d.path, err)
	}
	return func() { _ = f.Close() }, nil
}
