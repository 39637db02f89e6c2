package encode

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"gen/core"
)

// readRows is the number of rows decoded at once.
const readRows = 4096

// readBuffer is what each column reads ahead. It is large because every read
// of a remote file is a request. A page header must fit the smallest.
const (
	readBuffer    = 512 << 10
	minReadBuffer = 32 << 10
)

// maxPageHeader bounds the search for the end of a damaged page header, for
// which the arrow module would allocate 16 MiB each time.
const maxPageHeader = 256 << 10

// parquetReader reads the row groups of a file one after the other, four
// columns side by side.
type parquetReader struct {
	at    io.ReaderAt
	file  *file.Reader
	cols  [4]columnReader
	group int   // next to open
	left  int64 // rows not yet decoded of the open group
	next  int   // row of the batch to deliver
	have  int   // rows in the batch
	row   int64 // rows delivered or refused
	err   error // final
}

// columnReader holds a batch of one column. Integers of both widths are
// widened, floats too.
type columnReader struct {
	name  string
	index int // in the file
	chunk file.ColumnChunkReader
	ints  []int64
	reals []float64 // of the rating instead of ints
	i32   []int32
	f32   []float32
	buf   *bufio.Reader
	defs  []int16 // 0 where the row has no value; nil in a required column
}

func newParquetReader(r io.Reader, _ kind, _ string, size int64) (_ Reader, err error) {
	defer recoverAs(&err, "read parquet")
	at, ok := r.(io.ReaderAt)
	if !ok {
		return nil, errors.New("read parquet: needs a file with random access")
	}
	in, err := file.NewParquetReader(io.NewSectionReader(at, 0, size))
	if err != nil {
		return nil, fmt.Errorf("read parquet: %w", err)
	}
	p := &parquetReader{at: at, file: in}
	for i, name := range columns {
		p.cols[i] = columnReader{name: name, index: -1}
	}
	sc := in.MetaData().Schema
	for i := range sc.NumColumns() {
		k := column(sc.Column(i).Path())
		if k < 0 {
			return nil, fmt.Errorf("read parquet: unknown column %q", sc.Column(i).Path())
		}
		if err := p.cols[k].bind(i, sc.Column(i)); err != nil {
			return nil, fmt.Errorf("read parquet: %w", err)
		}
	}
	for i := range p.cols {
		if p.cols[i].index < 0 {
			return nil, fmt.Errorf("read parquet: column %q is missing", p.cols[i].name)
		}
	}
	return p, nil
}

// bind takes the column's place in the file and the buffers its type needs.
func (c *columnReader) bind(index int, col *schema.Column) error {
	if c.index >= 0 {
		return fmt.Errorf("column %q twice", c.name)
	}
	if col.MaxRepetitionLevel() > 0 || col.MaxDefinitionLevel() > 1 {
		return fmt.Errorf("column %q is nested", c.name)
	}
	rating := c.name == columns[2]
	switch t := col.PhysicalType(); {
	case rating && (t == parquet.Types.Double || t == parquet.Types.Float):
		c.reals, c.f32 = make([]float64, readRows), make([]float32, readRows)
	case !rating && (t == parquet.Types.Int32 || t == parquet.Types.Int64):
		c.ints, c.i32 = make([]int64, readRows), make([]int32, readRows)
	default:
		return fmt.Errorf("column %q has type %s", c.name, t)
	}
	if t, ok := col.LogicalType().(*schema.TimestampLogicalType); ok && t.TimeUnit() != schema.TimeUnitMillis {
		return fmt.Errorf("column %q is not in milliseconds", c.name)
	}
	if col.MaxDefinitionLevel() == 1 {
		c.defs = make([]int16, readRows)
	}
	c.index = index
	return nil
}

// Close has nothing to close: the arrow module holds no file of its own.
func (p *parquetReader) Close() error {
	p.err = errors.New("read after close")
	return nil
}

func (p *parquetReader) Read(dst []core.Event) (n int, err error) {
	defer func() {
		var row *RowError
		if err != nil && !errors.As(err, &row) {
			p.err = err
		}
	}()
	defer recoverAs(&err, "read parquet")
	if p.err != nil {
		return 0, p.err
	}
	for n < len(dst) {
		if p.next == p.have {
			if err := p.batch(); err != nil {
				return n, err
			}
		}
		k, err := p.events(dst[n:])
		n += k
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// events delivers rows of the batch up to the first that is not an event.
func (p *parquetReader) events(dst []core.Event) (int, error) {
	batch := min(len(dst), p.have-p.next)
	for i := range dst[:batch] {
		at := p.next
		p.next++
		p.row++
		user, movie := p.cols[0].ints[at], p.cols[1].ints[at]
		halves, ok := halfStars(p.cols[2].reals[at])
		if !ok || uint64(user-1) >= 1<<31-1 || uint64(movie-1) >= 1<<31-1 || p.isNull(at) {
			return i, p.rowError(at)
		}
		dst[i] = core.Event{Time: p.cols[3].ints[at], User: uint32(user), Movie: uint32(movie), Rating: halves}
	}
	return batch, nil
}

func (p *parquetReader) isNull(at int) bool {
	for i := range p.cols {
		if p.cols[i].defs != nil && p.cols[i].defs[at] == 0 {
			return true
		}
	}
	return false
}

// rowError says what is wrong with a row of the batch.
func (p *parquetReader) rowError(at int) error {
	var text string
	var err error
	for i := range p.cols {
		c := &p.cols[i]
		var value any
		switch {
		case c.defs != nil && c.defs[at] == 0:
			value = "null"
			err = errors.Join(err, fmt.Errorf("%s is null", c.name))
		case i == 2:
			value = c.reals[at]
			if _, ok := halfStars(c.reals[at]); !ok {
				err = errors.Join(err, starsError(value))
			}
		default:
			value = c.ints[at]
			if i < 2 && uint64(c.ints[at]-1) >= 1<<31-1 {
				err = errors.Join(err, idError(i, value))
			}
		}
		text += fmt.Sprintf("%s %v ", c.name, value)
	}
	return &RowError{Line: p.row, Text: text[:min(len(text)-1, 120)], Err: err}
}

// batch decodes the next rows, of the next row group if need be.
func (p *parquetReader) batch() error {
	for p.left == 0 {
		if p.group == p.file.NumRowGroups() {
			return io.EOF
		}
		if err := p.open(); err != nil {
			return fmt.Errorf("read parquet row group %d: %w", p.group, err)
		}
		p.group++
	}
	n := int(min(p.left, readRows))
	for i := range p.cols {
		got, err := p.cols[i].read(n)
		if err == nil && got < n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("read parquet column %s after row %d: %w", p.cols[i].name, p.row, err)
		}
	}
	p.left -= int64(n)
	p.next, p.have = 0, n
	return nil
}

func (p *parquetReader) open() error {
	group := p.file.RowGroup(p.group)
	for i := range p.cols {
		index := p.cols[i].index
		meta, err := group.MetaData().ColumnChunk(index)
		if err != nil {
			return err
		}
		pages, err := p.cols[i].pages(p.at, meta)
		if err != nil {
			return err
		}
		p.cols[i].chunk = file.NewColumnReader(p.file.MetaData().Schema.Column(index), pages, memory.DefaultAllocator, p.file.BufferPool())
	}
	p.left = group.NumRows()
	if p.left < 0 {
		return fmt.Errorf("%d rows", p.left)
	}
	return nil
}

// pages returns the pages of a column of a row group. The arrow module's own
// buffer is not used: behind the end of the file it repeats what it holds, so
// that a damaged file has pages without end.
func (c *columnReader) pages(at io.ReaderAt, meta *metadata.ColumnChunkMetaData) (file.PageReader, error) {
	start := meta.DataPageOffset()
	if dict := meta.DictionaryPageOffset(); meta.HasDictionaryPage() && dict > 0 && dict < start {
		start = dict
	}
	if meta.CryptoMetadata() != nil {
		return nil, fmt.Errorf("column %s is encrypted", c.name)
	}
	section := io.NewSectionReader(at, start, meta.TotalCompressedSize())
	size := int(min(readBuffer, max(meta.TotalCompressedSize(), minReadBuffer)))
	if c.buf == nil || c.buf.Size() < size {
		c.buf = bufio.NewReaderSize(section, size)
	} else {
		c.buf.Reset(section)
	}
	pages, err := file.NewPageReader(c.buf, meta.NumValues(), meta.Compression(), memory.DefaultAllocator, nil)
	if err != nil {
		return nil, err
	}
	pages.SetMaxPageHeaderSize(maxPageHeader)
	return &checkedPages{PageReader: pages, optional: c.defs != nil}, nil
}

// read decodes up to n rows into the column's batch.
func (c *columnReader) read(n int) (int, error) {
	var rows int64
	var values int
	var err error
	switch chunk := c.chunk.(type) {
	case *file.Int64ColumnChunkReader:
		rows, values, err = chunk.ReadBatch(int64(n), c.ints, c.defs, nil)
	case *file.Int32ColumnChunkReader:
		rows, values, err = chunk.ReadBatch(int64(n), c.i32, c.defs, nil)
		for i, v := range c.i32[:values] {
			c.ints[i] = int64(v)
		}
	case *file.Float64ColumnChunkReader:
		rows, values, err = chunk.ReadBatch(int64(n), c.reals, c.defs, nil)
	case *file.Float32ColumnChunkReader:
		rows, values, err = chunk.ReadBatch(int64(n), c.f32, c.defs, nil)
		for i, v := range c.f32[:values] {
			c.reals[i] = float64(v)
		}
	}
	if err == nil {
		err = c.chunk.Err()
	}
	if c.defs != nil && err == nil {
		if count(c.defs[:rows]) != values {
			return 0, errBadPage
		}
		spread(c.ints, c.defs[:rows], values)
		spread(c.reals, c.defs[:rows], values)
	}
	return int(rows), err
}

// count returns how many rows have a value.
func count(defs []int16) (n int) {
	for _, def := range defs {
		if def > 0 {
			n++
		}
	}
	return n
}

// spread moves the first n values to the rows that have one.
func spread[T int64 | float64](values []T, defs []int16, n int) {
	if values == nil {
		return
	}
	for i := len(defs) - 1; i >= 0 && n <= i; i-- {
		if defs[i] > 0 {
			n--
			values[i] = values[n]
		}
	}
}
