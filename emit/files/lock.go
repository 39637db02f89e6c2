package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Lock locks the directory itself, so that no file is left behind, or a file of
// the shard's name, which unlock removes.
func (d *local) Lock(name string) (func(), error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	if name == "" {
		f, err := os.Open(d.path)
		if err != nil {
			return nil, err
		}
		return func() { _ = f.Close() }, d.flock(f)
	}
	for {
		f, err := os.OpenFile(filepath.Join(d.path, lockName(name)), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := d.flock(f); err != nil {
			return nil, err
		}
		// Whoever had it before may have removed the file since it was opened.
		if sameFile(f) {
			return func() {
				_ = os.Remove(f.Name()) // closed, it keeps nobody out
				_ = f.Close()
			}, nil
		}
		_ = f.Close()
	}
}

// flock locks an open file, or closes it.
func (d *local) flock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w", d.path, ErrLocked)
	}
	return fmt.Errorf("lock %s: %w", f.Name(), err)
}

// sameFile tells whether an open file still has its name.
func sameFile(f *os.File) bool {
	here, err := f.Stat()
	var there fs.FileInfo
	if err == nil {
		there, err = os.Stat(f.Name())
	}
	return err == nil && os.SameFile(here, there)
}
