package kafka

import (
	"errors"
	"fmt"

	"gen/core"
)

// Errors of recovery. Nothing was sent when one is returned.
var (
	// ErrOtherRun is returned when the cursor belongs to another seed,
	// snapshot or format version. The caller keeps what is there,
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
	// ErrTopicReplaced is returned when the topic was deleted since the run
	// began, and maybe created again.
	ErrTopicReplaced = errors.New("the topic was deleted since the run began")
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
	kafka      *Cursor  // last committed cursor, nil when there is none
	local      core.Run // by the state directory or this process; Next is 0 when neither has it
	asked      Cursor   // the run as it would begin
	topicID    string   // now; empty when there is no topic
	partitions int      // now
	found      uint32   // the latest incarnation in the topic, plus 1; looked up only without a cursor
	restart    bool     // as asked.Incarnation, or, while that is 0, as the next one
}

// decide returns the cursor to go on from, by the recovery table:
//
//	Kafka     state directory   do
//	none      none, no records  begin
//	none      none, records     ErrNoCursor
//	none      ahead             ErrNoCursor
//	K         none, or <= K     go on at K
//	K         ahead             ErrLostData
//	K         older incarnation go on at K
//	another identity            ErrOtherRun
//	another topic id            ErrTopicReplaced
//
// A restart begins the next incarnation whatever stands there.
func decide(s situation) (Cursor, error) {
	begin := s.asked
	begin.TopicID, begin.Partitions = s.topicID, s.partitions
	k := s.kafka
	// What this process has restarted and committed is not begun once more.
	begun := s.asked.Incarnation > 0 && s.local.Next > 0 && s.local.Incarnation == s.asked.Incarnation
	switch {
	case s.restart && !begun && (k == nil || s.asked.Incarnation == 0 || k.Incarnation != s.asked.Incarnation):
		if begin.Incarnation == 0 {
			begin.Incarnation = max(1, s.found, s.local.Incarnation+1)
			if k != nil {
				begin.Incarnation = max(begin.Incarnation, k.Incarnation+1)
			}
		}
		return begin, nil
	case k == nil && (s.found > 0 || s.local.Next > 0):
		return begin, fmt.Errorf("%w; nothing was sent\n  state directory: next event %d%s", ErrNoCursor, s.local.Next, held(s.found))
	case k == nil:
		return begin, nil
	case s.topicID == "":
		return begin, fmt.Errorf("%w; nothing was sent\n  saved: topic id %s, next event %d\n  found: no topic of this name", ErrTopicReplaced, TopicIDText(k.TopicID), k.Next)
	case k.TopicID != s.topicID:
		return begin, fmt.Errorf("%w; nothing was sent\n  saved: topic id %s, next event %d\n  found: topic id %s", ErrTopicReplaced, TopicIDText(k.TopicID), k.Next, TopicIDText(s.topicID))
	case !k.SameEvents(s.asked.Run) || k.NoHeader != s.asked.NoHeader:
		return begin, fmt.Errorf("%w; nothing was sent\n  saved: %s\n  asked: %s", ErrOtherRun, side(*k), side(s.asked))
	case s.local.Ahead(k.Run):
		return begin, fmt.Errorf("%w; nothing was sent\n  state directory: next event %d, incarnation %d\n  Kafka's cursor: next event %d, incarnation %d",
			ErrLostData, s.local.Next, s.local.Incarnation, k.Next, k.Incarnation)
	case s.partitions < k.Partitions:
		return begin, fmt.Errorf("%w; nothing was sent\n  saved: %d partitions\n  found: %d", ErrPartitions, k.Partitions, s.partitions)
	}
	next := *k
	next.Owner = s.asked.Owner
	return next, nil
}

func held(incarnations uint32) string {
	if incarnations > 0 {
		return "\n  topic: holds records of the run"
	}
	return ""
}

func side(c Cursor) string {
	header := "with headers"
	if c.NoHeader {
		header = "without headers"
	}
	return fmt.Sprintf("run %s, seed %d, snapshot %.8s, version %d, %s, next event %d", c.Name, c.Seed, c.Snapshot, c.Format, header, c.Next)
}
