package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"gen/core"
	"gen/emit/kafka"
	"gen/emit/verify"

	"github.com/urfave/cli/v2"
)

func verifyTopic(ctx context.Context, e *env, c *cli.Context, target string) error {
	conn, err := connect(ctx, e, c, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	cursors, err := conn.ReadCursors(ctx)
	if err != nil {
		return err
	}
	runs, err := topicRuns(c.String("state"), cursors)
	if err != nil {
		return err
	}
	var rows atomic.Uint64
	stop := e.ui.progress("verify", &rows, 0)
	report, err := verify.Topic(ctx, conn, runs, c.Bool("allow-foreign"), &rows)
	stop()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(e.stdout, report)
	} else {
		_, err = fmt.Fprint(e.stdout, topicText(target, report))
	}
	if !report.OK() {
		return errFindings // also when nobody reads it
	}
	return err
}

// topicRuns returns the runs behind the cursors of a topic, in order of name.
func topicRuns(state string, cursors map[string]*kafka.Cursor) ([]verify.TopicRun, error) {
	var runs []verify.TopicRun
	for _, name := range slices.Sorted(maps.Keys(cursors)) {
		c := *cursors[name]
		snapshot, err := snapshotOf(state, c.Snapshot, c.Recipe)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", name, err)
		}
		runs = append(runs, verify.TopicRun{Cursor: c, Sequence: &core.Sequence{Snapshot: snapshot, Seed: c.Seed, Schedule: c.Schedule}})
	}
	return runs, nil
}

func topicText(target string, r *verify.TopicReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d partitions, %d runs\n", target, len(r.Extents), len(r.Runs))
	for _, run := range r.Runs {
		fmt.Fprintf(&b, "run %s: events up to %d, %d records", run.Run, run.Next, run.Records)
		if run.InFlight > 0 {
			fmt.Fprintf(&b, ", %d more in flight", run.InFlight)
		}
		b.WriteByte('\n')
		for _, p := range slices.Sorted(maps.Keys(run.First)) {
			fmt.Fprintf(&b, "  partition %d begins at event %d: retention deleted what was before\n", p, run.First[p])
		}
	}
	if r.OK() {
		b.WriteString("every event stands once, in its place, as computed\n")
		return b.String()
	}
	b.WriteString(findingsText(&r.Report))
	return b.String()
}
