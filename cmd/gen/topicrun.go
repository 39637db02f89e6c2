package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"
	"gen/emit/meter"
	"gen/emit/pace"
	"gen/store"
)

// topicRun is a run on its way into a topic: all of it, one shard, or all shards in
// one process.
type topicRun struct {
	*env
	opts   deliverOptions
	config kafka.Config
	run    core.Run // as it would begin
	parts  []*topicPart
	events atomic.Uint64
	meters []*meter.Meter

	mu    sync.Mutex
	begun int // parts
	begin time.Time
	from  uint64
	stop  func()
	pacer *pace.Pacer
}

// topicPart is a shard of it.
type topicPart struct {
	*kafka.Delivery
	file *store.RunFile
	from *uint64 // nil: it has not begun
}

// toTopic delivers into a Kafka topic, from where its cursor stands.
func toTopic(ctx context.Context, e *env, o deliverOptions, config kafka.Config) error {
	snapshot, err := topicSnapshot(ctx, e, o, config)
	if err != nil {
		return topicTrouble(err, config, o.again)
	}
	schedule := o.schedule.fresh
	if _, err := endOf(schedule, 0, o.count); err != nil {
		return err
	}
	target, err := lookUp(ctx, config, true)
	if err != nil {
		return topicTrouble(err, config, o.again)
	}
	r := &topicRun{env: e, opts: o, config: config, stop: func() {}, begin: e.now(), run: core.Run{
		Name: o.run, Target: target, Snapshot: snapshot.ID(), Recipe: snapshot.Recipe, Seed: o.seed, Format: core.FormatVersion, Schedule: schedule,
	}}
	defer r.close()
	if err := r.open(&core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: schedule}); err != nil {
		return err
	}
	return r.deliver(ctx)
}

// topicSnapshot returns the snapshot of the state directory; when it has none, the
// one that the run's cursor names, or else the default one.
func topicSnapshot(ctx context.Context, e *env, o deliverOptions, config kafka.Config) (*core.Snapshot, error) {
	if _, err := store.Open(o.state).LoadSnapshot(); config.Restart || !errors.Is(err, fs.ErrNotExist) {
		return openSnapshot(e, o.state)
	}
	conn, err := reach(ctx, config, true)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	cursors, err := conn.ReadCursors(ctx)
	if err != nil || cursors[o.run] == nil {
		return openSnapshot(e, o.state) // what is wrong with a cursor the delivery tells
	}
	c := cursors[o.run].Cursor
	return recordedSnapshot(o.state, c.Snapshot, c.Recipe)
}

// open makes a delivery of each shard, and holds its record.
func (r *topicRun) open(seq *core.Sequence) error {
	shards := []core.Shard{r.config.Shard}
	if n := r.opts.producers; n > 1 {
		shards = nil
		for i := range n {
			shards = append(shards, core.Shard{Index: i, Of: n})
		}
	}
	r.measure(len(shards))
	for i, shard := range shards {
		if err := r.openShard(seq, shard, r.meters[i]); err != nil {
			return err
		}
	}
	return nil
}

// measure gives each shard a meter.
func (r *topicRun) measure(shards int) {
	r.meters = make([]*meter.Meter, shards)
	m := r.opts.meter()
	switch {
	case m == nil:
	case shards > 1:
		r.meters = m.Split(shards)
	default:
		m.Part = r.config.Shard.Count() > 1
		r.meters[0] = m
	}
}

func (r *topicRun) openShard(seq *core.Sequence, shard core.Shard, m *meter.Meter) error {
	run := r.run
	run.Shard = shard.String()
	file, err := openRun(r.env, store.Open(r.opts.state), run)
	if err != nil {
		return err
	}
	config := r.config
	config.Shard = shard
	config.Restart = config.Restart && shard.Index == 0
	part := &topicPart{file: file, Delivery: &kafka.Delivery{
		Config: config, Run: run, Sequence: seq, Events: &r.events, Resume: r.opts.resumeTopic,
		Meter: m, PartitionRate: r.opts.partitionRate, Save: throttledSave(r.env, file),
	}}
	r.parts = append(r.parts, part)
	part.Begun = func(c kafka.Cursor) { r.hasBegun(part, c) }
	part.Pace = func(from uint64) *pace.Pacer { return r.pace(part, from) }
	kept, ok, err := file.Load()
	if ok {
		part.Local = kept
	}
	return err
}

func (r *topicRun) close() {
	for _, part := range r.parts {
		_ = part.file.Close() // it is saved, or not
	}
}

// pace returns the pacer of a part: those of all parts share a clock.
func (r *topicRun) pace(part *topicPart, from uint64) *pace.Pacer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pacer != nil {
		return r.pacer.Another()
	}
	r.pacer = r.opts.pacer(r.env, part.Sequence.Schedule, from, r.config.CommitInterval)
	return r.pacer
}

// hasBegun is told where a part goes on. The last one to begin says so.
func (r *topicRun) hasBegun(part *topicPart, c kafka.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	part.from = &c.Next
	if r.begun++; r.begun < len(r.parts) {
		return
	}
	r.begin, r.from = r.now(), c.Next
	for _, p := range r.parts {
		r.from = min(r.from, *p.from)
	}
	if r.from >= part.End {
		return
	}
	into := fmt.Sprintf("%s, %d partitions", r.run.Target, c.Partitions)
	switch shard := r.config.Shard; {
	case len(r.parts) > 1:
		into += fmt.Sprintf(", %d producers", len(r.parts))
	case shard.Count() > 1:
		into += ", shard " + shard.String()
	}
	banner(r.env, part.Sequence, into, r.from, r.opts)
	r.ui.say("checkpoint: run %s in topic %s, a copy in %s", c.Name, r.config.CursorTopic, r.opts.state)
	if r.from == 0 && !r.opts.schedule.startNow && r.opts.speed > 0 {
		r.ui.say("event time starts %s; --start now for live traffic", timeText(part.Sequence.Schedule.At(r.from)))
	}
	total := uint64(0)
	if r.opts.count > 0 {
		total = part.End - r.from
	}
	r.stop = r.opts.progress(r.env, view{
		Run: c.Name, Target: r.run.Target, Sequence: part.Sequence, Total: total, Partitions: c.Partitions, Shard: r.config.Shard,
	}, &r.events)
}

func (r *topicRun) deliver(ctx context.Context) error {
	var deliveries []*kafka.Delivery
	for _, part := range r.parts {
		deliveries = append(deliveries, part.Delivery)
	}
	cursors, err := kafka.DeliverAll(ctx, deliveries)
	r.stop()
	for i, part := range r.parts {
		if part.from == nil || cursors[i].Next <= *part.from && err != nil {
			continue
		}
		if saveErr := part.file.Save(cursors[i].Run); saveErr != nil {
			r.ui.warn("%v; Kafka's own cursor counts", saveErr)
		}
	}
	if err == nil || isStop(err) {
		r.summarise(cursors, err)
	}
	return topicTrouble(err, r.config, r.opts.again)
}

func (r *topicRun) summarise(cursors []kafka.Cursor, err error) {
	last := slices.MinFunc(cursors, func(a, b kafka.Cursor) int { return cmp.Compare(a.Next, b.Next) })
	begun := r.begun == len(r.parts)
	end := r.parts[0].End
	sum := summary{
		Kind: "summary", Run: last.Name, Target: r.run.Target, Snapshot: last.Snapshot, Seed: last.Seed, Next: last.Next,
		Events: r.events.Load(), Resumed: r.from > 0, Done: begun && last.Next >= end, Seconds: r.now().Sub(r.begin).Seconds(), measured: r.opts.watch.measured(),
	}
	text := fmt.Sprintf("%d events committed in %.1f s, %s; next event %d", sum.Events, sum.Seconds, sum.rate(), last.Next)
	what := "the run"
	if shard := r.config.Shard; shard.Count() > 1 {
		sum.Shard, what = shard.String(), "shard "+shard.String()
	}
	switch {
	case !begun:
		text = "stopped before the run began; nothing was sent"
	case err == nil && r.from >= end:
		text = fmt.Sprintf("%s holds %s of %s already; nothing to do", r.run.Target, files.RangeText(0, r.from), what)
	case sum.Done:
		text += ": " + what + " is complete"
	}
	r.ui.summary(sum, text+sum.lagText())
}

// resumeTopic returns the schedule and the end of a run that goes on at a cursor.
// Where others deliver parts of it, the schedule stays as it is recorded.
func (o deliverOptions) resumeTopic(c kafka.Cursor, grow bool) (schedule core.Schedule, end uint64, err error) {
	schedule = o.schedule.fresh
	if front := c.Front(); front > 0 || !grow {
		schedule, err = o.schedule.resume(c.Schedule, front, 0, grow)
		if errors.Is(err, errMismatch) && !grow {
			err = withHint(err, "a run of several shards keeps its schedule while their number stays")
		}
		if err != nil {
			return schedule, 0, err
		}
	}
	end, err = endOf(schedule, 0, o.count)
	return schedule, end, err
}
