package kafka

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"gen/core"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// scratchRun is the run of a trial.
const scratchRun = "check"

// Scratch returns a new name for the topic of a trial.
func Scratch() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return "gen.check." + hex.EncodeToString(b[:])
}

// Trial is what became of a trial delivery.
type Trial struct {
	Records []TrialRecord // read back, partition by partition in order of their offsets
	Took    time.Duration // to send and read them, without the topics
	// The brokers' clock minus this machine's lies between these two, which are
	// as far apart as the delivery took.
	ClockFrom, ClockTo time.Duration

	Left    []string // topics that could not be deleted, because of LeftErr
	LeftErr error
}

// TrialRecord is a record that was read back.
type TrialRecord struct {
	Partition int32
	Key       string
	Value     []byte
	Event     uint64 // that the header names
	Named     bool   // the header names an event
}

// Try delivers events 0 to n-1 of a sequence, in one transaction, into the
// topic scratch, which it creates and deletes, also after an error and when the
// context ends. It takes the way of every delivery, with a cursor topic of its
// own.
func (conn *Connection) Try(ctx context.Context, scratch string, partitions int, seq *core.Sequence, n uint64) (t Trial, err error) {
	c := conn.Config
	c.Topic, c.CursorTopic, c.Say, c.Shard = scratch, scratch+".cursors", func(string, ...any) {}, core.Shard{}
	own, err := Dial(c)
	if err != nil {
		return t, err
	}
	defer own.Close()
	created, err := own.createScratch(ctx, int32(partitions))
	defer func() { t.Left, t.LeftErr = own.drop(ctx, created) }()
	if err != nil {
		return t, err
	}
	begin := time.Now()
	delivery := &Delivery{
		Config: c, Sequence: seq, End: n, Events: new(atomic.Uint64), Save: func(core.Run) error { return nil },
		Run: core.Run{Name: scratchRun, Snapshot: seq.Snapshot.ID(), Recipe: seq.Snapshot.Recipe, Seed: seq.Seed, Format: core.FormatVersion, Schedule: seq.Schedule},
	}
	if _, err := delivery.Deliver(ctx); err != nil {
		return t, err
	}
	err = own.readTrial(ctx, &t, time.Now())
	t.Took = time.Since(begin)
	return t, err
}

// createScratch creates the topics of a trial and returns those that may be
// there now. The context's end does not cut it short: a topic that is created
// after it was deleted would stay.
func (conn *Connection) createScratch(ctx context.Context, partitions int32) (created []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), trialPatience)
	defer cancel()
	events, cursors := conn.topicShape(), conn.cursorShape()
	events.partitions, cursors.partitions = partitions, 1
	// The time of the cursor record is then the broker's.
	cursors.configs["message.timestamp.type"] = kadm.StringPtr("LogAppendTime")
	for _, s := range []shape{events, cursors} {
		if err = conn.createOne(ctx, s); !IsRefused(err) {
			created = append(created, s.name)
		}
		if err != nil {
			break
		}
	}
	return created, err
}

// trialPatience is how long creating and deleting the topics may take.
const trialPatience = 15 * time.Second

// drop deletes topics and returns those that may still be there. The context's
// end does not keep it from that.
func (conn *Connection) drop(ctx context.Context, topics []string) (left []string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), trialPatience)
	defer cancel()
	answers, err := conn.admin.DeleteTopics(ctx, topics...)
	if err != nil {
		return topics, err
	}
	for _, topic := range topics {
		if e := answers[topic].Err; e != nil && !errors.Is(e, kerr.UnknownTopicOrPartition) {
			left, err = append(left, topic), e
		}
	}
	return left, err
}

// readTrial reads back what was delivered, and tells the brokers' clock by the
// cursor record: made at the time in its value and committed before the given
// one by this machine's clock, its own time is that of the broker in between.
func (conn *Connection) readTrial(ctx context.Context, t *Trial, committed time.Time) error {
	if err := conn.load(ctx, false); err != nil {
		return err
	}
	for p := range int32(conn.partitions) {
		err := conn.readCommitted(ctx, conn.Topic, []int32{p}, func(r *kgo.Record) {
			_, n, ok := ParseHeader(r)
			t.Records = append(t.Records, TrialRecord{r.Partition, string(r.Key), r.Value, n, ok})
		})
		if err != nil {
			return err
		}
	}
	return conn.readCommitted(ctx, conn.CursorTopic, all(conn.cursorPartitions), func(r *kgo.Record) {
		var c Cursor
		if json.Unmarshal(r.Value, &c) == nil {
			t.ClockFrom, t.ClockTo = r.Timestamp.Sub(committed), r.Timestamp.Sub(time.UnixMilli(c.Time))
		}
	})
}
