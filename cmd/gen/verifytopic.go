package main

import (
	"context"
	"errors"
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
	// The cursors come first: what is read afterwards holds every event before
	// them.
	cursors, err := conn.ReadCursors(ctx)
	if err != nil {
		return noCursors(conn.Explain(err), conn)
	}
	runs, err := topicRuns(c.String("state"), cursors, c.String("run"))
	if err != nil {
		return err
	}
	extents, hidden, err := conn.Settled(ctx, kafka.Settling)
	if err != nil {
		return conn.Explain(err)
	}
	var records atomic.Uint64
	stop := e.ui.progress("verify", &records, offsets(extents))
	report, err := verify.Topic(ctx, conn, verify.TopicOptions{
		Runs: runs, TopicID: conn.TopicID(), Extents: extents, Hidden: hidden, AllowForeign: c.Bool("allow-foreign"), Records: &records,
	})
	stop()
	if err != nil {
		return conn.Explain(err)
	}
	if len(runs) == 0 && report.OK() {
		return noCursors(errNothingToVerify, conn)
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

var errNothingToVerify = errors.New("nothing to verify")

// noCursors adds what to do when no cursor says what a topic must hold.
func noCursors(err error, conn *kafka.Connection) error {
	if errors.Is(err, errNothingToVerify) {
		err = fmt.Errorf("%w: %s holds no cursor of a run into topic %q", err, conn.CursorTopic, conn.Topic)
	} else if !errors.Is(err, kafka.ErrNoCursorTopic) {
		return err
	}
	return withHint(err, "verify where gen stream --to "+conn.String()+" has delivered; --cursor-topic names another topic of cursors")
}

// offsets returns how many offsets the extents span: about as many as there
// are records.
func offsets(extents []kafka.Extent) (n uint64) {
	for _, x := range extents {
		n += uint64(x.End - x.Start)
	}
	return n
}

// topicRuns returns the runs behind the cursors of a topic, in order of name.
// When one of them is asked for, the others will not be compared.
func topicRuns(state string, cursors map[string]*kafka.Standing, only string) ([]verify.TopicRun, error) {
	names := slices.Sorted(maps.Keys(cursors))
	if only != "" && cursors[only] == nil {
		found := "no run at all"
		if len(names) > 0 {
			found = strings.Join(names, ", ")
		}
		return nil, fmt.Errorf("run %s has no cursor for this topic\n  found: %s", only, found)
	}
	var runs []verify.TopicRun
	for _, name := range names {
		run := verify.TopicRun{Cursor: cursors[name].Cursor}
		if only == "" || only == name {
			c := run.Cursor
			snapshot, err := snapshotOf(state, c.Snapshot, c.Recipe)
			if err != nil {
				return nil, fmt.Errorf("run %s: %w", name, err)
			}
			run.Sequence = &core.Sequence{Snapshot: snapshot, Seed: c.Seed, Schedule: c.Schedule}
		}
		runs = append(runs, run)
	}
	return runs, nil
}

func topicText(target string, r *verify.TopicReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s, %d committed records\n", target, plural(len(r.Partitions), "partition"), plural(len(r.Runs), "run"), r.Records)
	if len(r.Runs) == 0 {
		b.WriteString("no run has a cursor for this topic; gen repair --from-topic writes one anew from the headers\n")
	}
	for _, run := range r.Runs {
		runLines(&b, run)
	}
	if len(r.Hidden) > 0 {
		var where []string
		for _, h := range r.Hidden {
			where = append(where, fmt.Sprintf("%s-%d from offset %d to %d", r.Topic, h.Partition, h.Start, h.End-1))
		}
		fmt.Fprintf(&b, "an open transaction hides from every reader of committed records: %s; gen inspect %s shows whose it is\n", strings.Join(where, ", "), target)
	}
	if r.OK() {
		if r.Foreign > 0 {
			fmt.Fprintf(&b, "%d records of no run\n", r.Foreign)
		}
		b.WriteString("every event stands once, in its place, as computed\n")
		return b.String()
	}
	b.WriteString(findingsText(&r.Tally))
	return b.String()
}

func runLines(b *strings.Builder, run verify.RunReport) {
	name := run.Run
	if run.Incarnation > 0 {
		name += fmt.Sprintf(", incarnation %d", run.Incarnation)
	}
	if !run.Compared {
		fmt.Fprintf(b, "run %s: %d records, not compared\n", name, run.Records+run.InFlight)
		return
	}
	front := ""
	if len(run.Nexts) > 0 {
		front = fmt.Sprintf(", in some partitions up to %d", slices.Max(run.Nexts))
	}
	fmt.Fprintf(b, "run %s: events up to %d%s, %d records", name, run.Next, front, run.Records)
	if run.InFlight > 0 {
		fmt.Fprintf(b, ", %d more in flight", run.InFlight)
	}
	if run.Earlier > 0 {
		fmt.Fprintf(b, ", %d of earlier incarnations, not compared", run.Earlier)
	}
	b.WriteByte('\n')
	if run.NoHeader && run.Incarnation > 0 {
		b.WriteString("  without headers the records of earlier incarnations count as duplicated\n")
	}
	for _, p := range slices.Sorted(maps.Keys(run.First)) {
		if run.First[p] >= run.NextOf(p) {
			fmt.Fprintf(b, "  partition %d: retention has deleted all of the run\n", p)
			continue
		}
		fmt.Fprintf(b, "  partition %d begins at event %d: retention has deleted what was before\n", p, run.First[p])
	}
}
