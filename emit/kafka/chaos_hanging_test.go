//go:build chaos

package kafka

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A broker that is killed within 5 ms after EndTxn may lose the end of that
// transaction (KAFKA-20734): each such transaction must be found before
// anything is produced, and ended as it was meant.
func TestChaosHanging(t *testing.T) {
	kills := size(3, 42)
	c := newChaos(t, sharedBroker(t), "hanging")
	ways := []func() bool{c.dieAfterEndTxn, c.liveAfterEndTxn, c.endAfterEndTxn}
	hangs := 0
	for kill := range kills {
		hang := ways[kill%len(ways)]()
		if hang {
			hangs++
		}
		t.Logf("kill %d: hanging: %v", kill, hang)
	}
	total := c.next.Load() + tail
	c.finish(total)
	report(result{"broker killed after EndTxn", fmt.Sprintf("%d kills, %d hanging transactions", kills, hangs), c.mustBeSound(total), ""})
}

// startBrokerKiller starts a generator that kills the broker at its nth commit.
func (c *chaos) startBrokerKiller(n int, change func(*childOptions)) *generator {
	c.t.Helper()
	g := c.start(func(o *childOptions) {
		o.End, o.Speed, o.EndHanging, o.KillBroker, o.KillCommit = 1<<40, 200, true, c.broker.pid(c.t, 1), n
		change(o)
	})
	g.await("the death of the broker", func() bool { return g.signaled })
	c.broker.restart(c.t, 1)
	return g
}

// endedHanging tells whether the generator, which has ended, has ended a
// hanging transaction.
func (g *generator) endedHanging() bool {
	return strings.Contains(g.log.String(), "ended a transaction that the broker had lost")
}

// dieAfterEndTxn lets the generator die with the broker. When that leaves a
// hanging transaction, a generator that may not end it must refuse, and one
// that may, ends it.
func (c *chaos) dieAfterEndTxn() (hang bool) {
	c.t.Helper()
	g := c.startBrokerKiller(1+rand.N(5), func(o *childOptions) { o.DieToo = true })
	g.mustEnd(-1)
	if hang = len(c.hanging()) > 0; hang {
		c.mustFindHanging()
	}
	g = c.start(func(o *childOptions) { o.End, o.Speed, o.EndHanging = 1<<40, 200, true })
	g.awaitCommits(3)
	g.kill()
	if g.endedHanging() != hang {
		c.t.Errorf("hanging: %v, ended: %v\n%s", hang, g.endedHanging(), g.log.String())
	}
	return hang
}

// liveAfterEndTxn lets the generator live on, which ends what hangs.
func (c *chaos) liveAfterEndTxn() (hang bool) {
	c.t.Helper()
	g := c.startBrokerKiller(1+rand.N(5), func(*childOptions) {})
	g.awaitCommits(3)
	g.kill()
	return g.endedHanging()
}

// endAfterEndTxn kills the broker after the last EndTxn of a run: when the
// generator ends well, nothing may hang.
func (c *chaos) endAfterEndTxn() (hang bool) {
	c.t.Helper()
	c.finish(c.next.Load() + tail) // so that the cursor is known
	const transactions, events = 3, 200
	g := c.startBrokerKiller(transactions, func(o *childOptions) {
		o.End, o.Speed, o.CommitEvents = c.next.Load()+transactions*events, 0, events
	})
	g.mustEnd(exitDone)
	if open := c.hanging(); len(open) > 0 {
		c.t.Errorf("the generator has ended well, and its last transaction hangs: %v\n%s", open, g.log.String())
	}
	return g.endedHanging()
}

// mustFindHanging starts a generator that may not repair: it must refuse, and
// have produced nothing.
func (c *chaos) mustFindHanging() {
	c.t.Helper()
	before := c.ends()
	c.start(func(o *childOptions) { o.End = 1 << 40 }).mustEnd(exitHanging)
	if after := c.ends(); before != after {
		c.t.Errorf("a generator that found a hanging transaction has produced: ends were %s, are %s", before, after)
	}
}

// ends prints the high watermarks of the topic.
func (c *chaos) ends() string {
	c.t.Helper()
	conn := c.connect()
	defer conn.Close()
	ends, err := conn.admin.ListEndOffsets(c.t.Context(), c.topic)
	if err != nil {
		c.t.Fatal(err)
	}
	var list []string
	for _, o := range ends.Offsets().Sorted() {
		list = append(list, fmt.Sprint(o.At))
	}
	return strings.Join(list, " ")
}

// hanging returns the partitions whose last stable offset stays below the high
// watermark although the coordinator says that no transaction is under way.
func (c *chaos) hanging() (open []string) {
	c.t.Helper()
	conn := c.connect()
	defer conn.Close()
	id := transactionalID(c.topic, chaosRun, onlyShard)
	for late := time.Now().Add(longest); ; {
		described, err := conn.admin.DescribeTransactions(c.t.Context(), id)
		if err == nil {
			err = described[id].Err
		}
		state := described[id].State
		if err == nil && !strings.HasPrefix(state, "Prepare") {
			if state == "Ongoing" {
				return nil // its producer's successor will end it
			}
			break
		}
		if time.Now().After(late) {
			c.t.Fatalf("the transaction stays %s: %v", state, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	topics := []string{c.topic, conn.CursorTopic}
	ends, err := conn.admin.ListEndOffsets(c.t.Context(), topics...)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, end := range ends.Offsets().Sorted() {
		stable, err := conn.lastStable(c.t.Context(), end.Topic, end.Partition)
		if err != nil {
			c.t.Fatal(err)
		}
		if stable < end.At {
			open = append(open, fmt.Sprintf("%s-%d", end.Topic, end.Partition))
		}
	}
	return open
}
