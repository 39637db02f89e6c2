package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"gen/core"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// session is one producer with the transactional id of a run's shard, from the
// recovery that began it to the first error.
type session struct {
	*Connection
	history
	run                string
	shard              string // as in the transactional id
	producer           *kgo.Client
	id                 int64    // of the producer
	epoch              int16    // of the last transaction that was begun
	previous           int64    // the predecessor's producer id, -1 when unknown
	transactionVersion int16    // of the broker: 2 is KIP-890
	acknowledged       core.Run // what was said to be committed
	open               bool     // a transaction was begun and not ended
	blind              bool     // it may not look for hanging transactions
	disconnected       atomic.Bool
	cursor             Cursor // where recovery found the shard
	found              int64  // Time of the cursor that recovery read
	sameTopic          bool   // the topic that the producer writes to was looked at
	resume             resume
}

// OnBrokerDisconnect implements kgo.HookBrokerDisconnect: a broker that went
// away may have lost the end of a transaction although the client, which asked
// again, was told that all is well.
func (s *session) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn) { s.disconnected.Store(true) }

// transactionalID names the shard's producer: whoever takes it next fences the
// one before. It holds no slash: a broker with ZooKeeper keeps ACLs under paths,
// and fails at a name with one (Kafka 2.8.2).
func transactionalID(topic, run, shard string) string {
	return transactionalPrefix + topic + ":" + run + ":" + shard
}

func (s *session) transactionalID() string { return transactionalID(s.Topic, s.run, s.shard) }

// transactionalPrefix is what every transactional id of gen begins with.
const transactionalPrefix = "gen:"

// resume returns the schedule of a run that goes on at a cursor, and its end. With
// grow it may have a segment more, from the first event on that nobody has.
type resume func(c Cursor, grow bool) (core.Schedule, uint64, error)

// openSession recovers: it ends what a predecessor left open, reads the
// cursor and decides where to go on. Errors that are not of decide.go may pass.
// With a restart it sets asked's incarnation.
func openSession(ctx context.Context, c Config, h history, asked *Cursor, local core.Run, resume resume) (*session, error) {
	conn, err := Connect(ctx, c, true)
	if err != nil {
		return nil, err
	}
	s := newSession(conn, asked.Name, c.Shard.String())
	s.history, s.acknowledged, s.resume = h, local, resume
	if err := s.recover(ctx, asked, local); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func newSession(conn *Connection, run, shard string) *session {
	return &session{Connection: conn, run: run, shard: shard, previous: -1}
}

// abort ends the open transaction of a run that will not go on, as well as it
// can: otherwise readers wait for it to time out.
func (s *session) abort() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if s.producer.AbortBufferedRecords(ctx) == nil {
		_ = s.producer.EndTransaction(ctx, kgo.TryAbort) // what is left open times out
	}
}

func (s *session) close() {
	s.closeProducer()
	s.Close()
}

func (s *session) closeProducer() {
	if s.producer != nil {
		s.producer.Close()
		s.producer = nil
	}
}

func (s *session) recover(ctx context.Context, asked *Cursor, local core.Run) error {
	if err := s.awaitOwner(ctx, asked.Owner); err != nil {
		return err
	}
	if err := s.fence(ctx); err != nil {
		return err
	}
	testOnlyFailpoint("afterInit")
	if err := s.settleHanging(ctx); err != nil {
		return err
	}
	g, err := s.generate(ctx, asked)
	if err != nil {
		return err
	}
	if s.cursor, err = s.decide(ctx, g, *asked, local); err != nil {
		return err
	}
	if s.topicID == "" { // the run begins here
		if err := s.createTopic(ctx); err != nil {
			return err
		}
		s.cursor.TopicID, s.cursor.Partitions = s.topicID, s.partitions
	}
	if len(s.cursor.Nexts) != s.cursor.Partitions {
		s.cursor.Nexts = nexts(s.cursor.Next, s.cursor.Partitions)
	}
	testOnlyFailpoint("afterRecover")
	return nil
}

// decide returns where the shard goes on in its generation.
func (s *session) decide(ctx context.Context, g *Generation, asked Cursor, local core.Run) (Cursor, error) {
	// Of several shards, whoever restarts the run begins another generation.
	if err := s.findTopic(ctx, g.recorded()); err != nil {
		return Cursor{}, err
	}
	sit := situation{local: local, asked: asked, topicID: s.topicID, partitions: s.partitions, restart: s.Restart && g.Shards == 1}
	var err error
	sit.kafka, err = s.shardCursor(ctx, s.run, s.Shard, g, s.stableEnd)
	switch {
	case errors.Is(err, ErrDamagedCursor) && sit.restart: // it says nothing
	case err != nil:
		return Cursor{}, err
	case sit.kafka != nil:
		s.found = sit.kafka.Time
	}
	if sit.kafka == nil && s.topicID != "" {
		if sit.found, err = s.findIncarnations(ctx, asked); err != nil {
			return Cursor{}, err
		}
	}
	c, err := decide(sit)
	if err != nil {
		return c, err
	}
	c.Generation, c.Shard = g.Generation, s.shard
	if c.Partitions > 0 {
		err = ownsAny(s.Shard, c.Partitions)
	}
	return c, err
}

// fence begins the producer, which ends the open transaction of any
// predecessor and shuts it out (KIP-98, InitProducerId).
func (s *session) fence(ctx context.Context) error {
	var err error
	if s.transactionVersion, err = s.readTransactionVersion(ctx); err != nil {
		return err
	}
	// The producer id changes when its epochs are used up. Kafka before 3.0
	// cannot say it.
	if d, err := s.admin.DescribeTransactions(ctx, s.transactionalID()); err == nil {
		if t, err := d.On(s.transactionalID(), nil); err == nil && t.Err == nil {
			s.previous = t.ProducerID
		}
	}
	s.producer, err = kgo.NewClient(s.options(
		kgo.WithHooks(s),
		kgo.TransactionalID(s.transactionalID()), kgo.TransactionTimeout(s.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchCompression(s.Compression, kgo.NoCompression()), kgo.ProducerBatchMaxBytes(s.batchBytes),
		// The lots bound the memory, so that Produce itself never blocks.
		kgo.MaxBufferedRecords(lots*lotEvents+1))...)
	if err != nil {
		return err
	}
	// The client asks for as long as a predecessor's transaction is being ended,
	// which a partition without a leader can keep from ending.
	soon, cancel := context.WithTimeoutCause(ctx, begins, errNotBegun)
	defer cancel()
	s.id, s.epoch, err = s.producer.ProducerID(soon)
	switch {
	case err != nil && errors.Is(context.Cause(soon), errNotBegun):
		return fmt.Errorf("begin as transactional id %q: %w", s.transactionalID(), errNotBegun)
	case err != nil:
		return fmt.Errorf("begin as transactional id %q: %w", s.transactionalID(), err)
	}
	return nil
}

// begins is how long a producer may take to begin.
const begins = 10 * time.Second

var errNotBegun = fmt.Errorf("the broker has not let it for %s; it may be ending the transaction of a predecessor", begins)

// readTransactionVersion returns the level of the cluster's feature
// transaction.version, 0 when it does not know it.
func (s *session) readTransactionVersion(ctx context.Context) (int16, error) {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, s.client)
	if err != nil {
		return 0, fmt.Errorf("ask %v for its versions: %w", s.Brokers, err)
	}
	level, _ := transactionVersion(resp)
	return level, nil
}

// checkTopic returns ErrTopicReplaced when the topic is not the one that
// recovery found, which takes its time: the events of a first transaction would
// be committed into another. Later the client notices it.
func (s *session) checkTopic(ctx context.Context) error {
	if s.sameTopic {
		return nil
	}
	meta, err := s.admin.Metadata(ctx, s.Topic)
	if err != nil {
		return fmt.Errorf("ask for metadata: %w", err)
	}
	if now := meta.Topics[s.Topic].ID.String(); now != s.cursor.TopicID {
		return fmt.Errorf("%w\n  saved: topic id %s\n  found: topic id %s", ErrTopicReplaced, TopicIDText(s.cursor.TopicID), TopicIDText(now))
	}
	s.sameTopic = true
	return nil
}

// settleDisconnected looks for a hanging transaction when a broker has gone away
// since it was last looked for. No transaction may be open by this producer.
func (s *session) settleDisconnected(ctx context.Context) error {
	if !s.disconnected.Swap(false) {
		return nil
	}
	return s.settleHanging(ctx)
}

// begin begins a transaction.
func (s *session) begin(ctx context.Context) error {
	if err := s.settleDisconnected(ctx); err != nil {
		return err
	}
	// With KIP-890 the epoch moves on with every transaction.
	var err error
	if s.id, s.epoch, err = s.producer.ProducerID(ctx); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := s.producer.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	s.open = true
	return nil
}

// findIncarnations returns the latest incarnation of the run of which the topic
// holds a record, plus 1; 0 when there is none. Without headers every record
// may be one.
func (conn *Connection) findIncarnations(ctx context.Context, asked Cursor) (found uint32, err error) {
	asked.TopicID = conn.topicID
	ids := asked.incarnations()
	err = conn.readCommitted(ctx, conn.Topic, all(conn.partitions), func(r *kgo.Record) {
		if id, _, ok := ParseHeader(r); ok {
			if i, known := ids[id]; known {
				found = max(found, i+1)
			}
		} else if asked.NoHeader {
			found = max(found, 1)
		}
	})
	return found, err
}
