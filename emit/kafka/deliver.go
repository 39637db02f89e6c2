package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/meter"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Delivery is a run on its way into a topic.
type Delivery struct {
	Config
	Run      core.Run // as it would begin; From and Next are 0
	Sequence *core.Sequence
	End      uint64   // the first event that does not belong to the run
	Local    core.Run // by the state directory; Next is 0 when it has none

	// Resume, when set, is told where the run goes on, before anything is sent, and
	// returns its schedule and its end. When grow is set the schedule may have a
	// segment more from the cursor's Front on; else other shards keep the one that is
	// recorded too.
	Resume func(c Cursor, grow bool) (schedule core.Schedule, end uint64, err error)
	// Pace returns the pacer from an event on; nil stands for no pacing. It is
	// asked once: what an outage delays is caught up.
	Pace func(from uint64) *pace.Pacer
	// Begun, when set, is told where the run goes on, after Resume.
	Begun func(Cursor)
	// Save keeps a copy of the run after each commit.
	Save func(core.Run) error
	// Events counts the events committed by this invocation.
	Events *atomic.Uint64
	// Meter, when set, is told of what is sent and committed.
	Meter *meter.Meter
	// PartitionRate, when above 0, is how many records a partition gets in any
	// second. All wait for the one whose quota is used up: the order stays.
	PartitionRate int

	history
	cursor     Cursor
	pacer      *pace.Pacer
	quota      *pace.Quota
	commitCost time.Duration // of the last transaction: from its last record to its end
	outage     outage
	together   *meeting // with the other shards of the process; nil: there are none
}

// history is what a process has done in a run.
type history struct {
	again      bool   // it has driven the run before
	took       int64  // Time of the cursor that it went on from
	generation uint32 // in which it has
}

// patience is how long a delivery that has not begun tries to.
const patience = 30 * time.Second

// Deliver sends what is missing and returns the cursor. When the context ends
// it finishes the transaction in flight and returns the context's error. A
// broker that goes away is waited for; errors of decide.go, of authorisation
// and of Save end it.
func (d *Delivery) Deliver(ctx context.Context) (Cursor, error) {
	d.outage.say, d.outage.meter = d.Say, d.Meter
	d.cursor = Cursor{Run: d.Run, Generation: 1, NoHeader: d.NoHeader, Owner: d.Owner}
	d.cursor.Shard = d.Shard.String()
	asked := d.cursor
	giveUp := time.Now().Add(patience)
	for {
		err := d.session(ctx, &asked)
		switch {
		case err == nil, fatal(err):
			return d.cursor, err
		case ctx.Err() != nil:
			return d.cursor, ctx.Err()
		case !d.again && time.Now().After(giveUp):
			return d.cursor, err
		}
		d.outage.failed(err)
		if err := pace.Sleep(ctx, 500*time.Millisecond); err != nil {
			return d.cursor, err
		}
	}
}

// session recovers and sends transactions until the first error.
func (d *Delivery) session(ctx context.Context, asked *Cursor) error {
	local := d.Local
	if d.cursor.Next > 0 {
		local = d.cursor.Run
	}
	s, err := openSession(ctx, d.Config, d.history, asked, local, d.Resume)
	if err != nil {
		return err
	}
	defer s.close()
	d.cursor = s.cursor
	asked.Incarnation = s.cursor.Incarnation // a later session restarts nothing
	if !d.again {
		d.took, d.generation = s.found, s.cursor.Generation
		if s.transactionVersion < 2 && d.Shard.Index == 0 {
			d.Say("the broker has transaction.version %d, not 2 (KIP-890, Kafka 4.0): should a message be held up past the end of its transaction, gen verify sees it", s.transactionVersion)
		}
		if err := d.begin(ctx); err != nil {
			return beginError{err}
		}
	}
	d.cursor.Schedule = d.Sequence.Schedule
	if d.PartitionRate > 0 {
		d.quota = pace.NewQuota(d.cursor.Partitions, d.PartitionRate)
	}
	d.Meter.Session(d.cursor.Next)
	err = d.play(ctx, s)
	if s.open && !errors.Is(err, ErrFenced) && (fatal(err) || ctx.Err() != nil) {
		s.abort()
	}
	return err
}

// begin fixes what the whole invocation keeps.
func (d *Delivery) begin(ctx context.Context) error {
	if d.Resume != nil {
		schedule, end, err := d.Resume(d.cursor, d.Shard.Count() == 1)
		if err != nil {
			return err
		}
		d.Sequence = &core.Sequence{Snapshot: d.Sequence.Snapshot, Seed: d.Sequence.Seed, Schedule: schedule}
		d.End = end
	}
	d.again = true
	if d.Begun != nil {
		d.Begun(d.cursor)
	}
	from, err := d.together.meet(ctx, d.cursor.Next)
	if err != nil {
		return err
	}
	if d.Pace != nil && d.cursor.Next < d.End {
		d.pacer = d.Pace(from)
	}
	d.Meter.Begin(d.cursor.Next, d.pacer)
	return nil
}

var (
	errSave  = errors.New("save the cursor's copy")
	errBegin = errors.New("the run cannot begin")
)

// beginError is an errBegin that says only what its reason says.
type beginError struct{ error }

func (e beginError) Is(target error) bool { return target == errBegin }
func (e beginError) Unwrap() error        { return e.error }

// fatal tells whether beginning again cannot help.
func fatal(err error) bool {
	for _, is := range []error{
		ErrOtherRun, ErrOtherOwner, ErrNoCursor, ErrLostData, ErrTopicReplaced, ErrPartitions, ErrHanging, ErrFenced, ErrSuperseded, ErrPolicy, ErrMessageSize,
		ErrDamagedCursor, core.ErrShard, errSave, errBegin,
		kerr.TopicAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed,
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidTransactionTimeout, kerr.InvalidPartitions, kerr.InvalidReplicationFactor, kerr.PolicyViolation, kerr.InvalidTopicException, kerr.InvalidTimestamp, kerr.UnsupportedCompressionType, kerr.UnsupportedForMessageFormat,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// play sends transactions until the end of the run or of the context. It makes
// sure that the last of them does not hang: EndTxn is answered while its markers
// are still being written, and a broker that is killed then may lose them, with
// nobody to notice.
func (d *Delivery) play(ctx context.Context, s *session) error {
	begun := d.cursor.Next
	err := d.send(ctx, s)
	if s.open || d.cursor.Next == begun {
		return err // what is open, the next recovery ends
	}
	late, cancel := afterGrace(ctx, grace)
	defer cancel()
	if hanging := s.settleHanging(late); hanging != nil {
		return hanging
	}
	return err
}

// grace is how long a delivery goes on after its context has ended.
const grace = 10 * time.Second

func (d *Delivery) send(ctx context.Context, s *session) error {
	feed := newFeed(ctx, d, d.cursor)
	defer feed.stop()
	watching, end := context.WithCancel(ctx)
	defer end()
	go d.outage.watch(watching)
	var begun time.Time // the last transaction
	for d.cursor.Next < d.End {
		due, err := d.due(ctx, feed, &begun)
		if err != nil {
			return err
		}
		next, sent, err := d.transact(ctx, s, feed, due)
		if err != nil {
			return s.tellFenced(ctx, err)
		}
		testOnlyFailpoint("afterEndTxn")
		d.outage.committed(next.Next)
		d.Events.Add(sent)
		d.Meter.Committed(next.Next)
		d.cursor, s.acknowledged = next, next.Run
		if err := d.Save(next.Run); err != nil {
			return fmt.Errorf("%w: %w", errSave, err)
		}
		testOnlyFailpoint("afterSave")
	}
	testOnlyFailpoint("afterLastTransaction")
	return nil
}

// due waits until the shard's next event is due and the last transaction began an
// interval ago, and returns the first event that need not be sent yet. It sets
// when a transaction has begun: to the moment that it waited for, as sleeping too
// long again and again would add up.
func (d *Delivery) due(ctx context.Context, f *feed, begun *time.Time) (uint64, error) {
	own, err := f.peek(ctx)
	if err != nil {
		return 0, err
	}
	if d.pacer == nil || own >= d.End { // all that is left is another shard's
		return d.End, ctx.Err()
	}
	if err := d.pacer.Wait(ctx, own); err != nil {
		return 0, err
	}
	moment := begun.Add(d.CommitInterval)
	if *begun = time.Now(); begun.Before(moment) {
		*begun = moment
	}
	if err := pace.Sleep(ctx, time.Until(moment)); err != nil {
		return 0, err
	}
	most := min(own+uint64(d.CommitEvents*d.Shard.Count()), d.End)
	return d.pacer.Take(own, most), ctx.Err()
}

// openFor is how long a transaction takes in events that are due already: the
// commit interval, or, as a commit costs so and so much, twenty times that; but
// well within the transaction's timeout.
func (d *Delivery) openFor() time.Duration {
	return min(d.TransactionTimeout/3, max(d.CommitInterval, min(20*d.commitCost, time.Second)))
}

// transact commits, in one transaction, events of the shard from the cursor on,
// before due, and the cursor behind them, which it returns with their number. After
// an error the outcome is unknown: only the cursor in Kafka tells it.
func (d *Delivery) transact(ctx context.Context, s *session, f *feed, due uint64) (next Cursor, sent uint64, err error) {
	// A produce in flight must not be cancelled; a broker that does not come
	// back must not keep the process for ever.
	late, cancel := afterGrace(ctx, grace)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if pace.Sleep(late, time.Second) == nil {
			d.Say("stopping: up to %s more for what is on its way; a second signal ends at once", grace)
		}
	})()
	d.outage.sending(d.cursor.Next)
	if err := s.begin(late); err != nil {
		return next, 0, err
	}
	testOnlyFailpoint("afterBegin")
	to, sent, err := d.produce(ctx, late, s, f, due)
	if err != nil {
		return next, 0, err
	}
	testOnlyFailpoint("afterEvents")
	produced := time.Now()
	if next, err = d.produceCursor(late, s, f, to); err != nil {
		return next, 0, err
	}
	testOnlyFailpoint("afterCursorRecord")
	if err := s.producer.Flush(late); err != nil {
		return next, 0, fmt.Errorf("send events %d to %d: %w", d.cursor.Next, to-1, err)
	}
	testOnlyFailpoint("afterFlush")
	// A commit after a failed produce would commit the rest.
	if err := f.acks.failure(); err != nil {
		return next, 0, fmt.Errorf("send events %d to %d: %w", d.cursor.Next, to-1, err)
	}
	if open := f.acks.open.Load(); open != 0 {
		return next, 0, fmt.Errorf("send events %d to %d: %d records were not acknowledged", d.cursor.Next, to-1, open)
	}
	if err := s.checkTopic(late); err != nil {
		return next, 0, err
	}
	if err := s.producer.EndTransaction(late, kgo.TryCommit); err != nil {
		return next, 0, fmt.Errorf("commit events %d to %d: %w", d.cursor.Next, to-1, err)
	}
	s.open = false
	d.commitCost = time.Since(produced)
	return next, sent, nil
}

// produce sends events until there are none due, the transaction has been open
// for long enough or the context ends, and returns the first event up to which all
// of the shard's are sent, and how many it has sent.
func (d *Delivery) produce(ctx, late context.Context, s *session, f *feed, due uint64) (to, sent uint64, err error) {
	enough := time.Now().Add(d.openFor())
	most := uint64(d.CommitEvents)
	for to = d.cursor.Next; to < due && sent < most && f.acks.failure() == nil; {
		p, err := f.take(ctx, due, most-sent)
		if (err != nil || p.wait > 0) && sent > 0 {
			break // what is sent is committed
		}
		if err != nil {
			return to, 0, err
		}
		if p.wait > 0 {
			if err := pace.Sleep(ctx, p.wait); err != nil {
				return to, 0, err
			}
			continue
		}
		f.acks.open.Add(int64(len(p.records)))
		d.Meter.Sent(p.next-uint64(len(p.events)), p.events)
		for i := range p.records {
			if !d.EventTime {
				p.records[i].Timestamp = p.taken
			}
			s.producer.Produce(late, &p.records[i], p.promise)
			if i == 0 && sent == 0 {
				testOnlyFailpoint("afterFirstProduce")
			}
		}
		to, sent = p.next, sent+uint64(len(p.records))
		if time.Now().After(enough) {
			break
		}
	}
	return to, sent, nil
}

// produceCursor sends the cursor that stands before event to.
func (d *Delivery) produceCursor(ctx context.Context, s *session, f *feed, to uint64) (Cursor, error) {
	next := d.cursor.advanced(d.Shard, to)
	next.Done = to == d.End
	record, err := next.record(s.Connection)
	if err != nil {
		return next, err
	}
	f.acks.open.Add(1)
	s.producer.Produce(ctx, record, f.acks.done)
	return next, nil
}

// afterGrace returns a context that ends some time after ctx does.
func afterGrace(ctx context.Context, grace time.Duration) (context.Context, func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if pace.Sleep(late, grace) == nil {
			cancel()
		}
	})
	return late, func() { stop(); cancel() }
}
