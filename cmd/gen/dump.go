package main

import (
	"fmt"
	"strings"

	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

func dumpCommand(e *env) *cli.Command {
	return &cli.Command{
		Name:      "dump",
		Usage:     "write a range of events as fast as possible",
		UsageText: "gen dump --count N [flags]",
		Description: "Writes to standard output, or into a directory as immutable segments with a\n" +
			"manifest. Interrupted at any moment, the same command goes on:\n\n" +
			"  gen dump --count 1000000 > ratings.jsonl\n" +
			"  gen dump --count 20000000 --to ratings --format parquet\n" +
			"  gen dump --count 20000000 --to hdfs://namenode:8020/data/ratings --format parquet\n\n" +
			"Several processes, on several machines, make one directory together, each a part\n" +
			"of its segments; the last to come finishes it:\n\n" +
			"  gen dump --count 20000000 --to hdfs://namenode:8020/data/ratings --shard 0/3",
		Flags: concat(stateFlags(), sequenceFlags(), targetFlags("1000000"), copiesFlags(), []cli.Flag{
			dryRunFlag(), fromFlag("first `EVENT`"), countFlag("`N` events"), epochsFlag(), workersFlag(), shardFlag(),
		}),
		Action: func(c *cli.Context) error {
			o, err := parseDump(c, e)
			if err != nil {
				return err
			}
			if c.Bool("dry-run") {
				return dryRun(e, o, 0, c.Bool("json"))
			}
			if o.to == "-" {
				return toStdout(c.Context, e, o)
			}
			return toDir(c.Context, e, o)
		},
	}
}

func parseDump(c *cli.Context, e *env) (deliverOptions, error) {
	o, err := parseDeliver(c, e)
	if err != nil {
		return o, err
	}
	if strings.HasPrefix(o.to, kafka.Scheme) {
		return o, withHint(fmt.Errorf("%w: dump writes files, and %s is a topic", errUsage, o.to), "gen stream --speed max --count N --to "+quoted(o.to))
	}
	if o.count == 0 {
		return o, fmt.Errorf("%w: dump needs --count", errUsage)
	}
	if o.workers = c.Int("workers"); o.workers < 1 || o.workers > 1024 {
		return o, fmt.Errorf("%w: --workers %d: want 1 to 1024", errUsage, o.workers)
	}
	if o.segment.Events == 0 {
		return o, fmt.Errorf("%w: --segment %s: dump cuts by events, e.g. 1000000", errUsage, o.segment)
	}
	return o, nil
}
