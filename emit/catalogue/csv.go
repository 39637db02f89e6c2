package catalogue

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gen/core"
)

// csvMovies reads MovieLens movies.csv. The titles are quoted as RFC 4180 has
// it; "(no genres listed)" is a genre like any other.
func csvMovies(f input) ([]core.Movie, error) {
	var movies []core.Movie
	lines := map[uint32]int{} // where a movieId stands
	err := eachRecord(f, []string{"movieId", "title", "genres"}, func(line int, fields []string) error {
		id, err := movieID(fields[0])
		if err != nil {
			return err
		}
		if first, twice := lines[id]; twice {
			return fmt.Errorf("movieId %d stands twice (first in line %d)", id, first)
		}
		lines[id] = line
		movies = append(movies, core.Movie{ID: id, Title: fields[1], Genres: core.SplitGenres(fields[2])})
		return nil
	})
	return movies, err
}

// movieID parses a movieId and checks its range.
func movieID(s string) (uint32, error) {
	id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return 0, fmt.Errorf("movieId %q is not a whole number", s)
	case err != nil || id < 1 || id > core.MaxID:
		return 0, outOfRange(s)
	}
	return uint32(id), nil
}

func outOfRange(id any) error {
	return fmt.Errorf("movieId %v is out of range 1 to %d", id, core.MaxID)
}

// eachRecord calls do with the wanted columns of every record of a CSV file
// and the line on which the record begins. It puts file and line in front of
// the error that do returns.
func eachRecord(f input, columns []string, do func(line int, fields []string) error) error {
	text := bufio.NewReaderSize(f, 1<<16)
	if bom, _ := text.Peek(3); string(bom) == "\ufeff" {
		_, _ = text.Discard(len(bom))
	}
	r := csv.NewReader(text)
	r.ReuseRecord = true
	// Compared below instead: the library's message does not give the numbers.
	r.FieldsPerRecord = -1

	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return invalid(f.name, "has no header line")
	}
	if err != nil {
		return csvError(f, err)
	}
	width := len(header)
	at, err := columnIndexes(header, columns)
	if err != nil {
		return invalid(f.name, "%v", err)
	}
	fields := make([]string, len(columns))
	for rows := 0; ; rows++ {
		record, err := r.Read()
		if err == io.EOF && rows > 0 {
			return nil
		}
		if err == io.EOF {
			return invalid(f.name, "has a header line and no rows")
		}
		if err != nil {
			return csvError(f, err)
		}
		line, _ := r.FieldPos(0)
		if len(record) != width {
			return invalid(f.name, "line %d: the number of fields is %d, in the header it is %d", line, len(record), width)
		}
		for i, c := range at {
			fields[i] = record[c]
			if !utf8.ValidString(record[c]) {
				return invalid(f.name, "line %d: %s %q is not UTF-8", line, columns[i], record[c])
			}
		}
		if err := do(line, fields); err != nil {
			return invalid(f.name, "line %d: %v", line, err)
		}
	}
}

// columnIndexes finds each column in the header.
func columnIndexes(header, columns []string) ([]int, error) {
	var names []string
	for _, h := range header {
		h = strings.TrimSpace(h)
		if slices.Contains(names, h) && slices.Contains(columns, h) {
			return nil, fmt.Errorf("column %s stands twice in the header", h)
		}
		names = append(names, h)
	}
	var at []int
	for _, c := range columns {
		i := slices.Index(names, c)
		if i < 0 {
			return nil, fmt.Errorf("no column %s in the header (found: %s)", c, list(quoted(names)))
		}
		at = append(at, i)
	}
	return at, nil
}

// quoted quotes names that would not read well: another separator or
// another encoding shows as such.
func quoted(names []string) []string {
	var out []string
	for _, n := range names {
		if q := strconv.Quote(n); n == "" || q != `"`+n+`"` || strings.ContainsAny(n, " ,;") {
			n = q
		}
		out = append(out, n)
	}
	return out
}

// csvError tells a malformed record from a failure to read.
func csvError(f input, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return invalid(f.name, "line %d: %v", parse.StartLine, parse.Err)
	}
	return fileError("read", f.name, err)
}
