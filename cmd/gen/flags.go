package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"gen/core"
	"gen/emit/encode"

	"github.com/urfave/cli/v2"
)

// Categories of flags, in the order in which the library prints them.
const (
	catOutput   = "Output"
	catPace     = "Pace"
	catRun      = "Run"
	catSequence = "Sequence"
)

// maxCount is the largest event number and count: 2^53, exact in every
// language that will read it.
const maxCount = 1 << 53

// defaultStart is the event time of event 0: the same command gives the same
// bytes.
const defaultStart = "2025-01-01T00:00:00Z"

func stateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "state", Value: "gen-state", Usage: "`DIR` of the snapshot and the runs", Category: catRun},
		&cli.BoolFlag{Name: "quiet", Usage: "print errors only", Category: catOutput, DisableDefaultText: true},
		&cli.BoolFlag{Name: "json", Usage: "answer or summarise as JSON", Category: catOutput, DisableDefaultText: true},
	}
}

func sequenceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "seed", Value: 42, Base: 10, Usage: "`SEED` of the events", Category: catSequence},
		&cli.StringFlag{Name: "rate", Value: "50", Usage: "`RATE` in events per second of event time, e.g. 50, 0.5, 1/3, or per minute, hour, day: 90/m, 20/h, 5/d", Category: catSequence},
		&cli.StringFlag{Name: "start", Value: defaultStart, Usage: "event `TIME` of event 0: a date, RFC 3339, epoch milliseconds, or now", Category: catSequence},
	}
}

func targetFlags(segment string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "to", Value: "-", Usage: "`TARGET`: - (standard output), a directory, or for stream kafka://host:port/topic", Category: catOutput},
		&cli.StringFlag{Name: "format", Value: "jsonl", Usage: "`FORMAT` of the events: " + strings.Join(encode.Names(), ", "), Category: catOutput},
		&cli.StringFlag{Name: "compress", Usage: "`CODEC`: none, gzip, zstd for text; snappy, zstd, none for Parquet; these and lz4 for Kafka (default: none, snappy, snappy)", Category: catOutput},
		&cli.StringFlag{Name: "segment", Value: segment, Usage: "`SIZE` of a file in a directory: events (1000000) or event time (60s)", Category: catOutput},
		runFlag(),
	}
}

func runFlag() cli.Flag {
	return &cli.StringFlag{Name: "run", Usage: "`NAME` of the run (default: seed-SEED)", Category: catRun}
}

func runName(c *cli.Context) string {
	if name := c.String("run"); name != "" {
		return name
	}
	return "seed-" + strconv.FormatUint(c.Uint64("seed"), 10)
}

func countFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "count", Usage: usage, Category: catSequence}
}

func fromFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "from", Value: "0", Usage: usage, Category: catSequence}
}

func workersFlag() cli.Flag {
	return &cli.IntFlag{Name: "workers", Value: runtime.NumCPU(), Usage: "`N` processors to use; never changes a byte", Category: catPace}
}

// number reads a flag that holds an event number or a count.
func number(c *cli.Context, name string) (uint64, error) {
	text := c.String(name)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > maxCount {
		return 0, fmt.Errorf("%w: --%s %q: want a whole number up to 2^53", errUsage, name, text)
	}
	return n, nil
}

// rangeOptions are --from and --count, checked against each other.
func rangeOptions(c *cli.Context) (from, count uint64, err error) {
	if from, err = number(c, "from"); err != nil {
		return 0, 0, err
	}
	if c.IsSet("count") {
		if count, err = number(c, "count"); err != nil {
			return 0, 0, err
		}
		if count == 0 {
			return 0, 0, fmt.Errorf("%w: --count 0: want 1 or more", errUsage)
		}
	}
	if from > maxCount || count > 0 && from+count-1 > maxCount {
		return 0, 0, fmt.Errorf("%w: --from %d and --count %d pass the last event, 2^53", errUsage, from, count)
	}
	return from, count, nil
}

// scheduleOptions are the flags of event time; nil stands for a flag that was
// not given.
type scheduleOptions struct {
	rate     *core.Rate
	start    *int64 // epoch ms
	startNow bool
}

func parseSchedule(c *cli.Context, now func() time.Time) (scheduleOptions, error) {
	var o scheduleOptions
	if c.IsSet("rate") {
		rate, err := core.ParseRate(c.String("rate"))
		if err != nil {
			return o, fmt.Errorf("--rate: %w", err)
		}
		o.rate = &rate
	}
	if c.IsSet("start") {
		start, isNow, err := parseStart(c.String("start"), now)
		if err != nil {
			return o, err
		}
		o.start, o.startNow = &start, isNow
	}
	return o, nil
}

// parseStart reads a time: "now", epoch milliseconds, a date, RFC 3339.
func parseStart(s string, now func() time.Time) (ms int64, isNow bool, err error) {
	if s == "now" {
		return now().UnixMilli(), true, nil
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms >= 0 && ms <= core.MaxTime {
		return ms, false, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil && t.UnixMilli() >= 0 && t.UnixMilli() <= core.MaxTime {
			return t.UnixMilli(), false, nil
		}
	}
	return 0, false, fmt.Errorf("%w: --start %q: want now, a date (2025-01-01), RFC 3339 (2025-01-01T00:00:00Z) or epoch milliseconds, from 1970 to 9999", errUsage, s)
}

// schedule returns the schedule that the flags ask for from event 0 on.
func (o scheduleOptions) schedule() core.Schedule {
	rate := core.Rate{Num: 50, Den: 1}
	if o.rate != nil {
		rate = *o.rate
	}
	start, _, _ := parseStart(defaultStart, nil) // a constant
	if o.start != nil {
		start = *o.start
	}
	return core.ConstantSchedule(start, rate)
}

// resume returns the schedule to go on with at event next, which may happen
// at border (epoch ms) at the earliest: the recorded one, and with another rate
// or --start now a segment more. A run that may not grow keeps the recorded
// schedule, whenever its "now" was.
func (o scheduleOptions) resume(saved core.Schedule, next uint64, border int64, grow bool) (core.Schedule, error) {
	last := saved.Segments[len(saved.Segments)-1]
	shape, start := last.Shape, last.Start
	if o.rate != nil {
		shape = *o.rate
	}
	// A start that the run had before is no wish for another.
	if o.start != nil && !o.startNow && *o.start != saved.Segments[0].Start {
		start = *o.start
	}
	sameShape := core.SameShape(shape, last.Shape)
	switch {
	case grow && o.startNow:
		return saved.Then(next, max(*o.start, border), shape), nil
	case start != last.Start || !grow && !sameShape:
		return saved, fmt.Errorf("%w: the run has another schedule; nothing was written\n  saved: rate %s from %s\n  asked: rate %s from %s",
			errMismatch, last.Shape, timeText(last.Start), shape, timeText(start))
	case !sameShape:
		return saved.Then(next, max(saved.At(next), border), shape), nil
	}
	return saved, nil
}

// timeText returns an event time as the shortest form that --start reads.
func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z") }

// parseSpeed reads --speed: 0 stands for max.
func parseSpeed(s string) (float64, error) {
	if s == "max" {
		return 0, nil
	}
	speed, err := strconv.ParseFloat(s, 64)
	if err != nil || !(speed > 0) || math.IsInf(speed, 0) {
		return 0, fmt.Errorf("%w: --speed %q: want max or a number above 0", errUsage, s)
	}
	return speed, nil
}

// concat joins groups of flags.
func concat(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }
