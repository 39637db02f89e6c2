// Command measure runs a command and prints one line of what it cost, with tabs:
// events, bytes, seconds, CPU seconds, the largest process in kB, and seconds to
// the first event. What the command writes to standard output is read and
// dropped; each line is an event.
//
//	measure gen dump --quiet --count 1000000
//	measure -brokers 127.0.0.1:9092 -topic ratings -stop 1000000 spark-submit job.py
//
// With -topic the events are the records that stand committed there, the markers
// of transactions among them, and the seconds run from the first to the last;
// -stop ends the command when there are so many.
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
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// poll is how often the offsets are asked for.
const poll = 10 * time.Millisecond

// result is what has been seen of a command, in time since its start.
type result struct {
	events, bytes int64
	first, last   time.Duration
}

func main() {
	brokers := flag.String("brokers", "", "host:port[,host:port]")
	topic := flag.String("topic", "", "count the records of this topic")
	stop := flag.Int64("stop", 0, "end the command when the topic holds so many records")
	flag.Parse()
	if err := run(*brokers, *topic, *stop, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(brokers, topic string, stop int64, args []string) error {
	if len(args) == 0 {
		return errors.New("no command given")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	var seen result
	var err error
	if topic == "" {
		seen, err = pipe(cmd)
	} else {
		seen, err = watch(cmd, strings.Split(brokers, ","), topic, stop)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	_, err = fmt.Fprintf(os.Stdout, "%d\t%d\t%.4f\t%.4f\t%d\t%.4f\n", seen.events, seen.bytes,
		seen.last.Seconds(), cpu.Seconds(), usage.Maxrss, seen.first.Seconds())
	return err
}

// pipe reads what the command writes, to its end.
func pipe(cmd *exec.Cmd) (seen result, err error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return seen, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return seen, err
	}
	buf := make([]byte, 1<<17)
	for {
		n, err := out.Read(buf)
		if n > 0 && seen.bytes == 0 {
			seen.first = time.Since(begin)
		}
		seen.bytes += int64(n)
		seen.events += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return seen, err
		}
	}
	err = cmd.Wait()
	seen.last = time.Since(begin)
	return seen, err
}

// watch asks for the offsets of the topic until the command has ended. The
// result's last is the time between the first records and the last.
func watch(cmd *exec.Cmd, brokers []string, topic string, stop int64) (seen result, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return seen, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return seen, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	before, running, stopped := int64(0), true, false
	for running {
		select {
		case err = <-ended:
			running = false
		case <-time.After(poll):
		}
		count, askErr := committed(admin, topic)
		if askErr != nil {
			_ = cmd.Process.Kill() // the measurement is lost
			return seen, askErr
		}
		if at := time.Since(begin); count > seen.events {
			if seen.events == 0 {
				seen.first, before = at, count
			}
			seen.events, seen.last = count, at
		}
		if stop > 0 && seen.events >= stop && running && !stopped {
			stopped = true
			_ = cmd.Process.Signal(syscall.SIGTERM) // the wait above tells how it ended
		}
	}
	if stopped {
		err = nil
	}
	if seen.events > before {
		// As long as all would have taken at the pace of those behind the first.
		seen.last = time.Duration(float64(seen.last-seen.first) * float64(seen.events) / float64(seen.events-before))
	}
	return seen, err
}

// committed returns how many records stand in the topic before the first open
// transaction of each partition.
func committed(admin *kadm.Client, topic string) (count int64, err error) {
	offsets, err := admin.ListCommittedOffsets(context.Background(), topic)
	if err == nil {
		err = offsets.Error()
	}
	offsets.Each(func(o kadm.ListedOffset) { count += o.Offset })
	return count, err
}
