package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"gen/cmd/gen/report"
	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

func reportCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "draw one page: the data against their profile and real ratings",
		UsageText: "gen report [flags] TARGET",
		ArgsUsage: "TARGET",
		Description: "Writes an HTML page that needs nothing from elsewhere: the goals of the profile and\n" +
			"which are met, ratings, genres, activity, popularity and hours beside those of\n" +
			"MovieLens-20M, and the commands that make the same events again:\n\n" +
			"  gen report ratings\n" +
			"  gen report --run load-a kafka://127.0.0.1:9092/ratings\n" +
			"  gen report --snapshot\n" +
			"  gen report --to ml.html ml-20m\n\n" +
			"TARGET is a directory that gen wrote, a topic, or ratings of other origin: a\n" +
			"directory or a file with userId, movieId, rating and timestamp, beside which a\n" +
			"movies.csv tells the genres. --snapshot draws --count events of the snapshot in\n" +
			"memory instead.\n\n" +
			"With --json the figures are one object on standard output: target, profile,\n" +
			"snapshot, seed, replay, notes, figures, verdict and goals (each number, goal,\n" +
			"parts, met, which is null when it is not judged); there is then no page\n" +
			"without --to. It takes 12 bytes of memory an event.",
		Flags: concat(stateFlags(), clusterFlags(), []cli.Flag{
			&cli.StringFlag{Name: "to", Value: "report.html", Usage: "`FILE` of the page, also hdfs://host:port/path, or - for standard output", Category: catOutput},
			&cli.StringFlag{Name: "run", Usage: "the run `NAME` of a topic (default: its only one)", Category: catRun},
			&cli.BoolFlag{Name: "snapshot", Usage: "report about the snapshot: no TARGET", Category: catSequence, DisableDefaultText: true},
			&cli.StringFlag{Name: "count", Value: "1000000", Usage: "with --snapshot: draw `N` events", Category: catSequence},
			&cli.Uint64Flag{Name: "seed", Value: 42, Base: 10, Usage: "with --snapshot: `SEED` of the events", Category: catSequence},
		}),
		Action: func(c *cli.Context) error {
			o, err := parseReport(c)
			if err != nil {
				return err
			}
			source, err := openReported(c.Context, e, c, o)
			if err != nil {
				return err
			}
			defer source.close()
			return runReport(c.Context, e, o, source)
		},
	}
}

type reportOptions struct {
	state  string
	target string // "" for a snapshot
	to     string // "" for no page
	run    string
	count  uint64
	seed   uint64
	json   bool
}

func parseReport(c *cli.Context) (o reportOptions, err error) {
	o = reportOptions{
		state: c.String("state"), target: c.Args().First(), to: c.String("to"), run: c.String("run"), seed: c.Uint64("seed"), json: c.Bool("json"),
	}
	if o.json && !c.IsSet("to") {
		o.to = ""
	} else if o.to == "" {
		return o, fmt.Errorf("%w: --to is empty", errUsage)
	}
	if o.json && o.to == "-" {
		return o, fmt.Errorf("%w: --json and --to -: both would be on standard output", errUsage)
	}
	switch {
	case c.Bool("snapshot") && o.target != "":
		return o, fmt.Errorf("%w: --snapshot and the target %s: one of both", errUsage, o.target)
	case !c.Bool("snapshot") && o.target == "":
		return o, withHint(fmt.Errorf("%w: report what? A directory, a topic or --snapshot", errUsage), "gen report DIR")
	}
	for _, name := range []string{"count", "seed"} {
		if c.IsSet(name) && o.target != "" {
			return o, fmt.Errorf("%w: --%s is for --snapshot", errUsage, name)
		}
	}
	if o.run != "" && !strings.HasPrefix(o.target, kafka.Scheme) {
		return o, fmt.Errorf("%w: --run is for topics; a directory holds one run", errUsage)
	}
	if o.count, err = number(c, "count"); err == nil && (o.count == 0 || o.count > mostDrawn) {
		err = fmt.Errorf("%w: --count %d: want 1 to %d, as events take 12 bytes of memory each", errUsage, o.count, mostDrawn)
	}
	return o, err
}

// mostDrawn is the most events of a snapshot that a report draws.
const mostDrawn = 500_000_000

// reported is something to report about.
type reported struct {
	page   report.Page // without figures and goals
	known  report.Known
	events uint64 // about how many; 0: not known
	seed   *uint64
	// read hands all events to the Measure and counts them; it may add to the
	// figures what only it knows, and notes to the page.
	read  func(ctx context.Context, m *report.Measure, done *atomic.Uint64) (func(*report.Figures), error)
	close func()
}

func openReported(ctx context.Context, e *env, c *cli.Context, o reportOptions) (*reported, error) {
	switch {
	case o.target == "":
		return openPopulation(e, o)
	case strings.HasPrefix(o.target, kafka.Scheme):
		return openReportedTopic(ctx, e, c, o)
	}
	return openReportedFiles(ctx, e, o)
}

// openPopulation makes events of a snapshot in memory. They are of no run, and
// have no times.
func openPopulation(e *env, o reportOptions) (*reported, error) {
	snapshot, err := openSnapshot(e, o.state)
	if err != nil {
		return nil, err
	}
	known := report.KnownOf(snapshot)
	known.Timeless = true
	r := &reported{known: known, events: o.count, seed: &o.seed, close: func() {}}
	r.page = report.Page{
		Target: fmt.Sprintf("snapshot %.8s, %d events of seed %d", snapshot.ID(), o.count, o.seed), Profile: snapshot.Recipe.Profile,
		Identity: snapshotRows(snapshot.ID(), snapshot.Recipe, o.seed),
		Commands: []string{snapshotLine(snapshot.Recipe), fmt.Sprintf("gen report --snapshot --seed %d --count %d", o.seed, o.count)},
	}
	seq := &core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: core.Schedule{Segments: []core.Segment{{Shape: core.Rate{Num: 1000, Den: 1}}}}}
	r.read = func(ctx context.Context, m *report.Measure, done *atomic.Uint64) (func(*report.Figures), error) {
		events := make([]core.Event, reportBatch)
		for n := uint64(0); n < o.count; n += uint64(len(events)) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			events = events[:min(uint64(len(events)), o.count-n)]
			seq.Fill(events, n)
			m.Add(events)
			done.Add(uint64(len(events)))
		}
		return nil, nil
	}
	return r, nil
}

// reportBatch is how many events are measured at a time.
const reportBatch = 8192

// snapshotRows are the identity of events: what they are drawn from.
func snapshotRows(id string, recipe core.Recipe, seed uint64) []report.Row {
	return []report.Row{{Name: "snapshot", Value: id}, {Name: "recipe", Value: recipeText(recipe)}, {Name: "seed", Value: fmt.Sprint(seed)}}
}

func scheduleRows(s core.Schedule) (rows []report.Row) {
	for _, g := range s.Segments {
		rows = append(rows, report.Row{Name: "schedule", Value: segmentText(g)})
	}
	return rows
}

// reportAnswer is what report prints with --json.
type reportAnswer struct {
	Target   string          `json:"target"`
	Profile  string          `json:"profile,omitempty"` // none of data that gen has not made
	Snapshot string          `json:"snapshot,omitempty"`
	Seed     *uint64         `json:"seed,omitempty"`
	Replay   []string        `json:"replay,omitempty"` // the commands that make the same events
	Notes    []string        `json:"notes,omitempty"`
	Figures  *report.Figures `json:"figures"`
	Verdict  string          `json:"verdict"`
	Goals    []report.Goal   `json:"goals"`
}

func runReport(ctx context.Context, e *env, o reportOptions, r *reported) error {
	if err := r.write(ctx, e, o.to, o.target); err != nil {
		return err
	}
	verdict := report.Verdict(r.page.Goals)
	if o.to != "" && o.to != "-" {
		e.ui.say("wrote %s: %s", o.to, verdict)
	}
	if !o.json {
		return nil
	}
	a := reportAnswer{Target: r.page.Target, Profile: r.page.Profile, Seed: r.seed, Replay: r.page.Commands, Notes: r.page.Notes, Figures: r.page.Figures, Verdict: verdict, Goals: r.page.Goals}
	if s := r.known.Snapshot; s != nil {
		a.Snapshot = s.ID()
	}
	return printJSON(e.stdout, a)
}

// write measures the events and writes the page, or measures only. A file is opened
// before the work: that it cannot be written shows at once.
func (r *reported) write(ctx context.Context, e *env, to, input string) error {
	if to == "" {
		return r.measure(ctx, e)
	}
	var failed error // of the work, and not of the file
	page := func(w io.Writer) error {
		if failed = r.measure(ctx, e); failed != nil {
			return failed
		}
		return r.page.Write(w)
	}
	if to == "-" {
		return page(files.Until(ctx, e.stdout, files.Grace))
	}
	if err := refuseOver(to, input); err != nil {
		return err
	}
	if err := files.WriteFile(to, page); err != nil && failed == nil {
		return fmt.Errorf("--to %s: %w", to, cause(err))
	}
	return failed
}

// measure reads the events and fills the page.
func (r *reported) measure(ctx context.Context, e *env) error {
	m := report.New(r.known)
	var done atomic.Uint64
	stop := e.ui.progress("report", &done, r.events)
	defer stop()
	add, err := r.read(ctx, m, &done)
	if err != nil {
		return err
	}
	figures, err := m.Figures()
	if errors.Is(err, report.ErrEmpty) {
		return fmt.Errorf("%s: %w yet", r.page.Target, err)
	}
	if err != nil {
		return err
	}
	if add != nil {
		add(figures)
	}
	r.page.Figures, r.page.Goals = figures, report.Judge(r.page.Profile, figures)
	return ctx.Err()
}
