package encode

import (
	"fmt"
	"io"
	"sync"

	"gen/core"
)

// textKind is a format of one line an event.
type textKind struct {
	header string
	append func(b []byte, events []core.Event) []byte

	// parseRows parses rows that look exactly as append writes them, and stops
	// before any other and when less than MaxRow bytes are left: rows parsed,
	// bytes used.
	parseRows func(dst []core.Event, b []byte) (n, used int)

	// parse parses a row as any writer may have made it, without line feed.
	parse func(line []byte) (core.Event, error)

	// isHeader recognises the header as any writer may have made it.
	isHeader func(line []byte) bool
}

var (
	jsonl   = textKind{append: AppendJSONL, parseRows: parseJSONRows, parse: parseJSON}
	csvText = textKind{header: CSVHeader, append: AppendCSV, parseRows: parseCSVRows, parse: parseCSV, isHeader: isCSVHeader}
)

// textBatch is the number of events encoded at once: their text stays in the
// second-level cache until it is compressed or written.
const textBatch = 2048

var textBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, textBatch*MaxRow)
	return &b
}}

// appendChunk appends what text appends, compressed. room is an upper bound of
// its bytes.
func (f Format) appendChunk(b []byte, text func([]byte) []byte, room int) ([]byte, error) {
	if !f.Text() {
		return b, fmt.Errorf("format %s cannot be made of chunks", f.Name)
	}
	c, ok := codecs[f.Compress]
	if !ok {
		return b, fmt.Errorf("format %s has no compression %q", f.Name, f.Compress)
	}
	if f.Compress == "none" {
		return text(b), nil
	}
	scratch := textBuffers.Get().(*[]byte)
	defer textBuffers.Put(scratch)
	if cap(*scratch) < room {
		*scratch = make([]byte, 0, room)
	}
	return c.appendAll(b, text((*scratch)[:0])), nil
}

// textWriter writes one stream of rows.
type textWriter struct {
	kind *textKind
	out  io.WriteCloser
	buf  *[]byte
	err  error
}

func newTextWriter(w io.Writer, k kind, compress string, header bool) (Writer, error) {
	t := &textWriter{kind: k.text, out: codecs[compress].newWriter(w), buf: textBuffers.Get().(*[]byte)}
	if header && t.kind.header != "" {
		_, t.err = io.WriteString(t.out, t.kind.header)
	}
	return t, nil
}

func (t *textWriter) Write(events []core.Event) error {
	if t.buf == nil {
		return errClosed
	}
	for len(events) > 0 && t.err == nil {
		part := events[:min(len(events), textBatch)]
		events = events[len(part):]
		_, t.err = t.out.Write(t.kind.append((*t.buf)[:0], part))
	}
	return t.err
}

func (t *textWriter) Close() error {
	if t.buf == nil {
		return t.err
	}
	textBuffers.Put(t.buf)
	t.buf = nil
	if err := t.out.Close(); t.err == nil {
		t.err = err
	}
	return t.err
}
