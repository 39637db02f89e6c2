package catalogue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"

	"gen/core"
)

var (
	int32Type, int64Type = arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64
	text                 = arrow.BinaryTypes.String
)

func readParquet(data []byte) (*core.Catalogue, error) {
	cat, _, err := Read(oneFile("movies.parquet", data), "movies.parquet")
	return cat, err
}

func TestParquet(t *testing.T) {
	want := []core.Movie{
		{ID: 1, Title: "Toy Story", Genres: []string{"Comedy", "War"}},
		{ID: 2, Genres: []string{"Unknown"}},
		{ID: 3, Title: "c"},
	}
	rows := []row{
		{"movieId": 1, "title": "Toy Story", "genres": "Comedy|War", "genres_array": []any{"Comedy", "War"}},
		{"movieId": 2, "title": nil, "genres": "Unknown", "genres_array": []any{nil, "Unknown", nil}},
		{"movieId": 3, "title": "c", "genres": nil, "genres_array": nil},
	}
	other := []arrow.Field{optional("genres_array", arrow.ListOf(int32Type))}
	tests := []struct {
		name   string
		fields []arrow.Field
	}{
		{"string", []arrow.Field{optional("movieId", int32Type), optional("title", text), optional("genres", text)}},
		{"list", []arrow.Field{optional("movieId", int64Type), optional("title", text), optional("genres_array", stringList)}},
		{"binary", []arrow.Field{required("movieId", int64Type), optional("title", arrow.BinaryTypes.Binary), optional("genres", text)}},
		// genres is there, so genres_array is an extra column of whatever type.
		{"string before list", append([]arrow.Field{optional("genres", text), optional("title", text), required("movieId", int32Type)}, other...)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for i, r := range rows {
				if test.name == "string before list" {
					r["genres_array"] = []int{i}
				}
				if test.name == "binary" && r["title"] != nil { // JSON has binary as base64
					r["title"] = []byte(r["title"].(string))
				}
			}
			got, err := readParquet(parquetBytes(test.fields, rows))
			if err != nil || !reflect.DeepEqual(got.Movies, want) {
				t.Errorf("Read = %+v, %v, want %+v", got, err, want)
			}
			for _, r := range rows {
				if b, ok := r["title"].([]byte); ok {
					r["title"] = string(b)
				}
			}
		})
	}
}

// Rows beyond the size of a batch, in one row group and in many.
func TestParquetManyRows(t *testing.T) {
	movies := someMovies(2*batchRows + 100)
	rows := []row{}
	for _, m := range movies {
		rows = append(rows, row{"movieId": m.ID, "title": m.Title, "genres": strings.Join(m.Genres, "|"), "genres_array": m.Genres})
	}
	for _, genres := range []arrow.Field{optional("genres", text), required("genres", text), optional("genres_array", stringList)} {
		fields := []arrow.Field{required("movieId", int64Type), optional("title", text), genres}
		for _, group := range []int64{1 << 20, batchRows, 5000} {
			got, err := readParquet(parquetBytes(fields, rows, snappy, parquet.WithMaxRowGroupLength(group), parquet.WithDataPageSize(4096)))
			if err != nil || !reflect.DeepEqual(got.Movies, movies) {
				t.Errorf("%s in row groups of %d: %v, or other movies", genres.Name, group, err)
			}
		}
	}
}

func TestParquetErrors(t *testing.T) {
	id, title, genres := optional("movieId", int32Type), optional("title", text), optional("genres", text)
	rows := []row{{"movieId": 1, "title": "a", "genres": "b"}, {"movieId": 2, "title": "a", "genres": "b"}}
	good := parquetBytes([]arrow.Field{id, title, genres}, rows)
	// with replaces a column; each row is a row group.
	with := func(f arrow.Field, values ...any) []byte {
		fields := []arrow.Field{id, title, genres}
		fields[slices.IndexFunc(fields, func(g arrow.Field) bool { return g.Name == f.Name })] = f
		var all []row
		for i, v := range values {
			r := row{"movieId": i + 1, "title": "a", "genres": "b"}
			r[f.Name] = v
			all = append(all, r)
		}
		return parquetBytes(fields, all, parquet.WithMaxRowGroupLength(1))
	}
	replaced := func(old, with string) []byte { return bytes.ReplaceAll(bytes.Clone(good), []byte(old), []byte(with)) }
	encryptedFooter := append(bytes.Clone(good[:len(good)-4]), encrypted...)
	longFooter := binary.LittleEndian.AppendUint32(bytes.Clone(good[:len(good)-8]), 1<<30)
	longFooter = append(longFooter, magic...)

	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "is empty (0 bytes)"},
		{"short", []byte("PAR"), "is not a Parquet file (3 bytes)"},
		{"magic alone", []byte("PAR1"), "is not a Parquet file (4 bytes)"},
		{"both magics alone", []byte("PAR1PAR1"), "is not readable as Parquet"},
		{"text", []byte("movieId,title,genres\n1,a,b\n"), `is not a Parquet file (it begins with "movi", not "PAR1")`},
		{"truncated", good[:len(good)/2], "is a truncated Parquet file"},
		{"encrypted", encryptedFooter, "is encrypted Parquet"},
		{"footer longer than the file", longFooter, "is not readable as Parquet"},
		{"garbage footer", replaced("movieId", "\xff\xff\xff\xff\xff\xff\xff"), "movies.parquet"},
		{"no movieId", parquetBytes([]arrow.Field{optional("id", int32Type), title, genres}, nil), "no column movieId (found: id, title, genres)"},
		{"no genres at all", parquetBytes([]arrow.Field{id, title}, nil), "no column genres (found: movieId, title)"},
		{"movieId is text", with(required("movieId", text), "2"), "column movieId is BYTE_ARRAY (String), want INT32 or INT64"},
		{"movieId is a fraction", with(required("movieId", arrow.PrimitiveTypes.Float64), 2), "column movieId is DOUBLE, want INT32 or INT64"},
		{"movieId is a date", with(required("movieId", arrow.FixedWidthTypes.Date32), "2020-01-01"), "column movieId is INT32 (Date), want INT32 or INT64"},
		{"movieId is a list", with(optional("movieId", arrow.ListOf(int32Type)), []int{2}), "column movieId is a list, map or struct, want INT32 or INT64"},
		{"title is a number", with(optional("title", int32Type), 2), "column title is INT32"},
		{"title is a list", with(optional("title", stringList), []string{"a"}), "column title is a list, map or struct, want string"},
		{"title is a struct", with(optional("title", arrow.StructOf(optional("en", text))), row{"en": "a"}), "column title is a list, map or struct, want string"},
		{"genres are numbers", with(optional("genres", arrow.ListOf(int32Type)), []int{2}), "column genres is a list, map or struct, want string or list of strings"},
		{"genres are lists of lists", with(optional("genres", arrow.ListOf(stringList)), [][]string{{"a"}}), "column genres is a list, map or struct"},
		{"movieId is null", with(id, 1, nil), "row 2: movieId is null"},
		{"movieId 0", with(id, 1, 0), "row 2: movieId 0 is out of range 1 to 2147483647"},
		{"negative movieId", with(id, 1, -3), "row 2: movieId -3 is out of range"},
		{"large movieId", with(required("movieId", int64Type), 1, int64(1)<<31), "row 2: movieId 2147483648 is out of range"},
		{"huge movieId", with(required("movieId", int64Type), 1, int64(1)<<32+1), "row 2: movieId 4294967297 is out of range"},
		{"movieId twice", with(id, 1, 1), "movieId 1 stands twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readParquet(test.data)
			checkContentError(t, err, "movies.parquet", test.want)
		})
	}
	if _, err := readParquet(good); err != nil {
		t.Errorf("control: %v", err)
	}
}

func TestParquetNotUTF8(t *testing.T) {
	fields := []arrow.Field{required("movieId", int32Type), required("title", arrow.BinaryTypes.Binary), required("genres", text)}
	data := parquetBytes(fields, []row{{"movieId": 1, "title": []byte("a"), "genres": "b"}, {"movieId": 2, "title": []byte("\xe9"), "genres": "b"}})
	_, err := readParquet(data)
	checkContentError(t, err, "movies.parquet", `row 2: title "\xe9" is not UTF-8`)
}

func TestParquetFileSystem(t *testing.T) {
	fsys := oneFile("movies.parquet", featureParts(someMovies(3), 1)[0])
	if _, _, err := Read(failingFS{fsys}, "movies.parquet"); !errors.Is(err, errDisk) || errors.Is(err, core.ErrCatalogue) {
		t.Errorf("Read of a failing disk = %v, want errDisk", err)
	}
	// Fails after the footer, where the library wraps no error.
	if _, _, err := Read(lateFS{fsys}, "movies.parquet"); !errors.Is(err, errDisk) || errors.Is(err, core.ErrCatalogue) {
		t.Errorf("Read of a disk that fails later = %v, want errDisk", err)
	}
	if _, _, err := Read(streamFS{fsys}, "movies.parquet"); err == nil || !strings.Contains(err.Error(), "movies.parquet: this file system has no random access") {
		t.Errorf("Read of a file without ReadAt = %v", err)
	}
}

// lateFS opens files that cannot be read but at their ends.
type lateFS struct{ fs.FS }

func (l lateFS) Open(name string) (fs.File, error) {
	file, err := l.FS.Open(name)
	return &lateFile{file, file.(parquet.ReaderAtSeeker), 0}, err
}

type lateFile struct {
	fs.File
	parquet.ReaderAtSeeker
	reads int
}

func (l *lateFile) ReadAt(b []byte, at int64) (int, error) {
	if l.reads++; l.reads > 4 { // both magics, footer length, footer
		return 0, errDisk
	}
	return l.ReaderAtSeeker.ReadAt(b, at)
}

// streamFS opens files that can only be read in order.
type streamFS struct{ fs.FS }

func (s streamFS) Open(name string) (fs.File, error) {
	file, err := s.FS.Open(name)
	return struct{ fs.File }{file}, err
}

// A file cut or changed anywhere ends in an error or in a catalogue: no
// panic, no endless loop.
func TestParquetDamaged(t *testing.T) {
	for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy} {
		fields := []arrow.Field{optional("movieId", int32Type), optional("title", text), optional("genres_array", stringList)}
		rows := []row{}
		for _, m := range someMovies(20) {
			rows = append(rows, row{"movieId": m.ID, "title": m.Title, "genres_array": m.Genres})
		}
		good := parquetBytes(fields, rows, parquet.WithCompression(codec), parquet.WithStats(false))
		wrong := 0
		for i := range good {
			if _, err := readParquet(good[:i]); err == nil {
				t.Errorf("a file of %d bytes cut to %d reads without an error", len(good), i)
			}
			for _, mask := range []byte{0x01, 0x80, 0xff} {
				bad := bytes.Clone(good)
				bad[i] ^= mask
				cat, err := readParquet(bad)
				checkRead(t, cat, err)
				if err != nil {
					wrong++
				}
			}
		}
		t.Logf("%v: %d bytes, %d of %d changes noticed", codec, len(good), wrong, 3*len(good))
	}
}

func FuzzParquet(f *testing.F) {
	for _, option := range []parquet.WriterProperty{snappy, parquet.WithCompression(compress.Codecs.Uncompressed), parquet.WithDictionaryDefault(false)} {
		f.Add(parquetBytes([]arrow.Field{required("movieId", int64Type), optional("title", text), optional("genres", text)},
			[]row{{"movieId": 1, "title": "a", "genres": "b|c"}, {"movieId": 2}}, option, parquet.WithStats(false)))
		f.Add(parquetBytes([]arrow.Field{optional("movieId", int32Type), optional("title", text), optional("genres_array", stringList), optional("genre", text)},
			[]row{{"movieId": 1, "title": "a", "genres_array": []any{"b", nil}, "genre": "b"}}, option, parquet.WithStats(false)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := oneFile("movies.parquet", data)
		cat, _, err := Read(fsys, "movies.parquet")
		checkRead(t, cat, err)
		_, _, err = ReadGenres(fsys, "movies.parquet")
		checkRead(t, nil, err)
	})
}

func BenchmarkParquet(b *testing.B) {
	for _, parts := range []int{1, 200} {
		files := map[int]string{1: "one file", 200: "200 files"}
		b.Run(files[parts], func(b *testing.B) {
			benchmarkParquet(b, parts)
		})
	}
}

func benchmarkParquet(b *testing.B, parts int) {
	files := fstest.MapFS{}
	addSparkDir(files, "d", featureParts(someMovies(27278), parts)...)
	root := b.TempDir()
	if err := os.CopyFS(root, files); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cat, _, err := Read(os.DirFS(root), "d")
		if err != nil || len(cat.Movies) != 27278 {
			b.Fatal(cat, err)
		}
	}
}

// A page that claims an absurd size is an error, not an allocation.
func TestBoundedAllocator(t *testing.T) {
	a := boundedAllocator{memory.NewGoAllocator()}
	if got := len(a.Reallocate(8, a.Allocate(4))); got != 8 {
		t.Errorf("Reallocate(8) gives %d bytes", got)
	}
	defer func() {
		if recover() == nil {
			t.Errorf("Allocate(%d) gives memory", maxBuffer+1)
		}
	}()
	a.Allocate(maxBuffer + 1)
}
