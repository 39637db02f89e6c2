package kafka

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// faultEvents are delivered in ten transactions, of which a fault meets one or
// more.
const faultEvents = 5000

// What a broker answers when it is not well: after each the topic must hold
// every event once.
func TestDeliverThroughErrors(t *testing.T) {
	for name, fault := range map[string]kfake.Fault{
		"one produce fails":                      {Keys: []kmsg.Key{kmsg.Produce}, Topic: "ratings", Partitions: []int32{3}, Err: kerr.UnknownServerError},
		"one produce fails, then another":        {Keys: []kmsg.Key{kmsg.Produce}, Topic: "ratings", Err: kerr.InvalidRecord, Count: 2},
		"the cursor's produce fails":             {Keys: []kmsg.Key{kmsg.Produce}, Topic: "gen.cursors", Err: kerr.InvalidRecord},
		"every produce fails":                    {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: 4},
		"a produce is acknowledged too late":     {Keys: []kmsg.Key{kmsg.Produce}, Topic: "ratings", Err: kerr.RequestTimedOut},
		"a leader is not one any more":           {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 3},
		"too few replicas after the append":      {Keys: []kmsg.Key{kmsg.Produce}, Topic: "ratings", Err: kerr.NotEnoughReplicasAfterAppend},
		"produce: the producer is not known":     {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.UnknownProducerID},
		"produce: the producer's epoch is wrong": {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidProducerEpoch},
		"produce: its number is out of order":    {Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.OutOfOrderSequenceNumber},
		"init: not the coordinator":              {Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.NotCoordinator, Count: 2},
		"init: a transaction is being ended":     {Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.ConcurrentTransactions, Count: 3},
		"commit: not the coordinator":            {Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.NotCoordinator, Count: 2},
		"commit: the coordinator is loading":     {Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: 3},
		"commit: a transaction is being ended":   {Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ConcurrentTransactions, Count: 3},
		"commit: the transaction is not open":    {Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.InvalidTxnState},
		"commit: the transactional id expired":   {Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.InvalidProducerIDMapping},
		"commit: an error without a name":        {Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.UnknownServerError},
		"no coordinator is found":                {Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker, config := fakeBroker(t)
			seq := testSequence(t)
			config.CommitEvents = faultEvents / 10
			deliverTo(t, config, seq, 100)
			installed := broker.Fault(fault)
			deliverTo(t, config, seq, faultEvents)
			if want := max(1, fault.Count); installed.Hits() != want {
				t.Errorf("the fault was met %d times, want %d", installed.Hits(), want)
			}
			check(t, config, seq, faultEvents)
		})
	}
}

// What happens around EndTxn can leave the outcome unknown: the broker never got
// the request, or its answer was lost, or tells of an error although the
// transaction is committed.
func TestDeliverThroughLostEndTxn(t *testing.T) {
	for name, l := range map[string]lostEndTxn{
		"the request is lost":              {},
		"the answer is lost":               {done: true},
		"it is done, the answer is wrong":  {done: true, answer: kerr.UnknownServerError},
		"it is done, and the state is odd": {done: true, answer: kerr.InvalidTxnState},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker, config := fakeBroker(t)
			seq := testSequence(t)
			config.CommitEvents = faultEvents / 10
			l.install(t, broker, config)
			deliverTo(t, config, seq, faultEvents)
			if l.count != 2 {
				t.Errorf("%d were lost, want 2", l.count)
			}
			check(t, config, seq, faultEvents)
		})
	}
}

// lostEndTxn is the third EndTxn, and the sixth.
type lostEndTxn struct {
	done   bool        // by the broker
	answer *kerr.Error // nil: the connection breaks
	count  int
}

func (l *lostEndTxn) install(t *testing.T, broker *kfake.Cluster, config Config) {
	t.Helper()
	courier, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(courier.Close)
	requests, carried := 0, false
	broker.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if carried { // the courier's own
			return nil, nil, false
		}
		if requests++; requests%3 != 0 || l.count == 2 {
			return nil, nil, false
		}
		l.count++
		if l.done {
			carried = true
			broker.SleepControl(func() {
				again := *req.(*kmsg.EndTxnRequest)
				if _, err := courier.Request(context.Background(), &again); err != nil {
					t.Error(err)
				}
			})
			carried = false
		}
		if l.answer == nil {
			return nil, errors.New("the connection breaks"), true
		}
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode = l.answer.Code
		return resp, nil, true
	})
}

// A transaction that the broker aborted because it took too long is sent again.
func TestDeliverThroughTransactionTimeout(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	config.CommitEvents, config.TransactionTimeout = faultEvents/10, 300*time.Millisecond
	conn, err := Connect(t.Context(), config, true)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	passes, timeouts := 0, 0
	testOnlyFailpoint = func(name string) {
		if name != "afterFlush" {
			return
		}
		if passes++; passes%4 == 0 {
			awaitState(t, conn.admin, transactionalID(config.Topic, "seed-42", onlyShard), "Ongoing", false)
			timeouts++
		}
	}
	defer func() { testOnlyFailpoint = func(string) {} }()
	deliverTo(t, config, seq, faultEvents)
	if timeouts == 0 {
		t.Error("no transaction timed out")
	}
	check(t, config, seq, faultEvents)
}

// awaitState waits until a transaction is, or is not, in a state.
func awaitState(t *testing.T, admin *kadm.Client, id, state string, is bool) {
	t.Helper()
	for {
		described, err := admin.DescribeTransactions(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if (described[id].State == state) == is {
			return
		}
	}
}

// A cursor record that cannot be read is no reason to begin anew.
func TestDamagedCursor(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	deliverTo(t, config, seq, 100)
	conn, err := Connect(t.Context(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	k := key(config.Topic, "seed-42", onlyShard)
	client, err := kgo.NewClient(kgo.SeedBrokers(config.Brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, value := range []string{"", "{", "null", "7", `{"run":"seed-42"}`} {
		damaged := &kgo.Record{Topic: config.CursorTopic, Partition: cursorPartition(k, conn.cursorPartitions), Key: k, Value: []byte(value)}
		if err := client.ProduceSync(t.Context(), damaged).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if c, err := newDelivery(config, seq, 200).Deliver(t.Context()); err == nil {
			t.Errorf("Deliver behind cursor %q = %d, want an error", value, c.Next)
		}
		check(t, config, seq, 100)
	}
}
