package files

import (
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsFS reads a directory in HDFS and what is below it.
type hdfsFS struct{ dir *hdfsDir }

func (f hdfsFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	r, err := f.dir.client.Open(f.dir.join(name))
	if err != nil {
		return nil, f.dir.trouble("open", name, err)
	}
	return &hdfsFile{dir: f.dir, name: name, reader: r}, nil
}

// Stat is fs.StatFS: without it Open is asked, and costs the same.
func (f hdfsFS) Stat(name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrInvalid}
	}
	info, err := f.dir.client.Stat(f.dir.join(name))
	if err != nil {
		return nil, f.dir.trouble("stat", name, err)
	}
	return info, nil
}

// hdfsFile is an open file. The library's reader has one place for Read, ReadAt
// and Seek, and each Seek, even to where it stands, costs a new connection: so
// at and next are kept here.
type hdfsFile struct {
	dir  *hdfsDir
	name string

	mu     sync.Mutex
	reader *hdfs.FileReader
	at     int64 // of the reader
	next   int64 // byte for Read

	listed  bool
	entries []fs.DirEntry // that ReadDir has not returned yet
}

func (f *hdfsFile) Stat() (fs.FileInfo, error) { return f.reader.Stat(), nil }

func (f *hdfsFile) Read(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.read(b, f.next, f.reader.Read)
	f.next += int64(n)
	return n, err
}

func (f *hdfsFile) ReadAt(b []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	return f.read(b, off, func(b []byte) (int, error) {
		n, err := io.ReadFull(f.reader, b)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.EOF
		}
		return n, err
	})
}

// read reads from byte off on. The reader refuses to stand behind its end.
func (f *hdfsFile) read(b []byte, off int64, read func([]byte) (int, error)) (n int, err error) {
	if !f.reader.Stat().IsDir() && off >= f.reader.Stat().Size() {
		return 0, io.EOF
	}
	if off != f.at {
		_, err = f.reader.Seek(off, io.SeekStart)
		f.at = off
	}
	if err == nil {
		n, err = read(b)
		f.at += int64(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.dir.trouble("read", f.name, err)
	}
	return n, err
}

func (f *hdfsFile) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.next
	case io.SeekEnd:
		offset += f.reader.Stat().Size()
	}
	if offset < 0 {
		return f.next, &fs.PathError{Op: "seek", Path: f.name, Err: fs.ErrInvalid}
	}
	f.next = offset
	return offset, nil
}

// ReadDir is fs.ReadDirFile.
func (f *hdfsFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.listed {
		infos, err := f.reader.Readdir(0)
		if err != nil {
			return nil, f.dir.trouble("list", f.name, err)
		}
		for _, info := range infos {
			f.entries = append(f.entries, fs.FileInfoToDirEntry(info))
		}
		f.listed = true
	}
	if n > 0 && len(f.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	entries := f.entries[:n]
	f.entries = f.entries[n:]
	return entries, nil
}

func (f *hdfsFile) Close() error { return f.reader.Close() }
