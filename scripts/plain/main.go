// Command plain sends ready-made rows into a topic in transactions, with
// franz-go's own settings, partitioner and nothing else: the yardstick beside
// gen in bench/bench.py and latency_kafka.sh.
//
//	plain -brokers 127.0.0.1:9092 -topic ratings -count 5000000 rows.jsonl
//	plain -brokers 127.0.0.1:9092 -topic ratings -due rows.jsonl
//
// Unpaced it sends the file's rows again and again, -per of them a transaction.
// With -due each row is sent once, when its timestamp says, and a transaction
// holds what has fallen due since the last commit, at least -interval ago. The
// key of a row is its userId.
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plain", flag.ContinueOnError)
	brokers := flags.String("brokers", "", "host:port[,host:port]")
	topic := flags.String("topic", "ratings", "topic, which exists")
	count := flags.Int("count", 1_000_000, "unpaced: rows to send")
	per := flags.Int("per", 100_000, "unpaced: rows of a transaction")
	due := flags.Bool("due", false, "send each row when its timestamp says")
	interval := flags.Duration("interval", 50*time.Millisecond, "with -due: between two commits")
	if err := flags.Parse(args); err != nil {
		return err
	}
	file, err := os.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	defer file.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(*brokers, ",")...), kgo.DefaultProduceTopic(*topic),
		kgo.TransactionalID("plain/"+*topic), kgo.MaxBufferedRecords(2**per))
	if err != nil {
		return err
	}
	defer client.Close()
	p := &producer{client: client}
	if *due {
		return p.sendDue(ctx, bufio.NewScanner(file), *interval)
	}
	rows, err := readRows(file)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := p.sendAll(ctx, rows, *count, *per); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d records, %.0f records/s\n", *count, float64(*count)/time.Since(begin).Seconds())
	return err
}

// producer sends transactions.
type producer struct {
	client *kgo.Client
	failed atomic.Pointer[error]
}

// sendAll sends count rows, per of them a transaction.
func (p *producer) sendAll(ctx context.Context, rows []kgo.Record, count, per int) error {
	for sent := 0; sent < count; {
		if err := p.client.BeginTransaction(); err != nil {
			return err
		}
		for end := min(sent+per, count); sent < end; sent++ {
			p.send(ctx, rows[sent%len(rows)])
		}
		if err := p.commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// sendDue sends every row when it is due.
func (p *producer) sendDue(ctx context.Context, rows *bufio.Scanner, interval time.Duration) error {
	more := rows.Scan()
	for more {
		time.Sleep(time.Until(due(rows.Bytes())))
		if err := p.client.BeginTransaction(); err != nil {
			return err
		}
		for now := time.Now(); more && !due(rows.Bytes()).After(now); more = rows.Scan() {
			p.send(ctx, record(bytes.Clone(rows.Bytes())))
		}
		if err := p.commit(ctx); err != nil {
			return err
		}
		time.Sleep(interval)
	}
	return rows.Err()
}

func (p *producer) send(ctx context.Context, r kgo.Record) {
	p.client.Produce(ctx, &r, func(_ *kgo.Record, err error) {
		if err != nil {
			p.failed.CompareAndSwap(nil, &err)
		}
	})
}

func (p *producer) commit(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return err
	}
	if err := p.failed.Load(); err != nil {
		return *err
	}
	return p.client.EndTransaction(ctx, kgo.TryCommit)
}

func readRows(r io.Reader) (rows []kgo.Record, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rows = append(rows, record(bytes.Clone(lines.Bytes())))
	}
	if len(rows) == 0 && lines.Err() == nil {
		return nil, io.ErrUnexpectedEOF
	}
	return rows, lines.Err()
}

// record returns a row, {"userId":42,...}, as a record with its key.
func record(row []byte) kgo.Record {
	key, _, _ := bytes.Cut(bytes.TrimPrefix(row, []byte(`{"userId":`)), []byte(","))
	return kgo.Record{Key: key, Value: row}
}

// due returns the time that a row ends with, ..."timestamp":1735689600000}. A
// row without one is due at once.
func due(row []byte) time.Time {
	digits := bytes.TrimSuffix(row[bytes.LastIndexByte(row, ':')+1:], []byte("}"))
	ms, _ := strconv.ParseInt(string(digits), 10, 64)
	return time.UnixMilli(ms)
}
