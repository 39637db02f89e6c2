package encode

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sync"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"gen/core"
)

// The shape of a file, in rows only: cut by bytes or by time it would depend
// on how events arrive. A row group costs each writer 24 bytes a row; the
// dictionaries at its beginning cost 0.3 bytes a row of the default snapshot.
// A page of ids is about 115 KB.
const (
	groupRows = 1 << 19
	pageRows  = 1 << 16
)

// Why the pages are built here and not by the arrow module's column writers:
// those hash every value into a dictionary (160 ns a row; 40 without
// dictionaries, but then 14.0 bytes a row). An id below 2^18 finds its place in
// a dictionary by indexing an array, a rating is its own place, and the packing
// below does a page at a time. Its page writer makes a new zstd encoder for each
// dictionary page, so the page headers are written here too. Schema, codec and
// footer are arrow's.

var parquetSchema = schema.NewSchema(schema.MustGroup(schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{
	schema.NewInt32Node(columns[0], parquet.Repetitions.Required, -1),
	schema.NewInt32Node(columns[1], parquet.Repetitions.Required, -1),
	schema.NewFloat64Node(columns[2], parquet.Repetitions.Required, -1),
	schema.NewInt64Node(columns[3], parquet.Repetitions.Required, -1),
}, -1)))

var parquetCodecs = map[string]compress.Compression{
	"snappy": compress.Codecs.Snappy,
	"zstd":   compress.Codecs.Zstd,
	"none":   compress.Codecs.Uncompressed,
}

var snappy, _ = compress.GetCodec(compress.Codecs.Snappy)

// parquetScratch is what a writer needs besides its file, kept for the next.
type parquetScratch struct {
	rows   []core.Event // of the row group being filled
	index  []uint32     // of a column in its dictionary
	dict   dictionary
	values []int64 // of a page
	plain  []byte  // a page before compression
	packed []byte  // and after
	header []byte  // before it
	stars  []byte  // dictionary of ratings
}

var parquetScratches = sync.Pool{New: func() any {
	s := &parquetScratch{
		rows:   make([]core.Event, 0, groupRows),
		index:  make([]uint32, groupRows),
		values: make([]int64, pageRows),
	}
	for halves := 1; halves <= 10; halves++ {
		s.stars = binary.LittleEndian.AppendUint64(s.stars, math.Float64bits(float64(halves)/2))
	}
	return s
}}

// parquetWriter buffers a row group and writes it column by column.
type parquetWriter struct {
	*parquetScratch
	sink   *tellWriter
	codec  compress.Compression
	props  *parquet.WriterProperties
	meta   *metadata.FileMetaDataBuilder
	groups int
	err    error
}

// tellWriter counts what it writes: metadata refers to pages by position.
type tellWriter struct {
	io.Writer
	n int64
}

func (t *tellWriter) Tell() int64 { return t.n }

func (t *tellWriter) Write(b []byte) (int, error) {
	n, err := t.Writer.Write(b)
	t.n += int64(n)
	return n, err
}

const parquetMagic = "PAR1"

func newParquetWriter(w io.Writer, _ kind, compression string, _ bool) (Writer, error) {
	codec := parquetCodecs[compression]
	props := parquet.NewWriterProperties(
		parquet.WithCompression(codec),
		parquet.WithDictionaryDefault(false),
		parquet.WithEncoding(parquet.Encodings.DeltaBinaryPacked),
	)
	p := &parquetWriter{
		parquetScratch: parquetScratches.Get().(*parquetScratch),
		sink:           &tellWriter{Writer: w},
		codec:          codec,
		props:          props,
		meta:           metadata.NewFileMetadataBuilder(parquetSchema, props, nil),
	}
	p.rows = p.rows[:0]
	_, p.err = io.WriteString(p.sink, parquetMagic)
	return p, nil
}

func (p *parquetWriter) Write(events []core.Event) error {
	if p.parquetScratch == nil {
		return errClosed
	}
	for len(events) > 0 && p.err == nil {
		n := min(len(events), groupRows-len(p.rows))
		p.rows = append(p.rows, events[:n]...)
		events = events[n:]
		if len(p.rows) == groupRows {
			p.err = p.writeGroup()
		}
	}
	return p.err
}

func (p *parquetWriter) Close() error {
	if p.parquetScratch == nil {
		return p.err
	}
	if p.err == nil && len(p.rows) > 0 {
		p.err = p.writeGroup()
	}
	parquetScratches.Put(p.parquetScratch)
	p.parquetScratch = nil
	if p.err == nil {
		p.err = p.writeFooter()
	}
	return p.err
}

func (p *parquetWriter) writeFooter() error {
	footer, err := p.meta.Finish()
	if err != nil {
		return fmt.Errorf("write parquet footer: %w", err)
	}
	start := p.sink.n
	if _, err := footer.WriteTo(p.sink, nil); err != nil {
		return fmt.Errorf("write parquet footer: %w", err)
	}
	end := binary.LittleEndian.AppendUint32(nil, uint32(p.sink.n-start))
	_, err = p.sink.Write(append(end, parquetMagic...))
	return err
}

// writeGroup writes the buffered rows as one row group. The arrow module
// panics on some errors of its own.
func (p *parquetWriter) writeGroup() (err error) {
	defer recoverAs(&err, "write parquet")
	if p.groups > math.MaxInt16 {
		return fmt.Errorf("write parquet: more than %d row groups", math.MaxInt16)
	}
	group := p.meta.AppendRowGroup()
	var size int64
	for i, column := range []func(*columnWriter) error{
		func(c *columnWriter) error { return p.writeIDs(c, 0, func(e *core.Event) uint32 { return e.User }) },
		func(c *columnWriter) error { return p.writeIDs(c, 1, func(e *core.Event) uint32 { return e.Movie }) },
		p.writeRatings,
		p.writeTimes,
	} {
		c := &columnWriter{parquetWriter: p, meta: group.NextColumnChunk(), start: p.sink.n}
		if err := column(c); err != nil {
			return fmt.Errorf("write parquet column %s: %w", columns[i], err)
		}
		size += c.size
	}
	group.SetNumRows(len(p.rows))
	err = group.Finish(size, int16(p.groups))
	p.groups++
	p.rows = p.rows[:0]
	return err
}

// recoverAs turns a panic of the arrow module into an error.
func recoverAs(err *error, what string) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("%s: %w", what, r)
	default:
		*err = fmt.Errorf("%s: %v", what, r)
	}
}

// columnWriter writes the pages of one column of a row group.
type columnWriter struct {
	*parquetWriter
	meta     *metadata.ColumnChunkMetaDataBuilder
	start    int64 // of the first page in the file
	data     int64 // of the first data page; start if there is no dictionary
	pages    int32 // of data
	encoding parquet.Encoding
	size     int64 // before compression
}

// writeDict writes the dictionary page, the values of c.plain.
func (c *columnWriter) writeDict(values int) error {
	err := c.writePage(pageHeader{kind: dictPage, values: values, encoding: parquet.Encodings.Plain})
	c.data = c.sink.n
	return err
}

// writeData writes a data page, the encoded rows of c.plain.
func (c *columnWriter) writeData(rows int, encoding parquet.Encoding) error {
	if c.data == 0 {
		c.data = c.start
	}
	c.pages++
	c.encoding = encoding
	return c.writePage(pageHeader{kind: dataPage, values: rows, encoding: encoding})
}

// writePage compresses and writes c.plain.
func (c *columnWriter) writePage(h pageHeader) error {
	data := c.plain
	switch c.codec {
	case compress.Codecs.Snappy:
		c.packed = snappy.Encode(c.packed[:cap(c.packed)], c.plain)
		data = c.packed
	case compress.Codecs.Zstd:
		c.packed = appendZstd(c.packed[:0], c.plain)
		data = c.packed
	}
	h.size, h.packed = len(c.plain), len(data)
	c.header = h.append(c.header[:0])
	c.size += int64(len(c.header) + len(c.plain))
	if _, err := c.sink.Write(c.header); err != nil {
		return err
	}
	_, err := c.sink.Write(data)
	return err
}

// finish describes the column in the footer with its bounds, PLAIN encoded.
func (c *columnWriter) finish(least, greatest []byte) error {
	c.meta.SetStats(metadata.EncodedStatistics{
		HasMin: true, Min: least, HasMax: true, Max: greatest, HasNullCount: true, Signed: true,
	})
	info := metadata.ChunkMetaInfo{
		NumValues: int64(len(c.rows)), DataPageOffset: c.data, IndexPageOffset: -1,
		CompressedSize: c.sink.n - c.start, UncompressedSize: c.size,
	}
	stats := metadata.EncodingStats{DataEncodingStats: map[parquet.Encoding]int32{c.encoding: c.pages}}
	dict := c.data != c.start
	if dict {
		info.DictPageOffset = c.start
		stats.DictEncodingStats = map[parquet.Encoding]int32{parquet.Encodings.Plain: 1}
	}
	return c.meta.Finish(info, dict, false, stats, nil)
}
