package table

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// columns is a table of every type, with what each format must escape.
var columns = []Column{
	{"userId", []int32{1, -2147483648, 2147483647}},
	{"timestamp", []int64{0, -9007199254740992, 9007199254740992}},
	{"weight", []float64{0.1, 1e-9, 123456789.5}},
	{"title", []string{"a, \"b\"; c", "line\nbreak \\ \t", "Amélie <&> 日本"}},
}

// parsers read each format back as rows of the values' texts.
var parsers = map[string]func(*testing.T, []byte) [][]string{
	"csv":     parseCSV,
	"json":    parseJSON,
	"parquet": parseParquet,
}

func TestEveryFormatIsReadBack(t *testing.T) {
	want := [][]string{{"userId", "timestamp", "weight", "title"}}
	for row := range 3 {
		want = append(want, []string{text(columns[0].Values, row), text(columns[1].Values, row), text(columns[2].Values, row), text(columns[3].Values, row)})
	}
	for _, format := range Formats() {
		parse, ok := parsers[format]
		if !ok {
			t.Errorf("no parser of %s", format)
			continue
		}
		for rows := range 4 {
			var out bytes.Buffer
			if err := Write(&out, format, first(rows)); err != nil {
				t.Fatalf("Write %s of %d rows: %v", format, rows, err)
			}
			got := parse(t, out.Bytes())
			// An empty JSON array names no columns.
			if format == "json" && rows == 0 && len(got) == 0 {
				continue
			}
			if !reflect.DeepEqual(got, want[:rows+1]) {
				t.Errorf("%s of %d rows reads as %q, want %q", format, rows, got, want[:rows+1])
			}
		}
	}
}

// first returns the first rows of the table.
func first(rows int) []Column {
	return []Column{
		{"userId", columns[0].Values.([]int32)[:rows]}, {"timestamp", columns[1].Values.([]int64)[:rows]},
		{"weight", columns[2].Values.([]float64)[:rows]}, {"title", columns[3].Values.([]string)[:rows]},
	}
}

// parseCSV reads RFC 4180 with ',' only.
func parseCSV(t *testing.T, b []byte) [][]string {
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// parseJSON reads the tokens of an array of objects, so that the order of the
// columns and the digits of the numbers count.
func parseJSON(t *testing.T, b []byte) (rows [][]string) {
	if !json.Valid(b) {
		t.Fatalf("not JSON: %s", b)
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(b, &objects); err != nil {
		t.Fatal(err)
	}
	for i, object := range objects {
		if lines := strings.Count(string(object), "\n"); lines > 0 {
			t.Errorf("object %d stands on %d lines", i, lines+1)
		}
		names, values := parseObject(t, object)
		if i == 0 {
			rows = append(rows, names)
		}
		if !reflect.DeepEqual(names, rows[0]) {
			t.Errorf("object %d has the names %q, the first %q", i, names, rows[0])
		}
		rows = append(rows, values)
	}
	return rows
}

func parseObject(t *testing.T, b []byte) (names, values []string) {
	in := json.NewDecoder(bytes.NewReader(b))
	in.UseNumber()
	for i := -1; in.More() || i < 0; i++ {
		token, err := in.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i < 0: // the brace
		case i%2 == 0:
			names = append(names, token.(string))
		default:
			values = append(values, fmt.Sprint(token))
		}
	}
	return names, values
}

func parseParquet(t *testing.T, b []byte) (rows [][]string) {
	in, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	read, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer read.Release()
	rows = make([][]string, read.NumRows()+1)
	for i := range int(read.NumCols()) {
		field := read.Schema().Field(i)
		rows[0] = append(rows[0], field.Name)
		if field.Nullable {
			t.Errorf("column %s is optional", field.Name)
		}
		row := 1
		for _, chunk := range read.Column(i).Data().Chunks() {
			for k := range chunk.Len() {
				rows[row] = append(rows[row], arrowText(t, chunk, k))
				row++
			}
		}
	}
	return rows
}

// arrowText returns a value as text, and fails for a type that was not written.
func arrowText(t *testing.T, a arrow.Array, i int) string {
	switch a := a.(type) {
	case *array.Int32:
		return text(a.Int32Values(), i)
	case *array.Int64:
		return text(a.Int64Values(), i)
	case *array.Float64:
		return text(a.Float64Values(), i)
	case *array.String:
		return a.Value(i)
	}
	t.Fatalf("a column of %s", a.DataType())
	return ""
}

// The bytes that people and other programs see.
func TestText(t *testing.T) {
	table := []Column{{"genre", []string{"Drama", "Sci-Fi"}}, {"movies", []int32{7, 3}}, {"weight", []float64{0.5, 1}}}
	for format, want := range map[string]string{
		"csv":  "genre,movies,weight\nDrama,7,0.5\nSci-Fi,3,1\n",
		"json": "[\n{\"genre\":\"Drama\",\"movies\":7,\"weight\":0.5},\n{\"genre\":\"Sci-Fi\",\"movies\":3,\"weight\":1}\n]\n",
	} {
		var out bytes.Buffer
		if err := Write(&out, format, table); err != nil || out.String() != want {
			t.Errorf("Write %s = %q, %v, want %q", format, out.String(), err, want)
		}
	}
}

var errFull = errors.New("no space left on device")

// full takes some bytes.
type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestErrorsAreReturned(t *testing.T) {
	for _, format := range Formats() {
		if err := Write(&full{left: 10}, format, columns); !errors.Is(err, errFull) {
			t.Errorf("Write %s on a full disk = %v, want %v", format, err, errFull)
		}
	}
	want := `no table format "xml"; there are [csv json parquet]`
	if err := Write(&bytes.Buffer{}, "xml", columns); err == nil || err.Error() != want {
		t.Errorf("Write xml = %v, want %s", err, want)
	}
}
