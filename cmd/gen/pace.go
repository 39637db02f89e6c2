package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/urfave/cli/v2"
)

// paceOptions say how fast event time is played.
type paceOptions struct {
	speed   float64 // 0: as fast as possible
	maxRate float64 // events per second of wall time; 0: no limit
	skip    bool    // wall time, when late

	partitionRate int // records per partition and second; 0: no limit
}

// maxPartitionRate bounds what is remembered of each partition.
const maxPartitionRate = 1_000_000

func partitionRateFlag() cli.Flag {
	return &cli.IntFlag{Name: "max-rate-per-partition", Usage: "send at most `N` records to a partition in any second; the others wait for it (default: no limit)", Category: catPace}
}

func paceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "speed", Value: "1", Usage: "play event time `SPEED` times as fast: 1, 60, 0.5, or max", Category: catPace},
		&cli.DurationFlag{Name: "for", Usage: "stop after this `TIME`, e.g. 10s", Category: catPace},
		&cli.StringFlag{Name: "late", Value: "catch-up", Usage: "`WHAT` to do after a stall of more than a second: catch-up, or skip wall time; no event is ever left out", Category: catPace},
		&cli.StringFlag{Name: "max-rate", Usage: "send at most `RATE` events per second of wall time while catching up, e.g. 1000 (default: no limit)", Category: catPace},
	}
}

func parsePace(c *cli.Context) (o paceOptions, err error) {
	if o.speed, err = parseSpeed(c.String("speed")); err != nil {
		return o, err
	}
	late := c.String("late")
	if !slices.Contains([]string{"catch-up", "skip"}, late) {
		return o, fmt.Errorf("%w: --late %q: want catch-up or skip", errUsage, late)
	}
	o.skip = late == "skip"
	if c.IsSet("max-rate") {
		rate, err := core.ParseRate(c.String("max-rate"))
		if err != nil {
			return o, fmt.Errorf("--max-rate: %w", err)
		}
		o.maxRate = rate.PerSecond()
	}
	o.partitionRate = c.Int("max-rate-per-partition")
	if c.IsSet("max-rate-per-partition") && (o.partitionRate < 1 || o.partitionRate > maxPartitionRate) {
		return o, fmt.Errorf("%w: --max-rate-per-partition %d: want 1 to %d", errUsage, o.partitionRate, maxPartitionRate)
	}
	for _, name := range []string{"late", "max-rate"} {
		if o.speed == 0 && c.IsSet(name) {
			return o, withHint(fmt.Errorf("%w: --%s is for events that have their time, not for --speed max", errUsage, name), "play them at a great speed: --speed 1000000")
		}
	}
	return o, nil
}

// pacer returns who paces the events from one on, nil for nobody. A sink asks it
// once in every interval.
func (o deliverOptions) pacer(e *env, schedule core.Schedule, from uint64, interval time.Duration) *pace.Pacer {
	if o.speed == 0 {
		return nil
	}
	var options []pace.Option
	if o.maxRate > 0 {
		if peak := core.Peak(schedule.Last()) * o.speed; peak > o.maxRate {
			e.ui.warn("the schedule wants up to %s events/s, --max-rate allows %s: the run falls behind", plain(peak), plain(o.maxRate))
		}
		options = append(options, pace.MaxRate(o.maxRate, max(100*time.Millisecond, 2*interval)))
	}
	if o.skip {
		options = append(options, pace.Skip())
	}
	if o.schedule.startNow && o.speed == 1 {
		return pace.Live(schedule, from, options...)
	}
	return pace.New(schedule, from, o.speed, options...)
}

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
