package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gen/core"
	"gen/emit/files"
	"gen/emit/table"

	"github.com/urfave/cli/v2"
)

// exported is a table that export writes.
type exported struct {
	usage, description string
	columns            func(*core.Snapshot) ([]table.Column, error)
}

// exports is the list of tables that depend on nothing but the snapshot.
var exports = map[string]exported{
	"users": {
		"each user's genres and weights",
		"userId, genre, weight: a row for each genre that a user likes, heaviest first.\n" +
			"Weights are whole multiples of 1/1024 and sum to 1.",
		exportUsers,
	},
	"movies": {
		"each movie and the genres it is drawn by",
		"movieId, title, genres, in the layout of MovieLens: genres joined by |, those of\n" +
			"the snapshot only; a movie without any is never drawn.",
		exportMovies,
	},
	"model": {
		"the distributions of the rating",
		"affinity, rating, chance, cumulative: for each affinity in steps of 1/1024 and\n" +
			"each rating its probability, and the sum of the chances up to it in units of\n" +
			"2^-31, as a whole number: the thresholds that events are drawn by. With the\n" +
			"profile movielens row instead of affinity: see export lists.",
		exportModel,
	},
	"lists": {
		"what each user rates, with the profile movielens",
		"userId, movieId, row: the movies that each user of the first cohort rates, and\n" +
			"the row of export model that the rating is drawn from.",
		exportLists,
	},
}

func exportCommand(e *env) *cli.Command {
	cmd := &cli.Command{
		Name:      "export",
		Usage:     "write the known truth behind the data",
		UsageText: "gen export users|movies|model|lists|truth [flags]",
		Description: "Writes a table of the snapshot to standard output or a file:\n\n" +
			"  gen export users --format parquet --to users.parquet",
	}
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		x := exports[name]
		cmd.Subcommands = append(cmd.Subcommands, &cli.Command{
			Name: name, Usage: x.usage, UsageText: "gen export " + name + " [flags]",
			Description: x.description + "\n\n  gen export " + name + " > " + name + ".csv",
			Flags:       concat(stateFlags(), exportFlags()),
			Action: func(c *cli.Context) error {
				return runExport(c, e, x.columns)
			},
		})
	}
	cmd.Subcommands = append(cmd.Subcommands, truthCommand(e))
	return cmd
}

func exportFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "to", Value: "-", Usage: "`FILE`, also hdfs://host:port/path, or - for standard output", Category: catOutput},
		&cli.StringFlag{Name: "format", Usage: "`FORMAT`: " + strings.Join(table.Formats(), ", ") + " (default: by the file's ending, csv)", Category: catOutput},
	}
}

func exportFormat(format, to string) (string, error) {
	if format == "" {
		format = strings.TrimPrefix(filepath.Ext(to), ".")
		if !slices.Contains(table.Formats(), format) {
			format = "csv"
		}
	}
	if !slices.Contains(table.Formats(), format) {
		return "", fmt.Errorf("%w: --format %q: there are %s", errUsage, format, strings.Join(table.Formats(), ", "))
	}
	return format, nil
}

// exportSummary is the last line of standard error with --json.
type exportSummary struct {
	Kind     string `json:"kind"` // "summary"
	Table    string `json:"table"`
	Target   string `json:"target"`
	Snapshot string `json:"snapshot"`
}

// runExport writes a table of the snapshot of the state directory.
func runExport(c *cli.Context, e *env, columnsOf func(*core.Snapshot) ([]table.Column, error)) error {
	ctx, name, to := c.Context, c.Command.Name, c.String("to")
	format, err := exportFormat(c.String("format"), to)
	if err != nil {
		return err
	}
	if to != "-" {
		if err := refuseOver(to, c.String("pairs")); err != nil {
			return err
		}
	}
	s, err := openSnapshot(e, c.String("state"))
	if err != nil {
		return err
	}
	columns, err := columnsOf(s)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return table.Write(w, format, columns) }
	if to == "-" {
		out := bufio.NewWriterSize(files.Until(ctx, e.stdout, files.Grace), 1<<16)
		if err := write(out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	} else if err := files.WriteFile(to, write); err != nil {
		return err
	}
	if c.Bool("json") {
		e.ui.summary(exportSummary{"summary", name, to, s.ID()}, "")
	} else if to != "-" {
		e.ui.say("wrote the %s of snapshot %.8s to %s", name, s.ID(), to)
	}
	return nil
}

func exportUsers(s *core.Snapshot) ([]table.Column, error) {
	t := s.Tables()
	var users []int32
	var genres []string
	var weights []float64
	for u := range t.Users() {
		for _, w := range t.UserWeights(u) {
			users, genres, weights = append(users, int32(u+1)), append(genres, w.Genre), append(weights, w.Weight)
		}
	}
	return []table.Column{{Name: "userId", Values: users}, {Name: "genre", Values: genres}, {Name: "weight", Values: weights}}, nil
}

func exportMovies(s *core.Snapshot) ([]table.Column, error) {
	t := s.Tables()
	var ids []int32
	var genres []string
	for _, m := range t.Movies {
		ids, genres = append(ids, int32(m.ID)), append(genres, strings.Join(t.MovieGenres(m.Mask), "|"))
	}
	return []table.Column{{Name: "movieId", Values: ids}, {Name: "title", Values: s.Titles()}, {Name: "genres", Values: genres}}, nil
}

// modelRows returns the distributions of the rating and the column that names
// the one that each row of the table belongs to.
func modelRows(s *core.Snapshot) (rows []core.Chances, column table.Column) {
	if lists := s.Lists(); lists != nil {
		var numbers []int32
		for i := range lists.Rows {
			numbers = append(numbers, slices.Repeat([]int32{int32(i)}, 10)...)
		}
		return lists.Rows[:], table.Column{Name: "row", Values: numbers}
	}
	var affinities []float64
	for level := range core.WeightSum + 1 {
		affinities = append(affinities, slices.Repeat([]float64{float64(level) / core.WeightSum}, 10)...)
	}
	return s.Affinities().Below[:], table.Column{Name: "affinity", Values: affinities}
}

func exportModel(s *core.Snapshot) ([]table.Column, error) {
	rows, column := modelRows(s)
	var ratings, chances []float64
	var cumulative []int64
	for _, row := range rows {
		below := int64(0)
		for r := range 10 {
			upTo := int64(core.ChanceOne)
			if r < len(row) {
				upTo = int64(row[r])
			}
			ratings = append(ratings, float64(r+1)/2)
			chances, cumulative = append(chances, float64(upTo-below)/core.ChanceOne), append(cumulative, upTo)
			below = upTo
		}
	}
	return []table.Column{
		column, {Name: "rating", Values: ratings},
		{Name: "chance", Values: chances}, {Name: "cumulative", Values: cumulative},
	}, nil
}
