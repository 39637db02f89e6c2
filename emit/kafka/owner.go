package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// quiet is how long another owner's cursor must stand still before its run is
// taken over.
const quiet = 30 * time.Second

// awaitOwner waits until another owner's cursor has stood still for long
// enough. It does so before the producer begins, which would fence that owner.
// A process that has lost its run to another one does not take it back.
func (s *session) awaitOwner(ctx context.Context, owner string) error {
	g, err := readGeneration(ctx, s.Connection, s.run, s.lastStable)
	if errors.Is(err, ErrDamagedCursor) {
		return nil // recovery says more
	}
	if err != nil {
		return err
	}
	change, err := s.mustChange(g)
	if err != nil {
		return err
	}
	if change {
		return s.awaitShards(ctx, g.begun(), owner)
	}
	peek := func() (*Cursor, error) {
		c, err := peekCursor(ctx, s.Connection, s.run, s.shard)
		if c != nil && c.Generation != g.Generation {
			c = nil
		}
		return c, err
	}
	if s.TakeOver && !s.again {
		return nil
	}
	first, err := peek()
	if errors.Is(err, ErrDamagedCursor) {
		return nil // whose it is cannot be told; recovery says more
	}
	switch {
	case err != nil || first == nil || first.Owner == owner:
		return err
	case s.again && first.Time == s.took:
		return nil // whom it was taken over from has not moved
	case s.again:
		return fencedBy(s.run, first.Owner)
	case first.Done:
		return nil
	}
	// The time is of the other one's clock.
	wait := max(quiet/6, min(quiet, time.Until(time.UnixMilli(first.Time).Add(quiet))))
	return s.awaitQuiet(ctx, first, wait, peek)
}

// awaitShards waits until every shard of a generation has stood still for long
// enough: those of this state directory too, as each may be a process.
func (s *session) awaitShards(ctx context.Context, g *Generation, owner string) error {
	if s.TakeOver {
		return nil
	}
	peek := func() (*Cursor, error) {
		shards, err := cursorsOf(ctx, s.Connection, s.run, g, s.lastStable)
		if err != nil {
			return nil, err
		}
		return g.stand(shards), nil
	}
	last, err := peek()
	if errors.Is(err, ErrDamagedCursor) || err == nil && (last == nil || last.Done) {
		return nil
	}
	if err != nil {
		return err
	}
	since := time.UnixMilli(last.Time)
	wait := max(quiet/6, min(quiet, time.Until(since.Add(quiet))))
	if last.Owner == owner { // by the same clock
		wait = min(quiet/6, time.Until(since.Add(quiet/6)))
	}
	return s.awaitQuiet(ctx, last, wait, peek)
}

// awaitQuiet returns ErrOtherOwner when a cursor moves within some time.
func (s *session) awaitQuiet(ctx context.Context, first *Cursor, wait time.Duration, peek func() (*Cursor, error)) error {
	if wait <= 0 {
		return nil
	}
	end := time.Now().Add(wait)
	s.Say("run %s was last driven by %s; waiting %s to see whether it still is", s.run, first.Owner, wait.Round(time.Second))
	for time.Now().Before(end) {
		if err := pace.Sleep(ctx, min(time.Second, time.Until(end))); err != nil {
			return err
		}
		now, err := peek()
		if err != nil {
			return err
		}
		if now != nil && now.Time != first.Time {
			return fmt.Errorf("%w: %s moved the cursor of run %s to event %d; nothing was sent", ErrOtherOwner, now.Owner, s.run, now.Next)
		}
	}
	return nil
}

// tellFenced returns ErrFenced when another process took over the run, and else
// the error of the transaction itself: the client has many for that one.
func (s *session) tellFenced(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if !s.fenced(ctx) {
		return err
	}
	// The other one is named by its first commit, or by its generation.
	for ctx.Err() == nil {
		if g, err := readGeneration(ctx, s.Connection, s.run, s.lastStable); err == nil && g.Generation != s.cursor.Generation {
			return fencedByGeneration(s.run, g)
		}
		if c, err := peekCursor(ctx, s.Connection, s.run, s.shard); err == nil && c != nil && c.Owner != s.Owner {
			return fencedBy(s.run, c.Owner)
		}
		_ = pace.Sleep(ctx, 100*time.Millisecond) // the loop sees the end
	}
	return fencedBy(s.run, "another process")
}

func fencedBy(run, other string) error {
	return fmt.Errorf("%w: run %s is now driven by %s", ErrFenced, run, other)
}

// fenced tells apart what the client reports alike: another producer took the
// transactional id over, or the transaction timed out. It asks for the
// producer's own id and epoch again, which only the owner may.
func (s *session) fenced(ctx context.Context) bool {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr(s.transactionalID())
	req.TransactionTimeoutMillis = int32(s.TransactionTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = s.id, s.epoch
	for {
		resp, err := req.RequestWith(ctx, s.client)
		if err != nil {
			return false // unknown: recovery will tell
		}
		err = kerr.ErrorForCode(resp.ErrorCode)
		// Whoever took over has begun by ending our transaction, which takes a
		// moment; until then the coordinator does not say.
		moment := kerr.IsRetriable(err) || errors.Is(err, kerr.ConcurrentTransactions)
		if !moment || pace.Sleep(ctx, 50*time.Millisecond) != nil {
			return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
		}
	}
}
