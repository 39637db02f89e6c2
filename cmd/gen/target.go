package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
	"gen/emit/pace"
	"gen/store"

	"github.com/urfave/cli/v2"
)

// deliverOptions are what stream and dump have in common.
type deliverOptions struct {
	state    string
	to       string
	run      string
	seed     uint64
	schedule scheduleOptions
	format   encode.Format
	segment  files.Segmenting
	from     uint64
	count    uint64 // 0: no end
	workers  int
	speed    float64 // 0: as fast as possible
	isSet    func(flag string) bool
}

func parseDeliver(c *cli.Context, e *env) (deliverOptions, error) {
	o := deliverOptions{state: c.String("state"), to: c.String("to"), run: c.String("run"), seed: c.Uint64("seed"), isSet: c.IsSet}
	if o.run == "" {
		o.run = "seed-" + strconv.FormatUint(o.seed, 10)
	}
	var err error
	if o.schedule, err = parseSchedule(c, e.now); err != nil {
		return o, err
	}
	if o.format, err = encode.Parse(c.String("format"), c.String("compress")); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.segment, err = files.ParseSegmenting(c.String("segment")); err != nil {
		return o, fmt.Errorf("%w: --%w", errUsage, err)
	}
	if o.from, o.count, err = rangeOptions(c); err != nil {
		return o, err
	}
	return o, nil
}

// summary is the last line of standard error with --json.
type summary struct {
	Kind     string  `json:"kind"` // "summary"
	Run      string  `json:"run,omitempty"`
	Target   string  `json:"target"`
	Snapshot string  `json:"snapshot"`
	Seed     uint64  `json:"seed"`
	From     uint64  `json:"from"`   // the first event of the run
	Next     uint64  `json:"next"`   // every event before it is delivered
	Events   uint64  `json:"events"` // made by this invocation
	Resumed  bool    `json:"resumed"`
	Done     bool    `json:"done"` // the run has reached its end
	Seconds  float64 `json:"seconds"`
}

func (s summary) rate() string {
	return perSecond(s.Events, time.Duration(s.Seconds*float64(time.Second)))
}

// toStdout writes a range to standard output.
func toStdout(ctx context.Context, e *env, o deliverOptions) error {
	schedule := o.schedule.schedule()
	end, err := endOf(schedule, o.from, o.count)
	if err != nil {
		return err
	}
	snapshot, err := openSnapshot(e, o.state)
	if err != nil {
		return err
	}
	seq := &core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: schedule}
	banner(e, seq, "standard output", o)
	var done atomic.Uint64
	stop := func() {}
	if !isTerminal(e.stdout) {
		stop = e.ui.progress("stdout", &done, o.count)
	}
	pipe := &files.Pipe{Out: e.stdout, Sequence: seq, Format: o.format, From: o.from, To: end, Workers: o.workers, Events: &done}
	begin := e.now()
	var next uint64
	if o.speed > 0 {
		next, err = pipe.RunPaced(ctx, pace.New(seq.Schedule, o.from, o.speed))
	} else {
		next, err = pipe.Run(ctx)
	}
	stop()
	sum := summary{
		Kind: "summary", Target: "-", Snapshot: snapshot.ID(), Seed: o.seed, From: o.from, Next: next,
		Events: next - o.from, Done: next == end, Seconds: e.now().Sub(begin).Seconds(),
	}
	if errors.Is(err, syscall.EPIPE) {
		return err // the reader has what it wanted
	}
	text := fmt.Sprintf("%s in %.1f s, %s", files.RangeText(o.from, next), sum.Seconds, sum.rate())
	if !sum.Done {
		text += fmt.Sprintf("; go on with --from %d", next)
	}
	e.ui.summary(sum, text)
	return err
}

// endOf returns the first event behind a range of count events, all of which
// the schedule must reach. Without a count it is the schedule's end.
func endOf(schedule core.Schedule, from, count uint64) (uint64, error) {
	most := schedule.End()
	if count == 0 && from < most {
		return most, nil
	}
	if from+count > most || count == 0 {
		return 0, fmt.Errorf("%w: event %d would happen after the year 9999: the schedule ends before event %d", errUsage, from+max(count, 1)-1, most)
	}
	return from + count, nil
}

func banner(e *env, seq *core.Sequence, target string, o deliverOptions) {
	t := seq.Snapshot.Tables()
	speed := "as fast as possible"
	if o.speed > 0 {
		speed = fmt.Sprintf("played at speed %v", o.speed)
	}
	e.ui.say("snapshot %.8s: %d movies, %d genres, %d users; %s", seq.Snapshot.ID(), len(t.Movies), len(t.Genres), t.Users(), exampleUser{1, t.UserWeights(0)})
	e.ui.say("events from %d on to %s: seed %d, %s, rate %s/s from %s, %s", o.from, target, o.seed, o.format.Name, seq.Schedule.Last(), timeText(seq.Schedule.Start()), speed)
}

// toDir delivers into a directory, from where it stands.
func toDir(ctx context.Context, e *env, o deliverOptions) error {
	dir, err := files.Open(o.to)
	if err != nil {
		return fmt.Errorf("%w: --to: %w", errUsage, err)
	}
	saved, err := files.ReadMeta(dir)
	resumed := err == nil
	if err != nil && !errors.Is(err, files.ErrNoRun) {
		return err
	}
	schedule := o.schedule.schedule()
	if resumed {
		if schedule, err = o.adopt(e, dir, saved); err != nil {
			return err
		}
	}
	end, err := endOf(schedule, o.from, o.count)
	if err != nil {
		return err
	}
	snapshot, err := openSnapshot(e, o.state)
	if err != nil {
		return err
	}
	seq := &core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: schedule}
	job := &files.Job{
		Dir: dir, Sequence: seq, Format: o.format, End: end, Workers: o.workers, Events: new(atomic.Uint64),
		Meta: files.Meta{
			Run: o.run, Snapshot: snapshot.ID(), Seed: o.seed, Version: core.FormatVersion, Recipe: snapshot.Recipe, Schedule: schedule,
			From: o.from, Count: o.count, Segment: o.segment, Format: o.format.Name, Compress: o.format.Compress,
		},
	}
	if resumed {
		if err := saved.Accepts(job.Meta); err != nil {
			return withHint(err, "go on with the saved values, or take another directory")
		}
	}
	return runJob(ctx, e, o, job)
}

// adopt takes over what a directory records for the flags that were not
// given, and returns its schedule as the flags change it.
func (o *deliverOptions) adopt(e *env, dir files.Dir, saved files.Meta) (core.Schedule, error) {
	format, err := encode.Parse(saved.Format, saved.Compress)
	if err != nil {
		return core.Schedule{}, err
	}
	next, err := files.Next(dir, saved, format)
	if err != nil {
		return core.Schedule{}, err
	}
	if !o.isSet("format") && !o.isSet("compress") {
		o.format = format
	}
	if !o.isSet("segment") {
		o.segment = saved.Segment
	}
	if !o.isSet("from") {
		o.from = saved.From
	}
	return o.schedule.resume(saved.Schedule, next, o.segment.Window > 0)
}

// runJob runs a job under the lock of its run, with the run recorded.
func runJob(ctx context.Context, e *env, o deliverOptions, job *files.Job) error {
	record := core.Run{
		Name: o.run, Target: job.Dir.URL(), Snapshot: job.Meta.Snapshot, Recipe: job.Meta.Recipe, Seed: o.seed,
		Format: core.FormatVersion, Schedule: job.Meta.Schedule, From: o.from, Next: o.from,
	}
	file, err := openRun(e, store.Open(o.state), record)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Save(record); err != nil {
		return err
	}
	banner(e, job.Sequence, job.Dir.URL(), o)
	from, err := files.Next(job.Dir, job.Meta, o.format)
	if err != nil {
		return err
	}
	if o.speed > 0 {
		job.Workers, job.Wait = 1, pace.New(job.Meta.Schedule, from, o.speed).Wait
	}
	var saveErr error
	saved := e.now()
	job.Published = func(entry files.Entry) {
		record.Next = entry.Next
		// The directory is the truth; the record is for gen inspect.
		if e.now().Sub(saved) > time.Second {
			saveErr = file.Save(record)
			saved = e.now()
		}
	}
	begin := e.now()
	total := uint64(0)
	if o.count > 0 {
		total = job.End - from
	}
	stop := e.ui.progress(job.Dir.URL(), job.Events, total)
	result, err := job.Run(ctx)
	stop()
	record.Next, record.Done = result.Next, err == nil
	err = errors.Join(err, saveErr, file.Save(record))
	if err == nil || isStop(err) {
		report(e, job, record, result, e.now().Sub(begin))
	}
	return dirTrouble(err, job, result)
}

// openRun opens the record of a run. One that is damaged is begun anew: the
// truth about a directory is in the directory.
func openRun(e *env, state *store.State, r core.Run) (*store.RunFile, error) {
	file, err := state.OpenRun(r.Target, r.Name)
	if errors.Is(err, store.ErrCorrupt) {
		e.ui.warn("%v; it is begun anew from what %s holds", err, r.Target)
		if err := state.ResetRun(r.Target, r.Name); err != nil {
			return nil, err
		}
		return state.OpenRun(r.Target, r.Name)
	}
	return file, err
}

func report(e *env, job *files.Job, r core.Run, result files.Result, took time.Duration) {
	sum := summary{
		Kind: "summary", Run: r.Name, Target: r.Target, Snapshot: r.Snapshot, Seed: r.Seed, From: r.From, Next: result.Next,
		Events: job.Events.Load(), Resumed: result.Resumed > 0, Done: r.Done, Seconds: took.Seconds(),
	}
	held := files.RangeText(r.From, result.Next)
	var text string
	switch {
	case result.Complete && r.Done:
		text = fmt.Sprintf("%s holds %s already; nothing to do", r.Target, held)
	case r.Done:
		text = fmt.Sprintf("%s is complete: %s; made %d in %.1f s, %s", r.Target, held, sum.Events, sum.Seconds, sum.rate())
	default:
		text = fmt.Sprintf("%d segments published; %s holds %s; the same command goes on at event %d", result.Segments, r.Target, held, result.Next)
	}
	e.ui.summary(sum, text)
}

// isStop tells whether an error only says that the context ended.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// dirTrouble adds what is kept to an error of a job.
func dirTrouble(err error, job *files.Job, result files.Result) error {
	switch {
	case err == nil, isStop(err), errors.Is(err, files.ErrOtherRun), errors.Is(err, files.ErrLocked):
		return err
	case errors.Is(err, fs.ErrPermission), result.Next == job.Meta.From:
		return withHint(err, "gen must be able to create and rename files in "+job.Dir.URL()+"; the same command starts again")
	}
	return withHint(err, fmt.Sprintf("%s are published; the same command goes on at event %d", files.RangeText(job.Meta.From, result.Next), result.Next))
}
