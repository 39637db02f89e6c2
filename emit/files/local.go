package files

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
)

// local is a directory of the machine's file systems.
type local struct {
	path    string
	temp    string       // see Options.temp
	written atomic.Int64 // bytes, until now
}

func openLocal(target string, o Options) (Dir, error) {
	path, err := localPath(target)
	if err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	path = resolve(path)
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file: a directory is wanted", path)
	}
	return &local{path: path, temp: o.temp()}, nil
}

func splitLocal(target string) (dir, name string, err error) {
	path, err := localPath(target)
	if err != nil {
		return "", "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	if filepath.Dir(path) == path {
		return path, ".", nil
	}
	return filepath.Dir(path), filepath.Base(path), nil
}

func (d *local) URL() string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(d.path)}).String()
}

func (d *local) FS() fs.FS { return os.DirFS(d.path) }

func (d *local) Remove(name string) error { return os.Remove(filepath.Join(d.path, name)) }

func (d *local) Create(name string) (Pending, error) {
	if err := d.make(); err != nil {
		return nil, err
	}
	temp := filepath.Join(d.path, "."+name+d.temp+".tmp")
	f, err := os.Create(temp)
	if err != nil {
		return nil, err
	}
	file := &localFile{dir: d, file: f, temp: temp, name: filepath.Join(d.path, name)}
	if d.written.Load() >= cachedBytes {
		file.direct = newDirectWriter(f)
	}
	return file, nil
}

// resolve follows the symbolic links of the part of a path that exists, so
// that one directory has one name.
func resolve(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

func (d *local) make() error { return makeDir(d.path) }

// makeDir creates a directory and its parents, each of whose names is durable
// when it returns.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

type localFile struct {
	dir        *local
	file       *os.File
	direct     *directWriter // nil when it goes by way of the page cache
	temp, name string
	closed     bool
	published  bool
	size       int64
	flushed    int64 // what lies before it is being written to the disk
}

// flushBytes is how much of a file waits until the disk begins to write it, so that
// little is left when the file is synced.
const flushBytes = 8 << 20

func (f *localFile) Write(b []byte) (n int, err error) {
	defer func() { f.dir.written.Add(int64(n)) }()
	if f.direct != nil {
		return f.direct.Write(b)
	}
	n, err = writeInParts(f.file, b)
	f.size += int64(n)
	if f.size-f.flushed >= flushBytes {
		startWriteback(f.file, f.flushed, f.size-f.flushed)
		f.flushed = f.size
	}
	return n, err
}

func (f *localFile) Finish() (err error) {
	f.closed = true
	if f.direct != nil {
		err = f.direct.finish()
	}
	if err == nil {
		err = f.file.Sync()
	}
	return errors.Join(err, f.file.Close())
}

func (f *localFile) Publish() error {
	if err := os.Rename(f.temp, f.name); err != nil {
		return err
	}
	f.published = true
	return syncDir(f.dir.path)
}

func (f *localFile) Abort() {
	if !f.closed {
		f.closed = true
		if f.direct != nil {
			_ = f.direct.stop()
		}
		_ = f.file.Close() // the file goes away
	}
	if !f.published {
		_ = os.Remove(f.temp) // a stray temporary file is removed by the next run
	}
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
