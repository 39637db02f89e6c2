package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
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
		&cli.BoolFlag{Name: "quiet", Usage: "say nothing but errors on standard error", Category: catOutput, DisableDefaultText: true},
		&cli.BoolFlag{Name: "json", Usage: "answer or summarise as JSON", Category: catOutput, DisableDefaultText: true},
	}
}

func sequenceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.Uint64Flag{Name: "seed", Value: 42, Base: 10, Usage: "`SEED` of the events", Category: catSequence},
		&cli.StringFlag{Name: "rate", Value: "50", Usage: "`RATE` in events per second of event time, e.g. 50, 0.5, 1/3, or per minute, hour, day: 90/m, 20/h, 5/d", Category: catSequence},
		&cli.StringFlag{Name: "load", Usage: "`SCENARIO` instead of one rate: " + strings.Join(core.Loads(), ", ") + ", or a file of stages, a line each: 10m 50, or 10m 50..200; a day's mean is --rate", Category: catSequence},
		&cli.StringFlag{Name: "arrivals", Usage: "`KIND` of arrivals: even, or poisson (random) at that rate (default: even)", Category: catSequence},
		&cli.StringFlag{Name: "schedule", Usage: "recorded schedule as `JSON`, as gen inspect prints it, instead of all these", Category: catSequence},
		&cli.StringFlag{Name: "start", Value: defaultStart, Usage: "event `TIME` of event 0: a date, RFC 3339, epoch milliseconds, or now", Category: catSequence},
	}
}

func targetFlags(segment string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "to", Value: "-", Usage: "`TARGET`: - (standard output), a directory, also hdfs://host:port/path, or for stream kafka://host:port/topic", Category: catOutput},
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

func shardFlag() cli.Flag {
	return &cli.StringFlag{Name: "shard", Usage: "deliver part `I/S` of S, e.g. 0/3, 1/3 and 2/3 on three machines: what lands is the same whatever S is", Category: catRun}
}

// parseShard reads --shard: without it, all is one part.
func parseShard(c *cli.Context) (core.Shard, error) {
	if !c.IsSet("shard") {
		return core.Shard{}, nil
	}
	shard, err := core.ParseShard(c.String("shard"))
	if err != nil {
		return shard, fmt.Errorf("%w: --shard: %w", errUsage, err)
	}
	return shard, nil
}

func countFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "count", Usage: usage, Category: catSequence}
}

func epochsFlag() cli.Flag {
	return &cli.StringFlag{Name: "epochs", Usage: "with the profile movielens: as many events as `N` times all users' lists hold, so that nobody rates a movie twice within an epoch", Category: catSequence}
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
	if count > 0 && from+count-1 > maxCount {
		return 0, 0, fmt.Errorf("%w: --from %d and --count %d pass the last event, 2^53", errUsage, from, count)
	}
	return from, count, nil
}

// scheduleOptions are the flags of event time; nil and "" stand for a flag that
// was not given.
type scheduleOptions struct {
	rate     *core.Rate
	load     string       // a name of core.Loads
	stages   *core.Stages // of a file
	arrivals string       // even or poisson
	seed     uint64       // of random arrivals
	start    *int64       // epoch ms
	startNow bool
	recorded *core.Schedule // --schedule: instead of all these
	fresh    core.Schedule  // what they ask for from event 0 on
}

func parseSchedule(c *cli.Context, now func() time.Time) (o scheduleOptions, err error) {
	o.seed, o.arrivals = c.Uint64("seed"), c.String("arrivals")
	if c.IsSet("rate") {
		rate, err := core.ParseRate(c.String("rate"))
		if err != nil {
			return o, fmt.Errorf("--rate: %w", err)
		}
		o.rate = &rate
	}
	if err := o.parseLoad(c.String("load")); err != nil {
		return o, err
	}
	if !slices.Contains([]string{"", "even", "poisson"}, o.arrivals) {
		return o, fmt.Errorf("%w: --arrivals %q: want even or poisson", errUsage, o.arrivals)
	}
	if c.IsSet("start") {
		start, isNow, err := parseStart(c.String("start"), now)
		if err != nil {
			return o, err
		}
		o.start, o.startNow = &start, isNow
	}
	if c.IsSet("schedule") {
		for _, other := range []string{"rate", "load", "arrivals", "start"} {
			if c.IsSet(other) {
				return o, fmt.Errorf("%w: --schedule and --%s: one of both", errUsage, other)
			}
		}
		o.recorded = new(core.Schedule)
		if err := json.Unmarshal([]byte(c.String("schedule")), o.recorded); err != nil {
			return o, fmt.Errorf("%w: --schedule: %w", errUsage, err)
		}
	}
	o.fresh, err = o.freshSchedule()
	return o, err
}

// freshSchedule returns the schedule that the flags ask for from event 0 on.
func (o scheduleOptions) freshSchedule() (core.Schedule, error) {
	if o.recorded != nil {
		return *o.recorded, nil
	}
	start, _, _ := parseStart(defaultStart, nil) // a constant
	if o.start != nil {
		start = *o.start
	}
	shape, err := o.shapeLike(core.Rate{Num: 50, Den: 1}, start)
	return core.Schedule{Segments: []core.Segment{{Start: start, Shape: shape}}}, err
}

// parseLoad reads --load: a name, or a file of stages.
func (o *scheduleOptions) parseLoad(load string) error {
	if load == "" || slices.Contains(core.Loads(), load) {
		o.load = load
		return nil
	}
	text, err := os.ReadFile(load)
	if err != nil {
		return withHint(fmt.Errorf("%w: --load %s: no such scenario and no such file: %w", errUsage, load, err), "the scenarios are "+strings.Join(core.Loads(), ", "))
	}
	if o.rate != nil {
		return fmt.Errorf("%w: --load %s and --rate: the file has the rates", errUsage, load)
	}
	if o.stages, err = core.ParseStages(string(text)); err != nil {
		return withHint(fmt.Errorf("%w: --load %s: %w", errUsage, load, err), "a line is a time and a rate, 10m 50, or a ramp, 10m 50..200; a last line may be repeat")
	}
	return nil
}

// shapeLike returns the arrivals that the flags ask for from start (epoch ms) on,
// and what they do not say as in another shape.
func (o scheduleOptions) shapeLike(last core.Shape, start int64) (shape core.Shape, err error) {
	random, isRandom := last.(*core.Poisson)
	if shape = last; isRandom {
		shape = random.Rate()
	}
	switch {
	case o.stages != nil:
		shape = o.stages
	case o.load != "":
		if shape, err = core.Load(o.load, o.rate, start); err != nil {
			return nil, fmt.Errorf("--load %s: %w", o.load, err)
		}
	case o.rate != nil:
		shape = *o.rate
	}
	if o.arrivals == "poisson" || o.arrivals == "" && isRandom {
		poisson, err := core.NewPoisson(o.seed, shape)
		if err != nil {
			return nil, fmt.Errorf("--arrivals poisson: %w", err)
		}
		return poisson, nil
	}
	return shape, nil
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

// resume returns the schedule to go on with at event next, which may happen
// at border (epoch ms) at the earliest: the recorded one, and with other
// arrivals or --start now a segment more. A run that may not grow keeps the
// recorded schedule, whenever its "now" was.
func (o scheduleOptions) resume(saved core.Schedule, next uint64, border int64, grow bool) (core.Schedule, error) {
	if o.recorded != nil {
		if !o.recorded.Equal(saved) {
			return saved, otherSchedule(saved, *o.recorded)
		}
		return saved, nil
	}
	last := saved.Segments[len(saved.Segments)-1]
	shape, err := o.shapeLike(last.Shape, last.Start)
	if err != nil {
		return saved, err
	}
	start := last.Start
	// A start that the run had before is no wish for another.
	if o.start != nil && !o.startNow && *o.start != saved.Segments[0].Start {
		start = *o.start
	}
	sameShape := core.SameShape(shape, last.Shape)
	then := max(saved.At(next), border)
	switch {
	case grow && o.startNow:
		then = max(*o.start, border)
	case start != last.Start || !grow && !sameShape:
		return saved, fmt.Errorf("%w: the run has another schedule; nothing was changed\n  saved: %s from %s\n  asked: %s from %s",
			errMismatch, shapeText(last.Shape), timeText(last.Start), shapeText(shape), timeText(start))
	case sameShape:
		return saved, nil
	case then > core.MaxTime: // its stages are over
		then = max(saved.At(next-1), border)
	}
	// The hours of a day begin at midnight, whenever the segment does.
	shape, err = o.shapeLike(last.Shape, then)
	return saved.Then(next, then, shape), err
}

// otherSchedule is the error of a run that has the one schedule and not the other:
// it prints both from where they differ.
func otherSchedule(saved, asked core.Schedule) error {
	from := 0
	first := func(s core.Schedule) core.Schedule { return core.Schedule{Segments: s.Segments[:from+1]} }
	for from+1 < min(len(saved.Segments), len(asked.Segments)) && first(saved).Equal(first(asked)) {
		from++
	}
	side := func(s core.Schedule) string { return scheduleText(s.Segments[from:]) }
	return fmt.Errorf("%w: the run has another schedule; nothing was changed\n  saved: %s\n  asked: %s", errMismatch, side(saved), side(asked))
}

// scheduleText returns the first segments of a schedule for a person.
func scheduleText(segments []core.Segment) string {
	const most = 3
	var parts []string
	for _, g := range segments[:min(most, len(segments))] {
		parts = append(parts, segmentText(g))
	}
	if more := len(segments) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}

func segmentText(g core.Segment) string {
	return fmt.Sprintf("from event %d: %s from %s", g.From, shapeText(g.Shape), timeText(g.Start))
}

// shapeText returns the arrivals of a schedule for a person.
func shapeText(s core.Shape) string {
	switch s := s.(type) {
	case core.Rate:
		return fmt.Sprintf("rate %s/s", s)
	case *core.Poisson:
		return "random arrivals at " + shapeText(s.Rate())
	case *core.Stages:
		return fmt.Sprintf("%s, up to %s/s", s.Brief(), plain(core.Peak(s)))
	}
	return s.String()
}

// plain returns a number without an exponent, to a thousandth.
func plain(x float64) string {
	return strconv.FormatFloat(math.Round(x*1000)/1000, 'f', -1, 64)
}

// timeText returns an event time as the shortest form that --start reads.
func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z") }

// concat joins groups of flags.
func concat(groups ...[]cli.Flag) []cli.Flag { return slices.Concat(groups...) }
