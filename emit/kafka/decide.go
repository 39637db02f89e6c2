package kafka

import (
	"errors"
	"fmt"
)

// Errors of recovery. Nothing was sent when one is returned.
var (
	// ErrOtherRun is returned when the cursor belongs to another seed,
	// snapshot, format version or schedule. The caller keeps what is there,
	// or begins anew with Restart.
	ErrOtherRun = errors.New("the run was started with another identity")
	// ErrOtherOwner is returned when another process moves the cursor.
	ErrOtherOwner = errors.New("another owner is at work")
	// ErrNoCursor is returned when the topic holds records of this run, or
	// the state directory says so, but the cursor is gone.
	ErrNoCursor = errors.New("the cursor of this run is gone")
	// ErrLostData is returned when the state directory is ahead of Kafka:
	// committed data was lost there.
	ErrLostData = errors.New("the broker has lost committed data")
	// ErrTopicReplaced is returned when the topic was deleted and created
	// again since the run began.
	ErrTopicReplaced = errors.New("the topic was deleted and created again")
	// ErrPartitions is returned when the topic has fewer partitions than the
	// run began with.
	ErrPartitions = errors.New("the topic has too few partitions")
	// ErrHanging is returned when a transaction stays open that nobody will
	// end (KAFKA-20734).
	ErrHanging = errors.New("a transaction hangs")
	// ErrFenced is returned when another process took over the run.
	ErrFenced = errors.New("another process has taken over the run")
)

// situation is what recovery knows when it decides.
type situation struct {
	kafka      *Cursor // last committed cursor, nil when there is none
	local      uint64  // next event by the state directory, 0 when it has none
	asked      Cursor  // the run as it would begin
	topicID    string  // now
	partitions int     // now
	records    bool    // the topic holds records of the run; looked up only without a cursor
	restart    bool
}

// decide returns the cursor to go on from, by the recovery table:
//
//	Kafka     state directory   do
//	none      none, no records  begin
//	none      none, records     ErrNoCursor
//	none      ahead             ErrNoCursor
//	K         none, or <= K     go on at K
//	K         ahead             ErrLostData
//	another identity            ErrOtherRun
//	another topic id            ErrTopicReplaced
//
// A restart begins the next incarnation whatever stands there.
func decide(s situation) (Cursor, error) {
	begin := s.asked
	begin.TopicID, begin.Partitions = s.topicID, s.partitions
	k := s.kafka
	switch {
	case s.restart:
		if k != nil {
			begin.Incarnation = k.Incarnation + 1
		}
		return begin, nil
	case k == nil && (s.records || s.local > 0):
		return begin, fmt.Errorf("%w: the state directory says that events 0 to %d were delivered, the topic holds records of it: %v", ErrNoCursor, int64(s.local)-1, s.records)
	case k == nil:
		return begin, nil
	case k.TopicID != s.topicID:
		return begin, fmt.Errorf("%w\n  saved: topic id %s, next event %d\n  found: topic id %s", ErrTopicReplaced, k.TopicID, k.Next, s.topicID)
	case !k.SameEvents(s.asked.Run) || k.From != s.asked.From:
		return begin, fmt.Errorf("%w; nothing was sent\n  saved: %s\n  asked: %s", ErrOtherRun, side(*k), side(s.asked))
	case s.local > k.Next:
		return begin, fmt.Errorf("%w: the state directory says next event %d, Kafka's cursor %d", ErrLostData, s.local, k.Next)
	case s.partitions < k.Partitions:
		return begin, fmt.Errorf("%w: %d, the run began with %d", ErrPartitions, s.partitions, k.Partitions)
	}
	next := *k
	next.Schedule, next.Owner, next.Done = s.asked.Schedule, s.asked.Owner, false
	return next, nil
}

func side(c Cursor) string {
	return fmt.Sprintf("run %s, seed %d, snapshot %.8s, version %d, next event %d", c.Name, c.Seed, c.Snapshot, c.Format, c.Next)
}
