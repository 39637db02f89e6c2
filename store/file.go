package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

const (
	lockWait = time.Second
	lockPoll = 10 * time.Millisecond
	// pageSize is bbolt's in a new file: the same on every machine.
	pageSize = 4096
	// staleAfter is the age at which a temporary file belongs to nobody.
	staleAfter = time.Hour
)

// errReplaced is returned when a file was removed or replaced while we waited
// for its lock.
var errReplaced = errors.New("replaced while opening it")

// retryReplaced calls fn again while it meets a file that was replaced; each
// time means that another process has done something.
func retryReplaced(fn func() error) (err error) {
	for range 10 {
		if err = fn(); !errors.Is(err, errReplaced) {
			return err
		}
	}
	return err
}

// database is an open bbolt file that was found sound under its lock.
type database struct {
	bolt   *bbolt.DB
	file   *os.File // bolt's own
	broken error    // bbolt panicked: its locks are in an unknown state
}

// openDatabase locks, checks and maps an existing file. It returns
// fs.ErrNotExist, ErrLocked, ErrCorrupt or errReplaced.
func openDatabase(path string, readOnly bool) (*database, error) {
	d := &database{}
	err := guard(func() (err error) {
		d.bolt, err = bbolt.Open(path, 0, options(func(path string, flag int, _ os.FileMode) (*os.File, error) {
			f, err := openChecked(path, flag&^os.O_CREATE, !readOnly)
			d.file = f
			return f, err
		}, readOnly))
		return err
	})
	if err != nil {
		d.broken = err // close only what bbolt has not
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// options are the same for every file. The lock is taken in openFile, so
// bbolt's own flock on the same descriptor succeeds at once.
func options(openFile func(string, int, os.FileMode) (*os.File, error), readOnly bool) *bbolt.Options {
	return &bbolt.Options{
		Timeout: lockWait, ReadOnly: readOnly, PageSize: pageSize, NoStatistics: true, OpenFile: openFile,
	}
}

// openChecked opens a file, locks it and checks its page tree. It is the last
// moment before bbolt maps the file and follows whatever stands in it.
func openChecked(path string, flag int, exclusive bool) (*os.File, error) {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	if err := lockAndCheck(f, exclusive); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

func lockAndCheck(f *os.File, exclusive bool) error {
	if err := lock(f, exclusive, lockWait); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return corrupt("not a regular file")
	}
	// The lock belongs to the inode: it is worthless when the name has moved on.
	if now, err := os.Stat(f.Name()); err != nil || !os.SameFile(info, now) {
		return errReplaced
	}
	_, err = locate(f, info.Size())
	return err
}

// lock takes the flock that bbolt takes. It returns ErrLocked.
func lock(f *os.File, exclusive bool, wait time.Duration) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for end := time.Now().Add(wait); ; time.Sleep(lockPoll) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return os.NewSyscallError("flock", err)
		case time.Now().Add(lockPoll).After(end):
			return fmt.Errorf("%w: another process is using it", ErrLocked)
		}
	}
}

// guard runs fn, which only calls bbolt, and makes ErrCorrupt of a panic. The
// check before leaves one way to it: somebody changes the file while it is
// mapped, and reading past its end is a fault.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			text, _, _ := strings.Cut(fmt.Sprint(p), "\n")
			err = corrupt("changed by another program: %s", text)
		}
	}()
	return fn()
}

// value returns a copy of the packed value.
func (d *database) value() (value []byte, err error) {
	err = d.do(func() error {
		return d.bolt.View(func(tx *bbolt.Tx) error {
			if b := tx.Bucket([]byte(bucketName)); b != nil {
				value = append(value, b.Get([]byte(valueKey))...)
			}
			return nil
		})
	})
	return value, err
}

// put replaces the packed value; it is on disk when put returns nil.
func (d *database) put(value []byte) error {
	return d.do(func() error {
		return d.bolt.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucketName))
			if err != nil {
				return err
			}
			return b.Put([]byte(valueKey), value)
		})
	})
}

func (d *database) do(fn func() error) error {
	if d.broken != nil {
		return d.broken
	}
	returned := false
	err := guard(func() error {
		err := fn()
		returned = true
		return err
	})
	if !returned {
		d.broken = err
	}
	return err
}

func (d *database) close() error {
	if d.broken == nil {
		return d.bolt.Close()
	}
	if d.file == nil {
		return nil
	}
	// bbolt's Close could wait for ever for the transaction that panicked. Its
	// memory map stays and would keep the lock: unlock by hand.
	_ = syscall.Flock(int(d.file.Fd()), syscall.LOCK_UN) // the end of the process unlocks too
	_ = d.file.Close()
	return nil
}

// writeTemp writes a packed value to a new file of a temporary name beside
// path and syncs it. It leaves nothing behind when it fails.
func writeTemp(path string, value []byte) (string, error) {
	sweep(path)
	temp := filepath.Join(filepath.Dir(path), tempPrefix(path)+rand.Text()+tempSuffix)
	if err := writeNew(temp, value); err != nil {
		os.Remove(temp)
		return "", err
	}
	return temp, nil
}

func writeNew(path string, value []byte) error {
	bolt, err := bbolt.Open(path, 0o644, options(nil, false))
	if err != nil {
		return err
	}
	d := &database{bolt: bolt}
	return errors.Join(d.put(value), d.close())
}

// The leading dot hides a temporary file from every reader.
func tempPrefix(path string) string { return "." + filepath.Base(path) + "-" }

const tempSuffix = ".tmp"

// sweep removes what killed processes left of earlier writes of path. It is
// tidying up: an error changes nothing.
func sweep(path string) {
	dir := filepath.Dir(path)
	files, _ := os.ReadDir(dir)
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), tempPrefix(path)) || !strings.HasSuffix(file.Name(), tempSuffix) {
			continue
		}
		if info, err := file.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(dir, file.Name()))
		}
	}
}

// makeDir makes a directory and its parents, each synced into its own parent.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// cause takes the operation and the name off an error about path or a
// temporary file of it: the caller names the file, once.
func cause(err error, path string) error {
	var p *fs.PathError
	if errors.As(err, &p) && (p.Path == path || strings.HasPrefix(filepath.Base(p.Path), tempPrefix(path))) {
		return p.Err
	}
	return err
}
