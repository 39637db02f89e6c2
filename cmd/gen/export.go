package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gen/core"
	"gen/emit/files"
	"gen/emit/table"

	"github.com/urfave/cli/v2"
)

// exports is the list of tables that export writes.
var exports = map[string]struct {
	usage, description string
	columns            func(*core.Snapshot) []table.Column
}{
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
		"the distribution of the rating at each affinity",
		"affinity, rating, chance, cumulative: for each affinity in steps of 1/1024 and\n" +
			"each rating its probability, and the sum of the chances up to it in units of\n" +
			"2^-31, as a whole number: the thresholds that events are drawn by.",
		exportModel,
	},
}

func exportCommand(e *env) *cli.Command {
	cmd := &cli.Command{
		Name:      "export",
		Usage:     "write the known truth behind the data",
		UsageText: "gen export users|movies|model [flags]",
		Description: "Writes a table of the snapshot to standard output or a file:\n\n" +
			"  gen export users --format parquet --to users.parquet",
	}
	for _, name := range slices.Sorted(maps.Keys(exports)) {
		x := exports[name]
		cmd.Subcommands = append(cmd.Subcommands, &cli.Command{
			Name: name, Usage: x.usage, UsageText: "gen export " + name + " [flags]",
			Description: x.description + "\n\n  gen export " + name + " > " + name + ".csv",
			Flags: concat(stateFlags(), []cli.Flag{
				&cli.StringFlag{Name: "to", Value: "-", Usage: "`FILE`, also hdfs://host:port/path, or - for standard output", Category: catOutput},
				&cli.StringFlag{Name: "format", Usage: "`FORMAT`: " + strings.Join(table.Formats(), ", ") + " (default: by the file's ending, csv)", Category: catOutput},
			}),
			Action: func(c *cli.Context) error {
				format, err := exportFormat(c.String("format"), c.String("to"))
				if err != nil {
					return err
				}
				snapshot, err := openSnapshot(e, c.String("state"))
				if err != nil {
					return err
				}
				return runExport(c.Context, e, snapshot, name, format, c.String("to"), c.Bool("json"))
			},
		})
	}
	return cmd
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

func runExport(ctx context.Context, e *env, s *core.Snapshot, name, format, to string, asJSON bool) error {
	columns := exports[name].columns(s)
	write := func(w io.Writer) error { return table.Write(w, format, columns) }
	if to == "-" {
		out := bufio.NewWriterSize(files.Until(ctx, e.stdout, files.Grace), 1<<16)
		if err := write(out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	} else {
		fsys, name, err := files.Source(to)
		if err != nil {
			return fmt.Errorf("--to: %w", err)
		}
		if info, err := fs.Stat(fsys, name); err == nil && info.IsDir() {
			return fmt.Errorf("%w: --to %s is a directory: a file is wanted", errUsage, to)
		}
		if err := files.WriteFile(to, write); err != nil {
			return err
		}
	}
	if asJSON {
		e.ui.summary(exportSummary{"summary", name, to, s.ID()}, "")
	} else if to != "-" {
		e.ui.say("wrote the %s of snapshot %.8s to %s", name, s.ID(), to)
	}
	return nil
}

func exportUsers(s *core.Snapshot) []table.Column {
	t := s.Tables()
	var users []int32
	var genres []string
	var weights []float64
	for u := range t.Users() {
		for _, w := range t.UserWeights(u) {
			users, genres, weights = append(users, int32(u+1)), append(genres, w.Genre), append(weights, w.Weight)
		}
	}
	return []table.Column{{Name: "userId", Values: users}, {Name: "genre", Values: genres}, {Name: "weight", Values: weights}}
}

func exportMovies(s *core.Snapshot) []table.Column {
	t := s.Tables()
	var ids []int32
	var genres []string
	for _, m := range t.Movies {
		ids, genres = append(ids, int32(m.ID)), append(genres, strings.Join(t.MovieGenres(m.Mask), "|"))
	}
	return []table.Column{{Name: "movieId", Values: ids}, {Name: "title", Values: s.Titles()}, {Name: "genres", Values: genres}}
}

func exportModel(s *core.Snapshot) []table.Column {
	t := s.Tables()
	var affinities, ratings, chances []float64
	var cumulative []int64
	for level, row := range t.Below {
		below := int64(0)
		for r := range 10 {
			upTo := int64(core.ChanceOne)
			if r < len(row) {
				upTo = int64(row[r])
			}
			affinities, ratings = append(affinities, float64(level)/core.WeightSum), append(ratings, float64(r+1)/2)
			chances, cumulative = append(chances, float64(upTo-below)/core.ChanceOne), append(cumulative, upTo)
			below = upTo
		}
	}
	return []table.Column{
		{Name: "affinity", Values: affinities}, {Name: "rating", Values: ratings},
		{Name: "chance", Values: chances}, {Name: "cumulative", Values: cumulative},
	}
}
