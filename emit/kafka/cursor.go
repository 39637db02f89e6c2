package kafka

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gen/core"

	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderKey is the key of the header that names an event.
const HeaderKey = "gen"

// Cursor is the value of a cursor record: how far a run has come.
type Cursor struct {
	core.Run
	Generation uint32   `json:"generation"` // changes with the number of shards
	Shard      string   `json:"shard"`      // "0-of-1"
	Nexts      []uint64 `json:"nexts"`      // of each partition: the first event that may still be missing there
	TopicID    string   `json:"topicId"`
	Partitions int      `json:"partitions"` // that the run began with
	NoHeader   bool     `json:"noHeader,omitempty"`
	Owner      string   `json:"owner"` // host and state directory
	Time       int64    `json:"time"`  // of the commit, epoch ms
}

const onlyShard = "0-of-1"

// key returns the key of the cursor record of a run.
func key(topic, run string) []byte { return []byte(topic + "/" + run + "/" + onlyShard) }

// RunID returns what the header of a run's records begins with: the first 8
// bytes of the SHA-256 over topic id, run, incarnation, snapshot, seed and
// format version, each followed by LF.
func (c Cursor) RunID() [8]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%d\n%s\n%d\n%d\n", c.TopicID, c.Name, c.Incarnation, c.Snapshot, c.Seed, c.Format))
	return [8]byte(sum[:8])
}

// maxIncarnations is how many incarnations of a run are looked for.
const maxIncarnations = 1000

// incarnations returns the run ids of the run's incarnations.
func (c Cursor) incarnations() map[[8]byte]uint32 {
	ids := make(map[[8]byte]uint32, maxIncarnations)
	for i := range uint32(maxIncarnations) {
		c.Incarnation = i
		ids[c.RunID()] = i
	}
	return ids
}

// record returns the record that keeps the cursor.
func (c Cursor) record(conn *Connection) (*kgo.Record, error) {
	c.Time = time.Now().UnixMilli()
	value, err := json.Marshal(c)
	k := key(conn.Topic, c.Name)
	return &kgo.Record{Topic: conn.CursorTopic, Partition: cursorPartition(k, conn.cursorPartitions), Key: k, Value: value}, err
}

// nexts returns the cursors of partitions that all stand at one event.
func nexts(next uint64, partitions int) []uint64 {
	return slices.Repeat([]uint64{next}, partitions)
}

// ParseHeader returns the run and the event that a record's header names.
func ParseHeader(r *kgo.Record) (run [8]byte, n uint64, ok bool) {
	for _, h := range r.Headers {
		if h.Key == HeaderKey && len(h.Value) == 16 {
			return [8]byte(h.Value[:8]), binary.BigEndian.Uint64(h.Value[8:]), true
		}
	}
	return run, 0, false
}

// cursorPartition returns the partition of a key: that of Kafka's default
// partitioner.
func cursorPartition(key []byte, partitions int) int32 {
	return int32(core.Murmur2(key)&0x7fffffff) % int32(partitions)
}

// ErrDamagedCursor is returned for a cursor record that cannot be read. Repair
// writes it anew from the topic, or a restart does without it.
var ErrDamagedCursor = errors.New("the cursor record cannot be read")

// readCursor returns the last committed cursor of a run, nil when there is
// none. It reads the cursor's partition up to its present end, for which it
// waits until no transaction is open below it.
func readCursor(ctx context.Context, conn *Connection, run string) (*Cursor, error) {
	return conn.lastCursor(ctx, run, conn.stableEnd)
}

// peekCursor is readCursor without waiting: a transaction that is open at the
// moment hides the cursors behind its beginning.
func peekCursor(ctx context.Context, conn *Connection, run string) (*Cursor, error) {
	return conn.lastCursor(ctx, run, conn.lastStable)
}

func (conn *Connection) lastCursor(ctx context.Context, run string, end func(context.Context, string, int32) (int64, error)) (*Cursor, error) {
	r, err := conn.lastCursorRecord(ctx, run, end)
	if err != nil || r == nil || r.Value == nil {
		return nil, err
	}
	c := new(Cursor)
	if err := json.Unmarshal(r.Value, c); err != nil {
		return nil, fmt.Errorf("%w: offset %d of %s-%d: %w", ErrDamagedCursor, r.Offset, r.Topic, r.Partition, err)
	}
	return c, nil
}

// lastCursorRecord returns the last committed record of the run's key below
// the end of its partition.
func (conn *Connection) lastCursorRecord(ctx context.Context, run string, end func(context.Context, string, int32) (int64, error)) (last *kgo.Record, err error) {
	if conn.cursorPartitions == 0 {
		return nil, nil // no cursor topic, no cursor
	}
	k := key(conn.Topic, run)
	partition := cursorPartition(k, conn.cursorPartitions)
	starts, err := conn.admin.ListStartOffsets(ctx, conn.CursorTopic)
	if err != nil {
		return nil, err
	}
	start, ok := starts.Lookup(conn.CursorTopic, partition)
	if !ok || start.Err != nil {
		return nil, fmt.Errorf("start of %s-%d: %w", conn.CursorTopic, partition, start.Err)
	}
	to, err := end(ctx, conn.CursorTopic, partition)
	if err != nil {
		return nil, err
	}
	err = conn.read(ctx, conn.CursorTopic, []Extent{{partition, start.Offset, to}}, func(r *kgo.Record) {
		if bytes.Equal(r.Key, k) {
			last = r
		}
	})
	return last, err
}

// ReadCursors returns the cursors of every run into the topic, by run. Behind a
// transaction that stays open they are not visible: the ones before are returned
// then. It returns ErrNoCursorTopic when there is no cursor topic.
func (conn *Connection) ReadCursors(ctx context.Context) (map[string]*Cursor, error) {
	if conn.cursorPartitions == 0 {
		return nil, fmt.Errorf("%w %q on %s", ErrNoCursorTopic, conn.CursorTopic, strings.Join(conn.Brokers, ","))
	}
	extents, _, err := conn.settle(ctx, conn.CursorTopic, all(conn.cursorPartitions), Settling)
	if err != nil {
		return nil, err
	}
	last := map[string]*kgo.Record{}
	err = conn.read(ctx, conn.CursorTopic, extents, func(r *kgo.Record) {
		if bytes.HasPrefix(r.Key, []byte(conn.Topic+"/")) { // a topic's name holds no slash
			last[string(r.Key)] = r
		}
	})
	if err != nil {
		return nil, err
	}
	cursors := map[string]*Cursor{}
	for k, r := range last {
		if r.Value == nil {
			continue // deleted
		}
		c := new(Cursor)
		if err := json.Unmarshal(r.Value, c); err != nil || c.Partitions < 1 || string(key(conn.Topic, c.Name)) != k {
			return nil, fmt.Errorf("%w: key %q, offset %d of %s-%d: %w", ErrDamagedCursor, k, r.Offset, r.Topic, r.Partition, firstErr(err, errNotOfKey))
		}
		cursors[c.Name] = c
	}
	return cursors, nil
}

// ErrNoCursorTopic is returned when the cluster has no cursor topic.
var ErrNoCursorTopic = errors.New("there is no cursor topic")

var errNotOfKey = errors.New("it is not the cursor of this key")

// stableEnd returns the high watermark of a partition, after waiting until
// the last stable offset has reached it: no transaction is open below.
func (conn *Connection) stableEnd(ctx context.Context, topic string, partition int32) (int64, error) {
	ends, err := conn.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok || end.Err != nil {
		return 0, fmt.Errorf("end of %s-%d: %w", topic, partition, end.Err)
	}
	deadline := time.Now().Add(conn.TransactionTimeout + 15*time.Second)
	for said := false; ; {
		stable, err := conn.lastStable(ctx, topic, partition)
		if err != nil || stable >= end.Offset {
			return end.Offset, err
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%w: %s-%d is stable up to offset %d only, of %d", ErrHanging, topic, partition, stable, end.Offset)
		}
		if !said {
			conn.Say("waiting for an open transaction in %s-%d to end", topic, partition)
			said = true
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func (conn *Connection) lastStable(ctx context.Context, topic string, partition int32) (int64, error) {
	offsets, err := conn.admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	o, ok := offsets.Lookup(topic, partition)
	if !ok || o.Err != nil {
		return 0, fmt.Errorf("last stable offset of %s-%d: %w", topic, partition, o.Err)
	}
	return o.Offset, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
