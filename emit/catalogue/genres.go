package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ReadGenres reads the names of genres, in the order of the rows, from the
// file or directory name in fsys: genres_metadata of the pipeline, a Parquet
// file or CSV with a column genre. A genre that stands twice counts once and
// is told in warnings; an empty one is an error.
func ReadGenres(fsys fs.FS, name string) (genres []string, warnings []string, err error) {
	src, err := locate(fsys, name, wanted{"genre", []string{"genres_metadata", "genres.parquet", "genres.csv"}})
	if err != nil {
		return nil, nil, err
	}
	rows, err := readAll(fsys, src, kinds[src.ext].genres)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range rows {
		if slices.Contains(genres, g) {
			src.warn("%s: genre %q stands twice", name, g)
			continue
		}
		genres = append(genres, g)
	}
	if len(genres) == 0 {
		return nil, nil, invalid(name, "no genres")
	}
	return genres, src.warnings, nil
}

// genreName trims a genre as core.SplitGenres does, so that the two agree.
func genreName(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", errors.New("genre is empty")
	case strings.Contains(s, "|"):
		return "", fmt.Errorf("genre %q holds a \"|\", which separates genres: want one a row", s)
	}
	return s, nil
}

func csvGenres(f input) ([]string, error) {
	var genres []string
	err := eachRecord(f, []string{"genre"}, func(_ int, fields []string) error {
		g, err := genreName(fields[0])
		genres = append(genres, g)
		return err
	})
	return genres, err
}

func parquetGenres(f input) ([]string, error) {
	var genres []string
	err := withTable(f, func(t *table) error {
		column, err := t.find("genre", isText)
		if err != nil {
			return err
		}
		return t.eachGroup(func(group, row int) error {
			texts, err := t.texts(group, row, column)
			if err != nil {
				return err
			}
			for i, s := range texts {
				g, err := genreName(s)
				if err != nil {
					return invalid(t.name, "row %d: %v", row+i, err)
				}
				genres = append(genres, g)
			}
			return nil
		})
	})
	return genres, err
}
