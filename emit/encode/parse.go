package encode

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"gen/core"
)

// digitRun returns the value of the up to eight digits that word begins with,
// and how many they are. Eight bytes are looked at together: a byte c is a
// digit when c^'0' < 10, so that adding 0x76 leaves its top bit clear. A carry
// can only reach bytes behind the first that is no digit.
func digitRun(word uint64) (v uint32, n int) {
	const tops = 0x8080808080808080
	x := word ^ asciiZeros
	n = bits.TrailingZeros64(((x+0x7676767676767676)|x)&tops) >> 3
	return join8(x << (uint(64-8*n) & 63)), n
}

// join8 is the inverse of digits8.
func join8(x uint64) uint32 {
	x = (x*10 + x>>8) & 0x00ff00ff00ff00ff
	x = (x*100 + x>>16) & 0x0000ffff0000ffff
	x = x*10000 + x>>32
	return uint32(x)
}

// canonicalID parses an id of 1 to 7 digits at the start of word. Longer ids
// and leading zeros are left to the general parser.
func canonicalID(word uint64) (id uint32, n int, ok bool) {
	id, n = digitRun(word)
	return id, n, n > 0 && n < 8 && byte(word) != '0'
}

// canonicalStars parses "4.5" in the low three bytes of word.
func canonicalStars(word uint32) (halves uint8, ok bool) {
	whole, half := uint8(word)-'0', uint8(word>>16)-'0'
	halves = whole * 2
	if half == 5 {
		halves++
	}
	return halves, whole <= 5 && uint8(word>>8) == '.' && (half == 0 || half == 5) && halves-1 < 10
}

// canonicalTime parses 13 digits without a leading zero.
func canonicalTime(first uint64, next uint64) (t int64, ok bool) {
	a, n := digitRun(first)
	b, m := digitRun(next)
	return int64(a)*100000 + int64(b), n == 8 && m == 5 && byte(first) != '0'
}

func parseJSONRows(dst []core.Event, b []byte) (n, used int) {
	for n < len(dst) && len(b)-used >= MaxRow {
		row := (*[MaxRow]byte)(b[used:])
		user, k, ok := canonicalID(binary.LittleEndian.Uint64(row[10:]))
		if !ok || binary.LittleEndian.Uint64(row[0:]) != jsonUser || binary.LittleEndian.Uint16(row[8:]) != '"'|':'<<8 {
			break
		}
		mid := (*[88]byte)(row[10+k:])
		movie, m, ok := canonicalID(binary.LittleEndian.Uint64(mid[11:]))
		if !ok || binary.LittleEndian.Uint64(mid[0:]) != jsonMovie || binary.LittleEndian.Uint32(mid[7:]) != 'I'|'d'<<8|'"'<<16|':'<<24 {
			break
		}
		end := (*[44]byte)(mid[11+m:])
		stars, ok := canonicalStars(binary.LittleEndian.Uint32(end[10:]))
		if !ok || binary.LittleEndian.Uint64(end[0:]) != jsonRating || binary.LittleEndian.Uint64(end[8:]) != jsonStars[stars&15] || binary.LittleEndian.Uint64(end[16:]) != jsonTime || binary.LittleEndian.Uint16(end[24:]) != '"'|':'<<8 {
			break
		}
		// 13 digits and "}\n"; the last word overlaps so as to stay in the row.
		t, ok := canonicalTime(binary.LittleEndian.Uint64(end[26:]), binary.LittleEndian.Uint64(end[34:]))
		if !ok || end[39] != '}' || end[40] != '\n' {
			break
		}
		dst[n] = core.Event{Time: t, User: user, Movie: movie, Rating: stars}
		n++
		used += 62 + k + m
	}
	return n, used
}

func parseCSVRows(dst []core.Event, b []byte) (n, used int) {
	for n < len(dst) && len(b)-used >= MaxRow {
		row := (*[MaxRow]byte)(b[used:])
		user, k, ok := canonicalID(binary.LittleEndian.Uint64(row[0:]))
		if !ok || row[k] != ',' {
			break
		}
		movie, m, ok := canonicalID(binary.LittleEndian.Uint64(row[1+k:]))
		if !ok {
			break
		}
		end := (*[24]byte)(row[1+k+m:])
		stars, ok := canonicalStars(binary.LittleEndian.Uint32(end[1:]))
		if !ok || end[0] != ',' || end[4] != ',' {
			break
		}
		t, ok := canonicalTime(binary.LittleEndian.Uint64(end[5:]), binary.LittleEndian.Uint64(end[13:]))
		if !ok || end[18] != '\n' {
			break
		}
		dst[n] = core.Event{Time: t, User: user, Movie: movie, Rating: stars}
		n++
		used += 20 + k + m
	}
	return n, used
}

// ParseJSONL returns the event of a row of JSON, without a line feed, as any
// writer may have made it.
func ParseJSONL(row []byte) (core.Event, error) {
	var padded [2 * MaxRow]byte // what parseJSONRows looks at
	var e [1]core.Event
	if len(row) < MaxRow {
		padded[copy(padded[:], row)] = '\n'
		if _, used := parseJSONRows(e[:], padded[:]); used == len(row)+1 {
			return e[0], nil
		}
	}
	return parseJSON(row)
}

// parseJSON parses a row of any JSON writer: keys in any order, spaces, 4 or
// 4.50 for 4.0. Each of the four keys must be there once, and no other.
func parseJSON(line []byte) (e core.Event, err error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return e, errors.New("not a JSON object")
	}
	seen := 0
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return e, notJSON(err)
		}
		value, err := dec.Token()
		if err != nil {
			return e, notJSON(err)
		}
		number, ok := value.(json.Number)
		if !ok {
			return e, fmt.Errorf("%v is not a number", key)
		}
		i := column(key)
		if i < 0 {
			return e, fmt.Errorf("unknown key %q", key)
		}
		if seen&(1<<i) != 0 {
			return e, fmt.Errorf("key %q twice", key)
		}
		seen |= 1 << i
		if err := setColumn(&e, i, number.String()); err != nil {
			return e, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return e, notJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return e, errors.New("more than one JSON value")
	}
	for i, name := range columns {
		if seen&(1<<i) == 0 {
			return e, fmt.Errorf("key %q is missing", name)
		}
	}
	return e, nil
}

// parseCSV parses a row of any CSV writer: quotes, spaces, CR LF.
func parseCSV(line []byte) (e core.Event, err error) {
	fields, err := splitCSV(line)
	if err != nil {
		return e, err
	}
	for i, field := range fields {
		if err := setColumn(&e, i, field); err != nil {
			return e, err
		}
	}
	return e, nil
}

func isCSVHeader(line []byte) bool {
	fields, err := splitCSV(line)
	return err == nil && [4]string(fields) == columns
}

func splitCSV(line []byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(line))
	r.TrimLeadingSpace = true // before a quote too
	fields, err := r.Read()
	if err == io.EOF {
		return nil, errors.New("empty row")
	}
	if err != nil {
		return nil, errors.New("not CSV")
	}
	if len(fields) != len(columns) {
		return nil, fmt.Errorf("%d fields, %d expected", len(fields), len(columns))
	}
	for i, field := range fields {
		fields[i] = strings.TrimSpace(field)
	}
	return fields, nil
}

// columns are the names of an event's values in their order.
var columns = [4]string{"userId", "movieId", "rating", "timestamp"}

// column returns the index of the named column, -1 when there is none.
func column(name any) int {
	for i, c := range columns {
		if c == name {
			return i
		}
	}
	return -1
}

func setColumn(e *core.Event, i int, s string) error {
	switch i {
	case 0, 1:
		id, err := strconv.ParseUint(s, 10, 31)
		if err != nil || s[0] == '0' {
			return idError(i, s)
		}
		if i == 0 {
			e.User = uint32(id)
		} else {
			e.Movie = uint32(id)
		}
	case 2:
		stars, err := strconv.ParseFloat(s, 64)
		halves, ok := halfStars(stars)
		if err != nil || !ok || strings.ContainsAny(s, "xX_") {
			return starsError(s)
		}
		e.Rating = halves
	case 3:
		t, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("timestamp %s is not in epoch milliseconds", s)
		}
		e.Time = t
	}
	return nil
}

// halfStars returns a rating in half stars if it is one of 0.5, 1.0 ... 5.0.
func halfStars(stars float64) (uint8, bool) {
	halves := stars * 2
	if !(halves >= 1 && halves <= 10) || halves != math.Floor(halves) {
		return 0, false
	}
	return uint8(halves), true
}

func idError(i int, value any) error {
	return fmt.Errorf("%s %v is not a whole number from 1 to %d", columns[i], value, math.MaxInt32)
}

func starsError(value any) error {
	return fmt.Errorf("rating %v is not a half step from 0.5 to 5.0", value)
}

// notJSON does not wrap the decoder's error: an io.EOF in it is the end of the
// row, and must not be taken for the end of the file.
func notJSON(err error) error { return errors.New("not JSON: " + err.Error()) }
