package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
	"gen/emit/kafka"
	"gen/store"

	"github.com/urfave/cli/v2"
)

// mostLast is how many events gen inspect --last prints at the most.
const mostLast = 1_000_000

func inspectCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show a state directory or a target",
		UsageText: "gen inspect [flags] [TARGET]",
		ArgsUsage: "TARGET",
		Description: "Without a target: the snapshot and the runs of the state directory. With one: what\n" +
			"it holds, how far it is, and the command that makes the same events again:\n\n" +
			"  gen inspect\n" +
			"  gen inspect --last 5 ratings\n" +
			"  gen inspect --last 5 kafka://127.0.0.1:9092/ratings\n\n" +
			"Of a topic it shows partitions, retention, open transactions and the cursors of\n" +
			"its runs, and reads no record but the last ones. An offset is not an event:\n" +
			"every transaction takes an offset more in each of its partitions, for its\n" +
			"marker, and what was aborted keeps its offsets.",
		Flags: concat(stateFlags(), clusterFlags(), []cli.Flag{
			&cli.IntFlag{Name: "last", Usage: "also print the last `N` published events of a target, or committed records of a topic", Category: catOutput},
		}),
		Action: func(c *cli.Context) error {
			last := c.Int("last")
			if last < 0 || last > mostLast {
				return fmt.Errorf("%w: --last %d: want 0 to %d", errUsage, last, mostLast)
			}
			target := c.Args().First()
			if strings.HasPrefix(target, kafka.Scheme) {
				return inspectTopic(c.Context, e, c, target, last)
			}
			if target != "" {
				return inspectTarget(c.Context, e, target, last, c.Bool("json"))
			}
			if last > 0 {
				return withHint(fmt.Errorf("%w: --last needs a target", errUsage), "gen inspect --last 5 DIR")
			}
			return inspectState(e, c.String("state"), c.Bool("json"))
		},
	}
}

// stateAnswer is what inspect prints of a state directory.
type stateAnswer struct {
	State    string          `json:"state"`
	Snapshot *snapshotAnswer `json:"snapshot,omitempty"`
	Trouble  string          `json:"trouble,omitempty"` // with the snapshot
	Runs     []runAnswer     `json:"runs"`
}

type runAnswer struct {
	File    string    `json:"file"`
	Writing bool      `json:"writing"` // by a process that runs now
	Trouble string    `json:"trouble,omitempty"`
	Run     *core.Run `json:"record,omitempty"`
	Replay  []string  `json:"replay,omitempty"` // the commands that make the same events
}

func inspectState(e *env, dir string, asJSON bool) error {
	state := store.Open(dir)
	a := stateAnswer{State: dir, Runs: []runAnswer{}}
	s, err := state.LoadSnapshot()
	switch {
	case err == nil:
		answer := describeSnapshot(s)
		answer.State = dir
		a.Snapshot = &answer
	case !errors.Is(err, fs.ErrNotExist):
		a.Trouble = err.Error()
	}
	runs, err := state.Runs()
	if err != nil {
		return err
	}
	for _, r := range runs {
		answer := runAnswer{File: r.File, Writing: r.Locked}
		switch {
		case r.Err != nil:
			answer.Trouble = r.Err.Error()
		default:
			answer.Run, answer.Replay = &r.Run, replay(r.Run, 0)
		}
		a.Runs = append(a.Runs, answer)
	}
	return e.answer(asJSON, a)
}

func (a stateAnswer) text() string {
	var b strings.Builder
	switch {
	case a.Snapshot != nil:
		b.WriteString(a.Snapshot.text())
	case a.Trouble != "":
		fmt.Fprintf(&b, "snapshot: %s\n", a.Trouble)
	default:
		fmt.Fprintf(&b, "no snapshot in %s\n", a.State)
	}
	fmt.Fprintf(&b, "runs in %s: %d\n", a.State, len(a.Runs))
	for _, r := range a.Runs {
		switch {
		case r.Trouble != "":
			fmt.Fprintf(&b, "  %s: %s\n", r.File, r.Trouble)
		default:
			fmt.Fprintf(&b, "  %s\n", runText(*r.Run, r.Writing))
			for _, line := range r.Replay {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
	}
	return b.String()
}

func runText(r core.Run, writing bool) string {
	state := "goes on at event " + fmt.Sprint(r.Next)
	switch {
	case writing:
		state = fmt.Sprintf("a process is writing now, at event %d", r.Next)
	case r.Done:
		state = "finished, " + files.RangeText(r.From, r.Next)
	}
	name := r.Name
	if shard, err := core.ParseShard(r.Shard); err == nil && shard.Count() > 1 {
		name += ", shard " + r.Shard
	}
	return fmt.Sprintf("%s into %s: seed %d, snapshot %.8s, %s", name, r.Target, r.Seed, r.Snapshot, state)
}

// replay returns the commands that make the events of a run again: its snapshot
// and a dump. count is 0 when the run has no end; what it has delivered is then
// replayed.
func replay(r core.Run, count uint64) []string {
	end := r.Next
	if count > 0 {
		end = r.From + count
	}
	lines := []string{snapshotLine(r.Recipe)}
	if end > r.From {
		lines = append(lines, fmt.Sprintf("gen dump --seed %d %s --from %d --count %d", r.Seed, scheduleFlags(r.Schedule), r.From, end-r.From))
	}
	return lines
}

// scheduleFlags returns the flags that ask for a schedule.
func scheduleFlags(s core.Schedule) string {
	if rate, ok := s.Segments[0].Shape.(core.Rate); ok && len(s.Segments) == 1 {
		return fmt.Sprintf("--rate %s --start %s", rate, timeText(s.Segments[0].Start))
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err.Error() // its texts are of this program
	}
	return "--schedule '" + string(text) + "'"
}

// targetAnswer is what inspect prints of a directory.
type targetAnswer struct {
	Target   string     `json:"target"`
	Meta     files.Meta `json:"meta"`
	Next     uint64     `json:"next"` // every event before it is published
	Finished bool       `json:"finished"`
	Segments int        `json:"segments"`
	Bytes    uint64     `json:"bytes"`
	Replay   []string   `json:"replay"`
	Last     []string   `json:"last,omitempty"`
}

func inspectTarget(ctx context.Context, e *env, target string, last int, asJSON bool) error {
	dir, err := files.Open(target)
	if err != nil {
		return err
	}
	meta, err := files.ReadMeta(dir)
	if err != nil {
		return err
	}
	a, err := describeTarget(ctx, dir, meta, last)
	if err != nil {
		return err
	}
	return e.answer(asJSON, a)
}

func describeTarget(ctx context.Context, dir files.Dir, meta files.Meta, last int) (targetAnswer, error) {
	a := targetAnswer{Target: dir.URL(), Meta: meta}
	format, err := encode.Parse(meta.Format, meta.Compress)
	if err != nil {
		return a, err
	}
	parts, err := files.Parts(dir, format.Ext())
	if err != nil {
		return a, err
	}
	for _, p := range parts {
		info, err := fs.Stat(dir.FS(), p.Name)
		if err != nil {
			return a, err
		}
		a.Segments++
		a.Bytes += uint64(info.Size())
	}
	state, err := files.Inspect(dir, meta)
	if err != nil {
		return a, err
	}
	a.Next, a.Finished = state.Next, state.Finished
	a.Replay = replay(core.Run{Recipe: meta.Recipe, Seed: meta.Seed, Schedule: meta.Schedule, From: meta.From, Next: a.Next}, meta.Count)
	a.Last, err = lastRows(ctx, dir, format, parts, last)
	return a, err
}

// lastRows returns the last n events of the published files.
func lastRows(ctx context.Context, dir files.Dir, format encode.Format, parts []files.Part, n int) ([]string, error) {
	var lines []string
	for i := len(parts) - 1; i >= 0 && len(lines) < n && ctx.Err() == nil; i-- {
		rows, err := files.OpenRows(dir.FS(), parts[i].Name, format)
		if err != nil {
			return nil, err
		}
		var tail []string
		err = rows.All(func(r files.Row) bool {
			tail = append(tail, rowLine(r, true))
			if len(tail) > 2*n {
				tail = append(tail[:0], tail[n:]...)
			}
			return true
		})
		if err := errors.Join(err, rows.Close()); err != nil {
			return nil, err
		}
		tail = tail[max(0, len(tail)-(n-len(lines))):]
		lines = append(tail, lines...)
	}
	return lines, ctx.Err()
}

func (a targetAnswer) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	m := a.Meta
	fmt.Fprintf(&b, "%s\n", a.Target)
	row("run", "%s: seed %d, snapshot %.8s", m.Run, m.Seed, m.Snapshot)
	row("recipe", "%s", recipeText(m.Recipe))
	for _, g := range m.Schedule.Segments {
		row("schedule", "%s", segmentText(g))
	}
	row("files", "%d segments of %s, %s %s, %s", a.Segments, m.Segment, m.Format, m.Compress, sizeText(a.Bytes))
	if a.Finished {
		row("state", "finished, %s", files.RangeText(m.From, a.Next))
	} else {
		row("state", "not finished, %s published", files.RangeText(m.From, a.Next))
	}
	for _, line := range a.Replay {
		row("replay", "%s", line)
	}
	for _, line := range a.Last {
		row("last", "%s", line)
	}
	return b.String()
}
