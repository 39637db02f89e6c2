package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// session is one producer with the transactional id of a run, from the
// recovery that began it to the first error.
type session struct {
	*Connection
	producer *kgo.Client
	id       int64 // of the producer
	epoch    int16
	cursor   Cursor // every event before cursor.Next is committed
}

// transactionalID names the run's producer: whoever takes it next fences the
// one before.
func transactionalID(topic, run string) string { return "gen/" + topic + "/" + run + "/" + onlyShard }

// openSession recovers: it ends what a predecessor left open, reads the
// cursor and decides where to go on. Errors that are not of decide.go may pass.
func openSession(ctx context.Context, c Config, asked Cursor, local uint64) (*session, error) {
	conn, err := Connect(ctx, c, true)
	if err != nil {
		return nil, err
	}
	s := &session{Connection: conn}
	if err := s.recover(ctx, asked, local); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	if s.producer != nil {
		s.producer.Close()
	}
	s.Close()
}

func (s *session) recover(ctx context.Context, asked Cursor, local uint64) error {
	if err := s.awaitOwner(ctx, asked); err != nil {
		return err
	}
	var err error
	s.producer, err = kgo.NewClient(append(s.options(),
		kgo.TransactionalID(transactionalID(s.Topic, asked.Name)), kgo.TransactionTimeout(s.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(2*most))...)
	if err != nil {
		return err
	}
	// This fences any predecessor and ends its open transaction.
	if s.id, s.epoch, err = s.producer.ProducerID(ctx); err != nil {
		return fmt.Errorf("begin as transactional id %q: %w", transactionalID(s.Topic, asked.Name), err)
	}
	testOnlyFailpoint("afterInit")
	if err := s.checkHanging(ctx); err != nil {
		return err
	}
	sit := situation{local: local, asked: asked, topicID: s.topicID, partitions: s.partitions, restart: s.Restart}
	if sit.kafka, err = readCursor(ctx, s.Connection, asked.Name); err != nil {
		return err
	}
	if sit.kafka == nil && !s.Restart {
		if sit.records, err = s.hasRecords(ctx, asked); err != nil {
			return err
		}
	}
	s.cursor, err = decide(sit)
	testOnlyFailpoint("afterRecover")
	s.Restart = false // a later session of this process goes on
	return err
}

// quiet is how long another owner's cursor must stand still before its run is
// taken over.
const quiet = 30 * time.Second

// awaitOwner waits until another owner's cursor has stood still for long
// enough. It does so before the producer begins, which would fence that owner.
func (s *session) awaitOwner(ctx context.Context, asked Cursor) error {
	if s.TakeOver {
		return nil
	}
	first, err := readCursor(ctx, s.Connection, asked.Name)
	if err != nil || first == nil || first.Owner == asked.Owner || first.Done {
		return err
	}
	end := time.Now().Add(min(quiet, time.Until(time.UnixMilli(first.Time).Add(quiet))))
	if time.Now().Before(end) {
		s.Say("run %s was last driven by %s; waiting %s to see whether it still is", asked.Name, first.Owner, time.Until(end).Round(time.Second))
	}
	for time.Now().Before(end) {
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		now, err := readCursor(ctx, s.Connection, asked.Name)
		if err != nil {
			return err
		}
		if now != nil && now.Time != first.Time {
			return fmt.Errorf("%w: %s moved the cursor of run %s to event %d; nothing was sent", ErrOtherOwner, now.Owner, asked.Name, now.Next)
		}
	}
	return nil
}

// checkHanging returns ErrHanging when a transaction of this producer is still
// open although the producer has just begun: the broker has lost its end
// (KAFKA-20734). To produce on top would end it together with the next one.
func (s *session) checkHanging(ctx context.Context) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		open, err := s.openTransactions(ctx)
		if err != nil {
			s.Say("warning: cannot look for hanging transactions: %v", err)
			return nil
		}
		if len(open) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %v hold an open transaction of producer %d that was ended; nothing was sent", ErrHanging, open, s.id)
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// openTransactions returns the partitions in which this producer has a
// transaction open, as topic-partition.
func (s *session) openTransactions(ctx context.Context) ([]string, error) {
	set := make(kadm.TopicsSet)
	set.Add(s.Topic)
	set.Add(s.CursorTopic)
	producers, err := s.admin.DescribeProducers(ctx, set)
	if err != nil {
		return nil, err
	}
	var open []string
	var partitionErr error
	producers.EachPartition(func(p kadm.DescribedProducersPartition) {
		if p.Err != nil {
			partitionErr = p.Err
		}
		for _, producer := range p.ActiveProducers {
			if producer.ProducerID == s.id && producer.CurrentTxnStartOffset >= 0 {
				open = append(open, fmt.Sprintf("%s-%d", p.Topic, p.Partition))
			}
		}
	})
	return open, partitionErr
}

// hasRecords tells whether the topic holds a committed record of the run as it
// would begin now.
func (s *session) hasRecords(ctx context.Context, asked Cursor) (bool, error) {
	asked.TopicID = s.topicID
	run := asked.RunID()
	found := false
	err := s.readCommitted(ctx, s.Topic, all(s.partitions), func(r *kgo.Record) {
		id, _, ok := ParseHeader(r)
		found = found || ok && id == run || s.NoHeader
	})
	return found, err
}

// fenced tells apart what the client reports alike: another producer took the
// transactional id over, or the transaction timed out. It asks for the
// producer's own id and epoch again, which only the owner may.
func (s *session) fenced(ctx context.Context, run string) bool {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr(transactionalID(s.Topic, run))
	req.TransactionTimeoutMillis = int32(s.TransactionTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = s.id, s.epoch
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return false // unknown: recovery will tell
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}
