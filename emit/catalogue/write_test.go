package catalogue

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing/fstest"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"gen/core"
)

// row is a row to write, by column.
type row map[string]any

var (
	stringList = arrow.ListOf(arrow.BinaryTypes.String)
	// sparkVector is how Spark stores its ML vectors.
	sparkVector = arrow.StructOf(
		arrow.Field{Name: "type", Type: arrow.PrimitiveTypes.Int8},
		arrow.Field{Name: "size", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		arrow.Field{Name: "indices", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
		arrow.Field{Name: "values", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64), Nullable: true})
	sparseVector = row{"type": 0, "size": 20, "indices": []int{3, 7}, "values": []float64{1, 1}}
	denseVector  = row{"type": 1, "size": nil, "indices": nil, "values": []float64{0.25, 0.5, 0.75}}
)

func optional(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

func required(name string, t arrow.DataType) arrow.Field { return arrow.Field{Name: name, Type: t} }

// featureFields are the columns of movies_features, in Spark's order but for
// title: no column is where a reader by position would look.
func featureFields() []arrow.Field {
	return []arrow.Field{
		optional("genres_vec", sparkVector), optional("n_genres", arrow.PrimitiveTypes.Int32),
		optional("genres_array", stringList), optional("genres", arrow.BinaryTypes.String),
		optional("movieId", arrow.PrimitiveTypes.Int32), optional("tags_vec", sparkVector),
		optional("n_tags", arrow.PrimitiveTypes.Int64), optional("avg_tag_relevance", arrow.PrimitiveTypes.Float64),
		optional("title", arrow.BinaryTypes.String),
	}
}

// featureRow is a movie as a row of movies_features.
func featureRow(m core.Movie) row {
	genres := strings.Join(m.Genres, "|")
	if genres == "" {
		genres = "Unknown"
	}
	return row{
		"movieId": m.ID, "title": m.Title, "genres": genres, "genres_array": append([]string{}, m.Genres...),
		"genres_vec": sparseVector, "tags_vec": denseVector,
		"n_genres": len(m.Genres), "n_tags": 12, "avg_tag_relevance": 0.5,
	}
}

// parquetBytes writes rows to a Parquet file.
func parquetBytes(fields []arrow.Field, rows []row, options ...parquet.WriterProperty) []byte {
	text, err := json.Marshal(append([]row{}, rows...)) // an array, also without rows
	must(err)
	s := arrow.NewSchema(fields, nil)
	record, _, err := array.RecordFromJSON(memory.NewGoAllocator(), s, bytes.NewReader(text))
	must(err)
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &b, parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
	must(err)
	must(w.Write(record))
	must(w.Close())
	return b.Bytes()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// addSparkDir adds a directory as Spark writes it, one part file for each of
// parts.
func addSparkDir(fsys fstest.MapFS, dir string, parts ...[]byte) {
	fsys[path.Join(dir, "_SUCCESS")] = &fstest.MapFile{}
	fsys[path.Join(dir, "._SUCCESS.crc")] = &fstest.MapFile{Data: []byte("crc\x00")}
	for i, data := range parts {
		name := fmt.Sprintf("part-%05d-41b0cf4e-c000.snappy.parquet", i)
		fsys[path.Join(dir, name)] = &fstest.MapFile{Data: data}
		fsys[path.Join(dir, "."+name+".crc")] = &fstest.MapFile{Data: []byte("crc\x00\x01")}
	}
}

var snappy = parquet.WithCompression(compress.Codecs.Snappy)

// featureParts writes movies as n part files.
func featureParts(movies []core.Movie, n int) [][]byte {
	parts := make([][]byte, n)
	for i := range parts {
		rows := []row{}
		for _, m := range movies[len(movies)*i/n : len(movies)*(i+1)/n] {
			rows = append(rows, featureRow(m))
		}
		parts[i] = parquetBytes(featureFields(), rows, snappy)
	}
	return parts
}

// csvBytes writes movies as MovieLens does.
func csvBytes(movies []core.Movie) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	must(w.Write([]string{"movieId", "title", "genres"}))
	for _, m := range movies {
		must(w.Write([]string{strconv.Itoa(int(m.ID)), m.Title, strings.Join(m.Genres, "|")}))
	}
	w.Flush()
	must(w.Error())
	return b.Bytes()
}

// someMovies returns n movies; the genres of every tenth are unknown.
func someMovies(n int) []core.Movie {
	var movies []core.Movie
	for i := range n {
		m := core.Movie{ID: uint32(4*i + 1), Title: fmt.Sprintf("Movie, The \"%d\" (1995)", i)}
		if i%10 == 9 {
			m.Genres = []string{"Unknown"}
		} else {
			m.Genres = []string{"Genre " + strconv.Itoa(i%7), "Genre " + strconv.Itoa(7+i%11)}
		}
		movies = append(movies, m)
	}
	return movies
}

// oneFile is a file system of one file.
func oneFile(name string, data []byte) fs.FS { return fstest.MapFS{name: {Data: data}} }
