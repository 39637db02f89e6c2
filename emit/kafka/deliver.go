package kafka

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// most is the largest number of events in a transaction.
const most = 100_000

// Delivery is a run on its way into a topic.
type Delivery struct {
	Config
	Run      core.Run // as it would begin; From and Next are 0
	Sequence *core.Sequence
	End      uint64 // the first event that does not belong to the run
	Local    uint64 // next event by the state directory

	// Pace returns the pacer from an event on; nil stands for no pacing.
	Pace func(from uint64) *pace.Pacer
	// Begun, when set, is told where the run goes on.
	Begun func(Cursor)
	// Save keeps a copy of the run after each commit.
	Save func(core.Run) error
	// Events counts the events committed by this invocation.
	Events *atomic.Uint64

	cursor Cursor
}

// Deliver sends what is missing and returns the cursor. When the context ends
// it finishes the transaction in flight and returns the context's error. A
// broker that goes away is waited for; errors of decide.go, of authorisation
// and of Save end it.
func (d *Delivery) Deliver(ctx context.Context) (Cursor, error) {
	asked := Cursor{Run: d.Run, Shard: onlyShard, Generation: 1, Owner: d.Owner}
	d.cursor = asked
	begun := false
	for {
		s, err := openSession(ctx, d.Config, asked, max(d.Local, d.cursor.Next))
		if err == nil {
			d.Restart = false
			d.cursor = s.cursor
			if !begun && d.Begun != nil {
				d.Begun(s.cursor)
			}
			begun = true
			err = d.play(ctx, s)
			s.close()
		}
		switch {
		case err == nil:
			return d.cursor, nil
		case ctx.Err() != nil:
			return d.cursor, ctx.Err()
		case fatal(err) || !begun:
			return d.cursor, err
		}
		d.Say("%v; beginning again at the cursor", err)
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return d.cursor, err
		}
	}
}

// fatal tells whether beginning again cannot help.
func fatal(err error) bool {
	for _, is := range []error{
		ErrOtherRun, ErrOtherOwner, ErrNoCursor, ErrLostData, ErrTopicReplaced, ErrPartitions, ErrHanging, ErrFenced, errDamagedCursor, errSave,
		kerr.TopicAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed,
		kerr.MessageTooLarge,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

var errSave = errors.New("save the cursor's copy")

// play sends transactions until the end of the run.
func (d *Delivery) play(ctx context.Context, s *session) error {
	if d.cursor.Next >= d.End {
		return nil
	}
	var pacer *pace.Pacer
	if d.Pace != nil {
		pacer = d.Pace(d.cursor.Next)
	}
	var committed time.Time
	slab := newSlab(s, d)
	for d.cursor.Next < d.End {
		due := min(d.cursor.Next+most, d.End)
		if pacer != nil {
			if err := pacer.Wait(ctx, d.cursor.Next); err != nil {
				return err
			}
			if err := sleep(ctx, time.Until(committed.Add(d.CommitInterval))); err != nil {
				return err
			}
			due = min(due, max(pacer.Due(), d.cursor.Next+1))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		next := d.cursor
		next.Next, next.Done = due, due == d.End
		next.Nexts = make([]uint64, next.Partitions)
		for p := range next.Nexts {
			next.Nexts[p] = due
		}
		next.Time = time.Now().UnixMilli()
		if err := d.transact(ctx, s, slab, next); err != nil {
			if fencing(err) && s.fenced(ctx, d.Run.Name) {
				return fmt.Errorf("%w: see who with gen inspect", ErrFenced)
			}
			return err
		}
		testOnlyFailpoint("afterEndTxn")
		committed = time.Now()
		d.Events.Add(due - d.cursor.Next)
		d.cursor = next
		if err := d.Save(next.Run); err != nil {
			return fmt.Errorf("%w: %w", errSave, err)
		}
		testOnlyFailpoint("afterSave")
	}
	testOnlyFailpoint("afterLastTransaction")
	return nil
}

// fencing tells whether an error may mean that another producer took over.
func fencing(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) || errors.Is(err, kerr.OperationNotAttempted)
}

// transact commits the events of the run up to next.Next, and next itself, in
// one transaction. After an error the outcome is unknown: only the cursor
// tells it.
func (d *Delivery) transact(ctx context.Context, s *session, slab *slab, next Cursor) error {
	// A produce in flight must not be cancelled; a broker that does not come
	// back must not keep the process for ever.
	ctx, cancel := afterGrace(ctx, 10*time.Second)
	defer cancel()
	waiting := time.AfterFunc(2*time.Second, func() {
		d.Say("waiting for the broker: events %d to %d are not committed yet", d.cursor.Next, next.Next-1)
	})
	defer waiting.Stop()
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	if err := s.producer.BeginTransaction(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	testOnlyFailpoint("afterBegin")
	var acks acks
	slab.fill(d.cursor.Next, next.Next)
	for i := range slab.records {
		s.producer.Produce(ctx, &slab.records[i], acks.promise)
		if i == 0 {
			testOnlyFailpoint("afterFirstProduce")
		}
	}
	testOnlyFailpoint("afterEvents")
	k := key(d.Topic, next.Name)
	s.producer.Produce(ctx, &kgo.Record{Topic: d.CursorTopic, Partition: cursorPartition(k, s.cursorPartitions), Key: k, Value: value}, acks.promise)
	testOnlyFailpoint("afterCursorRecord")
	if err := s.producer.Flush(ctx); err != nil {
		return fmt.Errorf("send events %d to %d: %w", d.cursor.Next, next.Next-1, err)
	}
	testOnlyFailpoint("afterFlush")
	// A commit after a failed produce would commit the rest.
	if err := acks.check(len(slab.records) + 1); err != nil {
		return fmt.Errorf("send events %d to %d: %w", d.cursor.Next, next.Next-1, err)
	}
	if err := s.producer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit events %d to %d: %w", d.cursor.Next, next.Next-1, err)
	}
	return nil
}

// afterGrace returns a context that ends some time after ctx does.
func afterGrace(ctx context.Context, grace time.Duration) (context.Context, func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if sleep(late, grace) == nil {
			cancel()
		}
	})
	return late, func() { stop(); cancel() }
}

// acks counts what became of the records of a transaction.
type acks struct {
	good  atomic.Int64
	first atomic.Pointer[error]
}

func (a *acks) promise(_ *kgo.Record, err error) {
	if err != nil {
		a.first.CompareAndSwap(nil, &err)
		return
	}
	a.good.Add(1)
}

func (a *acks) check(want int) error {
	if err := a.first.Load(); err != nil {
		return *err
	}
	if got := a.good.Load(); got != int64(want) {
		return fmt.Errorf("%d of %d records were acknowledged", got, want)
	}
	return nil
}

// slab holds the records of a transaction; they are made anew in place.
type slab struct {
	d          *Delivery
	run        [8]byte
	partitions int
	events     []core.Event
	records    []kgo.Record
	headers    []kgo.RecordHeader
	bytes      []byte
}

func newSlab(s *session, d *Delivery) *slab {
	return &slab{d: d, run: s.cursor.RunID(), partitions: s.cursor.Partitions}
}

// fill makes the records of the events from up to, not including, to. The
// client must be done with the records before.
func (s *slab) fill(from, to uint64) {
	k := int(to - from)
	if cap(s.events) < k {
		s.events, s.records, s.headers = make([]core.Event, k), make([]kgo.Record, k), make([]kgo.RecordHeader, k)
		// Key, header and value of each record: slices of one array.
		s.bytes = make([]byte, 0, k*(10+16+encode.MaxRow))
	}
	s.events, s.records, s.headers = s.events[:k], s.records[:k], s.headers[:k]
	b := s.bytes[:0]
	s.d.Sequence.Fill(s.events, from)
	for i, e := range s.events {
		keyAt := len(b)
		b = strconv.AppendUint(b, uint64(e.User), 10)
		headerAt := len(b)
		b = append(b, s.run[:]...)
		b = binary.BigEndian.AppendUint64(b, from+uint64(i))
		valueAt := len(b)
		b = encode.AppendJSONL(b, s.events[i:i+1])
		b = b[:len(b)-1] // a record needs no line feed
		s.records[i] = kgo.Record{
			Topic: s.d.Topic, Partition: int32(core.Murmur2(b[keyAt:headerAt])&0x7fffffff) % int32(s.partitions),
			Key: b[keyAt:headerAt:headerAt], Value: b[valueAt:len(b):len(b)],
		}
		if !s.d.NoHeader {
			s.headers[i] = kgo.RecordHeader{Key: HeaderKey, Value: b[headerAt:valueAt:valueAt]}
			s.records[i].Headers = s.headers[i : i+1 : i+1]
		}
	}
}
