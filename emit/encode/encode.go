// Package encode writes and reads the file formats of events: JSON lines, CSV
// and Parquet, each with its compressions.
//
// Start with Parse, which turns the names a user gives into a Format, then
// Format.NewWriter and Format.NewReader for whole files, or
// Format.AppendChunk for pieces made in parallel.
//
// # Rows
//
// JSONL: {"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809}
// with the keys in this order, no spaces, one decimal, a line feed. CSV: the
// header userId,movieId,rating,timestamp and rows 4217,1234,4.5,1761763121809.
// Parquet: userId int32, movieId int32, rating double, timestamp int64 (epoch
// milliseconds, no logical type), all required. The bytes of uncompressed text
// are a contract; compressed and Parquet bytes are equal within one build.
//
// # Determinism
//
// The bytes of a file depend on its events alone, not on how they were split
// over calls of Write, nor on time, machine or the files written before.
//
// # Caveats
//
// Parquet timestamps are DELTA_BINARY_PACKED, which Spark reads from 3.3 on.
// A compressed text cut off exactly between two gzip members or zstd frames
// looks complete: only a row count can tell.
package encode

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"gen/core"
)

// Writer writes one file. It is used by one goroutine.
type Writer interface {
	// Write adds the events. It does not keep the slice. After an error the
	// file is useless, and every later call returns the same error.
	Write(events []core.Event) error

	// Close finishes the compression or the footer and gives the buffers back.
	// It does not close the underlying writer and must be called in any case.
	Close() error
}

// Reader reads one file. It is used by one goroutine.
type Reader interface {
	// Read fills dst. It returns n < len(dst) only together with an error:
	// io.EOF at the end; a *RowError for a row that is not an event, after
	// which reading goes on with the next row; anything else is final. The
	// first n events are good in each case.
	Read(dst []core.Event) (n int, err error)

	// Close gives the buffers back. It does not close the underlying reader.
	Close() error
}

// A RowError is returned for a row that is not an event.
type RowError struct {
	Line int64  // from 1: the line of a text (a CSV header is line 1) or the row of a Parquet file
	Text string // the row, at most 120 bytes of it
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %d: %v: %q", e.Line, e.Err, e.Text) }
func (e *RowError) Unwrap() error { return e.Err }

// ErrTorn is the Err of a RowError when a text ends without a line feed.
var ErrTorn = errors.New("cut off, no line feed at the end")

var errClosed = errors.New("write after close")

// Format is a file format with its compression. Two equal values behave alike.
type Format struct {
	Name     string // jsonl, csv, parquet
	Compress string // none, gzip, zstd, snappy
}

// kind is what a format consists of. The first compression is the default one.
type kind struct {
	compress  []string
	text      *textKind // nil for a binary format
	newWriter func(w io.Writer, k kind, compress string, header bool) (Writer, error)
	newReader func(r io.Reader, k kind, compress string, size int64) (Reader, error)
}

var kinds = map[string]kind{
	"jsonl":   {[]string{"none", "gzip", "zstd"}, &jsonl, newTextWriter, newTextReader},
	"csv":     {[]string{"none", "gzip", "zstd"}, &csvText, newTextWriter, newTextReader},
	"parquet": {[]string{"snappy", "zstd", "none"}, nil, newParquetWriter, newParquetReader},
}

// Names returns the names of the formats, sorted.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// Compressions returns the compressions of the named format, its default first.
func Compressions(name string) []string { return slices.Clone(kinds[name].compress) }

// Parse returns the format of these names. An empty compress means the
// format's default. The error lists the choices.
func Parse(format, compress string) (Format, error) {
	k, ok := kinds[format]
	if !ok {
		return Format{}, fmt.Errorf("unknown format %q, choose from %s", format, strings.Join(Names(), ", "))
	}
	if compress == "" {
		compress = k.compress[0]
	}
	if !slices.Contains(k.compress, compress) {
		return Format{}, fmt.Errorf("format %s has no compression %q, choose from %s",
			format, compress, strings.Join(k.compress, ", "))
	}
	return Format{Name: format, Compress: compress}, nil
}

// FormatOf returns the format of a file by its extension. The compression of
// Parquet is inside the file, so it is given as the default.
func FormatOf(filename string) (Format, bool) {
	base := path.Base(filename)
	for name, k := range kinds {
		for _, compress := range k.compress {
			f := Format{Name: name, Compress: compress}
			if ext := f.Ext(); strings.HasSuffix(base, ext) && len(base) > len(ext) {
				if !f.Text() {
					f.Compress = k.compress[0]
				}
				return f, true
			}
		}
	}
	return Format{}, false
}

// Ext returns the file extension: .jsonl, .csv.gz, .jsonl.zst, .parquet.
func (f Format) Ext() string {
	if !f.Text() {
		return "." + f.Name
	}
	return "." + f.Name + codecs[f.Compress].ext
}

// Text reports whether files of this format are lines of text, possibly
// compressed, so that chunks of it can be concatenated.
func (f Format) Text() bool { return kinds[f.Name].text != nil }

// NewWriter returns a writer of one whole file. With header a CSV begins with
// its header line; other formats have none.
func (f Format) NewWriter(w io.Writer, header bool) (Writer, error) {
	if _, err := Parse(f.Name, f.Compress); err != nil {
		return nil, err
	}
	k := kinds[f.Name]
	return k.newWriter(w, k, f.Compress, header)
}

// NewReader returns a reader of one whole file of size bytes. Parquet needs an
// io.ReaderAt besides; text ignores size and reads r to its end.
func (f Format) NewReader(r io.Reader, size int64) (Reader, error) {
	if _, err := Parse(f.Name, f.Compress); err != nil {
		return nil, err
	}
	k := kinds[f.Name]
	return k.newReader(r, k, f.Compress, size)
}

// AppendChunk appends the events as an independent piece of a text format:
// plain lines, one whole gzip member or one whole zstd frame. Pieces
// concatenate to a valid file. It has no header and is safe for use from many
// goroutines.
func (f Format) AppendChunk(b []byte, events []core.Event) ([]byte, error) {
	return f.appendChunk(b, func(b []byte) []byte { return kinds[f.Name].text.append(b, events) }, len(events)*MaxRow)
}

// AppendHeader appends what precedes the first chunk of a file: the CSV header
// as a chunk of its own, nothing for JSONL.
func (f Format) AppendHeader(b []byte) ([]byte, error) {
	if f.Text() && kinds[f.Name].text.header == "" {
		return b, nil
	}
	return f.appendChunk(b, func(b []byte) []byte { return append(b, kinds[f.Name].text.header...) }, len(CSVHeader))
}
