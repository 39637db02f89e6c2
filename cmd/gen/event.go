package main

import (
	"fmt"
	"strconv"
	"strings"

	"gen/core"

	"github.com/urfave/cli/v2"
)

func eventCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "event",
		Usage:     "explain one event",
		UsageText: "gen event [flags] N",
		ArgsUsage: "N",
		Description: "Tells how event N came about: the user and their weights, the genre drawn, the\n" +
			"movie, the affinity, the rating, the time, the key and its Kafka partition:\n\n" +
			"  gen event 1000000",
		Flags: concat(stateFlags(), sequenceFlags(), []cli.Flag{
			&cli.IntFlag{Name: "partitions", Value: 6, Usage: "`N` partitions of the topic", Category: catOutput},
		}),
		Action: func(c *cli.Context) error {
			n, err := strconv.ParseUint(c.Args().First(), 10, 64)
			if err != nil || n > maxCount {
				return withHint(fmt.Errorf("%w: event %q: want the number of an event, 0 to 2^53", errUsage, c.Args().First()), "gen event 1000000")
			}
			partitions := c.Int("partitions")
			if partitions < 1 || partitions > core.MaxID {
				return fmt.Errorf("%w: --partitions %d: want 1 or more", errUsage, partitions)
			}
			o, err := parseSchedule(c, e.now)
			if err != nil {
				return err
			}
			if _, err := endOf(o.fresh, n, 1); err != nil {
				return err
			}
			snapshot, err := openSnapshot(e, c.String("state"))
			if err != nil {
				return err
			}
			seq := &core.Sequence{Snapshot: snapshot, Seed: c.Uint64("seed"), Schedule: o.fresh}
			return e.answer(c.Bool("json"), explain(seq, n, partitions))
		},
	}
}

type eventAnswer struct {
	N          uint64 `json:"n"`
	Snapshot   string `json:"snapshot"`
	Seed       uint64 `json:"seed"`
	Time       int64  `json:"timestamp"` // epoch ms
	Key        string `json:"key"`
	Partition  int    `json:"partition"`
	Partitions int    `json:"partitions"`
	core.Explanation
}

func explain(seq *core.Sequence, n uint64, partitions int) eventAnswer {
	x := seq.Snapshot.Explain(seq.Seed, n)
	return eventAnswer{
		N: n, Snapshot: seq.Snapshot.ID(), Seed: seq.Seed, Time: seq.Schedule.At(n), Key: strconv.FormatUint(uint64(x.User), 10),
		Partition: core.Partition(x.User, partitions), Partitions: partitions, Explanation: x,
	}
}

func (a eventAnswer) text() string {
	var weights []string
	for _, w := range a.Weights {
		weights = append(weights, fmt.Sprintf("%s %.3f", w.Genre, w.Weight))
	}
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "event %d of seed %d, snapshot %.8s\n", a.N, a.Seed, a.Snapshot)
	row("user", "%d: %s", a.User, strings.Join(weights, ", "))
	if a.Listed > 0 {
		row("list", "%s that this user of cohort %d rates, none twice", plural(a.Listed, "movie"), a.Cohort)
	} else {
		row("genre", "%s, drawn by these weights", a.Genre)
	}
	row("movie", "%d %q: %s", a.Movie, a.Title, strings.Join(a.Genres, ", "))
	row("affinity", "%.3f: the sum of the user's weights of the movie's genres", a.Affinity)
	row("rating", "%.1f, which %.2f%% of such events get; their mean is %.3f", a.Rating, 100*a.Chance, a.Expected)
	row("time", "%s, timestamp %d", timeText(a.Time), a.Time)
	row("key", "%s, partition %d of %d", a.Key, a.Partition, a.Partitions)
	return b.String()
}
