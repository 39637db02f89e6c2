package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

func streamCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "stream",
		Usage:     "play the events at their rate",
		UsageText: "gen stream [flags]",
		Description: "Writes to standard output, into a directory as one file for each minute of event\n" +
			"time, or into a Kafka topic exactly once. Stopped at any moment, the same\n" +
			"command goes on there:\n\n" +
			"  gen stream --seed 42 --count 20\n" +
			"  gen stream --to ratings --rate 200 --start now\n" +
			"  gen stream --to kafka://127.0.0.1:9092/ratings --start now\n" +
			"  gen stream --to kafka://kafka1:9093/ratings --kafka-config client.properties\n\n" +
			"Event time and pace are two things: --rate and --start fix each event's\n" +
			"timestamp; --speed says how fast that time is played and changes no byte.\n\n" +
			"Several processes, on several machines, deliver one run together, each some of\n" +
			"the partitions; or --producers does so in one process:\n\n" +
			"  gen stream --to kafka://127.0.0.1:9092/ratings --shard 0/3\n\n" +
			"--http 127.0.0.1:9464 shows the run while it goes on: a page at /, Prometheus\n" +
			"metrics at /metrics.",
		Flags: concat(stateFlags(), sequenceFlags(), targetFlags("60s"), topicFlags(), copiesFlags(), []cli.Flag{
			dryRunFlag(), fromFlag("first `EVENT`, on standard output"), countFlag("stop after `N` events: in a directory the run's total"), epochsFlag(),
			httpFlag(),
		}, paceFlags()),
		Action: func(c *cli.Context) error {
			o, limit, err := parseStream(c, e)
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return dryRun(e, o, limit, c.Bool("json"))
			}
			deliver := toDir
			switch {
			case o.to == "-":
				deliver = toStdout
			case strings.HasPrefix(o.to, kafka.Scheme):
				config, err := parseTopic(c, e, o.to)
				if err != nil {
					return err
				}
				deliver = func(ctx context.Context, e *env, o deliverOptions) error { return toTopic(ctx, e, o, config) }
			}
			return runStream(c.Context, e, o, limit, deliver)
		},
	}
}

func parseStream(c *cli.Context, e *env) (o deliverOptions, limit time.Duration, err error) {
	if o, err = parseDeliver(c, e); err != nil {
		return o, 0, err
	}
	if o.paceOptions, err = parsePace(c); err != nil {
		return o, 0, err
	}
	if o.http, err = parseHTTP(c.String("http")); err != nil {
		return o, 0, err
	}
	if err := checkTarget(c, o.to); err != nil {
		return o, 0, err
	}
	if o.to != "-" && c.IsSet("from") {
		return o, 0, fmt.Errorf("%w: --from is for standard output; a directory or a topic knows where it stands", errUsage)
	}
	if o.segment.Window == 0 {
		return o, 0, fmt.Errorf("%w: --segment %s: stream cuts by event time, e.g. 60s", errUsage, o.segment)
	}
	limit = c.Duration("for")
	if c.IsSet("for") && limit <= 0 {
		return o, 0, fmt.Errorf("%w: --for %s: want a time above 0", errUsage, limit)
	}
	if o.producers = c.Int("producers"); o.producers < 1 || o.producers > 64 {
		return o, 0, fmt.Errorf("%w: --producers %d: want 1 to 64", errUsage, o.producers)
	}
	if o.producers > 1 && c.IsSet("shard") {
		return o, 0, fmt.Errorf("%w: --producers and --shard: one of both; what they deliver is a shard each", errUsage)
	}
	o.workers, o.watch = runtime.NumCPU(), newWatch(e)
	o.watch.meter.Slack = c.Duration("commit-interval")
	return o, limit, nil
}

// checkTarget refuses flags that the target has no use for.
func checkTarget(c *cli.Context, to string) error {
	topic := strings.HasPrefix(to, kafka.Scheme)
	for _, f := range topicFlags() {
		if name := f.Names()[0]; !topic && c.IsSet(name) {
			return fmt.Errorf("%w: --%s is for a Kafka target, not for --to %s", errUsage, name, to)
		}
	}
	switch {
	case topic && c.IsSet("segment"):
		return fmt.Errorf("%w: --segment is for a directory, not for --to %s", errUsage, to)
	case topic && c.String("format") != "jsonl":
		return fmt.Errorf("%w: --format %s: a topic takes jsonl", errUsage, c.String("format"))
	}
	return nil
}

func runStream(ctx context.Context, e *env, o deliverOptions, limit time.Duration, deliver func(context.Context, *env, deliverOptions) error) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	stop, err := o.watch.serve(o.http)
	if err != nil {
		return err
	}
	defer stop()
	err = deliver(ctx, e, o)
	if limit > 0 && ctx.Err() != nil && errors.Is(err, context.DeadlineExceeded) {
		return nil // --for is over
	}
	return err
}
