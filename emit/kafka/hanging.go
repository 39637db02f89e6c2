package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// testOnlyNoHangingCheck leaves out the search for hanging transactions: what
// the crash suite must find out.
var testOnlyNoHangingCheck bool

// OpenTransaction is a transaction that is open in a partition.
type OpenTransaction struct {
	Topic            string `json:"topic"`
	Partition        int32  `json:"partition"`
	ProducerID       int64  `json:"producerId"`
	ProducerEpoch    int16  `json:"producerEpoch"`
	CoordinatorEpoch int32  `json:"coordinatorEpoch"`
	Start            int64  `json:"start"` // its first offset
}

func (o OpenTransaction) String() string {
	return fmt.Sprintf("%s-%d from offset %d on", o.Topic, o.Partition, o.Start)
}

// openTransactions returns those in the topic and the cursor topic (KIP-664,
// DescribeProducers).
func (conn *Connection) openTransactions(ctx context.Context) ([]OpenTransaction, error) {
	set := make(kadm.TopicsSet)
	if conn.cursorPartitions > 0 {
		set.Add(conn.CursorTopic, all(conn.cursorPartitions)...)
	}
	if conn.topicID != "" {
		set.Add(conn.Topic, all(conn.partitions)...)
	}
	described, err := conn.admin.DescribeProducers(ctx, set)
	if err != nil {
		return nil, err
	}
	var open []OpenTransaction
	for _, p := range described.SortedPartitions() {
		if p.Err != nil {
			return nil, fmt.Errorf("%s-%d: %w", p.Topic, p.Partition, p.Err)
		}
		for _, a := range p.ActiveProducers.Sorted() {
			if a.CurrentTxnStartOffset >= 0 {
				open = append(open, OpenTransaction{p.Topic, p.Partition, a.ProducerID, a.ProducerEpoch, a.CoordinatorEpoch, a.CurrentTxnStartOffset})
			}
		}
	}
	return open, nil
}

// HangingError is returned, as an ErrHanging, when a hanging transaction was
// not ended.
type HangingError struct {
	Run    string
	Shard  string // or "generation"
	Open   []OpenTransaction
	Known  bool  // how it was to end
	Commit bool  // when that is known
	Err    error // why it was not ended; nil: nobody asked for it
}

func (e *HangingError) Error() string {
	why := ""
	if e.Err != nil {
		why = ": " + e.Err.Error()
	}
	return fmt.Sprintf("%v: the broker has lost the end of a transaction of run %s (KAFKA-20734); nothing was sent%s\n  open: producer %d, epoch %d: %s\n  outcome: %s",
		ErrHanging, e.Run, why, e.Open[0].ProducerID, e.Open[0].ProducerEpoch, list(e.Open), e.outcome())
}

func (e *HangingError) outcome() string {
	if !e.Known {
		return "unknown"
	}
	return outcome(e.Commit)
}

func (e *HangingError) Unwrap() []error { return []error{ErrHanging, e.Err} }

func list(open []OpenTransaction) string {
	var texts []string
	for _, o := range open {
		texts = append(texts, o.String())
	}
	return strings.Join(texts, ", ")
}

func outcome(commit bool) string {
	if commit {
		return "COMMIT, as it was acknowledged"
	}
	return "ABORT, as nobody has seen it"
}

// settleHanging ends hanging transactions of this run when EndHanging allows
// it, and else refuses: to produce on top would end them together with the
// next one. No transaction may be open by this producer.
func (s *session) settleHanging(ctx context.Context) error {
	if testOnlyNoHangingCheck {
		return nil
	}
	for {
		own, err := s.awaitHanging(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.UnsupportedVersion):
			if s.blind {
				return nil // others' transactions are no reason to stop at work
			}
			s.blind = true
			s.Say("warning: cannot look for hanging transactions (%v); comparing offsets instead", err)
			return s.awaitStable(ctx)
		case err != nil || len(own) == 0:
			return err
		}
		commit, err := s.decideHanging(ctx, own)
		switch {
		case errors.Is(err, errUnknownOutcome):
			return &HangingError{Run: s.run, Shard: s.shard, Open: own, Err: err}
		case err != nil:
			return err // it may pass, as what made it hang does
		case !s.EndHanging:
			return &HangingError{s.run, s.shard, own, true, commit, nil}
		}
		switch err := s.endHanging(ctx, own, commit); {
		case err != nil && passes(err) && !errors.Is(err, errStillOpen):
			return err
		case err != nil:
			return &HangingError{s.run, s.shard, own, true, commit, err}
		}
		s.Say("ended a transaction that the broker had lost, by %s: %s", outcome(commit), list(own))
	}
}

// awaitHanging returns a transaction of this run that is open although the
// producer has none open: the coordinator has ended it and the partitions do not
// know. The markers of one that was just ended have five seconds to arrive.
func (s *session) awaitHanging(ctx context.Context) ([]OpenTransaction, error) {
	deadline := time.Now().Add(5 * time.Second)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		open, err := s.openTransactions(ctx)
		var own []OpenTransaction
		for _, o := range open {
			ours := o.ProducerID == s.id || o.ProducerID == s.previous
			if ours && (own == nil || o.ProducerID == own[0].ProducerID && o.ProducerEpoch == own[0].ProducerEpoch) {
				own = append(own, o)
			}
		}
		if err != nil || len(own) == 0 || time.Now().After(deadline) {
			return own, err
		}
		if err := pace.Sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// awaitStable returns ErrHanging when a transaction, of whomever, stays open
// for longer than one of ours may.
func (s *session) awaitStable(ctx context.Context) error {
	_, err := s.extents(ctx, s.CursorTopic, []int32{cursorPartition(key(s.Topic, s.run, s.shard), s.cursorPartitions)})
	if err == nil && s.topicID != "" {
		_, err = s.extents(ctx, s.Topic, all(s.partitions))
	}
	return err
}

var errUnknownOutcome = errors.New("how it was to end cannot be told on a broker without transaction.version 2")

// decideHanging tells whether a hanging transaction was committed: some other
// partition shows records of it, or this process or its state directory knows
// of events behind the cursor that is visible. With transaction.version 2
// (KIP-890) each transaction has an epoch of its own, by which its records are
// known.
func (s *session) decideHanging(ctx context.Context, own []OpenTransaction) (commit bool, err error) {
	if s.transactionVersion < 2 {
		return false, errUnknownOutcome
	}
	same := func(r *kgo.Record) bool {
		return r != nil && r.ProducerID == own[0].ProducerID && r.ProducerEpoch == own[0].ProducerEpoch
	}
	open := map[string]map[int32]bool{s.Topic: {}, s.CursorTopic: {}}
	for _, o := range own {
		open[o.Topic][o.Partition] = true
	}
	last, err := s.lastCursorRecord(ctx, s.run, s.shard, s.lastStable)
	if err != nil {
		return false, err
	}
	if !open[s.CursorTopic][cursorPartition(key(s.Topic, s.run, s.shard), s.cursorPartitions)] {
		return same(last), nil // every transaction holds a cursor record
	}
	var visible Cursor
	if last != nil {
		if err := json.Unmarshal(last.Value, &visible); err != nil {
			return false, fmt.Errorf("%w: %w", ErrDamagedCursor, err)
		}
	}
	if s.acknowledged.Ahead(visible.Run) {
		return true, nil
	}
	return s.visible(ctx, open[s.Topic], last, same)
}

// visible tells whether a partition that is not open shows a record for which
// same holds, behind the time of the last cursor record.
func (s *session) visible(ctx context.Context, open map[int32]bool, last *kgo.Record, same func(*kgo.Record) bool) (found bool, err error) {
	starts, err := s.admin.ListStartOffsets(ctx, s.Topic)
	if err == nil && last != nil && !s.EventTime {
		// Clocks differ, between hosts and between client and broker.
		starts, err = s.admin.ListOffsetsAfterMilli(ctx, last.Timestamp.Add(-24*time.Hour).UnixMilli(), s.Topic)
	}
	if err != nil {
		return false, err
	}
	var rest []Extent
	for p := range int32(s.partitions) {
		start, ok := starts.Lookup(s.Topic, p)
		if !ok || start.Err != nil {
			return false, fmt.Errorf("offsets of %s-%d: %w", s.Topic, p, cmp.Or(start.Err, errNoOffsets))
		}
		end, err := s.lastStable(ctx, s.Topic, p)
		if err != nil {
			return false, err
		}
		if !open[p] {
			rest = append(rest, Extent{p, start.Offset, end})
		}
	}
	err = s.read(ctx, s.Topic, rest, func(r *kgo.Record) { found = found || same(r) })
	return found, err
}

var errStillOpen = errors.New("its end was written, and it is still open")

// endHanging writes the markers that the broker has lost (KIP-664,
// WriteTxnMarkers).
func (s *session) endHanging(ctx context.Context, own []OpenTransaction, commit bool) error {
	marker := kadm.TxnMarkers{ProducerID: own[0].ProducerID, ProducerEpoch: own[0].ProducerEpoch, Commit: commit, Topics: make(kadm.TopicsSet)}
	for _, o := range own {
		marker.CoordinatorEpoch = max(marker.CoordinatorEpoch, o.CoordinatorEpoch)
		marker.Topics.Add(o.Topic, o.Partition)
	}
	responses, err := s.admin.WriteTxnMarkers(ctx, marker)
	if err != nil {
		return fmt.Errorf("to end it was refused: %w", err)
	}
	for _, p := range responses.SortedPartitions() {
		if p.Err != nil {
			return fmt.Errorf("to end it in %s-%d was refused: %w", p.Topic, p.Partition, p.Err)
		}
	}
	left, err := s.awaitHanging(ctx)
	if err == nil && len(left) > 0 && left[0].ProducerEpoch == own[0].ProducerEpoch {
		err = errStillOpen
	}
	return err
}
