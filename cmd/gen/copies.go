package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gen/emit/files"
	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

// copiesFlags are those of what a cluster keeps copies of.
func copiesFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "replication", Usage: "`N` replicas: of a topic that is created, of each file in HDFS (default: the cluster's)", Category: catTarget},
		&cli.StringFlag{Name: "block-size", Usage: "`SIZE` of a block of a file in HDFS, in bytes or as 128m (default: the cluster's)", Category: catTarget},
	}
}

// parseCopies reads the flags of how a directory is written.
func parseCopies(c *cli.Context, to string) (o files.Options, err error) {
	o.Replication = c.Int("replication")
	if c.IsSet("replication") && (o.Replication < 1 || o.Replication > math.MaxInt16) {
		return o, fmt.Errorf("%w: --replication %d: want 1 or more", errUsage, o.Replication)
	}
	inHDFS := strings.HasPrefix(to, files.HDFS)
	if c.IsSet("replication") && !inHDFS && !strings.HasPrefix(to, kafka.Scheme) {
		return o, fmt.Errorf("%w: --replication is for a cluster, HDFS or Kafka: %s is none", errUsage, to)
	}
	if !c.IsSet("block-size") {
		return o, nil
	}
	if !inHDFS {
		return o, fmt.Errorf("%w: --block-size is for %shost:port/path", errUsage, files.HDFS)
	}
	if o.BlockSize, err = parseBlockSize(c.String("block-size")); err != nil {
		return o, fmt.Errorf("%w: --block-size %q: %w", errUsage, c.String("block-size"), err)
	}
	return o, nil
}

// parseBlockSize reads a size as Hadoop's dfs.blocksize is written: k, m and g
// are powers of 1024. HDFS sums up each 512 bytes.
func parseBlockSize(s string) (int64, error) {
	digits, unit := strings.ToLower(s), int64(1)
	for i, suffix := range []string{"k", "m", "g"} {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			digits, unit = rest, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64/unit || n*unit%512 != 0 {
		return 0, errors.New("want a multiple of 512 bytes, e.g. 134217728 or 128m")
	}
	return n * unit, nil
}
