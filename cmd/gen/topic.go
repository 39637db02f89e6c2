package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gen/core"
	"gen/emit/kafka"
	"gen/store"

	"github.com/urfave/cli/v2"
)

const catTarget = "Target"

// topicFlags are the flags of a Kafka target.
func topicFlags() []cli.Flag {
	d := kafka.DefaultConfig(kafka.Target{})
	return append(clusterFlags(), []cli.Flag{
		&cli.IntFlag{Name: "partitions", Value: 6, Usage: "`N` partitions of a topic that is created", Category: catTarget},
		&cli.DurationFlag{Name: "commit-interval", Value: d.CommitInterval, Usage: "commit after this `TIME`: events are visible so late; a run that is behind takes longer by itself", Category: catTarget},
		&cli.IntFlag{Name: "commit-events", Value: d.CommitEvents, Usage: "commit after `N` events at the latest", Category: catTarget},
		&cli.StringFlag{Name: "record-time", Value: "wall", Usage: "a record's own `TIME`: wall (the clock) or event; retention deletes by it", Category: catTarget},
		&cli.BoolFlag{Name: "no-header", Usage: "leave out the header that names each event", Category: catTarget, DisableDefaultText: true},
		takeOverFlag(), partitionRateFlag(), shardFlag(),
		&cli.IntFlag{Name: "producers", Value: 1, Usage: "deliver by `N` shards in this process", Category: catTarget},
		&cli.BoolFlag{Name: "end-hanging", Usage: "end a transaction of this run that the broker has lost (KAFKA-20734); wants the right to do so", Category: catRun, DisableDefaultText: true},
		&cli.BoolFlag{Name: "restart", Usage: "begin the run anew at event 0, as its next incarnation", Category: catRun, DisableDefaultText: true},
	}...)
}

func takeOverFlag() cli.Flag {
	return &cli.BoolFlag{Name: "take-over", Usage: "do not wait for another owner of the run to be quiet", Category: catRun, DisableDefaultText: true}
}

// clusterFlags are the flags of every command that reaches a Kafka cluster.
func clusterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "kafka-config", Usage: "Java client.properties `FILE`: login, TLS and tuning of the Kafka clients", Category: catTarget},
		&cli.StringFlag{Name: "cursor-topic", Value: kafka.DefaultConfig(kafka.Target{}).CursorTopic, Usage: "compacted `TOPIC` that keeps the cursors", Category: catTarget},
	}
}

// parseCluster reads the flags of every command that reaches a Kafka cluster.
func parseCluster(c *cli.Context, e *env, to string) (kafka.Config, error) {
	target, err := kafka.ParseTarget(to)
	if err != nil {
		return kafka.Config{}, fmt.Errorf("%w: %w", errUsage, err)
	}
	config := kafka.DefaultConfig(target)
	config.CursorTopic, config.Say = c.String("cursor-topic"), e.ui.say
	if config.CursorTopic == config.Topic {
		return config, fmt.Errorf("%w: --cursor-topic %s is the topic of the events itself", errUsage, config.Topic)
	}
	if path := c.String("kafka-config"); path != "" {
		if err := config.LoadProperties(path); err != nil {
			return config, fmt.Errorf("--kafka-config: %w", err)
		}
	}
	if config.Shard, err = parseShard(c); err != nil {
		return config, err
	}
	config.Owner, err = owner(c.String("state"))
	return config, err
}

// parseTopic reads the flags of a Kafka target.
func parseTopic(c *cli.Context, e *env, to string) (kafka.Config, error) {
	config, err := parseCluster(c, e, to)
	if err != nil {
		return config, err
	}
	config.Partitions, config.Replication = c.Int("partitions"), c.Int("replication")
	config.CommitInterval, config.NoHeader = c.Duration("commit-interval"), c.Bool("no-header")
	config.CommitEvents, config.EventTime = c.Int("commit-events"), c.String("record-time") == "event"
	config.TakeOver, config.Restart, config.EndHanging = c.Bool("take-over"), c.Bool("restart"), c.Bool("end-hanging")
	if codec := c.String("compress"); codec != "" {
		if config.Compression, err = kafka.ParseCompression(codec); err != nil {
			return config, fmt.Errorf("%w: --compress %s: %w", errUsage, codec, err)
		}
	}
	switch {
	case !slices.Contains([]string{"wall", "event"}, c.String("record-time")):
		return config, fmt.Errorf("%w: --record-time %q: want wall or event", errUsage, c.String("record-time"))
	case config.CommitEvents < 1 || config.CommitEvents > math.MaxInt32:
		return config, fmt.Errorf("%w: --commit-events %d: want 1 to %d", errUsage, config.CommitEvents, math.MaxInt32)
	case config.Shard.Index > 0 && config.Restart:
		return config, fmt.Errorf("%w: --restart is for shard 0/%d alone; the others are started without it", errUsage, config.Shard.Of)
	case config.Partitions < 1 || config.Partitions > math.MaxInt32:
		return config, fmt.Errorf("%w: --partitions %d: want 1 to %d", errUsage, config.Partitions, math.MaxInt32)
	case c.IsSet("replication") && (config.Replication < 1 || config.Replication > math.MaxInt16):
		return config, fmt.Errorf("%w: --replication %d: want 1 to %d", errUsage, config.Replication, math.MaxInt16)
	case config.CommitInterval < 0 || config.CommitInterval > 10*time.Second:
		return config, fmt.Errorf("%w: --commit-interval %s: want 0s to 10s", errUsage, config.CommitInterval)
	}
	return config, nil
}

// connect reaches a topic for reading. It gives up after ten seconds.
func connect(ctx context.Context, e *env, c *cli.Context, to string) (*kafka.Connection, error) {
	config, err := parseCluster(c, e, to)
	if err != nil {
		return nil, err
	}
	conn, err := reach(ctx, config, false)
	if errors.Is(err, kafka.ErrNoTopic) {
		err = withHint(err, "gen stream --to "+to+" makes it; kafka-topics.sh --bootstrap-server "+config.Brokers[0]+" --list shows those that are there")
	}
	return conn, err
}

// reach connects. Who is going to write tries for ten seconds: the brokers may
// be starting too.
func reach(ctx context.Context, config kafka.Config, create bool) (*kafka.Connection, error) {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errNoBroker)
	defer cancel()
	for said := false; ; said = true {
		conn, err := kafka.Connect(ctx, config, create)
		over := errors.Is(context.Cause(ctx), errNoBroker)
		switch {
		case err == nil:
			return conn, nil
		case !over && !kafka.IsAway(err):
			return nil, config.Explain(err)
		case over || !create:
			return nil, withHint(fmt.Errorf("%w at %s: %w", errNoBroker, strings.Join(config.Brokers, ","), err),
				"nothing was sent, the cursor stays where it is; gen check --to "+config.String())
		case !said:
			config.Say("waiting up to %s for a broker at %s", patience, strings.Join(config.Brokers, ","))
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
		if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errNoBroker) {
			return nil, ctx.Err()
		}
	}
}

var errNoBroker = errors.New("no broker answered")

// owner names who drives a run: the host and the state directory.
func owner(state string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(state)
	return host + ":" + dir, err
}

// lookUp returns what the target is known by: the cluster's id, as addresses
// may change, and the topic.
func lookUp(ctx context.Context, config kafka.Config, create bool) (string, error) {
	conn, err := reach(ctx, config, create)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return kafka.Scheme + conn.Cluster() + "/" + config.Topic, nil
}

// throttledSave saves a run once a second: Kafka's cursor is the truth, the
// copy is behind it and never ahead. A copy that cannot be written stops
// nothing: what it is for, to notice that Kafka has lost events, can wait.
func throttledSave(e *env, file *store.RunFile) func(core.Run) error {
	var tried, warned time.Time
	return func(r core.Run) error {
		now := e.now()
		if !r.Done && now.Sub(tried) < time.Second {
			return nil
		}
		tried = now
		if err := file.Save(r); err != nil && now.Sub(warned) > time.Minute {
			warned = now
			e.ui.warn("%v; Kafka's own cursor counts, so the run goes on", err)
		}
		return nil
	}
}

// sameRun returns the flags by which another command means the same run.
func sameRun(c *cli.Context) string {
	flags := fmt.Sprintf("--run %s --seed %d", quoted(runName(c)), c.Uint64("seed"))
	for _, name := range []string{"state", "cursor-topic", "kafka-config", "shard"} {
		if c.IsSet(name) {
			flags += " --" + name + " " + quoted(c.String(name))
		}
	}
	return flags
}

// topicTrouble adds the way out to an error of a delivery; run is the flags by
// which other commands mean the same run.
func topicTrouble(err error, config kafka.Config, run string) error {
	repair := func(way string) string { return "gen repair " + run + " --" + way + " " + config.String() }
	var hanging *kafka.HangingError
	switch {
	case err == nil, isStop(err), errors.Is(err, errNoBroker), errors.Is(err, errMismatch) && hintOf(err) != "":
		return err
	case errors.As(err, &hanging):
		if shard, err := core.ParseShard(hanging.Shard); err == nil && shard.Count() > 1 && !strings.Contains(run, "--shard") {
			run += " --shard " + hanging.Shard
		}
		return withHint(err, hangingHint(hanging, config, repair("end-hanging --yes")))
	case errors.Is(err, errMismatch), errors.Is(err, kafka.ErrSchedule):
		return withHint(err, "the same command with the --rate, --load, --arrivals and --start that the run had, or its --schedule")
	case errors.Is(err, kafka.ErrOtherRun):
		return withHint(err, "go on with the saved values, start another run with --run NAME, or begin anew with --restart")
	case errors.Is(err, kafka.ErrNoCursor) && config.NoHeader:
		return withHint(err, "records without a header do not tell where the run stands: --restart begins it anew")
	case errors.Is(err, kafka.ErrNoCursor), errors.Is(err, kafka.ErrDamagedCursor):
		return withHint(err, repair("from-topic")+" reads it from the records; --restart begins the run anew")
	case errors.Is(err, kafka.ErrLostData):
		return withHint(err, repair("accept-broker")+" goes on from there")
	case errors.Is(err, kafka.ErrHoles):
		return withHint(err, repair("from-topic")+" when the cursor alone was lost; else gen verify names what is missing, and --restart begins the run anew")
	case errors.Is(err, kafka.ErrTopicReplaced), errors.Is(err, kafka.ErrPartitions):
		return withHint(err, "begin the run anew with --restart")
	case errors.Is(err, kafka.ErrSuperseded):
		return withHint(err, "start the shards of that generation, or change the run back with --take-over, which shuts them out")
	case errors.Is(err, kafka.ErrOtherOwner):
		return withHint(err, "stop it first; --take-over fences it")
	}
	var trouble *kafka.Trouble
	if err = config.Explain(err); errors.As(err, &trouble) {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(config.Brokers, ","), err)
}

// hangingHint says how a hanging transaction is ended, by whoever has the right.
func hangingHint(h *kafka.HangingError, config kafka.Config, repair string) string {
	hint := repair + ", or gen stream with --end-hanging"
	if !h.Known {
		return "whether its events up to the last can be read as committed in some partition decides: gen verify " + config.String()
	}
	if h.Err == nil || h.Commit {
		return hint
	}
	for _, o := range h.Open {
		hint += fmt.Sprintf("\nby hand: kafka-transactions.sh --bootstrap-server %s abort --topic %s --partition %d --start-offset %d",
			strings.Join(config.Brokers, ","), o.Topic, o.Partition, o.Start)
	}
	return hint
}
