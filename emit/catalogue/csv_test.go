package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"gen/core"
)

func TestCSV(t *testing.T) {
	toyStory := []core.Movie{{ID: 1, Title: "Toy Story (1995)", Genres: []string{"Adventure", "Animation"}}}
	tests := []struct {
		name, text string
		want       []core.Movie
	}{
		{"as MovieLens has it", "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n", toyStory},
		{"without a last line feed", "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation", toyStory},
		{"CRLF", "movieId,title,genres\r\n1,Toy Story (1995),Adventure|Animation\r\n", toyStory},
		{"byte order mark", "\ufeffmovieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n", toyStory},
		{"another order of columns, one more", "genres,year,movieId,title\nAdventure|Animation,1995,1,Toy Story (1995)\n", toyStory},
		{"spaces in the header and around the movieId", "movieId, title, genres\n 1,Toy Story (1995),Adventure|Animation\n", toyStory},
		{"a genre twice", "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation|Adventure\n", toyStory},
		{"bytes that are not UTF-8 in a column not wanted", "movieId,title,genres,x\n1,Toy Story (1995),Adventure|Animation,\xff\n", toyStory},
		{"a comma in the title", "movieId,title,genres\n11,\"American President, The (1995)\",Comedy\n",
			[]core.Movie{{ID: 11, Title: "American President, The (1995)", Genres: []string{"Comedy"}}}},
		{"doubled quotes", "movieId,title,genres\n85780,\"\"\"Great Performances\"\" Cats (1998)\",Musical\n",
			[]core.Movie{{ID: 85780, Title: `"Great Performances" Cats (1998)`, Genres: []string{"Musical"}}}},
		{"no genres listed is a genre", "movieId,title,genres\n7,Léon,(no genres listed)\n",
			[]core.Movie{{ID: 7, Title: "Léon", Genres: []string{"(no genres listed)"}}}},
		{"an empty field has no genres", "movieId,title,genres\n7,,\n", []core.Movie{{ID: 7}}},
		{"in order of movieId", "movieId,title,genres\n2147483647,b,\n7,a,\n", []core.Movie{{ID: 7, Title: "a"}, {ID: core.MaxID, Title: "b"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cat, warnings, err := Read(oneFile("movies.csv", []byte(test.text)), "movies.csv")
			if err != nil || len(warnings) > 0 {
				t.Fatalf("Read = %v, warnings %q", err, warnings)
			}
			if want := (&core.Catalogue{Kind: "csv", Movies: test.want}); !reflect.DeepEqual(cat, want) {
				t.Errorf("Read = %+v, want %+v", cat, want)
			}
		})
	}
}

func TestCSVErrors(t *testing.T) {
	const header = "movieId,title,genres\n"
	tests := []struct{ name, text, want string }{
		{"empty file", "", "is empty (0 bytes)"},
		{"byte order mark alone", "\ufeff", "has no header line"},
		{"blank lines alone", "\n\n", "has no header line"},
		{"header alone", header, "has a header line and no rows"},
		{"missing column", "movieId,title\n1,a\n", "no column genres in the header (found: movieId, title)"},
		{"another separator", "movieId;title;genres\n1;a;b\n", `no column movieId in the header (found: "movieId;title;genres")`},
		{"UTF-16", "\xff\xfem\x00o\x00\n\x00", `no column movieId in the header (found: "\xff\xfem\x00o\x00")`},
		{"column twice", "movieId,title,genres,title\n1,a,b,c\n", "column title stands twice in the header"},
		{"text as movieId", header + "1,a,b\nx,a,b\n", `line 3: movieId "x" is not a whole number`},
		{"empty movieId", header + ",a,b\n", `line 2: movieId "" is not a whole number`},
		{"fraction as movieId", header + "1.0,a,b\n", `line 2: movieId "1.0" is not a whole number`},
		{"movieId 0", header + "0,a,b\n", "line 2: movieId 0 is out of range 1 to 2147483647"},
		{"negative movieId", header + "-5,a,b\n", "line 2: movieId -5 is out of range 1 to 2147483647"},
		{"large movieId", header + "2147483648,a,b\n", "line 2: movieId 2147483648 is out of range"},
		{"huge movieId", header + "99999999999999999999,a,b\n", "line 2: movieId 99999999999999999999 is out of range"},
		// The record of line 3 spans two lines: the line is not the record's number.
		{"movieId twice", header + "7,a,b\n8,\"c\nd\",e\n7,c,d\n", "line 5: movieId 7 stands twice (first in line 2)"},
		{"few fields", header + "1,a\n", "line 2: the number of fields is 2, in the header it is 3"},
		{"unquoted comma", header + "1,a, The,b\n", "line 2: the number of fields is 4, in the header it is 3"},
		{"title is not UTF-8", header + "1,L\xe9on,b\n", `line 2: title "L\xe9on" is not UTF-8`},
		{"genres are not UTF-8", header + "1,a,\xff\n", `line 2: genres "\xff" is not UTF-8`},
		{"quote without end", header + "1,a,b\n2,\"c,d\n3,e,f\n", `line 3: extraneous or missing " in quoted-field`},
		{"quote inside a field", header + "1,a\"b,c\n", `line 2: bare " in non-quoted-field`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := Read(oneFile("in/movies.csv", []byte(test.text)), "in/movies.csv")
			checkContentError(t, err, "in/movies.csv", test.want)
		})
	}
}

// checkContentError checks that err is one line, is core.ErrCatalogue, names
// the path and says want.
func checkContentError(t *testing.T, err error, path, want string) {
	t.Helper()
	if !errors.Is(err, core.ErrCatalogue) {
		t.Fatalf("error %v, want core.ErrCatalogue", err)
	}
	text := err.Error()
	if !strings.Contains(text, want) || !strings.Contains(text, path) || strings.Contains(text, "\n") {
		t.Errorf("error %q, want one line with %q and %q", text, path, want)
	}
}

// A failing disk is not a bad catalogue.
func TestCSVReadFails(t *testing.T) {
	_, _, err := Read(failingFS{oneFile("movies.csv", csvBytes(someMovies(9)))}, "movies.csv")
	if !errors.Is(err, errDisk) || errors.Is(err, core.ErrCatalogue) {
		t.Errorf("Read = %v, want errDisk", err)
	}
}

var errDisk = errors.New("disk on fire")

// failingFS opens files that cannot be read.
type failingFS struct{ fs.FS }

func (f failingFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return failingFile{file}, nil
}

type failingFile struct{ fs.File }

func (failingFile) fail() error                         { return &fs.PathError{Op: "read", Path: "x", Err: errDisk} }
func (f failingFile) Read([]byte) (int, error)          { return 0, f.fail() }
func (f failingFile) ReadAt([]byte, int64) (int, error) { return 0, f.fail() }
func (f failingFile) Seek(int64, int) (int64, error)    { return 1 << 20, nil }

func FuzzCSV(f *testing.F) {
	f.Add(csvBytes(someMovies(3)))
	f.Add([]byte("\ufeffgenre,idx,movieId,title,genres\r\nDrama,1,2,\"a \"\"b\"\", c\",Drama|War\r\n"))
	f.Add([]byte("movieId,title,genres\n0,\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := oneFile("movies.csv", data)
		cat, _, err := Read(fsys, "movies.csv")
		checkRead(t, cat, err)
		_, _, err = ReadGenres(fsys, "movies.csv")
		checkRead(t, nil, err)
	})
}

// checkRead checks what must hold for any input.
func checkRead(t *testing.T, cat *core.Catalogue, err error) {
	t.Helper()
	if err != nil && (!errors.Is(err, core.ErrCatalogue) || !strings.Contains(err.Error(), "movies.")) {
		t.Errorf("error %v, want core.ErrCatalogue and the file's name", err)
	}
	if err == nil && cat != nil {
		if _, err := core.NewCatalogue(cat.Kind, cat.Movies); err != nil {
			t.Errorf("NewCatalogue of what was read: %v", err)
		}
	}
}

func BenchmarkCSV(b *testing.B) {
	fsys := oneFile("movies.csv", csvBytes(someMovies(27278)))
	for b.Loop() {
		cat, _, err := Read(fsys, "movies.csv")
		if err != nil || len(cat.Movies) != 27278 {
			b.Fatal(fmt.Sprint(len(cat.Movies)), err)
		}
	}
}
