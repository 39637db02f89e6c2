//go:build chaos

package kafka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mutants are deliveries of a wrong design, by what is wrong with it. The
// suite must find that out by the same kills and the same comparison.
var mutants = map[string]func(*childOptions) error{
	// What every guide to producers begins with: no record is written twice
	// by one process, but the next one has a producer id of its own.
	"idempotent producer, cursor in the state file": func(o *childOptions) error {
		return o.mutate(nil, func(client *kgo.Client, records []*kgo.Record, save func() error) error {
			if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				return err
			}
			return save()
		})
	},
	"cursor stored after the commit": func(o *childOptions) error {
		return o.mutate(o.transactional(), func(client *kgo.Client, records []*kgo.Record, save func() error) error {
			if err := commit(client, records); err != nil {
				return err
			}
			return save()
		})
	},
	"cursor stored before the transaction": func(o *childOptions) error {
		return o.mutate(o.transactional(), func(client *kgo.Client, records []*kgo.Record, save func() error) error {
			if err := save(); err != nil {
				return err
			}
			return commit(client, records)
		})
	},
}

func (o *childOptions) transactional() []kgo.Opt {
	return []kgo.Opt{kgo.TransactionalID("chaos/" + o.Topic), kgo.TransactionTimeout(o.TransactionTimeout)}
}

func commit(client *kgo.Client, records []*kgo.Record) error {
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		return err
	}
	return client.EndTransaction(context.Background(), kgo.TryCommit)
}

// mutate delivers with a cursor that the state file alone holds.
func (o *childOptions) mutate(opts []kgo.Opt, send func(client *kgo.Client, records []*kgo.Record, save func() error) error) error {
	const most = 200
	config := DefaultConfig(Target{Brokers: o.Brokers, Topic: o.Topic})
	conn, err := Connect(context.Background(), config, true)
	if err != nil {
		return err
	}
	if conn.topicID == "" {
		if err := conn.createTopic(context.Background()); err != nil {
			return err
		}
	}
	client, err := kgo.NewClient(conn.options(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)...)
	if err != nil {
		return err
	}
	seq := chaosSequence()
	for from := o.loadState(); from < o.End; {
		to := min(from+most, o.End)
		var records []*kgo.Record
		for n := from; n < to; n++ {
			r := wantRow(seq, n, conn.partitions)
			records = append(records, &kgo.Record{
				Topic: o.Topic, Partition: int32(r.partition), Key: []byte(r.key), Value: []byte(r.value),
				Headers: []kgo.RecordHeader{{Key: HeaderKey, Value: r.header}},
			})
		}
		err := send(client, records, func() error {
			err := o.saveState(to)
			fmt.Println(saidSaved, to)
			return err
		})
		if err != nil {
			return err
		}
		from = to
	}
	return nil
}

// onlyLetters makes the name of a topic out of that of a test.
func onlyLetters(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r
	}
	return '-'
}

// Each mutant must be caught within so many kills.
func TestChaosMutants(t *testing.T) {
	const bound, batch = 100, 10
	for name := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChaos(t, sharedBroker(t), "mutant-"+strings.Map(onlyLetters, name))
			c.options.Mutant = name
			for kills := batch; kills <= bound; kills += batch {
				for range batch {
					g := c.start(func(o *childOptions) { o.End = 1 << 40 })
					select {
					case <-time.After(rand.N(life)):
					case <-g.exited:
						t.Fatalf("the mutant failed: %v\n%s", g.cmd.ProcessState, g.log.String())
					}
					g.kill()
				}
				end := c.next.Load() + 1000
				c.finish(end)
				if !c.compare(end, c.franzConsume).wrong() {
					continue
				}
				f := c.check(end)
				if f.duplicated+f.missing == 0 || f.altered+f.foreign > 0 {
					t.Errorf("found something else: %v", f)
				}
				report(result{"control: " + name, fmt.Sprintf("%d kills", kills), f, "caught"})
				return
			}
			t.Errorf("not caught in %d kills", bound)
		})
	}
}
