package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
	"gen/emit/kafka"
	"gen/emit/meter"
	"gen/store"

	"github.com/urfave/cli/v2"
)

// deliverOptions are what stream and dump have in common.
type deliverOptions struct {
	state     string
	to        string
	run       string
	seed      uint64
	schedule  scheduleOptions
	format    encode.Format
	segment   files.Segmenting
	from      uint64
	count     uint64 // 0: no end
	workers   int
	shard     core.Shard
	producers int // into a topic
	dir       files.Options
	paceOptions
	again string // flags by which another command means the same run
	http  string // address of the live page; empty: none
	watch *watch // nil: a progress bar will do
	isSet func(flag string) bool
}

// meter returns what a stream is measured with.
func (o deliverOptions) meter() *meter.Meter {
	if o.watch == nil {
		return nil
	}
	return &o.watch.meter
}

func parseDeliver(c *cli.Context, e *env) (deliverOptions, error) {
	o := deliverOptions{state: c.String("state"), to: c.String("to"), run: runName(c), seed: c.Uint64("seed"), again: sameRun(c), isSet: c.IsSet}
	if o.to == "" || o.state == "" {
		return o, fmt.Errorf("%w: --to and --state must not be empty", errUsage)
	}
	var err error
	if o.schedule, err = parseSchedule(c, e.now); err != nil {
		return o, err
	}
	compress := c.String("compress")
	if strings.HasPrefix(o.to, kafka.Scheme) {
		compress = "" // parseTopic reads it
	}
	if o.format, err = encode.Parse(c.String("format"), compress); err != nil {
		return o, fmt.Errorf("%w: %w", errUsage, err)
	}
	if o.segment, err = files.ParseSegmenting(c.String("segment")); err != nil {
		return o, fmt.Errorf("%w: --%w", errUsage, err)
	}
	if o.dir, err = parseCopies(c, o.to); err != nil {
		return o, err
	}
	if o.from, o.count, err = rangeOptions(c); err != nil {
		return o, err
	}
	if o.shard, err = parseShard(c); err != nil {
		return o, err
	}
	if c.IsSet("shard") && o.to == "-" {
		return o, fmt.Errorf("%w: --shard is for a directory or a topic; parts of standard output are made by --from and --count", errUsage)
	}
	if c.IsSet("epochs") {
		o.count, err = epochEvents(c, o.state)
	}
	return o, err
}

// summary is the last line of standard error with --json.
type summary struct {
	Kind     string  `json:"kind"` // "summary"
	Run      string  `json:"run,omitempty"`
	Shard    string  `json:"shard,omitempty"` // of a run that is cut
	Target   string  `json:"target"`
	Snapshot string  `json:"snapshot"`
	Seed     uint64  `json:"seed"`
	From     uint64  `json:"from"`   // the first event of the run
	Next     uint64  `json:"next"`   // every event before it is delivered
	Events   uint64  `json:"events"` // made by this invocation
	Resumed  bool    `json:"resumed"`
	Done     bool    `json:"done"` // the run has reached its end
	Seconds  float64 `json:"seconds"`
	*measured
}

func (s summary) rate() string {
	return perSecond(s.Events, time.Duration(s.Seconds*float64(time.Second)))
}

// toStdout writes a range to standard output.
func toStdout(ctx context.Context, e *env, o deliverOptions) error {
	schedule := o.schedule.fresh
	end, err := endOf(schedule, o.from, o.count)
	if err != nil {
		return err
	}
	snapshot, err := openSnapshot(e, o.state)
	if err != nil {
		return err
	}
	seq := &core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: schedule}
	banner(e, seq, "standard output", o.from, o)
	var done atomic.Uint64
	stop := o.progress(e, view{Target: "stdout", Sequence: seq, Total: o.count, Hidden: e.stdoutTerminal}, &done)
	pipe := &files.Pipe{Out: files.Until(ctx, e.stdout, files.Grace), Sequence: seq, Format: o.format, From: o.from, To: end, Workers: o.workers, Events: &done, Meter: o.meter()}
	begin := e.now()
	pacer := o.pacer(e, seq.Schedule, o.from, 0)
	pipe.Meter.Begin(o.from, pacer)
	var next uint64
	if pacer != nil {
		next, err = pipe.RunPaced(ctx, pacer)
	} else {
		files.WidenPipe(e.stdout.Writer)
		next, err = pipe.Run(ctx)
	}
	stop()
	if errors.Is(err, files.ErrNotRead) {
		e.ui.warn("%v", err)
		return ctx.Err() // how much of the last chunk is out is not known
	}
	if err != nil && !isStop(err) {
		return err // part of a row may be out: there is no event to go on with
	}
	sum := summary{
		Kind: "summary", Target: "-", Snapshot: snapshot.ID(), Seed: o.seed, From: o.from, Next: next,
		Events: next - o.from, Done: next == end, Seconds: e.now().Sub(begin).Seconds(), measured: o.watch.measured(),
	}
	text := fmt.Sprintf("%s in %.1f s, %s", files.RangeText(o.from, next), sum.Seconds, sum.rate())
	if !sum.Done {
		text += fmt.Sprintf("; go on with --from %d", next)
	}
	e.ui.summary(sum, text+sum.lagText())
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
		return 0, fmt.Errorf("%w: event %d would happen after the stages' end, or after the year 9999: the schedule ends before event %d", errUsage, from+max(count, 1)-1, most)
	}
	return from + count, nil
}

func banner(e *env, seq *core.Sequence, target string, from uint64, o deliverOptions) {
	t := seq.Snapshot.Tables()
	pace := "as fast as possible"
	if o.speed > 0 {
		pace = "played at speed " + plain(o.speed)
	}
	e.ui.say("snapshot %.8s: %d movies, %d genres, %d users; %s", seq.Snapshot.ID(), len(t.Movies), len(t.Genres), t.Users(), exampleUser{1, t.UserWeights(0)})
	if epochs := epochText(seq.Snapshot); epochs != "" {
		e.ui.say("%s", epochs)
	}
	segments := seq.Schedule.From(from)
	e.ui.say("events from %d on to %s: seed %d, %s, %s, event time %s, %s", from, target, seq.Seed, o.format.Name, shapeText(segments[0].Shape), timeText(seq.Schedule.At(from)), pace)
	if len(segments) > 1 {
		e.ui.say("later: %s", scheduleText(segments[1:]))
	}
}

// toDir delivers into a directory, from where it stands.
func toDir(ctx context.Context, e *env, o deliverOptions) error {
	var err error
	if o.dir.Owner, err = owner(o.state); err != nil {
		return err
	}
	o.dir.Owner += ", run " + o.run
	if o.dir.Shard = o.shard; o.shard.Count() > 1 {
		o.dir.Owner += ", shard " + o.shard.String()
	}
	dir, err := files.OpenWith(o.to, o.dir)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	saved, err := files.ReadMeta(dir)
	resumed := err == nil
	if err != nil && !errors.Is(err, files.ErrNoRun) {
		return err
	}
	schedule := o.schedule.fresh
	if resumed {
		if schedule, err = o.adopt(dir, saved); err != nil {
			return err
		}
	}
	if _, err := endOf(schedule, o.from, o.count); err != nil {
		return err
	}
	snapshot, err := snapshotFor(e, o.state, saved)
	if err != nil {
		return err
	}
	job := &files.Job{
		Dir: dir, Sequence: &core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: schedule}, Format: o.format, Workers: o.workers, Shard: o.shard, Events: new(atomic.Uint64), Meter: o.meter(),
		Away: func(err error) { e.ui.warn("%v; it is tried again", err) },
		Meta: files.Meta{
			Run: o.run, Snapshot: snapshot.ID(), Seed: o.seed, Version: core.FormatVersion, Recipe: snapshot.Recipe, Schedule: schedule,
			From: o.from, Count: o.count, Segment: o.segment, Format: o.format.Name, Compress: o.format.Compress,
		},
	}
	return runJob(ctx, e, o, job)
}

// snapshotFor returns the snapshot of the state directory; when it has none,
// the one of the run that goes on, or else the default one.
func snapshotFor(e *env, state string, saved files.Meta) (*core.Snapshot, error) {
	_, err := store.Open(state).LoadSnapshot()
	if saved.Snapshot == "" || !errors.Is(err, fs.ErrNotExist) {
		return openSnapshot(e, state)
	}
	return recordedSnapshot(state, saved.Snapshot, saved.Recipe)
}

// recordedSnapshot makes the snapshot of a recorded run again, and keeps it.
func recordedSnapshot(state, id string, r core.Recipe) (*core.Snapshot, error) {
	s, err := snapshotOf(state, id, r)
	if err != nil {
		return nil, err
	}
	return s, store.Open(state).SaveSnapshot(s)
}

// adopt takes over what a directory records for the flags that were not
// given, and returns its schedule as the flags change it.
func (o *deliverOptions) adopt(dir files.Dir, saved files.Meta) (core.Schedule, error) {
	state, err := files.Inspect(dir, saved)
	if err != nil {
		return core.Schedule{}, err
	}
	if !o.isSet("format") && !o.isSet("compress") {
		o.format = encode.Format{Name: saved.Format, Compress: saved.Compress}
	}
	if !o.isSet("segment") {
		o.segment = saved.Segment
	}
	if !o.isSet("from") {
		o.from = saved.From
	}
	return o.schedule.resume(saved.Schedule, state.End, state.Border, saved.Segment.Window > 0)
}

// delivery is a job whose run is recorded in the state directory.
type delivery struct {
	*env
	opts   deliverOptions
	job    *files.Job
	record core.Run
	file   *store.RunFile
	begun  bool // the directory is this run's
	saved  time.Time
	err    error  // of a save between segments
	stop   func() // ends the progress
}

// runJob runs a job under the lock of its run.
func runJob(ctx context.Context, e *env, o deliverOptions, job *files.Job) error {
	d := &delivery{env: e, opts: o, job: job, saved: e.now(), stop: func() {}, record: core.Run{
		Name: o.run, Target: job.Dir.URL(), Snapshot: job.Meta.Snapshot, Recipe: job.Meta.Recipe, Seed: o.seed,
		Format: core.FormatVersion, Schedule: job.Meta.Schedule, From: o.from,
	}}
	if o.shard.Count() > 1 {
		d.record.Shard = o.shard.String()
	}
	var err error
	if d.file, err = openRun(e, store.Open(o.state), d.record); err != nil {
		return err
	}
	defer d.file.Close()
	job.Accepted, job.Published = d.accepted, d.published
	begin := e.now()
	result, err := job.Run(ctx)
	d.stop()
	if !d.begun {
		return d.refused(err)
	}
	for _, name := range result.Replaced {
		e.ui.warn("%s of an earlier invocation was not what this run makes; it was made anew", name)
	}
	d.record.Next, d.record.Done = result.Next, err == nil
	saveErr := errors.Join(d.err, d.file.Save(d.record))
	if saveErr != nil && (err == nil || isStop(err)) {
		return saveErr
	}
	if err == nil || isStop(err) {
		summarize(e, job, d.record, result, e.now().Sub(begin), o.watch.measured())
	}
	return dirTrouble(err, job, result)
}

// refused forgets the record of a run that has not begun.
func (d *delivery) refused(err error) error {
	_, had, loadErr := d.file.Load()
	if loadErr == nil && !had {
		err = errors.Join(err, d.file.Close(), store.Open(d.opts.state).ResetRun(d.record.Target, d.record.Name, d.record.Shard))
	}
	if errors.Is(err, files.ErrOtherRun) {
		return withHint(err, "go on with the saved values, or take another directory")
	}
	from, _ := d.job.Part()
	return dirTrouble(err, d.job, files.Result{Next: from})
}

// accepted is told where the run goes on: it records it, says so, and starts
// the clock.
func (d *delivery) accepted(next uint64) (files.Wait, error) {
	d.record.Next, d.begun = next, true
	if err := d.file.Save(d.record); err != nil {
		return nil, err
	}
	_, end := d.job.Part()
	if end <= next {
		return nil, nil
	}
	banner(d.env, d.job.Sequence, d.job.Dir.URL(), next, d.opts)
	d.ui.say("checkpoint: the segments of the directory, run %s in %s", d.record.Name, d.opts.state)
	total := uint64(0)
	if d.opts.count > 0 {
		total = end - next
	}
	d.stop = d.opts.progress(d.env, view{Run: d.record.Name, Target: d.job.Dir.URL(), Sequence: d.job.Sequence, Total: total}, d.job.Events)
	pacer := d.opts.pacer(d.env, d.job.Meta.Schedule, next, 0)
	d.job.Meter.Begin(next, pacer)
	if pacer == nil {
		return nil, nil
	}
	d.job.Workers = 1
	return pacer.Next, nil
}

// published records a segment, once a second: the directory is the truth, the
// record is for gen inspect.
func (d *delivery) published(entry files.Entry) {
	d.record.Next = max(d.record.Next, entry.Next)
	if now := d.now(); now.Sub(d.saved) > time.Second {
		d.err = errors.Join(d.err, d.file.Save(d.record))
		d.saved = now
	}
}

// openRun opens the record of a run. One that is damaged is begun anew: the
// truth about a directory is in the directory.
func openRun(e *env, state *store.State, r core.Run) (*store.RunFile, error) {
	file, err := state.OpenRun(r.Target, r.Name, r.Shard)
	if errors.Is(err, store.ErrCorrupt) {
		e.ui.warn("%v; it is begun anew from what %s holds", err, r.Target)
		if err := state.ResetRun(r.Target, r.Name, r.Shard); err != nil {
			return nil, err
		}
		return state.OpenRun(r.Target, r.Name, r.Shard)
	}
	return file, err
}

func summarize(e *env, job *files.Job, r core.Run, result files.Result, took time.Duration, m *measured) {
	sum := summary{
		Kind: "summary", Run: r.Name, Shard: r.Shard, Target: r.Target, Snapshot: r.Snapshot, Seed: r.Seed, From: r.From, Next: result.Next,
		Events: job.Events.Load(), Resumed: result.Resumed, Done: r.Done, Seconds: took.Seconds(), measured: m,
	}
	from, _ := job.Part()
	held := files.RangeText(from, result.Next)
	var text string
	switch {
	case r.Done && !result.Finished:
		text = fmt.Sprintf("shard %s of %s is complete: %s; made %d in %.1f s, %s; the last shard to come finishes the directory", r.Shard, r.Target, held, sum.Events, sum.Seconds, sum.rate())
	case result.Complete && r.Done:
		text = fmt.Sprintf("%s holds %s already; nothing to do", r.Target, held)
	case r.Done:
		text = fmt.Sprintf("%s is complete: %s; made %d in %.1f s, %s", r.Target, held, sum.Events, sum.Seconds, sum.rate())
	default:
		text = fmt.Sprintf("%d segments published; %s holds %s; the same command goes on at event %d", result.Segments, r.Target, held, result.Next)
	}
	e.ui.summary(sum, text+sum.lagText())
}

// isStop tells whether an error only says that the context ended.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// dirTrouble adds what is kept to an error of a job.
func dirTrouble(err error, job *files.Job, result files.Result) error {
	if err == nil || isStop(err) || errors.Is(err, files.ErrLocked) {
		return err
	}
	from, _ := job.Part()
	kept := fmt.Sprintf("%s are published; the same command goes on at event %d", files.RangeText(from, result.Next), result.Next)
	if errors.Is(err, fs.ErrPermission) || result.Next == from {
		kept = "gen must be able to create and rename files in " + job.Dir.URL() + "; the same command starts again"
	}
	if hint := hintOf(err); hint != "" {
		kept = fmt.Sprintf("%s; then the same command goes on at event %d", hint, result.Next)
	}
	return withHint(err, kept)
}
