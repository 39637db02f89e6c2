package encode

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v15/parquet"

	"gen/core"
)

// pageHeader is the part of Parquet's PageHeader that these files use
// (parquet.thrift), in Thrift's compact protocol.
type pageHeader struct {
	kind         int64
	size, packed int // bytes before and after compression
	values       int
	encoding     parquet.Encoding
}

const (
	dataPage = 0
	dictPage = 2
)

func (h pageHeader) append(b []byte) []byte {
	const i32, object = 5, 12
	// A field begins with its distance from the last one and its type.
	field := func(distance, of byte) { b = append(b, distance<<4|of) }
	number := func(v int64) {
		field(1, i32)
		b = binary.AppendVarint(b, v)
	}
	number(h.kind)
	number(int64(h.size))
	number(int64(h.packed))
	if h.kind == dictPage {
		field(4, object) // 7: dictionary_page_header
		number(int64(h.values))
		number(int64(h.encoding))
	} else {
		field(2, object) // 5: data_page_header
		number(int64(h.values))
		number(int64(h.encoding))
		number(int64(parquet.Encodings.RLE)) // of levels, which required columns lack
		number(int64(parquet.Encodings.RLE))
	}
	return append(b, 0, 0)
}

// dictLimit bounds the ids that have a dictionary: the data set's largest user
// is 138,493 and movie 131,262.
const dictLimit = 1 << 18

// dictionary numbers values in the order of their first appearance.
type dictionary struct {
	place  []uint32 // of each value, plus one
	values []uint32
}

// number replaces each value by its place. All are below dictLimit.
func (d *dictionary) number(ids []uint32) {
	if d.place == nil {
		d.place = make([]uint32, dictLimit)
	}
	for _, v := range d.values {
		d.place[v] = 0
	}
	d.values = d.values[:0]
	place := (*[dictLimit]uint32)(d.place)
	for i, v := range ids {
		k := place[v%dictLimit]
		if k == 0 {
			d.values = append(d.values, v)
			k = uint32(len(d.values))
			place[v%dictLimit] = k
		}
		ids[i] = k - 1
	}
}

// dictWidth is the bits of a place among n. One value would need none, which
// some readers have not met.
func dictWidth(n int) uint { return uint(max(1, bits.Len(uint(n-1)))) }

// writeIDs writes a column of ids, with a dictionary if that is smaller.
func (p *parquetWriter) writeIDs(c *columnWriter, column int, id func(*core.Event) uint32) error {
	ids := p.index[:len(p.rows)]
	least, greatest := uint32(math.MaxUint32), uint32(0)
	for i := range p.rows {
		v := id(&p.rows[i])
		ids[i] = v
		least, greatest = min(least, v), max(greatest, v)
	}
	if least < 1 || greatest > math.MaxInt32 {
		return idError(column, fmt.Sprintf("from %d to %d", least, greatest))
	}
	low := binary.LittleEndian.AppendUint32(nil, least)
	high := binary.LittleEndian.AppendUint32(nil, greatest)
	if greatest < dictLimit {
		p.dict.number(ids)
		// Differences of ids in random order take one bit more than their range.
		bitsSaved := len(ids) * (bits.Len32(greatest-least) + 1 - int(dictWidth(len(p.dict.values))))
		if bitsSaved > 32*len(p.dict.values) {
			if err := c.writeIndexed(ids); err != nil {
				return err
			}
			return c.finish(low, high)
		}
	}
	err := c.writeDeltas(func(e *core.Event) int64 { return int64(id(e)) })
	if err != nil {
		return err
	}
	return c.finish(low, high)
}

// writeIndexed writes the dictionary and the places of a column of ids.
func (c *columnWriter) writeIndexed(places []uint32) error {
	c.plain = c.plain[:0]
	for _, v := range c.dict.values {
		c.plain = binary.LittleEndian.AppendUint32(c.plain, v)
	}
	if err := c.writeDict(len(c.dict.values)); err != nil {
		return err
	}
	return c.writePlaces(places, dictWidth(len(c.dict.values)))
}

// writePlaces writes pages of dictionary places.
func (c *columnWriter) writePlaces(places []uint32, width uint) error {
	for len(places) > 0 {
		n := min(len(places), pageRows)
		c.plain = appendPlaces(c.plain[:0], places[:n], width)
		if err := c.writeData(n, parquet.Encodings.RLEDict); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

func (p *parquetWriter) writeRatings(c *columnWriter) error {
	places := p.index[:len(p.rows)]
	least, greatest := uint8(math.MaxUint8), uint8(0)
	for i := range p.rows {
		v := p.rows[i].Rating
		places[i] = uint32(v) - 1
		least, greatest = min(least, v), max(greatest, v)
	}
	if least < 1 || greatest > 10 {
		return fmt.Errorf("ratings from %.1f to %.1f are not within 0.5 to 5.0", float64(least)/2, float64(greatest)/2)
	}
	// All ten values are always there: a place is known without looking it up.
	c.plain = append(c.plain[:0], p.stars...)
	if err := c.writeDict(len(p.stars) / 8); err != nil {
		return err
	}
	if err := c.writePlaces(places, dictWidth(len(p.stars)/8)); err != nil {
		return err
	}
	return c.finish(p.stars[8*least-8:8*least], p.stars[8*greatest-8:8*greatest])
}

func (p *parquetWriter) writeTimes(c *columnWriter) error {
	least, greatest := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range p.rows {
		t := p.rows[i].Time
		least, greatest = min(least, t), max(greatest, t)
	}
	if err := c.writeDeltas(func(e *core.Event) int64 { return e.Time }); err != nil {
		return err
	}
	low := binary.LittleEndian.AppendUint64(nil, uint64(least))
	return c.finish(low, binary.LittleEndian.AppendUint64(nil, uint64(greatest)))
}

// writeDeltas writes pages of differences.
func (c *columnWriter) writeDeltas(value func(*core.Event) int64) error {
	for rows := c.rows; len(rows) > 0; {
		n := min(len(rows), pageRows)
		for i := range rows[:n] {
			c.values[i] = value(&rows[i])
		}
		c.plain = appendDeltas(c.plain[:0], c.values[:n])
		if err := c.writeData(n, parquet.Encodings.DeltaBinaryPacked); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// appendPlaces appends a page of RLE_DICTIONARY: the width, then one
// bit-packed run of groups of eight (Parquet Encodings.md, RLE = 3).
func appendPlaces(b []byte, places []uint32, width uint) []byte {
	groups := (len(places) + 7) / 8
	b = append(b, byte(width))
	b = binary.AppendUvarint(b, uint64(groups)<<1|1)
	p := packer{b: b}
	for _, v := range places {
		p.put(uint64(v), width)
	}
	return p.finish(len(b) + groups*int(width))
}

// packer packs values from the lowest bit up. It holds less than 32 bits.
type packer struct {
	b    []byte
	acc  uint64
	held uint
}

// put adds the low width <= 32 bits of v, which has no higher ones.
func (p *packer) put(v uint64, width uint) {
	p.acc |= v << (p.held & 63)
	p.held += width
	if p.held >= 32 {
		p.b = binary.LittleEndian.AppendUint32(p.b, uint32(p.acc))
		p.acc >>= 32
		p.held -= 32
	}
}

// finish returns the bytes, padded with zeros to size.
func (p *packer) finish(size int) []byte {
	for len(p.b) < size {
		p.b = append(p.b, byte(p.acc))
		p.acc >>= 8
	}
	return p.b[:size]
}

const (
	deltaBlock = 128 // differences in a block
	deltaMini  = 32  // in a miniblock, which has a width of its own
)

// appendDeltas appends a page of DELTA_BINARY_PACKED (Parquet Encodings.md,
// DELTA_BINARY_PACKED = 5). Differences wrap around, as the format says.
func appendDeltas(b []byte, values []int64) []byte {
	b = binary.AppendUvarint(b, deltaBlock)
	b = binary.AppendUvarint(b, deltaBlock/deltaMini)
	b = binary.AppendUvarint(b, uint64(len(values)))
	b = binary.AppendVarint(b, values[0])
	var deltas [deltaBlock]int64
	for last, rest := values[0], values[1:]; len(rest) > 0; {
		n := min(len(rest), deltaBlock)
		least := int64(math.MaxInt64)
		for i, v := range rest[:n] {
			deltas[i] = v - last
			least = min(least, deltas[i])
			last = v
		}
		rest = rest[n:]
		b = appendDeltaBlock(b, deltas[:n], least)
	}
	return b
}

// appendDeltaBlock appends a block. Miniblocks behind the last difference have
// width 0 and no body.
func appendDeltaBlock(b []byte, deltas []int64, least int64) []byte {
	b = binary.AppendVarint(b, least)
	widths := len(b)
	b = append(b, make([]byte, deltaBlock/deltaMini)...)
	for m := 0; len(deltas) > 0; m++ {
		n := min(len(deltas), deltaMini)
		var all uint64
		for _, d := range deltas[:n] {
			all |= uint64(d - least)
		}
		width := uint(bits.Len64(all))
		b[widths+m] = byte(width)
		end := len(b) + deltaMini/8*int(width)
		p := packer{b: b}
		for _, d := range deltas[:n] {
			v := uint64(d - least)
			p.put(v&math.MaxUint32, min(width, 32))
			if width > 32 {
				p.put(v>>32, width-32)
			}
		}
		b = p.finish(end)
		deltas = deltas[n:]
	}
	return b
}
