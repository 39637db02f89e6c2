package catalogue

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/apache/arrow/go/v15/arrow"
)

func genreRows(names ...any) []row {
	rows := []row{}
	for i, n := range names {
		rows = append(rows, row{"genre": n, "idx": i, "vec": sparseVector})
	}
	return rows
}

func genreFields(idx arrow.DataType) []arrow.Field {
	return []arrow.Field{optional("idx", idx), optional("vec", sparkVector), optional("genre", arrow.BinaryTypes.String)}
}

func TestReadGenres(t *testing.T) {
	fsys := fstest.MapFS{}
	addSparkDir(fsys, "genres_metadata",
		parquetBytes(genreFields(arrow.PrimitiveTypes.Int64), genreRows("Drama", "(no genres listed)"), snappy),
		parquetBytes(genreFields(arrow.PrimitiveTypes.Int64), genreRows(), snappy),
		parquetBytes(genreFields(arrow.PrimitiveTypes.Int64), genreRows("IMAX", "Drama"), snappy))
	fsys["g.parquet"] = &fstest.MapFile{Data: parquetBytes(genreFields(arrow.PrimitiveTypes.Int32), genreRows(" War ", "Drama"))}
	fsys["g.csv"] = &fstest.MapFile{Data: []byte("idx,genre\n0,War\n1,Drama\n")}
	fsys["g.txt"] = &fstest.MapFile{Data: []byte("genre\nWar\n")}

	tests := []struct {
		name     string
		want     []string
		warnings []string
	}{
		{"genres_metadata", []string{"Drama", "(no genres listed)", "IMAX"}, []string{`genres_metadata: genre "Drama" stands twice`}},
		{"g.parquet", []string{"War", "Drama"}, nil},
		{"g.csv", []string{"War", "Drama"}, nil},
		{"g.txt", []string{"War"}, nil},
	}
	for _, test := range tests {
		got, warnings, err := ReadGenres(fsys, test.name)
		if err != nil || !slices.Equal(got, test.want) || !slices.Equal(warnings, test.warnings) {
			t.Errorf("ReadGenres(%q) = %q, %q, %v, want %q, %q", test.name, got, warnings, err, test.want, test.warnings)
		}
	}
}

func TestReadGenresErrors(t *testing.T) {
	inDir := func(dir string, data []byte) fs.FS {
		fsys := fstest.MapFS{}
		addSparkDir(fsys, dir, data)
		return fsys
	}
	fields := genreFields(arrow.PrimitiveTypes.Int64)
	tests := []struct {
		name string
		fsys fs.FS
		path string
		want string
	}{
		{"no rows", inDir("g", parquetBytes(fields, genreRows())), "g", "no genres"},
		{"null", inDir("g", parquetBytes(fields, genreRows("War", nil))), "g", "row 2: genre is empty"},
		{"empty", oneFile("g.csv", []byte("genre,idx\nWar,1\n,2\n")), "g.csv", "line 3: genre is empty"},
		{"several in one row", oneFile("g.csv", []byte("genre\nWar|Drama\n")), "g.csv", `line 2: genre "War|Drama" holds a "|"`},
		{"no rows in CSV", oneFile("g.csv", []byte("genre,idx\n")), "g.csv", "has a header line and no rows"},
		{"column missing", inDir("g", parquetBytes(featureFields()[:2], []row{})), "g", "no column genre (found: genres_vec, n_genres)"},
		{"column missing in CSV", oneFile("g.csv", []byte("genres\nWar\n")), "g.csv", "no column genre in the header (found: genres)"},
		{"number", inDir("g", parquetBytes([]arrow.Field{optional("genre", arrow.PrimitiveTypes.Int32)}, []row{{"genre": 1}})), "g", "column genre is INT32"},
		{"parent directory", inDir("c/genres_metadata", nil), "c", "holds no Parquet part files (found: genres_metadata)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := ReadGenres(test.fsys, test.path)
			checkContentError(t, err, test.path, test.want)
		})
	}
	_, _, err := ReadGenres(inDir("c/genres_metadata", nil), "c")
	if got := hintOf(err); !strings.Contains(got, "c/genres_metadata") {
		t.Errorf("hint %q, want the path of genres_metadata", got)
	}
}
