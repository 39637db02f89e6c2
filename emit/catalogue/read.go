// Package catalogue reads the movies and the genres that a snapshot is made
// of. Start with [Read] and [ReadGenres]; [Builtin] needs no files.
//
// # What is read
//
//   - A directory of Parquet part files, as Spark writes it: movies_features
//     and genres_metadata of the pipeline.
//   - One Parquet file with the same columns.
//   - MovieLens CSV: movies.csv, with a header line.
//
// Columns are found by name, in any order; the others are not read, whatever
// their type. Wanted are movieId, title and genres ("Adventure|Animation"), or
// in Parquet instead of genres the list genres_array; [ReadGenres] wants genre.
//
// # Errors
//
// An error names the file and, where one is at fault, the line or row, counted
// from 1. Bad content is core.ErrCatalogue; what the file system reports
// (fs.ErrNotExist, fs.ErrPermission) stays visible to errors.Is. Where the
// remedy is known the error has a method Hint() string.
//
// # Caveats
//
// Parquet pages carry no checksum that is looked at: a flipped bit in a title
// is not noticed. A file that claims absurd sizes ends in an error, but may
// make the reader ask for up to 2 GB of memory first.
package catalogue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gen/core"
)

// kind reads one format of file. The functions do not close the file.
type kind struct {
	movies func(f input) ([]core.Movie, error)
	genres func(f input) ([]string, error)
}

// kinds holds the formats by file name extension; a catalogue's Kind is that
// extension without its dot. A directory holds files of kind ".parquet".
var kinds = map[string]kind{
	".csv":     {csvMovies, csvGenres},
	".parquet": {parquetMovies, parquetGenres},
}

// input is an open file.
type input struct {
	fs.File
	name string // for errors: the path in the file system
	size int64  // in bytes
}

// wanted says what a caller looks for.
type wanted struct {
	column string   // that a text file of unknown kind must have
	inside []string // names that a directory of something else may hold
}

// Read reads a catalogue from the file or directory name in fsys. What is odd
// but readable is told in warnings, a sentence each. Files of fsys must
// implement io.ReaderAt and io.Seeker when they are Parquet (those of os.DirFS
// do).
func Read(fsys fs.FS, name string) (cat *core.Catalogue, warnings []string, err error) {
	src, err := locate(fsys, name, wanted{"movieId", []string{"movies_features", "movies.parquet", "movies.csv"}})
	if err != nil {
		return nil, nil, err
	}
	movies, err := readAll(fsys, src, kinds[src.ext].movies)
	if err != nil {
		return nil, nil, err
	}
	cat, err = core.NewCatalogue(strings.TrimPrefix(src.ext, "."), movies)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	return cat, src.warnings, nil
}

// source is what a name turned out to be.
type source struct {
	ext      string   // key of kinds
	files    []string // in the order to read them
	warnings []string
}

// readAll reads every file of src and joins what they hold.
func readAll[T any](fsys fs.FS, src source, read func(input) ([]T, error)) ([]T, error) {
	var all []T
	for _, name := range src.files {
		err := withFile(fsys, name, func(f input) error {
			part, err := read(f)
			all = append(all, part...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// withFile calls do with an open file that is not a directory and not empty.
func withFile(fsys fs.FS, name string, do func(f input) error) error {
	file, err := fsys.Open(name)
	if err != nil {
		return fileError("open", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return fileError("stat", name, err)
	case info.IsDir():
		return invalid(name, "is a directory, want a file")
	case info.Size() == 0:
		return invalid(name, "is empty (0 bytes)")
	}
	return do(input{file, name, info.Size()})
}

// locate finds out what name is: a directory by itself, a file by its
// extension or, where that says nothing, by its first bytes.
func locate(fsys fs.FS, name string, want wanted) (source, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return source{}, fileError("open", name, err)
	}
	if info.IsDir() {
		return listParts(fsys, name, want)
	}
	ext := strings.ToLower(path.Ext(name))
	if _, known := kinds[ext]; !known {
		err = withFile(fsys, name, func(f input) error {
			ext, err = sniff(f, want.column)
			return err
		})
	}
	return source{ext: ext, files: []string{name}}, err
}

// sniff returns the key in kinds of a file whose name does not tell.
func sniff(f input, column string) (string, error) {
	head, err := bufio.NewReaderSize(f, 4096).Peek(4096)
	if err != nil && err != io.EOF {
		return "", fileError("read", f.name, err)
	}
	header, _, _ := bytes.Cut(head, []byte("\n"))
	switch {
	case bytes.HasPrefix(head, []byte(magic)):
		return ".parquet", nil
	case bytes.Contains(header, []byte(column)):
		return ".csv", nil
	}
	return "", invalid(f.name, "is neither Parquet nor CSV with a column %s (it begins with %q)", column, head[:min(len(head), 24)])
}

// listParts lists the part files of a directory as Spark writes it. Names
// beginning with "_" or "." are not data: Spark's own rule.
func listParts(fsys fs.FS, dir string, want wanted) (source, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return source{}, fileError("list", dir, err)
	}
	src := source{ext: ".parquet"}
	var marks, found, others []string
	for _, e := range entries { // in order of name
		name := e.Name()
		if strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".") {
			marks = append(marks, name)
			continue
		}
		found = append(found, name)
		if !e.IsDir() && (strings.HasPrefix(name, "part-") || strings.EqualFold(path.Ext(name), ".parquet")) {
			src.files = append(src.files, path.Join(dir, name))
		} else {
			others = append(others, name)
		}
	}
	complete, running := slices.Contains(marks, "_SUCCESS"), slices.Contains(marks, "_temporary")
	if running && !complete {
		return source{}, &hintError{
			invalid(dir, "is half-written: it holds _temporary and no _SUCCESS"),
			"wait until the job that writes it is done, or run that job again",
		}
	}
	if len(src.files) == 0 {
		return source{}, noParts(dir, found, want)
	}
	if !complete {
		src.warn("%s has no _SUCCESS: the job that wrote it may not have finished", dir)
	}
	if running {
		src.warn("%s holds _temporary: a job may be writing to it", dir)
	}
	if len(others) > 0 {
		src.warn("%s: not read, no part files: %s", dir, list(others))
	}
	return src, nil
}

func (s *source) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// noParts is the error for a directory without part files, with a hint when
// what was meant lies in it.
func noParts(dir string, found []string, want wanted) error {
	if len(found) == 0 {
		return invalid(dir, "holds no Parquet part files (it is empty)")
	}
	err := invalid(dir, "holds no Parquet part files (found: %s)", list(found))
	for _, name := range want.inside {
		if slices.Contains(found, name) {
			return &hintError{err, "it holds " + name + ": name that, " + path.Join(dir, name)}
		}
	}
	return err
}

// list joins names for an error, at most ten.
func list(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// hintError is an error whose remedy is known.
type hintError struct {
	error
	hint string
}

func (e *hintError) Hint() string  { return e.hint }
func (e *hintError) Unwrap() error { return e.error }

// contentError is a core.ErrCatalogue about a file, which may be one of ratings too.
type contentError string

func (e contentError) Error() string        { return string(e) }
func (e contentError) Is(target error) bool { return target == core.ErrCatalogue }

// invalid is an error about the content of the file or directory name.
func invalid(name, format string, args ...any) error {
	return contentError(name + ": " + fmt.Sprintf(format, args...))
}

// fileError is an error of the file system. Its own mention of the path is
// dropped: not every file system has one, and none should read double.
func fileError(op, name string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s %s: %w", op, name, err)
}
