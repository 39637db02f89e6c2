package main

import (
	"context"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// startKafka starts a fake broker, whose address it puts into $KAFKA. It has a
// topic, foreign, into which no run has delivered.
func startKafka(ts *testscript.TestScript, _ bool, _ []string) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "foreign"))
	ts.Check(err)
	ts.Defer(cluster.Close)
	ts.Setenv("KAFKA", cluster.ListenAddrs()[0])
}

// produce sends a record without a header: produce TOPIC PARTITION KEY VALUE.
func produce(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: produce TOPIC PARTITION KEY VALUE")
	}
	send(ts, &kgo.Record{Topic: args[0], Partition: partitionOf(ts, args[1]), Key: []byte(args[2]), Value: []byte(args[3])})
}

// again sends a record again, into a partition: again TOPIC PARTITION OFFSET PARTITION.
func again(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: again TOPIC PARTITION OFFSET PARTITION")
	}
	offset, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	from := map[string]map[int32]kgo.Offset{args[0]: {partitionOf(ts, args[1]): kgo.NewOffset().At(offset)}}
	c, err := kgo.NewClient(kgo.SeedBrokers(ts.Getenv("KAFKA")), kgo.ConsumePartitions(from))
	ts.Check(err)
	defer c.Close()
	fetches := c.PollRecords(context.Background(), 1)
	ts.Check(fetches.Err())
	r := *fetches.Records()[0]
	r.Partition = partitionOf(ts, args[3])
	send(ts, &r)
}

func send(ts *testscript.TestScript, r *kgo.Record) {
	c, err := kgo.NewClient(kgo.SeedBrokers(ts.Getenv("KAFKA")), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	ts.Check(err)
	defer c.Close()
	ts.Check(c.ProduceSync(context.Background(), r).FirstErr())
}

func partitionOf(ts *testscript.TestScript, text string) int32 {
	p, err := strconv.ParseInt(text, 10, 32)
	ts.Check(err)
	return int32(p)
}
