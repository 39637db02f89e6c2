// Command latency consumes a topic while a command produces into it, and prints
// how long after the due time of an event, its timestamp, a read_committed
// consumer has it:
//
//	latency -brokers 127.0.0.1:9092 -topic ratings -count 3000 -skip 100 -- \
//		gen stream --to kafka://127.0.0.1:9092/ratings --start now --count 3000
//
// It starts the command when the consumer stands at the topic's end, and is
// done when the consumer has seen -count events. -skip leaves the first ones
// out: a producer that has just started catches up.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("latency", flag.ContinueOnError)
	brokers := flags.String("brokers", "", "host:port[,host:port]")
	topic := flags.String("topic", "ratings", "topic, which exists")
	count := flags.Int("count", 1000, "events that the command produces")
	skip := flags.Int("skip", 0, "events that do not count, of those")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *skip < 0 || *skip >= *count {
		return fmt.Errorf("-skip %d of -count %d leaves nothing", *skip, *count)
	}
	client, err := consumer(ctx, strings.Split(*brokers, ","), *topic)
	if err != nil {
		return err
	}
	defer client.Close()
	command := exec.CommandContext(ctx, flags.Arg(0), flags.Args()[1:]...)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		err := command.Wait()
		if err != nil {
			cancel(err)
		}
		ended <- err
	}()
	delays, err := measure(ctx, client, *count)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	if err := <-ended; err != nil {
		return err
	}
	delays = delays[*skip:]
	slices.Sort(delays)
	at := func(q float64) float64 {
		return float64(delays[int(q*float64(len(delays)-1))].Microseconds()) / 1000
	}
	_, err = fmt.Fprintf(out, "%.1f %.1f %.1f\n", at(0.5), at(0.99), at(1))
	return err
}

// consumer returns a client that reads what is committed from now on.
func consumer(ctx context.Context, brokers []string, topic string) (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	client.AddConsumePartitions(ends.KOffsets())
	return client, nil
}

// measure consumes count events and returns the delay of each.
func measure(ctx context.Context, client *kgo.Client, count int) ([]time.Duration, error) {
	delays := make([]time.Duration, 0, count)
	for len(delays) < count {
		fetches := client.PollFetches(ctx)
		now := time.Now()
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for r := range fetches.RecordsAll() {
			due, err := timestamp(r.Value)
			if err != nil {
				return nil, err
			}
			delays = append(delays, now.Sub(due))
		}
	}
	return delays, nil
}

// timestamp returns the time that an event ends with, ..."timestamp":1735689600000}.
func timestamp(event []byte) (time.Time, error) {
	digits := bytes.TrimSuffix(event[bytes.LastIndexByte(event, ':')+1:], []byte("}"))
	ms, err := strconv.ParseInt(string(digits), 10, 64)
	return time.UnixMilli(ms), err
}
