package encode

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"

	"gen/core"
)

// CSVHeader is the first line of a CSV file.
const CSVHeader = "userId,movieId,rating,timestamp\n"

// MaxRow is the room AppendJSONL and AppendCSV reserve for each event. The
// longest row of any values is 92 bytes; the rest absorbs whole-word stores.
const MaxRow = 112

// Constant pieces of a JSON row as little-endian words, stored eight bytes at
// a time. A store may run past the piece's end: the next one overwrites it.
var (
	jsonUser   = word(`{"userId`)
	jsonMovie  = word(`,"movieI`)
	jsonRating = word(`,"rating`)
	jsonTime   = word(`imestamp`)
	jsonStars  = starsTable(`":`, `,"t`)
	csvStars   = starsTable(`,`, `,`)
)

func word(s string) uint64 {
	var b [8]byte
	copy(b[:], s)
	return binary.LittleEndian.Uint64(b[:])
}

// starsTable gives for each rating the word before + "4.5" + after.
func starsTable(before, after string) (t [16]uint64) {
	for r := 1; r <= 10; r++ {
		t[r] = word(before + strconv.FormatFloat(float64(r)/2, 'f', 1, 64) + after)
	}
	return t
}

// clock keeps the ASCII digits of the timestamp above the last four, which
// neighbouring events share.
type clock struct {
	tenSeconds uint64 // time / 10,000 that the digits belong to
	hi         uint64 // its first eight digits
	last       uint64 // its ninth digit
}

// set moves the clock to the time q*10,000 ms and reports false when the time
// does not have 13 digits.
func (c *clock) set(q uint64) bool {
	if q < 1e8 || q >= 1e9 {
		return false
	}
	*c = clock{q, digits8(uint32(q/10)) | asciiZeros, q%10 | '0'}
	return true
}

// noTime is beyond every time, so that the first event sets the clock.
const noTime = 1<<64 - 1

const asciiZeros = 0x3030303030303030

// digits8 returns the eight decimal digits of v < 10^8 as bytes 0 to 9, the
// first digit in the lowest byte: first halves of four digits, then of two,
// then single digits, all lanes at once. (x*10486)>>20 is x/100 for x < 10^4,
// (x*103)>>10 is x/10 for x < 100.
func digits8(v uint32) uint64 {
	hi := v / 10000
	x := uint64(hi) | uint64(v-hi*10000)<<32
	y := (x * 10486 >> 20) & 0x0000007f0000007f
	x = y | (x-y*100)<<16
	z := (x * 103 >> 10) & 0x000f000f000f000f
	return z | (x-z*10)<<8
}

// digits4 is digits8 for v < 10^4.
func digits4(v uint32) uint32 {
	y := v * 10486 >> 20
	x := y | (v-y*100)<<16
	z := (x * 103 >> 10) & 0x000f000f
	return z | (x-z*10)<<8
}

// ascii returns the digits of 1 <= v < 10^8 without leading zeros, and how
// many they are. Counting zero bytes instead of comparing has no branch to
// mispredict: ids of different lengths come in random order.
func ascii(v uint32) (digits uint64, n int) {
	x := digits8(v)
	zeros := bits.TrailingZeros64(x) &^ 7
	return (x | asciiZeros) >> (uint(zeros) & 63), 8 - zeros>>3
}

// fits reports whether the fast path can write the event but for its time.
func fits(e *core.Event) bool {
	return e.User-1 < 1e8-1 && e.Movie-1 < 1e8-1 && e.Rating-1 < 10
}

// AppendJSONL appends a line of JSON for each event. It allocates only when b
// lacks room for len(events)*MaxRow more bytes, and may scribble over that
// room beyond the length it returns.
func AppendJSONL(b []byte, events []core.Event) []byte {
	b = slices.Grow(b, len(events)*MaxRow)
	n := len(b)
	b = b[:cap(b)]
	c := clock{tenSeconds: noTime}
	for i := range events {
		e := &events[i]
		q := uint64(e.Time) / 10000
		if !fits(e) || q != c.tenSeconds && !c.set(q) {
			n = len(slowJSONL(b[:n], e))
			continue
		}
		row := (*[MaxRow]byte)(b[n:])
		binary.LittleEndian.PutUint64(row[0:], jsonUser)
		binary.LittleEndian.PutUint16(row[8:], '"'|':'<<8)
		digits, user := ascii(e.User)
		binary.LittleEndian.PutUint64(row[10:], digits)
		mid := (*[24]byte)(row[10+user:])
		binary.LittleEndian.PutUint64(mid[0:], jsonMovie)
		binary.LittleEndian.PutUint32(mid[8:], 'd'|'"'<<8|':'<<16)
		digits, movie := ascii(e.Movie)
		binary.LittleEndian.PutUint64(mid[11:], digits)
		// The rest has a fixed length: 41 bytes.
		low := uint64(digits4(uint32(uint64(e.Time)-q*10000)) | asciiZeros&0xffffffff)
		end := (*[41]byte)(row[21+user+movie:])
		binary.LittleEndian.PutUint64(end[0:], jsonRating)
		binary.LittleEndian.PutUint64(end[8:], jsonStars[e.Rating&15])
		binary.LittleEndian.PutUint64(end[16:], jsonTime)
		binary.LittleEndian.PutUint64(end[24:], '"'|':'<<8|c.hi<<16)
		binary.LittleEndian.PutUint64(end[32:], c.hi>>48|c.last<<16|low<<24|'}'<<56)
		end[40] = '\n'
		n += 62 + user + movie
	}
	return b[:n]
}

// AppendCSV appends a CSV line for each event, without a header. Its room is
// that of AppendJSONL.
func AppendCSV(b []byte, events []core.Event) []byte {
	b = slices.Grow(b, len(events)*MaxRow)
	n := len(b)
	b = b[:cap(b)]
	c := clock{tenSeconds: noTime}
	for i := range events {
		e := &events[i]
		q := uint64(e.Time) / 10000
		if !fits(e) || q != c.tenSeconds && !c.set(q) {
			n = len(slowCSV(b[:n], e))
			continue
		}
		row := (*[48]byte)(b[n:])
		digits, user := ascii(e.User)
		binary.LittleEndian.PutUint64(row[0:], digits)
		row[user] = ','
		digits, movie := ascii(e.Movie)
		binary.LittleEndian.PutUint64(row[1+user:], digits)
		low := uint64(digits4(uint32(uint64(e.Time)-q*10000)) | asciiZeros&0xffffffff)
		end := (*[20]byte)(row[1+user+movie:])
		binary.LittleEndian.PutUint64(end[0:], csvStars[e.Rating&15]|c.hi<<40)
		binary.LittleEndian.PutUint64(end[8:], c.hi>>24|c.last<<40|low<<48)
		binary.LittleEndian.PutUint32(end[16:], uint32(low>>16|'\n'<<16))
		n += 20 + user + movie
	}
	return b[:n]
}

// slowJSONL writes any values: times that are negative or not 13 digits long,
// ids of more than 8 digits, ratings out of bounds.
func slowJSONL(b []byte, e *core.Event) []byte {
	b = append(b, `{"userId":`...)
	b = strconv.AppendUint(b, uint64(e.User), 10)
	b = append(b, `,"movieId":`...)
	b = strconv.AppendUint(b, uint64(e.Movie), 10)
	b = append(b, `,"rating":`...)
	b = strconv.AppendFloat(b, e.Stars(), 'f', 1, 64)
	b = append(b, `,"timestamp":`...)
	b = strconv.AppendInt(b, e.Time, 10)
	return append(b, "}\n"...)
}

func slowCSV(b []byte, e *core.Event) []byte {
	b = strconv.AppendUint(b, uint64(e.User), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(e.Movie), 10)
	b = append(b, ',')
	b = strconv.AppendFloat(b, e.Stars(), 'f', 1, 64)
	b = append(b, ',')
	b = strconv.AppendInt(b, e.Time, 10)
	return append(b, '\n')
}
