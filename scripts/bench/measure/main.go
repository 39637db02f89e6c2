// Command measure runs a command and prints one line of what came of it, with tabs:
//
//	events, bytes, seconds, CPU seconds, memory in kB, seconds to the first event,
//	and p50, p99 and the greatest delay in ms
//
//	measure gen dump --quiet --count 1000000
//	measure -brokers 127.0.0.1:9092 -topic ratings -count 1000000 -stop spark-submit job.py
//	measure -brokers 127.0.0.1:9092 -topic ratings -count 3000 -skip 100 -delays \
//		gen stream --to kafka://127.0.0.1:9092/ratings --start now --count 3000
//
// What the command writes to standard output is read and dropped; each line is an
// event. With -topic the events are the committed records of a topic that exists,
// and the seconds run from the first to the last, without the start of a program.
// They are known by the offsets, among them the markers of transactions, or, with
// -delays, as a read_committed consumer has them: a delay runs from the timestamp
// that the event ends with. The first -skip events count for neither, as a producer
// that has just started catches up. CPU and memory are those of the command and of
// the processes it has started, shared pages once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// result is what has been seen of a command.
type result struct {
	events, bytes int64
	first         time.Duration // from the start to the first event
	took          time.Duration // of all events
	delays        []time.Duration
}

func main() {
	var t topic
	brokers := flag.String("brokers", "", "host:port[,host:port]")
	flag.StringVar(&t.name, "topic", "", "count the records of this topic")
	flag.Int64Var(&t.count, "count", 0, "of the topic: events that the command makes")
	flag.BoolVar(&t.stop, "stop", false, "of the topic: end the command, which goes on for ever, when all have come")
	delays := flag.Bool("delays", false, "of the topic: consume it, and measure the delays")
	flag.Int64Var(&t.skip, "skip", 0, "of the topic: events that count for no time, of those")
	flag.Parse()
	if err := run(t, *brokers, *delays, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(t topic, brokers string, delays bool, args []string) error {
	if len(args) == 0 {
		return errors.New("no command given")
	}
	if t.skip < 0 || t.stop && t.count <= 0 || delays && t.count <= t.skip {
		return errors.New("-count must be more than -skip, which is not negative; -stop and -delays need it")
	}
	c := &command{Cmd: exec.Command(args[0], args[1:]...)}
	c.Stderr = os.Stderr
	var seen result
	var err error
	if t.name == "" {
		seen, err = pipe(c)
	} else {
		opts := []kgo.Opt{kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.FetchIsolationLevel(kgo.ReadCommitted())}
		if t.client, err = kgo.NewClient(opts...); err != nil {
			return err
		}
		defer t.client.Close()
		watch := t.watchOffsets
		if delays {
			watch = t.consume
		}
		seen, err = watch(context.Background(), c)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	cpu, memory := c.usage()
	_, err = fmt.Fprintf(os.Stdout, "%d\t%d\t%.4f\t%.4f\t%d\t%.4f\t%s\n", seen.events, seen.bytes,
		seen.took.Seconds(), cpu.Seconds(), memory, seen.first.Seconds(), quantiles(seen.delays))
	return err
}

// quantiles prints p50, p99 and the greatest in ms, dashes when there are none.
func quantiles(delays []time.Duration) string {
	if len(delays) == 0 {
		return "-\t-\t-"
	}
	slices.Sort(delays)
	at := func(q float64) float64 {
		return float64(delays[int(q*float64(len(delays)-1))].Microseconds()) / 1000
	}
	return fmt.Sprintf("%.1f\t%.1f\t%.1f", at(0.5), at(0.99), at(1))
}

// command is the one that is measured.
type command struct {
	*exec.Cmd
	begin   time.Time
	ended   chan error
	stopped atomic.Bool
	tree
}

// start starts the command and follows what it and its children take.
func (c *command) start() error {
	c.begin = time.Now()
	if err := c.Start(); err != nil {
		return err
	}
	c.ended = make(chan error, 1)
	done := c.follow(c.Process.Pid)
	go func() {
		err := c.Wait()
		done()
		c.ended <- err
	}()
	return nil
}

// end asks the command to end; that it then fails is no failure.
func (c *command) end() {
	if !c.stopped.Swap(true) {
		c.sample(c.Process.Pid)
		_ = c.Process.Signal(syscall.SIGTERM) // Wait tells how it ended
	}
}

// outcome returns the command's failure.
func (c *command) outcome(err error) error {
	if c.stopped.Load() {
		return nil
	}
	return err
}

// usage returns what the command has taken, when it has ended: what the system
// says of those it has waited for, or what was seen while they ran.
func (c *command) usage() (cpu time.Duration, kB int64) {
	cpu = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	if own, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		kB = own.Maxrss
	}
	return max(cpu, c.cpu), max(kB, c.memory/1024)
}
