//go:build chaos

package kafka

import (
	"fmt"
	"testing"
)

// With KIP-890 every transaction has an epoch of its own, and a producer id
// has 32,767 of them: then the run gets another id, in mid-run.
func TestChaosEpochsRunOut(t *testing.T) {
	const transactions = 33_500
	// The broker's default lets a transaction that follows another at once
	// wait for 20 ms.
	c := newChaos(t, ownBrokers(t, "--set", "add.partitions.to.txn.retry.backoff.ms=1"), "epochs")
	c.options.CommitInterval = 0
	g := c.start(func(o *childOptions) { o.End, o.Speed = 1<<40, 10 })
	g.awaitCommits(1)
	before := c.producerID()
	g.awaitCommits(transactions)
	after := c.producerID()
	g.kill()
	if c.broker.version >= "4" && before == after {
		t.Errorf("the producer id is still %d: the test shows nothing", after)
	}
	total := c.next.Load() + tail
	c.finish(total)
	report(result{"epochs run out", fmt.Sprintf("%d transactions", transactions), c.mustBeSound(total), fmt.Sprintf("producer id %d, then %d", before, after)})
}

// producerID returns the id of the run's producer.
func (c *chaos) producerID() int64 {
	c.t.Helper()
	conn := c.connect()
	defer conn.Close()
	id := transactionalID(c.topic, chaosRun, onlyShard)
	described, err := conn.admin.DescribeTransactions(c.t.Context(), id)
	if err == nil {
		err = described[id].Err
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return described[id].ProducerID
}
