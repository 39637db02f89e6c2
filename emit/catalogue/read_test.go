package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"pgregory.net/rapid"

	"gen/core"
)

func hintOf(err error) string {
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		return hinter.Hint()
	}
	return ""
}

// A directory as Spark writes it, on a real disk.
func TestReadSparkDirectory(t *testing.T) {
	movies := someMovies(100)
	files := fstest.MapFS{}
	addSparkDir(files, "content_features/movies_features", featureParts(movies, 4)...)
	root := t.TempDir()
	if err := os.CopyFS(root, files); err != nil {
		t.Fatal(err)
	}
	cat, warnings, err := Read(os.DirFS(root), "content_features/movies_features")
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Read = %v, warnings %q", err, warnings)
	}
	if cat.Kind != "parquet" || !reflect.DeepEqual(cat.Movies, movies) {
		t.Errorf("Read = %s, %d movies, other than written", cat.Kind, len(cat.Movies))
	}
	// The directory can be the root itself.
	again, _, err := Read(os.DirFS(filepath.Join(root, "content_features", "movies_features")), ".")
	if err != nil || again.SHA256() != cat.SHA256() {
		t.Errorf("Read(.) = %v, or another catalogue", err)
	}
}

func TestReadDirectories(t *testing.T) {
	part := featureParts(someMovies(5), 1)[0]
	base := func() fstest.MapFS {
		fsys := fstest.MapFS{}
		addSparkDir(fsys, "d", part)
		return fsys
	}
	tests := []struct {
		name              string
		change            func(fsys fstest.MapFS)
		want, warns, hint string // want: the error, empty for none
	}{
		{"complete", func(fstest.MapFS) {}, "", "", ""},
		{"no _SUCCESS", func(f fstest.MapFS) { delete(f, "d/_SUCCESS") }, "", "d has no _SUCCESS", ""},
		{"half-written", func(f fstest.MapFS) {
			delete(f, "d/_SUCCESS")
			f["d/_temporary/0/part-1"] = &fstest.MapFile{}
		}, "half-written", "", "wait until the job"},
		{"a job appends", func(f fstest.MapFS) { f["d/_temporary/0/part-1"] = &fstest.MapFile{} }, "", "d holds _temporary", ""},
		{"other files beside the parts", func(f fstest.MapFS) {
			f["d/README.txt"] = &fstest.MapFile{Data: []byte("x")}
			f["d/year=1995/part-0"] = &fstest.MapFile{}
		}, "", "not read, no part files: README.txt, year=1995", ""},
		{"hidden directory", func(f fstest.MapFS) { f["d/_delta_log/0.json"] = &fstest.MapFile{} }, "", "", ""},
		{"no parts", func(f fstest.MapFS) {
			for name := range f {
				if strings.HasPrefix(name, "d/part-") {
					delete(f, name)
				}
			}
		}, "holds no Parquet part files (it is empty)", "", ""},
		{"the directory above", func(f fstest.MapFS) {
			clear(f)
			addSparkDir(f, "d/movies_features", part)
			addSparkDir(f, "d/genres_metadata", part)
		}, "holds no Parquet part files (found: genres_metadata, movies_features)", "", "d/movies_features"},
		{"a MovieLens directory", func(f fstest.MapFS) {
			clear(f)
			f["d/movies.csv"], f["d/README.txt"] = &fstest.MapFile{}, &fstest.MapFile{}
		}, "holds no Parquet part files (found: README.txt, movies.csv)", "", "d/movies.csv"},
		{"many other files", func(f fstest.MapFS) {
			clear(f)
			for i := range 12 {
				f[fmt.Sprintf("d/f%02d", i)] = &fstest.MapFile{}
			}
		}, "f09 and 2 more", "", ""},
		{"an empty part", func(f fstest.MapFS) { f["d/part-9.parquet"] = &fstest.MapFile{} }, "d/part-9.parquet: is empty", "", ""},
		{"a part of text", func(f fstest.MapFS) { f["d/part-9.csv"] = &fstest.MapFile{Data: []byte("movieId,title")} },
			`d/part-9.csv: is not a Parquet file (it begins with "movi"`, "", ""},
		{"a movie in two parts", func(f fstest.MapFS) { f["d/part-9.parquet"] = &fstest.MapFile{Data: part} },
			"movieId 1 stands twice", "", ""},
		{"no rows", func(f fstest.MapFS) {
			clear(f)
			addSparkDir(f, "d", parquetBytes(featureFields(), []row{}))
		}, "no movies", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fsys := base()
			test.change(fsys)
			cat, warnings, err := Read(fsys, "d")
			switch {
			case test.want != "":
				checkContentError(t, err, "d", test.want)
			case err != nil || len(cat.Movies) != 5:
				t.Fatalf("Read = %v, %v", cat, err)
			}
			if got := strings.Join(warnings, "\n"); !strings.Contains(got, test.warns) || (test.warns == "") != (got == "") {
				t.Errorf("warnings %q, want %q", got, test.warns)
			}
			if got := hintOf(err); !strings.Contains(got, test.hint) || (test.hint == "") != (got == "") {
				t.Errorf("hint %q, want %q", got, test.hint)
			}
		})
	}
}

func TestReadByContent(t *testing.T) {
	movies := someMovies(5)
	csv, pq := csvBytes(movies), featureParts(movies, 1)[0]
	tests := []struct {
		path string
		data []byte
		kind string // empty: an error
	}{
		{"movies.csv", csv, "csv"}, {"MOVIES.CSV", csv, "csv"}, {"movies.txt", csv, "csv"}, {"movies", csv, "csv"},
		{"movies.parquet", pq, "parquet"}, {"movies.parq", pq, "parquet"}, {"movies", pq, "parquet"},
		{"movies.json", []byte(`{"title":"a"}`), ""}, {"movies.dat", []byte("1::Toy Story (1995)::Comedy\n"), ""},
		{"movies", []byte("P"), ""}, {"movies", nil, ""},
	}
	for _, test := range tests {
		cat, _, err := Read(oneFile(test.path, test.data), test.path)
		if test.kind == "" {
			checkContentError(t, err, test.path, "is ")
		} else if err != nil || cat.Kind != test.kind || !reflect.DeepEqual(cat.Movies, movies) {
			t.Errorf("Read(%q) = %v, %v, want the movies, kind %q", test.path, cat, err, test.kind)
		}
	}
}

// deniedFS answers with what a file system of another kind may answer.
type deniedFS struct{ err error }

func (d deniedFS) Open(string) (fs.File, error) { return nil, d.err }

func TestReadFileSystemErrors(t *testing.T) {
	tests := []struct {
		name string
		fsys fs.FS
		want error
	}{
		{"nothing there", os.DirFS(t.TempDir()), fs.ErrNotExist},
		{"permission", deniedFS{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}}, fs.ErrPermission},
		{"without a PathError", deniedFS{fmt.Errorf("rpc: %w", fs.ErrPermission)}, fs.ErrPermission},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, path := range []string{"a/movies.csv", "a/movies.parquet", "a/movies_features"} {
				_, _, err := Read(test.fsys, path)
				_, _, errGenres := ReadGenres(test.fsys, path)
				for _, err := range []error{err, errGenres} {
					if !errors.Is(err, test.want) || errors.Is(err, core.ErrCatalogue) || strings.Count(err.Error(), path) != 1 {
						t.Errorf("error %v, want %v and the path once", err, test.want)
					}
				}
			}
		})
	}
}

// Whatever the catalogue, CSV and Parquet of any shape give it back.
func TestReadProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		movies := drawMovies(t)
		want, err := core.NewCatalogue("parquet", movies)
		must(err)
		fsys := fstest.MapFS{"movies.csv": {Data: csvBytes(movies)}}
		addSparkDir(fsys, "movies_features", drawParts(t, movies)...)

		fromCSV, _, err := Read(fsys, "movies.csv")
		if err != nil || !reflect.DeepEqual(fromCSV.Movies, want.Movies) {
			t.Fatalf("from CSV: %v, %+v, want %+v", err, fromCSV, want)
		}
		got, warnings, err := Read(fsys, "movies_features")
		if err != nil || len(warnings) > 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("from Parquet: %v, %q, %+v, want %+v", err, warnings, got, want)
		}
		// Control: a catalogue that lost a movie's genre is not equal.
		movies[0].Genres = append([]string{"Lost"}, movies[0].Genres...)
		if other, _, err := Read(oneFile("m.csv", csvBytes(movies)), "m.csv"); err != nil || other.SHA256() == want.SHA256() {
			t.Fatalf("another catalogue reads as the same (%v)", err)
		}
	})
}

func drawMovies(t *rapid.T) []core.Movie {
	// No CR: encoding/csv turns CR LF inside quotes into LF.
	text := rapid.StringOf(rapid.RuneFrom([]rune("abc ,;\"'\n\té日🎬(1995)|")))
	genre := rapid.StringOfN(rapid.RuneFrom([]rune("ABCab-,\"é(")), 1, 6, -1)
	ids := rapid.SliceOfNDistinct(rapid.Uint32Range(1, core.MaxID), 1, 40, rapid.ID).Draw(t, "ids")
	var movies []core.Movie
	for _, id := range ids {
		m := core.Movie{ID: id, Title: text.Draw(t, "title")}
		m.Genres = rapid.SliceOfNDistinct(genre, 0, 4, rapid.ID).Draw(t, "genres")
		if len(m.Genres) == 0 {
			m.Genres = nil
		}
		movies = append(movies, m)
	}
	return movies
}

// drawParts writes movies as part files of any shape.
func drawParts(t *rapid.T, movies []core.Movie) [][]byte {
	field := optional
	if rapid.Bool().Draw(t, "required") {
		field = required
	}
	idType := rapid.SampledFrom([]arrow.DataType{arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64}).Draw(t, "idType")
	fields := []arrow.Field{field("movieId", idType), optional("vec", sparkVector), field("title", arrow.BinaryTypes.String)}
	asList := rapid.Bool().Draw(t, "asList")
	if asList {
		fields = append(fields, field("genres_array", arrow.ListOfField(field("element", arrow.BinaryTypes.String))))
	} else {
		fields = append(fields, field("genres", arrow.BinaryTypes.String))
	}
	options := []parquet.WriterProperty{
		parquet.WithCompression(rapid.SampledFrom([]compress.Compression{compress.Codecs.Uncompressed,
			compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Zstd}).Draw(t, "codec")),
		parquet.WithDictionaryDefault(rapid.Bool().Draw(t, "dictionary")),
		parquet.WithMaxRowGroupLength(rapid.Int64Range(1, 50).Draw(t, "rowGroup")),
		parquet.WithDataPageSize(rapid.Int64Range(1, 200).Draw(t, "page")),
		parquet.WithDataPageVersion(rapid.SampledFrom([]parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2}).Draw(t, "pageVersion")),
		parquet.WithBatchSize(rapid.Int64Range(1, 20).Draw(t, "batch")),
	}
	n := rapid.IntRange(1, 4).Draw(t, "parts")
	parts := make([][]byte, n)
	for i := range parts {
		rows := []row{}
		for _, m := range movies[len(movies)*i/n : len(movies)*(i+1)/n] {
			rows = append(rows, row{"movieId": m.ID, "title": m.Title, "vec": slices.Concat([]row{denseVector, sparseVector})[i%2],
				"genres": strings.Join(m.Genres, "|"), "genres_array": append([]string{}, m.Genres...)})
		}
		parts[i] = parquetBytes(fields, rows, options...)
	}
	return parts
}
