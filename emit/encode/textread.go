package encode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"gen/core"
)

// maxLine bounds a line that is not one of ours, so that a file without line
// feeds does not end up in memory.
const maxLine = 64 << 10

var lineBuffers = sync.Pool{New: func() any {
	b := make([]byte, 4*maxLine)
	return &b
}}

// textReader reads rows through a window of the decompressed text.
type textReader struct {
	kind  *textKind
	src   io.ReadCloser
	name  string
	buf   *[]byte
	r, w  int   // the window holds bytes r to w
	err   error // of src; io.EOF at its end
	line  int64 // lines used up
	start bool  // the header is still to come
}

func newTextReader(r io.Reader, k kind, compress string, _ int64) (Reader, error) {
	src, err := openCodec(r, compress)
	if err != nil {
		return nil, err
	}
	return &textReader{
		kind: k.text, src: src, name: compress, buf: lineBuffers.Get().(*[]byte), start: k.text.header != "",
	}, nil
}

func (t *textReader) Close() error {
	if t.buf == nil {
		return nil
	}
	lineBuffers.Put(t.buf)
	t.buf = nil
	return t.src.Close()
}

func (t *textReader) Read(dst []core.Event) (int, error) {
	if t.buf == nil {
		return 0, errors.New("read after close")
	}
	if t.start {
		t.start = false
		if err := t.header(); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < len(dst) {
		k, used := t.kind.parseRows(dst[n:], (*t.buf)[t.r:t.w])
		n += k
		t.r += used
		t.line += int64(k)
		if n == len(dst) {
			break
		}
		if t.w-t.r < MaxRow && t.fill() {
			continue
		}
		e, err := t.row()
		if err != nil {
			return n, err
		}
		dst[n] = e
		n++
	}
	return n, nil
}

// row reads a row that is not in the canonical form or is near the end.
func (t *textReader) row() (core.Event, error) {
	line, err := t.next()
	if err != nil {
		return core.Event{}, err
	}
	// The last rows of a file have too few bytes behind them for parseRows.
	if len(line) < MaxRow {
		var padded [2 * MaxRow]byte
		var one [1]core.Event
		padded[copy(padded[:], line)] = '\n'
		if n, _ := t.kind.parseRows(one[:], padded[:]); n == 1 {
			return one[0], nil
		}
	}
	e, err := t.kind.parse(line)
	if err != nil {
		return e, t.rowError(line, err)
	}
	return e, nil
}

// header uses up the first line when it is the header. When it is a row
// instead, it is left for the next Read.
func (t *textReader) header() error {
	line, err := t.next()
	switch {
	case errors.Is(err, io.EOF):
		return &RowError{Line: 1, Err: errNoHeader}
	case err != nil:
		return err
	case t.kind.isHeader(line):
		return nil
	}
	noHeader := t.rowError(line, errNoHeader)
	if _, err := t.kind.parse(line); err == nil {
		t.r -= len(line) + 1
		t.line = 0
	}
	return noHeader
}

var errNoHeader = errors.New("header " + CSVHeader[:len(CSVHeader)-1] + " expected")

func (t *textReader) rowError(line []byte, err error) error {
	return &RowError{Line: t.line, Text: string(line[:min(len(line), 120)]), Err: err}
}

// next uses up a line and returns it without its line feed. It is valid until
// the next call.
func (t *textReader) next() ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte((*t.buf)[t.r+seen:t.w], '\n'); i >= 0 {
			line := (*t.buf)[t.r : t.r+seen+i]
			t.r += len(line) + 1
			t.line++
			if len(line) > maxLine {
				return nil, t.rowError(line, fmt.Errorf("longer than %d bytes", maxLine))
			}
			return line, nil
		}
		seen = t.w - t.r
		if seen > maxLine {
			return nil, t.skip()
		}
		if !t.fill() {
			return nil, t.end()
		}
	}
}

// end is the error at the end of the window. Bytes of a row before a failure
// of the source are part of that failure.
func (t *textReader) end() error {
	if !errors.Is(t.err, io.EOF) {
		return fmt.Errorf("read %s after line %d: %w", t.name, t.line, t.err)
	}
	if t.r == t.w {
		return io.EOF
	}
	line := (*t.buf)[t.r:t.w]
	t.r = t.w
	t.line++
	return t.rowError(line, ErrTorn)
}

// skip uses up a line that is too long for the window.
func (t *textReader) skip() error {
	t.line++
	err := t.rowError((*t.buf)[t.r:t.w], fmt.Errorf("longer than %d bytes", maxLine))
	for {
		if i := bytes.IndexByte((*t.buf)[t.r:t.w], '\n'); i >= 0 {
			t.r += i + 1
			return err
		}
		t.r = t.w
		if !t.fill() {
			return err
		}
	}
}

// fill reads more into the window and reports whether it grew.
func (t *textReader) fill() bool {
	buf := *t.buf
	if t.r > 0 {
		t.w = copy(buf, buf[t.r:t.w])
		t.r = 0
	}
	for tries := 0; t.err == nil && tries < 100; tries++ {
		var n int
		n, t.err = t.src.Read(buf[t.w:])
		t.w += n
		if n > 0 {
			return true
		}
	}
	if t.err == nil {
		t.err = io.ErrNoProgress
	}
	return false
}
