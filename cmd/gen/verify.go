package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"

	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"
	"gen/emit/verify"

	"github.com/urfave/cli/v2"
)

func verifyCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "compare what was delivered with the sequence, event by event",
		UsageText: "gen verify [flags] TARGET",
		ArgsUsage: "TARGET",
		Description: "Computes every event again and names those that are missing, duplicated,\n" +
			"altered, misplaced (file, partition, order) or foreign (of no run), by event and\n" +
			"place:\n\n" +
			"  gen verify ratings\n" +
			"  gen verify kafka://127.0.0.1:9092/ratings\n" +
			"  gen verify --run load-a --json kafka://127.0.0.1:9092/ratings\n\n" +
			"Of a topic it reads what a read_committed consumer sees, from the first offset\n" +
			"that retention left, and compares each run up to its cursor; later records are\n" +
			"in flight. Records without a header are compared by their content and time.\n\n" +
			jsonHelp +
			"Exit status 4 when it found something.",
		Flags: concat(stateFlags(), clusterFlags(), []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "compare only the run `NAME` of a topic; records of the others are counted", Category: catRun},
			&cli.BoolFlag{Name: "allow-foreign", Usage: "records of no run in a topic are no finding", Category: catTarget, DisableDefaultText: true},
		}),
		Action: func(c *cli.Context) error {
			target := c.Args().First()
			if target == "" {
				return withHint(fmt.Errorf("%w: verify what? A directory or a topic", errUsage), "gen verify DIR")
			}
			if strings.HasPrefix(target, kafka.Scheme) {
				return verifyTopic(c.Context, e, c, target)
			}
			for _, name := range []string{"run", "allow-foreign"} {
				if c.IsSet(name) {
					return fmt.Errorf("%w: --%s is for topics; a directory holds one run", errUsage, name)
				}
			}
			return runVerify(c.Context, e, c.String("state"), target, c.Bool("json"))
		},
	}
}

const jsonHelp = "With --json the answer is one object. For both: counts, by kind (missing,\n" +
	"duplicated, altered, misplaced, foreign, damaged), and findings, 20 at the most:\n" +
	"kind, n (the event), to (events n up to, not including, to), file, want, got.\n" +
	"Of a directory: from, next, finished, files, rows; of a finding row. Of a topic:\n" +
	"topic, partitions and hidden (each partition, start, end), records, foreign,\n" +
	"runs (each run, id, incarnation, compared, next, nexts, records, inFlight, earlier,\n" +
	"noHeader, and first: by partition the event that retention left first); of a\n" +
	"finding run, partition, offset, toOffset, after (the offset before missing\n" +
	"events), count.\n\n"

func runVerify(ctx context.Context, e *env, state, target string, asJSON bool) error {
	dir, err := files.Open(target)
	if err != nil {
		return err
	}
	meta, err := files.ReadMeta(dir)
	if err != nil {
		return err
	}
	snapshot, err := snapshotOf(state, meta.Snapshot, meta.Recipe)
	if err != nil {
		return err
	}
	seq := &core.Sequence{Snapshot: snapshot, Seed: meta.Seed, Schedule: meta.Schedule}
	var rows atomic.Uint64
	stop := e.ui.progress("verify", &rows, meta.Count)
	report, err := verify.Dir(ctx, dir, meta, seq, verify.Options{Workers: runtime.NumCPU(), Rows: &rows})
	stop()
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(e.stdout, report)
	} else {
		_, err = fmt.Fprint(e.stdout, verifyText(dir, meta, report))
	}
	if !report.OK() {
		return errFindings // also when nobody reads it
	}
	return err
}

func verifyText(dir files.Dir, meta files.Meta, r *verify.Report) string {
	var b strings.Builder
	state := "not finished"
	switch {
	case r.Finished:
		state = "finished"
	case meta.Count > 0:
		state = fmt.Sprintf("not finished: %d of %d events to come", meta.From+meta.Count-r.Next, meta.Count)
	}
	fmt.Fprintf(&b, "%s: run %s, seed %d, snapshot %.8s, %s\n", dir.URL(), meta.Run, meta.Seed, meta.Snapshot, state)
	fmt.Fprintf(&b, "%s, %d rows in %d files: ", files.RangeText(r.From, r.Next), r.Rows, r.Files)
	if r.OK() {
		b.WriteString("every event stands once, in its place, as computed\n")
		return b.String()
	}
	b.WriteString(findingsText(&r.Tally))
	if r.Finished {
		fmt.Fprintf(&b, "  without %s/%s the same command looks at every segment again and makes anew what is wrong\n", dir.URL(), files.SuccessFile)
	}
	return b.String()
}

// findingsText returns the counts of the findings, then the first of them.
func findingsText(r *verify.Tally) string {
	var b strings.Builder
	var counts []string
	total := uint64(0)
	for _, k := range verify.Kinds {
		if n := r.Counts[k]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, k))
			total += n
		}
	}
	b.WriteString(strings.Join(counts, ", ") + "\n")
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	if len(r.Findings) == verify.MaxFindings && total > verify.MaxFindings {
		fmt.Fprintf(&b, "  and maybe more: no more than %d are spelled out\n", verify.MaxFindings)
	}
	return b.String()
}
