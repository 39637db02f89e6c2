package encode

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
)

// checkedPages refuses pages on which the arrow module would loop for ever: it
// ignores the errors of a DELTA_BINARY_PACKED header, and asks again when a
// page yields no value.
type checkedPages struct {
	file.PageReader
	optional bool
	err      error
}

func (p *checkedPages) Next() bool {
	if p.err != nil || !p.PageReader.Next() {
		return false
	}
	p.err = p.check(p.Page())
	return p.err == nil
}

func (p *checkedPages) Err() error {
	if p.err != nil {
		return p.err
	}
	return p.PageReader.Err()
}

var errBadPage = errors.New("damaged page")

// check checks the definition levels and the header of the values.
func (p *checkedPages) check(page file.Page) error {
	levels, data, rows := []byte(nil), page.Data(), int(page.NumValues())
	switch v := page.(type) {
	case *file.DataPageV2:
		skip, n := int(v.RepetitionLevelByteLen()), int(v.DefinitionLevelByteLen())
		if skip < 0 || n < 0 || skip+n > len(data) {
			return errBadPage
		}
		levels, data = data[skip:skip+n], data[skip+n:]
	case *file.DataPageV1:
		if !p.optional {
			break
		}
		if len(data) < 4 || v.DefinitionLevelEncoding() != parquet.Encodings.RLE {
			return errBadPage
		}
		n := int64(binary.LittleEndian.Uint32(data))
		if n > int64(len(data)-4) {
			return errBadPage
		}
		levels, data = data[4:4+n], data[4+n:]
	default:
		return nil
	}
	values := rows
	if p.optional {
		ones, ok := walkRuns(levels, rows, 1)
		if !ok {
			return errBadPage
		}
		values = ones
	}
	switch parquet.Encoding(page.Encoding()) {
	case parquet.Encodings.DeltaBinaryPacked:
		return checkDelta(data, values)
	case parquet.Encodings.PlainDict, parquet.Encodings.RLEDict:
		if values == 0 {
			return nil
		}
		if len(data) == 0 || data[0] > 32 {
			return errBadPage
		}
		if _, ok := walkRuns(data[1:], values, int(data[0])); !ok {
			return errBadPage
		}
	}
	return nil
}

// walkRuns reports whether runs of integers of width bits (Encodings.md, RLE =
// 3) cover the values, and for width 1 how many of those are ones.
func walkRuns(runs []byte, values, width int) (ones int, ok bool) {
	for values > 0 {
		head, n := binary.Uvarint(runs)
		if n <= 0 || head > math.MaxInt32 {
			return 0, false
		}
		runs = runs[n:]
		size, count := (width+7)/8, int(head>>1) // one integer, repeated
		packed := head&1 == 1
		if packed {
			size, count = width*int(head>>1), 8*int(head>>1) // groups of eight
		}
		if count == 0 || size > len(runs) {
			return 0, false
		}
		if width == 1 {
			ones += countOnes(runs[:size], min(count, values), packed)
		}
		runs, values = runs[size:], values-count
	}
	return ones, true
}

// countOnes counts the ones among the first n levels of a run.
func countOnes(run []byte, n int, packed bool) (ones int) {
	if !packed {
		return n * int(run[0]&1)
	}
	for i := range n {
		ones += int(run[i/8] >> (i % 8) & 1)
	}
	return ones
}

// checkDelta checks what Encodings.md demands of the header, and that a block
// has a size that a writer might choose.
func checkDelta(data []byte, values int) error {
	var head [3]uint64 // values in a block, miniblocks in a block, values
	for i := range head {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return errBadPage
		}
		head[i], data = v, data[n:]
	}
	if _, n := binary.Varint(data); n <= 0 {
		return errBadPage
	}
	block, minis := head[0], head[1]
	if block == 0 || block > 1<<20 || block%128 != 0 || minis == 0 || minis > block || block%minis != 0 || block/minis%32 != 0 {
		return errBadPage
	}
	if head[2] != uint64(values) {
		return errBadPage
	}
	return nil
}
