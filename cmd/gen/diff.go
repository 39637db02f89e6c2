package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

func diffCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare the events of two targets",
		UsageText: "gen diff [flags] A B",
		ArgsUsage: "A B",
		Description: "Prints the first event that differs and how many do. A and B are directories or\n" +
			"single files, of any format:\n\n" +
			"  gen diff ratings-monday ratings.parquet\n\n" +
			"Exit status 4 when they differ.",
		Flags: stateFlags(),
		Action: func(c *cli.Context) error {
			if c.Args().Len() != 2 {
				return withHint(fmt.Errorf("%w: diff takes two targets", errUsage), "gen diff A B")
			}
			for _, target := range c.Args().Slice() {
				if strings.HasPrefix(target, kafka.Scheme) {
					return withHint(fmt.Errorf("%w: diff compares files, and %s is a topic", errUsage, target), "gen verify "+quoted(target)+" compares it with what is computed")
				}
			}
			return runDiff(c.Context, e, c.Args().Get(0), c.Args().Get(1), c.Bool("json"))
		},
	}
}

// diffAnswer is what diff prints.
type diffAnswer struct {
	A         string     `json:"a"`
	B         string     `json:"b"`
	EventsA   uint64     `json:"eventsA"`
	EventsB   uint64     `json:"eventsB"`
	Different uint64     `json:"different"` // positions, also those that only one has
	First     *firstDiff `json:"first,omitempty"`
}

type firstDiff struct {
	Position uint64 `json:"position"` // from 0
	A        string `json:"a"`        // the row, "" behind the end
	B        string `json:"b"`
}

func runDiff(ctx context.Context, e *env, a, b string, asJSON bool) error {
	rowsA, err := files.Read(ctx, a)
	if err != nil {
		return err
	}
	rowsB, err := files.Read(ctx, b)
	if err != nil {
		return err
	}
	answer := diffAnswer{A: a, B: b}
	if err := answer.compare(rowsA, rowsB); err != nil {
		return err
	}
	err = e.answer(asJSON, answer)
	if answer.Different > 0 {
		return errFindings // also when nobody reads it
	}
	return err
}

func (d *diffAnswer) compare(a, b iter.Seq2[files.Row, error]) error {
	nextA, stopA := iter.Pull2(a)
	defer stopA()
	nextB, stopB := iter.Pull2(b)
	defer stopB()
	for at := uint64(0); ; at++ {
		rowA, errA, okA := nextA()
		rowB, errB, okB := nextB()
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		if !okA && !okB {
			return nil
		}
		if okA {
			d.EventsA++
		}
		if okB {
			d.EventsB++
		}
		if okA && okB && rowA.Err == nil && rowB.Err == nil && rowA.Event == rowB.Event {
			continue
		}
		d.Different++
		if d.First == nil {
			d.First = &firstDiff{at, rowLine(rowA, okA), rowLine(rowB, okB)}
		}
	}
}

func rowLine(r files.Row, ok bool) string {
	switch {
	case !ok:
		return ""
	case r.Err != nil:
		return r.Err.Error()
	}
	line := encode.AppendJSONL(nil, []core.Event{r.Event})
	return string(line[:len(line)-1])
}

func (d diffAnswer) text() string {
	if d.Different == 0 {
		return fmt.Sprintf("%d events in both, all equal\n", d.EventsA)
	}
	or := func(s string) string {
		if s == "" {
			return "(no more events)"
		}
		return s
	}
	return fmt.Sprintf("%d events differ; %d in %s, %d in %s\nfirst at position %d\n  %s: %s\n  %s: %s\n",
		d.Different, d.EventsA, d.A, d.EventsB, d.B, d.First.Position, d.A, or(d.First.A), d.B, or(d.First.B))
}
