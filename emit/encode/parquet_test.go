package encode

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"gen/core"
)

func TestParquetSchema(t *testing.T) {
	data := writeAll(t, Format{"parquet", "snappy"}, sample(groupRows+10, true), 1000)
	in, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	meta := in.MetaData()
	if in.NumRows() != groupRows+10 || in.NumRowGroups() != 2 {
		t.Errorf("%d rows in %d row groups, want %d in 2", in.NumRows(), in.NumRowGroups(), groupRows+10)
	}
	types := []parquet.Type{parquet.Types.Int32, parquet.Types.Int32, parquet.Types.Double, parquet.Types.Int64}
	for i, name := range columns {
		c := meta.Schema.Column(i)
		none := c.LogicalType() == nil || c.LogicalType().IsNone()
		if c.Name() != name || c.PhysicalType() != types[i] || c.MaxDefinitionLevel() != 0 || !none {
			t.Errorf("column %d is %v, want %s %v required", i, c, name, types[i])
		}
	}
	chunk, err := meta.RowGroup(0).ColumnChunk(3)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := chunk.Statistics()
	if err != nil || !stats.HasMinMax() || stats.NullCount() != 0 {
		t.Errorf("timestamp has statistics %v, %v", stats, err)
	}
}

// Ids that do not fit int32 and ratings off the scale must not be written as
// something else.
func TestParquetRefusesOutOfRange(t *testing.T) {
	good := core.Event{Time: 1, User: 1, Movie: 1, Rating: 1}
	for want, change := range map[string]func(*core.Event){
		"userId from 0 to 1":           func(e *core.Event) { e.User = 0 },
		"movieId from 1 to 2147483648": func(e *core.Event) { e.Movie = math.MaxInt32 + 1 },
		"ratings from 0.0 to 0.5":      func(e *core.Event) { e.Rating = 0 },
		"ratings from 0.5 to 5.5":      func(e *core.Event) { e.Rating = 11 },
		"":                             func(*core.Event) {},
	} {
		events := []core.Event{good, good, good}
		change(&events[1])
		w, err := Format{"parquet", "none"}.NewWriter(new(bytes.Buffer), true)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Write(events) // Close must repeat its error
		err = w.Close()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("Close = %v, want %q", err, want)
		}
	}
}

// foreign writes a Parquet file by arrow's own column writers: optional
// columns in another order, wide integers and narrow floats.
func foreign(t testing.TB, users []int64, ratings []float32, defs []int16, names ...string) []byte {
	t.Helper()
	rep := parquet.Repetitions.Optional
	sc := schema.MustGroup(schema.NewGroupNode("spark_schema", parquet.Repetitions.Required, schema.FieldList{
		schema.NewFloat32Node(names[0], rep, -1),
		schema.NewInt64Node(names[1], rep, -1),
		schema.NewInt64Node(names[2], rep, -1),
		schema.NewInt32Node(names[3], rep, -1),
	}, -1))
	var out bytes.Buffer
	w := file.NewParquetWriter(&out, sc)
	group := w.AppendRowGroup()
	all := slices.Repeat([]int16{1}, len(defs))
	for i := range 4 {
		c, err := group.NextColumn()
		if err != nil {
			t.Fatal(err)
		}
		switch c := c.(type) {
		case *file.Float32ColumnChunkWriter:
			_, err = c.WriteBatch(ratings, all, nil)
		case *file.Int64ColumnChunkWriter:
			if i == 1 {
				_, err = c.WriteBatch(users, defs, nil)
			} else {
				_, err = c.WriteBatch(slices.Repeat([]int64{1761763121809}, len(defs)), all, nil)
			}
		case *file.Int32ColumnChunkWriter:
			_, err = c.WriteBatch(slices.Repeat([]int32{1234}, len(defs)), all, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadForeignParquet(t *testing.T) {
	data := foreign(t, []int64{7, 8, 0, 1 << 40, 9}, []float32{.5, 5, 1, 1, 1, 1.25, 4.5}, []int16{1, 1, 0, 1, 1, 0, 1},
		"rating", "userId", "timestamp", "movieId")
	got, bad, err := readAll(Format{"parquet", "zstd"}, data, 2)
	want := []core.Event{{Time: 1761763121809, User: 7, Movie: 1234, Rating: 1}, {Time: 1761763121809, User: 8, Movie: 1234, Rating: 10}, {Time: 1761763121809, User: 9, Movie: 1234, Rating: 9}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("read %v, %v, want %v", got, err, want)
	}
	wantBad := []struct {
		line int64
		err  string
	}{
		{3, "userId is null"}, {4, "userId 0 is not"}, {5, "userId 1099511627776 is not"}, {6, "userId is null"},
	}
	if len(bad) != len(wantBad) {
		t.Fatalf("row errors %v, want %v", bad, wantBad)
	}
	for i, w := range wantBad {
		if bad[i].Line != w.line || !strings.Contains(bad[i].Err.Error(), w.err) {
			t.Errorf("row error %v, want row %d, %s", bad[i], w.line, w.err)
		}
	}
	if !strings.Contains(bad[3].Error(), "rating 1.25 is not") {
		t.Errorf("row error %v does not name its second fault", bad[3])
	}
}

func TestReadParquetSchemaErrors(t *testing.T) {
	for want, names := range map[string][]string{
		`unknown column "extra"`:      {"rating", "userId", "timestamp", "extra"},
		`column "userId" has type`:    {"userId", "rating", "timestamp", "movieId"},
		`column "movieId" is missing`: {},
	} {
		var data []byte
		if len(names) == 0 {
			var out bytes.Buffer
			sc := schema.MustGroup(schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{
				schema.NewInt32Node("userId", parquet.Repetitions.Required, -1)}, -1))
			if err := file.NewParquetWriter(&out, sc).Close(); err != nil {
				t.Fatal(err)
			}
			data = out.Bytes()
		} else {
			data = foreign(t, []int64{1}, []float32{1}, []int16{1}, names...)
		}
		if _, _, err := readAll(Format{"parquet", "none"}, data, 2); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("read = %v, want %s", err, want)
		}
	}
	var sequential struct{ *strings.Reader }
	if _, err := (Format{"parquet", "none"}).NewReader(readerOnly{sequential}, 10); err == nil {
		t.Error("Parquet without random access was accepted")
	}
}

type readerOnly struct{ r any }

func (readerOnly) Read([]byte) (int, error) { return 0, nil }

// Flipped bytes end in an error or in other rows, never in a panic or without
// an end.
func FuzzReadParquet(f *testing.F) {
	events := sample(300, false)
	for _, compress := range Compressions("parquet") {
		f.Add(writeAll(f, Format{"parquet", compress}, events, 100), uint32(10), byte(1))
	}
	f.Add(foreign(f, []int64{7, 8}, []float32{1, 1, 1}, []int16{1, 0, 1}, "rating", "userId", "timestamp", "movieId"), uint32(4), byte(0))
	f.Fuzz(func(_ *testing.T, data []byte, at uint32, flip byte) {
		if len(data) > 0 {
			data = bytes.Clone(data)
			data[int(at)%len(data)] ^= flip
		}
		_, _, _ = readAll(Format{"parquet", "none"}, data, 100) // any outcome but a panic
	})
}

// Every single byte of a small file, changed.
func TestReadFlippedParquet(t *testing.T) {
	events := sample(60, false)
	for _, compress := range Compressions("parquet") {
		data := writeAll(t, Format{"parquet", compress}, events, 100)
		for at := range data {
			for _, flip := range []byte{0x01, 0xff} {
				data[at] ^= flip
				_, _, _ = readAll(Format{"parquet", "none"}, data, 100) // any outcome but a panic
				data[at] ^= flip
			}
		}
	}
}

// Pages on which the arrow module would loop for ever must be refused, and
// sound ones accepted.
func TestPageChecks(t *testing.T) {
	for _, c := range []struct {
		name string
		head []byte
		ok   bool
	}{
		{"as written", appendDeltas(nil, make([]int64, 100)), true},
		{"256 in 2 miniblocks", []byte{0x80, 2, 2, 100, 0}, true},
		{"too few values", []byte{0x80, 1, 4, 99, 0}, false},
		{"too many values", []byte{0x80, 1, 4, 101, 0}, false},
		{"no miniblocks", []byte{0x80, 1, 0, 100, 0}, false},
		{"miniblocks of 8", []byte{0x80, 1, 16, 100, 0}, false},
		{"block of 64", []byte{64, 2, 100, 0}, false},
		{"cut off", []byte{0x80, 1, 4, 100}, false},
	} {
		if err := checkDelta(c.head, 100); (err == nil) != c.ok {
			t.Errorf("delta header %s: %v", c.name, err)
		}
	}
	for _, c := range []struct {
		name  string
		runs  []byte
		width int
		ones  int
		ok    bool
	}{
		{"one repeated level", []byte{200, 1, 1}, 1, 100, true},
		{"13 groups of eight", append([]byte{27}, bytes.Repeat([]byte{3}, 13)...), 1, 26, true},
		{"both", append([]byte{80, 1, 17}, bytes.Repeat([]byte{1}, 8)...), 1, 48, true},
		{"places as written", appendPlaces(nil, make([]uint32, 100), 14)[1:], 14, 0, true},
		{"99 levels", []byte{198, 1, 1}, 1, 0, false},
		{"cut off groups", []byte{27, 0}, 1, 0, false},
		{"run of none", []byte{0, 0, 200, 1, 1}, 1, 0, false},
	} {
		if ones, ok := walkRuns(c.runs, 100, c.width); ok != c.ok || ones != c.ones {
			t.Errorf("%s for 100 values: %d ones, %t, want %d, %t", c.name, ones, ok, c.ones, c.ok)
		}
	}
}
