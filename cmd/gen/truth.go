package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gen/core"
	"gen/emit/catalogue"
	"gen/emit/files"
	"gen/emit/table"

	"github.com/urfave/cli/v2"
)

func truthCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "truth",
		Usage:     "the rating that is expected of a user and a movie",
		UsageText: "gen export truth --pairs FILE|--users IDS [flags]",
		Description: "userId, movieId, expected, sd: for each pair the mean and the standard deviation\n" +
			"of the rating that this user would give this movie, in stars, whether they do or\n" +
			"not. No recommender can know more than the mean: the RMSE that is left then is\n" +
			"printed, as an average over the events.\n\n" +
			"  gen export truth --pairs test.csv > truth.csv\n" +
			"  gen export truth --users 17,4217 --to truth.parquet",
		Flags: concat(stateFlags(), exportFlags(), []cli.Flag{
			&cli.StringFlag{Name: "pairs", Usage: "the pairs of `FILE`, CSV with the columns userId and movieId", Category: catSequence},
			&cli.StringFlag{Name: "users", Usage: "all movies for these userIds: `IDS` with commas", Category: catSequence},
		}),
		Action: func(c *cli.Context) error {
			if c.IsSet("pairs") == c.IsSet("users") {
				return withHint(fmt.Errorf("%w: export truth needs either --pairs or --users", errUsage), "gen export truth --users 1")
			}
			return runExport(c, e, func(s *core.Snapshot) ([]table.Column, error) {
				users, movies, err := truthPairs(c, s)
				if err != nil {
					return nil, err
				}
				e.ui.say("best RMSE that a recommender can reach: %.4f stars", s.BestRMSE())
				return truthColumns(s, users, movies)
			})
		},
	}
}

// truthPairs returns the pairs that are asked for.
func truthPairs(c *cli.Context, s *core.Snapshot) (users, movies []int32, err error) {
	if file := c.String("pairs"); c.IsSet("pairs") {
		fsys, name, err := files.Source(file)
		if err != nil {
			return nil, nil, fmt.Errorf("--pairs: %w", err)
		}
		if users, movies, err = catalogue.ReadPairs(fsys, name); err != nil {
			return nil, nil, fmt.Errorf("--pairs %s: %w", file, err)
		}
		return users, movies, nil
	}
	for id := range strings.SplitSeq(c.String("users"), ",") {
		user, err := strconv.ParseUint(strings.TrimSpace(id), 10, 31)
		if err != nil || user == 0 {
			return nil, nil, fmt.Errorf("%w: --users: %q is no userId, 1 to %d", errUsage, id, core.MaxID)
		}
		for _, m := range s.Tables().Movies {
			users, movies = append(users, int32(user)), append(movies, int32(m.ID))
		}
	}
	return users, movies, nil
}

func truthColumns(s *core.Snapshot, users, movies []int32) ([]table.Column, error) {
	var expected, deviations []float64
	for i := range users {
		mean, variance, err := s.Truth(uint32(users[i]), uint32(movies[i]))
		if err != nil {
			return nil, fmt.Errorf("pair %d: %w", i+1, err)
		}
		expected, deviations = append(expected, mean), append(deviations, math.Sqrt(max(variance, 0)))
	}
	return []table.Column{
		{Name: "userId", Values: users}, {Name: "movieId", Values: movies},
		{Name: "expected", Values: expected}, {Name: "sd", Values: deviations},
	}, nil
}

func exportLists(s *core.Snapshot) ([]table.Column, error) {
	lists := s.Lists()
	if lists == nil {
		return nil, withHint(fmt.Errorf("%w: the profile %s has no lists: a user may rate any movie", errUsage, s.Recipe.Profile), "gen snapshot --profile movielens")
	}
	users, ids, rows := make([]int32, 0, lists.Epoch()), make([]int32, 0, lists.Epoch()), make([]int32, 0, lists.Epoch())
	for u := range lists.Users() {
		lists.EachRating(u, func(movie, row uint32) {
			users, ids, rows = append(users, int32(u+1)), append(ids, int32(movie)), append(rows, int32(row))
		})
	}
	return []table.Column{{Name: "userId", Values: users}, {Name: "movieId", Values: ids}, {Name: "row", Values: rows}}, nil
}
