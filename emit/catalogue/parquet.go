package catalogue

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"gen/core"
)

const (
	// magic begins and ends a Parquet file; one with an encrypted footer has
	// encrypted in its place.
	magic     = "PAR1"
	encrypted = "PARE"

	// batchRows rows are decoded at a time, so that a row count or page size
	// made up by a broken file costs no memory.
	batchRows = 8192

	// maxBuffer bounds what one page may claim to need, in bytes. Writers aim
	// at pages of 1 MB.
	maxBuffer = 256 << 20
)

func parquetMovies(f input) ([]core.Movie, error) {
	var movies []core.Movie
	err := withTable(f, func(t *table) error {
		id, errID := t.find("movieId", isInteger)
		title, errTitle := t.find("title", isText)
		genres, errGenres := t.find(t.either("genres", "genres_array"), isTexts)
		if err := cmp.Or(errID, errTitle, errGenres); err != nil {
			return err
		}
		return t.eachGroup(func(group, row int) error {
			ids, errID := t.movieIDs(group, row, id)
			titles, errTitle := t.texts(group, row, title)
			genres, errGenres := t.texts(group, row, genres)
			if err := cmp.Or(errID, errTitle, errGenres); err != nil {
				return err
			}
			for i, id := range ids {
				movies = append(movies, core.Movie{ID: id, Title: titles[i], Genres: core.SplitGenres(genres[i])})
			}
			return nil
		})
	})
	return movies, err
}

// table is an open Parquet file.
type table struct {
	*file.Reader
	name string
	size int64
	src  io.ReaderAt
	mem  memory.Allocator
}

// withTable calls do with an open Parquet file. It alone meets the library's
// panics, which are how that reports much of what can be wrong with a file.
func withTable(f input, do func(t *table) error) (err error) {
	src, ok := f.File.(parquet.ReaderAtSeeker)
	if !ok {
		return fmt.Errorf("read %s: this file system has no random access, which Parquet needs", f.name)
	}
	failing := &failingReader{ReaderAtSeeker: src}
	defer func() {
		p := recover()
		switch {
		case failing.err != nil:
			err = fileError("read", f.name, failing.err)
		case p != nil:
			err = invalid(f.name, "is not readable as Parquet: %v", p)
		}
	}()
	if err := checkMagic(f, failing); err != nil {
		return err
	}
	mem := boundedAllocator{memory.NewGoAllocator()}
	r, err := file.NewParquetReader(failing, file.WithReadProps(parquet.NewReaderProperties(mem)))
	if err != nil {
		return invalid(f.name, "is not readable as Parquet: %v", err)
	}
	return do(&table{r, f.name, f.size, failing, mem})
}

// checkMagic looks at both ends of the file: the library looks at one, and
// calls a truncated file, another format and an encrypted file the same.
func checkMagic(f input, r io.ReaderAt) error {
	head, tail := make([]byte, len(magic)), make([]byte, len(magic))
	if f.size >= int64(len(head)+len(tail)) {
		for at, b := range map[int64][]byte{0: head, f.size - int64(len(tail)): tail} {
			if n, err := r.ReadAt(b, at); n < len(b) {
				return fileError("read", f.name, err)
			}
		}
	}
	switch {
	case string(tail) == encrypted:
		return invalid(f.name, "is encrypted Parquet")
	case string(head) != magic && f.size < int64(len(head)+len(tail)):
		return invalid(f.name, "is not a Parquet file (%d bytes)", f.size)
	case string(head) != magic:
		return invalid(f.name, "is not a Parquet file (it begins with %q, not %q)", head, magic)
	case string(tail) != magic:
		return invalid(f.name, "is a truncated Parquet file (it ends with %q, not %q)", tail, magic)
	}
	return nil
}

// failingReader keeps the error of a read, so that a failing disk or network
// is not taken for a broken file.
type failingReader struct {
	parquet.ReaderAtSeeker
	err error
}

func (r *failingReader) ReadAt(b []byte, at int64) (int, error) {
	n, err := r.ReaderAtSeeker.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// boundedAllocator refuses what only a broken file asks for. An allocator has
// no error to return; withTable recovers the panic.
type boundedAllocator struct{ memory.Allocator }

func (a boundedAllocator) Allocate(size int) []byte {
	a.check(size)
	return a.Allocator.Allocate(size)
}

func (a boundedAllocator) Reallocate(size int, b []byte) []byte {
	a.check(size)
	return a.Allocator.Reallocate(size, b)
}

func (boundedAllocator) check(size int) {
	if size > maxBuffer {
		panic(fmt.Errorf("a page asks for %d bytes, more than %d", size, maxBuffer))
	}
}

// shape is what a column must look like.
type shape struct {
	says string // in an error: "want ..."
	fits func(c *schema.Column) bool
}

var (
	isInteger = shape{"INT32 or INT64", func(c *schema.Column) bool {
		t := c.PhysicalType()
		return isFlat(c) && (t == parquet.Types.Int32 || t == parquet.Types.Int64) && isPlainInteger(c.LogicalType())
	}}
	isText = shape{"string", func(c *schema.Column) bool {
		return isFlat(c) && c.PhysicalType() == parquet.Types.ByteArray
	}}
	isTexts = shape{"string or list of strings", func(c *schema.Column) bool {
		return (isFlat(c) || c.MaxRepetitionLevel() == 1) && c.PhysicalType() == parquet.Types.ByteArray
	}}
)

func isFlat(c *schema.Column) bool { return len(c.ColumnPath()) == 1 && c.MaxRepetitionLevel() == 0 }

// isPlainInteger tells an integer from a date, a time or a decimal, which are
// stored as one.
func isPlainInteger(l schema.LogicalType) bool {
	switch l.(type) {
	case nil, schema.NoLogicalType, schema.UnknownLogicalType, *schema.IntLogicalType, schema.IntLogicalType:
		return true
	}
	return false
}

// either returns the first of two column names that the file has, or the
// first when it has neither.
func (t *table) either(first, second string) string {
	root := t.MetaData().Schema.Root()
	if root.FieldIndexByName(first) < 0 && root.FieldIndexByName(second) >= 0 {
		return second
	}
	return first
}

// find returns the number of the column name, which must have a given shape.
func (t *table) find(name string, want shape) (int, error) {
	s := t.MetaData().Schema
	var leaves []int
	for i := range s.NumColumns() {
		if s.Column(i).ColumnPath()[0] == name {
			leaves = append(leaves, i)
		}
	}
	if len(leaves) == 1 && want.fits(s.Column(leaves[0])) {
		return leaves[0], nil
	}
	i := s.Root().FieldIndexByName(name)
	if i < 0 {
		var found []string
		for i := range s.Root().NumFields() {
			found = append(found, s.Root().Field(i).Name())
		}
		return 0, invalid(t.name, "no column %s (found: %s)", name, list(quoted(found)))
	}
	return 0, invalid(t.name, "column %s is %s, want %s", name, describe(s.Root().Field(i)), want.says)
}

// describe names the type of a column for an error.
func describe(n schema.Node) string {
	text := "a list, map or struct"
	if p, ok := n.(*schema.PrimitiveNode); ok {
		text = p.PhysicalType().String()
		if n.RepetitionType() == parquet.Repetitions.Repeated {
			text = "repeated " + text
		}
		if l := n.LogicalType(); l != nil && !l.IsNone() {
			text += " (" + l.String() + ")"
		}
	}
	return text
}

// eachGroup calls do with the number of each row group and that of its first
// row.
func (t *table) eachGroup(do func(group, row int) error) error {
	row := 1
	for group := range t.NumRowGroups() {
		if err := do(group, row); err != nil {
			return err
		}
		row += int(t.RowGroup(group).NumRows())
	}
	return nil
}

// movieIDs returns a column of a row group, whose first row is row.
func (t *table) movieIDs(group, row, column int) ([]uint32, error) {
	c := t.MetaData().Schema.Column(column)
	var ids []uint32
	err := t.eachBatch(group, column, func(r file.RecordReader, n int) error {
		for i := range n {
			at := row + len(ids)
			if c.MaxDefinitionLevel() > 0 && r.DefLevels()[i] == 0 {
				return invalid(t.name, "row %d: movieId is null", at)
			}
			var id int64
			if c.PhysicalType() == parquet.Types.Int32 {
				id = int64(arrow.Int32Traits.CastFromBytes(r.Values())[i])
			} else {
				id = arrow.Int64Traits.CastFromBytes(r.Values())[i]
			}
			if id < 1 || id > core.MaxID {
				return invalid(t.name, "row %d: %v", at, outOfRange(id))
			}
			ids = append(ids, uint32(id))
		}
		return nil
	})
	return ids, err
}

// texts returns a column of a row group, whose first row is row: null is "",
// and the elements of a list are joined by "|".
func (t *table) texts(group, row, column int) ([]string, error) {
	c := t.MetaData().Schema.Column(column)
	var texts []string
	err := t.eachBatch(group, column, func(r file.RecordReader, _ int) error {
		for _, chunk := range r.(file.BinaryRecordReader).GetBuilderChunks() {
			values := chunk.(*array.Binary)
			if c.MaxRepetitionLevel() == 0 {
				for i := range values.Len() {
					texts = append(texts, string(values.Value(i))) // of a null: no bytes
				}
				continue
			}
			texts = joinElements(texts, values, r.DefLevels()[:r.LevelsPos()], r.RepLevels(), c.MaxDefinitionLevel())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, s := range texts {
		if !utf8.ValidString(s) {
			return nil, invalid(t.name, "row %d: %s %q is not UTF-8", row+i, c.ColumnPath()[0], s)
		}
	}
	return texts, nil
}

// joinElements appends one string a row, with the elements of its list joined
// by "|". A repetition level of 0 begins a row; a definition level below
// present stands for a null or empty list or a null element, which has no
// value (Dremel encoding: Melnik et al., VLDB 2010, section 4).
func joinElements(rows []string, values *array.Binary, defs, reps []int16, present int16) []string {
	next := 0
	for i, def := range defs {
		if reps[i] == 0 {
			rows = append(rows, "")
		}
		if def < present {
			continue
		}
		last := len(rows) - 1
		if rows[last] != "" {
			rows[last] += "|"
		}
		rows[last] += string(values.Value(next))
		next++
	}
	return rows
}

// eachBatch decodes a column of a row group in batches of n rows. The batches
// have as many rows together as the row group says it has.
func (t *table) eachBatch(group, column int, do func(r file.RecordReader, n int) error) error {
	rows, c := t.RowGroup(group).NumRows(), t.MetaData().Schema.Column(column)
	pages, err := t.pages(group, column)
	if err != nil {
		return invalid(t.name, "column %s: %v", c.Path(), err)
	}
	// Elements of a list come without slots for nulls (an ancestor's level as
	// high as the element's), a flat column comes with them.
	info := file.LevelInfo{NullSlotUsage: 1, DefLevel: c.MaxDefinitionLevel(), RepLevel: c.MaxRepetitionLevel()}
	if info.RepLevel > 0 {
		info.RepeatedAncestorDefLevel = info.DefLevel
	}
	// RecordReader, not the simpler ColumnChunkReader: ReadBatch of that never
	// returns when a page holds fewer levels than its header says.
	r := file.NewRecordReader(c, info, arrow.BinaryTypes.Binary, t.mem, t.BufferPool())
	defer r.Release()
	r.SetPageReader(pages)
	for left := rows; left > 0; {
		n, err := r.ReadRecords(min(left, batchRows))
		if reader, ok := r.(interface{ Err() error }); ok {
			err = cmp.Or(err, reader.Err())
		}
		if err != nil {
			return invalid(t.name, "column %s: %v", c.Path(), err)
		}
		if n == 0 {
			return invalid(t.name, "column %s ends after %d of %d rows", c.Path(), rows-left, rows)
		}
		if err := do(r, int(n)); err != nil {
			return err
		}
		left -= n
		r.Reset()
	}
	return nil
}

// pages returns the reader of the pages of a column of a row group. Where the
// column is said to lie is checked before anything of that size is allocated:
// an absurd size would end the process, not the read.
func (t *table) pages(group, column int) (file.PageReader, error) {
	chunk, err := t.RowGroup(group).MetaData().ColumnChunk(column)
	if err != nil {
		return nil, err
	}
	if chunk.CryptoMetadata() != nil {
		return nil, errors.New("is encrypted")
	}
	begin, size := chunk.DataPageOffset(), chunk.TotalCompressedSize()
	if chunk.HasDictionaryPage() && chunk.DictionaryPageOffset() > 0 {
		begin = min(begin, chunk.DictionaryPageOffset())
	}
	if begin < 0 || size < 0 || size > t.size || begin > t.size-size {
		return nil, fmt.Errorf("its %d bytes from offset %d lie outside the file of %d bytes", size, begin, t.size)
	}
	data := make([]byte, size)
	if n, err := t.src.ReadAt(data, begin); n < len(data) {
		return nil, err
	}
	return file.NewPageReader(&chunkReader{data}, chunk.NumValues(), chunk.Compression(), t.mem, nil)
}

// chunkReader is a column chunk in memory. The library's own buffer shows old
// bytes when asked to peek beyond the end, and so may never come to an end.
type chunkReader struct{ rest []byte }

func (r *chunkReader) Peek(n int) ([]byte, error) { return r.rest[:min(n, len(r.rest))], nil }

func (r *chunkReader) Discard(n int) (int, error) {
	n = min(n, len(r.rest))
	r.rest = r.rest[n:]
	return n, nil
}

func (r *chunkReader) Read(b []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
