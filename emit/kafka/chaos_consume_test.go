//go:build chaos

package kafka

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// endKey is the key of the rows by which a consumer of the suite knows that it
// has read everything: one in each partition, written behind the run.
const endKey = "chaos-end"

// check compares the topic with events 0 to end-1, once as the Java console
// consumer reads it and once as franz-go does. Both read committed rows only.
func (c *chaos) check(end uint64) *findings {
	c.t.Helper()
	mark := fmt.Sprintf("mark-%d", time.Now().UnixNano())
	c.mark(mark)
	java := c.compare(end, func(each func(row)) error { return c.javaConsume(mark, each) })
	franz := c.compare(end, c.franzConsume)
	same := *franz
	same.first = java.first // partitions come in another order
	if *java != same {
		c.t.Errorf("two consumers disagree\n  Java:     %v\n  franz-go: %v", java, franz)
	}
	return java
}

// mustBeSound is check for what must be in order.
func (c *chaos) mustBeSound(end uint64) *findings {
	c.t.Helper()
	f := c.check(end)
	if f.wrong() {
		c.t.Errorf("topic %s: %v", c.topic, f)
	}
	return f
}

func (c *chaos) compare(end uint64, consume func(each func(row)) error) *findings {
	c.t.Helper()
	comparison := newComparison(chaosSequence(), end, c.partitions)
	err := consume(func(r row) {
		if r.key != endKey {
			comparison.add(r)
		}
	})
	if err != nil {
		c.t.Fatalf("read topic %s: %v; so far %v", c.topic, err, &comparison.findings)
	}
	return comparison.end()
}

// mark writes a row with endKey into each partition.
func (c *chaos) mark(mark string) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.broker.addresses...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	var marks []*kgo.Record
	for p := range c.partitions {
		marks = append(marks, &kgo.Record{Topic: c.topic, Partition: int32(p), Key: []byte(endKey), Value: []byte(mark)})
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if err := client.ProduceSync(ctx, marks...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// franzConsume reads up to the present end.
func (c *chaos) franzConsume(each func(row)) error {
	config := DefaultConfig(Target{Brokers: c.broker.addresses, Topic: c.topic})
	conn, err := Connect(c.t.Context(), config, false)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.readCommitted(c.t.Context(), c.topic, all(c.partitions), func(record *kgo.Record) {
		r := row{partition: int(record.Partition), offset: record.Offset, key: string(record.Key), value: string(record.Value)}
		if len(record.Headers) > 0 {
			r.header = record.Headers[0].Value
		}
		each(r)
	})
}

// javaConsume runs the console consumer until it has printed the mark of each
// partition. A consumer that prints nothing for two minutes is stuck: behind
// a transaction that nobody ends.
func (c *chaos) javaConsume(mark string, each func(row)) error {
	property := "--formatter-property"
	if c.broker.version < "4" {
		property = "--property"
	}
	args := []string{"console-consumer", "--topic", c.topic, "--from-beginning", "--isolation-level", "read_committed"}
	for _, name := range []string{"print.key", "print.partition", "print.offset", "print.headers"} {
		args = append(args, property, name+"=true")
	}
	cmd := c.broker.command("tool", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the script and its JVM
	errs := new(bytes.Buffer)
	cmd.Stderr = errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stuck := time.AfterFunc(2*time.Minute, kill)
	marks := 0
	err = parseRows(out, func(r row) bool {
		stuck.Reset(2 * time.Minute)
		each(r)
		if r.key == endKey && r.value == mark {
			marks++
		}
		return marks < c.partitions
	})
	kill()
	cmd.Wait()
	if err != nil {
		return fmt.Errorf("%w; %d of %d partitions were read to the end\n%s", err, marks, c.partitions, errs)
	}
	return nil
}

// parseRows reads what the console consumer prints:
//
//	Partition:3 TAB Offset:17 TAB gen:HEADER TAB KEY TAB VALUE LF
//
// HEADER is 16 bytes, any of which may be a tab or a line feed; a record
// without headers has NO_HEADERS there. It ends when more returns false.
func parseRows(from io.Reader, more func(row) bool) error {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		start, err := in.Peek(len("Partition:"))
		if err != nil {
			return err
		}
		if string(start) != "Partition:" {
			if _, err := in.ReadString('\n'); err != nil { // a word about an option
				return err
			}
			continue
		}
		r, err := parseRow(in)
		if err != nil {
			return err
		}
		if !more(r) {
			return nil
		}
	}
}

func parseRow(in *bufio.Reader) (r row, err error) {
	field := func(prefix string, delimiter byte) string {
		s, e := in.ReadString(delimiter)
		s, ok := strings.CutPrefix(s, prefix)
		if err = errors.Join(err, e); err == nil && !ok {
			err = fmt.Errorf("want %s, found %q", prefix, s)
		}
		return strings.TrimSuffix(s, string(delimiter))
	}
	number := func(s string) int64 {
		n, e := strconv.ParseInt(s, 10, 64)
		err = errors.Join(err, e)
		return n
	}
	r.partition = int(number(field("Partition:", '\t')))
	r.offset = number(field("Offset:", '\t'))
	if start, _ := in.Peek(len("gen:")); string(start) == "gen:" {
		header := make([]byte, len("gen:")+16)
		_, e := io.ReadFull(in, header)
		err = errors.Join(err, e)
		r.header = header[len("gen:"):]
		field("", '\t')
	} else {
		field("NO_HEADERS", '\t')
	}
	r.key = field("", '\t')
	r.value = field("", '\n')
	return r, err
}

func TestChaosParsesTheConsoleConsumer(t *testing.T) {
	header := "\x00\n\tgen:\tKeys\n\xff\x00\x01"
	out := "Option --property is deprecated\nPartition:3\tOffset:17\tgen:" + header + "\t42\t{\"a\":1}\nPartition:5\tOffset:0\tNO_HEADERS\tnull\tx\n"
	var got []string
	err := parseRows(strings.NewReader(out), func(r row) bool {
		got = append(got, r.String())
		return len(got) < 2
	})
	want := []row{{3, 17, []byte(header), "42", `{"a":1}`}, {5, 0, nil, "null", "x"}}
	if err != nil || len(got) != 2 || got[0] != want[0].String() || got[1] != want[1].String() {
		t.Errorf("parseRows = %v, %v; want %v", got, err, want)
	}
	for _, cut := range []int{30, 60, len(out) - 1} {
		if err := parseRows(strings.NewReader(out[:cut]), func(row) bool { return true }); err == nil {
			t.Errorf("cut after %d bytes: no error", cut)
		}
	}
}
