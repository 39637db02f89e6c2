package encode

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gen/core"
)

var edgeIDs = []uint32{0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10000, 99999, 100000, 999999, 1000000, 9999999, 10000000, 99999999, 100000000, math.MaxInt32, math.MaxUint32}

var edgeTimes = []int64{
	math.MinInt64, -1, 0, 999, 9999, 10000, 999999999999, 1000000000000, 1000000009999, 1735689599999, 1735689600000,
	9999999999999, 10000000000000, 253402300799999, math.MaxInt64,
}

// wantJSONL and wantCSV are the format said naively.
func wantJSONL(e core.Event) string {
	return fmt.Sprintf("{\"userId\":%d,\"movieId\":%d,\"rating\":%s,\"timestamp\":%d}\n", e.User, e.Movie, strconv.FormatFloat(float64(e.Rating)/2, 'f', 1, 64), e.Time)
}

func wantCSV(e core.Event) string {
	return fmt.Sprintf("%d,%d,%.1f,%d\n", e.User, e.Movie, float64(e.Rating)/2, e.Time)
}

// checkText compares with the naive format and names the first event that
// differs.
func checkText(t interface{ Fatalf(string, ...any) }, events []core.Event) {
	gotJSONL := string(AppendJSONL([]byte("before"), events))[len("before"):]
	gotCSV := string(AppendCSV([]byte("before"), events))[len("before"):]
	for i, e := range events {
		var ok bool
		if gotJSONL, ok = strings.CutPrefix(gotJSONL, wantJSONL(e)); !ok {
			t.Fatalf("AppendJSONL: event %d of %d, %v, is %.100q, want %q", i, len(events), e, gotJSONL, wantJSONL(e))
		}
		if gotCSV, ok = strings.CutPrefix(gotCSV, wantCSV(e)); !ok {
			t.Fatalf("AppendCSV: event %d of %d, %v, is %.50q, want %q", i, len(events), e, gotCSV, wantCSV(e))
		}
	}
	if gotJSONL+gotCSV != "" {
		t.Fatalf("more than the events: %.100q", gotJSONL+gotCSV)
	}
}

func TestAppendGolden(t *testing.T) {
	e := []core.Event{{Time: 1761763121809, User: 4217, Movie: 1234, Rating: 9}}
	if got, want := string(AppendJSONL(nil, e)), `{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809}`+"\n"; got != want {
		t.Errorf("AppendJSONL = %swant %s", got, want)
	}
	if got, want := CSVHeader+string(AppendCSV(nil, e)), "userId,movieId,rating,timestamp\n4217,1234,4.5,1761763121809\n"; got != want {
		t.Errorf("CSV = %swant %s", got, want)
	}
}

func TestAppendEdges(t *testing.T) {
	var events []core.Event
	for _, user := range edgeIDs {
		for _, movie := range edgeIDs {
			for _, at := range edgeTimes {
				events = append(events, core.Event{Time: at, User: user, Movie: movie, Rating: uint8(1 + len(events)%10)})
			}
		}
	}
	for rating := range 256 { // also out of bounds
		events = append(events, core.Event{Time: 1761763121809, User: 1, Movie: 99999999, Rating: uint8(rating)})
	}
	checkText(t, events)
	for _, e := range events {
		var row struct {
			UserID, MovieID uint32
			Rating          float64
			Timestamp       int64
		}
		if err := json.Unmarshal(AppendJSONL(nil, []core.Event{e}), &row); err != nil {
			t.Fatalf("%v: %v", e, err)
		}
		if row.UserID != e.User || row.MovieID != e.Movie || row.Rating != e.Stars() || row.Timestamp != e.Time {
			t.Fatalf("%v parses as %v", e, row)
		}
	}
}

func TestDigits(t *testing.T) {
	for v := uint32(0); v < 1e8; v += 1 + v/1000 {
		if got, want := strconv.Itoa(int(join8(digits8(v)))), strconv.Itoa(int(v)); got != want {
			t.Fatalf("join8(digits8(%s)) = %s", want, got)
		}
	}
	for v := range uint32(10000) {
		if got, want := uint64(digits4(v))<<32, digits8(v); got != want {
			t.Fatalf("digits4(%d) = %x, want %x", v, got, want)
		}
	}
}

func TestAppendAnyValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		for i := range events {
			if rapid.IntRange(0, 9).Draw(t, "wild") == 0 {
				events[i].User = rapid.Uint32().Draw(t, "user")
				events[i].Rating = rapid.Byte().Draw(t, "rating")
			}
		}
		checkText(t, events)
	})
}

func TestAppendDoesNotAllocate(t *testing.T) {
	events := sample(1000, false)
	events[500].Time = -1 // the general path
	buf := make([]byte, 0, len(events)*MaxRow)
	for name, call := range map[string]func([]byte, []core.Event) []byte{"AppendJSONL": AppendJSONL, "AppendCSV": AppendCSV} {
		if n := testing.AllocsPerRun(10, func() { call(buf, events) }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	if n := testing.AllocsPerRun(10, func() { AppendJSONL(buf[:1], events) }); n == 0 {
		t.Error("AppendJSONL without room is not seen to allocate")
	}
}

// What gen writes must be parsed without the general parser.
func TestCanonicalRowsAreFast(t *testing.T) {
	events := sample(1000, false)
	dst := make([]core.Event, len(events)+1)
	tail := make([]byte, MaxRow)
	for _, kind := range []textKind{jsonl, csvText} {
		text := kind.append(nil, events)
		n, used := kind.parseRows(dst, append(text, tail...))
		if used != len(text) || !slices.Equal(dst[:n], events) {
			t.Errorf("%d of %d rows parsed, %d of %d bytes", n, len(events), used, len(text))
		}
	}
}

// Whatever the fast parsers accept, the general ones read the same way.
func TestFastParserIsStrict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, kind := range []textKind{jsonl, csvText} {
			e := core.Event{Time: 1761763121809, User: rapid.Uint32Range(1, 1<<24).Draw(t, "user"), Movie: 1234, Rating: rapid.Uint8Range(1, 10).Draw(t, "rating")}
			line := kind.append(nil, []core.Event{e})
			at := rapid.IntRange(0, len(line)-2).Draw(t, "at")
			line[at] = rapid.Byte().Draw(t, "byte")
			var got [1]core.Event
			if n, used := kind.parseRows(got[:], append(line, make([]byte, MaxRow)...)); n == 1 {
				want, err := kind.parse(line[:used-1])
				if err != nil || got[0] != want {
					t.Fatalf("%q parsed as %v, the general parser says %v, %v", line, got[0], want, err)
				}
			}
		}
	})
}

// ParseJSONL reads one row of any writer, whatever follows or is missing.
func TestParseJSONL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, want := range drawEvents(t) {
			row := AppendJSONL(nil, []core.Event{want})
			if got, err := ParseJSONL(row[:len(row)-1]); err != nil || got != want {
				t.Fatalf("ParseJSONL(%s) = %v, %v", row, got, err)
			}
		}
	})
	want := core.Event{Time: 1761763121809, User: 4217, Movie: 1234, Rating: 9}
	for row, ok := range map[string]bool{
		`{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809}`:                            true,
		`{"timestamp": 1761763121809, "rating": 4.50, "movieId": 1234, "userId": 4217}`:                    true,
		`{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809}` + strings.Repeat(" ", 200): true,
		`{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809}` + "\n" + `{"userId":1`:     false,
		`{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":176176312180`:                              false,
		`{"userId":4217,"movieId":1234,"rating":4.5}`:                                                      false,
		"": false,
	} {
		got, err := ParseJSONL([]byte(row))
		if (err == nil) != ok || ok && got != want {
			t.Errorf("ParseJSONL(%q) = %v, %v, want ok %v", row, got, err, ok)
		}
	}
}

func TestReadForeignRows(t *testing.T) {
	want := core.Event{Time: 1761763121809, User: 4217, Movie: 1234, Rating: 8}
	for name, rows := range map[string][]string{
		"jsonl": {
			`{"userId":4217,"movieId":1234,"rating":4.0,"timestamp":1761763121809}`,
			`{"userId":4217,"movieId":1234,"rating":4,"timestamp":1761763121809}`,
			`{"userId":4217,"movieId":1234,"rating":4.00,"timestamp":1761763121809}`,
			` { "timestamp" : 1761763121809, "rating": 4e0, "movieId":1234,	"userId":4217 }` + "\r",
		},
		"csv": {
			`4217,1234,4.0,1761763121809`,
			`4217,1234,4,1761763121809`,
			`4217, 1234, 4.00, 1761763121809` + "\r",
			`"4217","1234","4.0","1761763121809"`,
		},
	} {
		text := strings.Join(rows, "\n") + "\n"
		if name == "csv" {
			text = CSVHeader + text
		}
		got, bad, err := readAll(Format{name, "none"}, []byte(text), 10)
		if err != nil || len(bad) > 0 || len(got) != len(rows) || slices.ContainsFunc(got, func(e core.Event) bool { return e != want }) {
			t.Errorf("%s rows read as %v, %v, %v", name, got, bad, err)
		}
	}
}

// A bad row is reported with its line and its reason, and the good rows around
// it are read.
func TestReadBadRows(t *testing.T) {
	for _, c := range []struct{ format, row, err string }{
		{"jsonl", ``, "not a JSON object"},
		{"jsonl", `[]`, "not a JSON object"},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809`, "not JSON"},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.5}`, `key "timestamp" is missing`},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809,"x":1}`, `unknown key "x"`},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809,"rating":4.5}`, `key "rating" twice`},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1761763121809} {}`, "more than one JSON value"},
		{"jsonl", `{"userId":"4217","movieId":1234,"rating":4.5,"timestamp":1761763121809}`, "userId is not a number"},
		{"jsonl", `{"userId":0,"movieId":1234,"rating":4.5,"timestamp":1761763121809}`, "userId 0 is not"},
		{"jsonl", `{"userId":2147483648,"movieId":1234,"rating":4.5,"timestamp":1761763121809}`, "userId 2147483648 is not"},
		{"jsonl", `{"userId":4217,"movieId":-1,"rating":4.5,"timestamp":1761763121809}`, "movieId -1 is not"},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.3,"timestamp":1761763121809}`, "rating 4.3 is not"},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":0.0,"timestamp":1761763121809}`, "rating 0.0 is not"},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":5.5,"timestamp":1761763121809}`, "rating 5.5 is not"},
		{"jsonl", `{"userId":4217,"movieId":1234,"rating":4.5,"timestamp":1.5}`, "timestamp 1.5 is not"},
		{"jsonl", strings.Repeat(" ", 5*maxLine), "longer than"},
		{"jsonl", strings.Repeat(" ", maxLine+10), "longer than"},
		{"csv", ``, "empty row"},
		{"csv", `4217,1234,4.5`, "3 fields, 4 expected"},
		{"csv", `4217,1234,4.5,1761763121809,`, "5 fields, 4 expected"},
		{"csv", `4217,1234,nan,1761763121809`, "rating nan is not"},
		{"csv", `4217,1234,0x4,1761763121809`, "rating 0x4 is not"},
		{"csv", `04217,1234,4.5,1761763121809`, "userId 04217 is not"},
		{"csv", `4217,,4.5,1761763121809`, "movieId  is not"},
		{"csv", `4217,"1234,4.5,1761763121809`, "not CSV"},
	} {
		good := sample(2, true)
		f := Format{c.format, "none"}
		k := kinds[c.format].text
		text := append(k.append([]byte(k.header), good[:1]), c.row+"\n"...)
		text = k.append(text, good[1:])
		got, bad, err := readAll(f, text, 10)
		line := int64(2 + strings.Count(k.header, "\n"))
		if err != nil || !slices.Equal(got, good) || len(bad) != 1 || bad[0].Line != line || !strings.Contains(bad[0].Err.Error(), c.err) {
			t.Errorf("%.100q: read %v, %v, %v, want %q", c.row, got, bad, err, c.err)
		}
	}
}

func TestReadTornRow(t *testing.T) {
	events := sample(3, true)
	for _, f := range []Format{{"jsonl", "none"}, {"csv", "gzip"}} {
		k := kinds[f.Name].text
		text := k.append([]byte(k.header), events)
		got, bad, err := readAll(f, codecs[f.Compress].appendAll(nil, text[:len(text)-1]), 10)
		if err != nil || !slices.Equal(got, events[:2]) || len(bad) != 1 || !errors.Is(bad[0], ErrTorn) {
			t.Errorf("%v without its last byte: %v, %v, %v", f, got, bad, err)
		}
	}
}

func TestReadCSVHeader(t *testing.T) {
	events := sample(2, true)
	rows := string(AppendCSV(nil, events))
	for _, c := range []struct {
		name, text string
		events     int
		lines      []int64
	}{
		{"header", CSVHeader + rows, 2, nil},
		{"header of another writer", `"userId", "movieId","rating","timestamp"` + "\r\n" + rows, 2, nil},
		{"no header: its row still counts", rows, 2, []int64{1}},
		{"another header", "movieId,userId,rating,timestamp\n" + rows, 2, []int64{1}},
		{"header twice", CSVHeader + CSVHeader + rows, 2, []int64{2}},
		{"nothing", "", 0, []int64{1}},
	} {
		got, bad, err := readAll(Format{"csv", "none"}, []byte(c.text), 10)
		var lines []int64
		for _, b := range bad {
			lines = append(lines, b.Line)
		}
		if err != nil || !slices.Equal(got, events[:c.events]) || !slices.Equal(lines, c.lines) {
			t.Errorf("%s: %v, %v, %v, want %d events, errors in lines %v", c.name, got, bad, err, c.events, c.lines)
		}
	}
}

func fuzzText(f *testing.F, format Format) {
	k := kinds[format.Name].text
	good := k.append([]byte(k.header), sample(3, true))
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("{}\n\n\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _ = readAll(format, data, 3) // any outcome but a panic
		if _, _, err := readAll(format, codecs[format.Compress].appendAll(nil, data), 3); err != nil {
			t.Errorf("read of a valid stream: %v", err)
		}
	})
}

func FuzzReadJSONL(f *testing.F) { fuzzText(f, Format{"jsonl", "zstd"}) }
func FuzzReadCSV(f *testing.F)   { fuzzText(f, Format{"csv", "gzip"}) }
