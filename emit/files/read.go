package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"

	"gen/core"
	"gen/emit/encode"
)

// Part is one data file of a directory.
type Part struct {
	Name    string
	Index   uint64
	Segment bool // its name is that of a segment
}

// Parts returns the data files of a directory in order of name.
func Parts(d Dir, ext string) ([]Part, error) {
	names, err := list(d)
	if err != nil {
		return nil, err
	}
	var parts []Part
	for _, name := range names {
		if isData(name) {
			i, ok := partIndex(name, ext)
			parts = append(parts, Part{name, i, ok})
		}
	}
	return parts, nil
}

// Range returns the events from up to, not including, to that belong into the
// segment of event n of a run.
func (m Meta) Range(n uint64) (index, from, to uint64) {
	seg, ok := m.Segment.next(m.Schedule, n, m.End())
	if !ok {
		return 0, n, n
	}
	return seg.index, seg.from, seg.to
}

// OpenRows opens one data file for reading its events.
func OpenRows(fsys fs.FS, name string, format encode.Format) (*Rows, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name) // to open a pipe would wait
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	r, err := format.NewReader(f, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), f.Close())
	}
	return &Rows{Reader: r, file: f, name: name}, nil
}

// Rows reads the events of a file: see encode.Reader.
type Rows struct {
	encode.Reader
	file fs.File
	name string
}

// Close closes the reader and the file.
func (r *Rows) Close() error { return errors.Join(r.Reader.Close(), r.file.Close()) }

// Row is an event, or the error of a row that is none.
type Row struct {
	core.Event
	Err *encode.RowError
}

// All calls yield with each row of the file, in order, until it returns false.
func (r *Rows) All(yield func(Row) bool) error {
	events := make([]core.Event, chunkEvents)
	for {
		n, err := r.Read(events)
		for _, e := range events[:n] {
			if !yield(Row{Event: e}) {
				return nil
			}
		}
		var bad *encode.RowError
		switch {
		case err == nil:
		case errors.As(err, &bad):
			if !yield(Row{Err: bad}) {
				return nil
			}
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("read %s: %w", r.name, err)
		}
	}
}

// Read returns the rows of a target: of a directory that gen or another
// program wrote, in order of file name, or of a single file, of any format.
// The sequence ends with the first error.
func Read(ctx context.Context, target string) (iter.Seq2[Row, error], error) {
	fsys, name, err := Source(target)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	names := []string{name}
	if info.IsDir() {
		if names, err = dataFiles(fsys, name); err != nil {
			return nil, err
		}
	}
	for _, n := range names {
		if _, ok := encode.FormatOf(n); !ok {
			return nil, fmt.Errorf("%s: %s has none of the endings of jsonl, csv or parquet", target, path.Base(n))
		}
	}
	return func(yield func(Row, error) bool) {
		for _, n := range names {
			if !readFile(ctx, fsys, n, yield) {
				return
			}
		}
	}, nil
}

// dataFiles returns the paths of the data files in a directory, of which
// there is at least one.
func dataFiles(fsys fs.FS, dir string) ([]string, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if isData(e.Name()) && !e.IsDir() {
			names = append(names, path.Join(dir, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no data files in this directory", dir)
	}
	return names, nil
}

func readFile(ctx context.Context, fsys fs.FS, name string, yield func(Row, error) bool) bool {
	format, _ := encode.FormatOf(name) // checked by Read
	rows, err := OpenRows(fsys, name, format)
	if err != nil {
		yield(Row{}, err)
		return false
	}
	more := true
	err = rows.All(func(r Row) bool {
		more = yield(r, nil)
		return more && ctx.Err() == nil
	})
	if err := errors.Join(err, ctx.Err(), rows.Close()); err != nil && more {
		yield(Row{}, err)
		return false
	}
	return more
}
