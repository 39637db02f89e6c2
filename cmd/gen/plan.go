package main

import (
	"fmt"
	"strings"
	"time"

	"gen/core"
	"gen/emit/encode"

	"github.com/urfave/cli/v2"
)

func dryRunFlag() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "print what a run that begins would make: events, bytes, time, rates; send nothing", Category: catOutput, DisableDefaultText: true}
}

// planAnswer is what a dry run prints of the events of a schedule.
type planAnswer struct {
	From     uint64       `json:"from"`
	Next     uint64       `json:"next"` // behind the last event
	Events   uint64       `json:"events"`
	Endless  bool         `json:"endless"` // the run has no end: this is its first day
	Epochs   string       `json:"epochs,omitempty"`
	First    int64        `json:"first"` // epoch ms
	Last     int64        `json:"last"`
	Bytes    uint64       `json:"bytes"`   // about, from the first rows
	Seconds  float64      `json:"seconds"` // that playing them takes; 0 as fast as possible
	Mean     float64      `json:"mean"`    // events per second of event time
	Peak     float64      `json:"peak"`
	Schedule []string     `json:"schedule"`
	Rates    []planBucket `json:"rates"`
}

// planBucket is a stretch of event time.
type planBucket struct {
	Time int64   `json:"time"` // its beginning, epoch ms
	Rate float64 `json:"rate"` // events per second
}

// planBuckets is how many columns a plan is drawn with.
const planBuckets = 64

// dryRun answers with the plan of a stream or dump.
func dryRun(e *env, o deliverOptions, limit time.Duration, asJSON bool) error {
	schedule := o.schedule.fresh
	end, err := endOf(schedule, o.from, o.count)
	if err != nil {
		return err
	}
	start := schedule.At(o.from)
	endless := o.count == 0 && limit == 0 && schedule.At(end-1) > start+86_400_000
	switch {
	case endless:
		end = schedule.Before(start + 86_400_000)
	case limit > 0 && o.speed > 0:
		played := min(limit.Seconds()*1000*o.speed, float64(core.MaxTime-start))
		end = min(end, schedule.Before(start+int64(played)))
	}
	if end <= o.from {
		return fmt.Errorf("%w: no event falls into this range", errUsage)
	}
	snapshot, _, err := wouldOpenSnapshot(e, o.state)
	if err != nil {
		return err
	}
	a := plan(schedule, o.from, end, o.speed)
	a.Endless, a.Epochs = endless, epochText(snapshot)
	a.Bytes, err = bytesOf(&core.Sequence{Snapshot: snapshot, Seed: o.seed, Schedule: schedule}, o.format, o.from, end)
	if err != nil {
		return err
	}
	return e.answer(asJSON, a)
}

func plan(schedule core.Schedule, from, end uint64, speed float64) planAnswer {
	a := planAnswer{From: from, Next: end, Events: end - from, First: schedule.At(from), Last: schedule.At(end - 1)}
	for _, g := range schedule.From(from) {
		if g.From >= end {
			break
		}
		a.Schedule = append(a.Schedule, segmentText(g))
		a.Peak = max(a.Peak, core.Peak(g.Shape))
	}
	length := a.Last - a.First
	if speed > 0 {
		a.Seconds = float64(length) / 1000 / speed
	}
	if length > 0 {
		a.Mean = float64(a.Events-1) * 1000 / float64(length)
	}
	columns := min(planBuckets, int64(a.Events))
	step := max(1, (length+columns)/columns)
	for at := a.First; at <= a.Last; at += step {
		before := min(max(schedule.Before(at), from), end)
		after := min(max(schedule.Before(at+step), from), end)
		a.Rates = append(a.Rates, planBucket{at, float64(after-before) * 1000 / float64(step)})
	}
	return a
}

// bytesOf returns about how many bytes the events take, from the first 100,000.
func bytesOf(seq *core.Sequence, format encode.Format, from, end uint64) (uint64, error) {
	var size byteCounter
	w, err := format.NewWriter(&size, false)
	if err != nil {
		return 0, err
	}
	events := make([]core.Event, min(100_000, end-from))
	seq.Fill(events, from)
	if err := w.Write(events); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return uint64(float64(size) * float64(end-from) / float64(len(events))), nil
}

type byteCounter uint64

func (c *byteCounter) Write(b []byte) (int, error) {
	*c += byteCounter(len(b))
	return len(b), nil
}

func (a planAnswer) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "events %d to %d: %d events, about %s\n", a.From, a.Next-1, a.Events, sizeText(a.Bytes))
	if a.Endless {
		row("endless", "the run has no end; this is its first day")
	}
	if a.Epochs != "" {
		row("epochs", "%s", a.Epochs)
	}
	for _, line := range a.Schedule {
		row("schedule", "%s", line)
	}
	row("time", "%s to %s", timeText(a.First), timeText(a.Last))
	if a.Seconds > 0 {
		row("takes", "%s", time.Duration(a.Seconds*float64(time.Second)).Round(time.Second))
	} else {
		row("takes", "as long as it takes")
	}
	row("rate", "mean %s/s, peak %s/s", plain(a.Mean), plain(a.Peak))
	b.WriteString(plot(a.Rates))
	return b.String()
}

// plot draws rates over time, eight rows high.
func plot(rates []planBucket) string {
	const rows = 8
	top := 0.0
	for _, r := range rates {
		top = max(top, r.Rate)
	}
	if top == 0 {
		return ""
	}
	var b strings.Builder
	for y := rows; y > 0; y-- {
		label := ""
		if y == rows || y == rows/2 {
			label = fmt.Sprintf("%.3g", top*float64(y)/rows)
		}
		line := fmt.Sprintf("  %10s |", label)
		for _, r := range rates {
			if r.Rate/top*rows > float64(y)-0.5 {
				line += "#"
			} else {
				line += " "
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	fmt.Fprintf(&b, "  %10s +%s\n", "per second", strings.Repeat("-", len(rates)))
	first, last := timeText(rates[0].Time), timeText(rates[len(rates)-1].Time)
	fmt.Fprintf(&b, "  %10s  %s%s%s\n", "", first, strings.Repeat(" ", max(1, len(rates)-len(first)-len(last))), last)
	return b.String()
}
