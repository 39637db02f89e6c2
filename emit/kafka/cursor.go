package kafka

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kgo"
)

// HeaderKey is the key of the header that names an event.
const HeaderKey = "gen"

// Cursor is the value of a cursor record: how far a run, or a shard of it, has
// come. Next is the first event that may still be missing in one of its partitions.
type Cursor struct {
	core.Run
	Generation uint32   `json:"generation"` // changes with the number of shards
	Nexts      []uint64 `json:"nexts"`      // of each partition: the first event that may still be missing there
	TopicID    string   `json:"topicId"`
	Partitions int      `json:"partitions"` // that the run began with
	NoHeader   bool     `json:"noHeader,omitempty"`
	Owner      string   `json:"owner"` // host and state directory
	Time       int64    `json:"time"`  // of the commit, epoch ms
}

// ofGeneration takes the place of a shard in the key and the transactional id of
// what says how many shards a run has.
const ofGeneration = "generation"

// key returns the key of the cursor record of a run's shard.
func key(topic, run, shard string) []byte { return []byte(topic + "/" + run + "/" + shard) }

// NextOf returns the first event that may still be missing in a partition.
func (c *Cursor) NextOf(partition int) uint64 {
	if partition < len(c.Nexts) {
		return c.Nexts[partition]
	}
	return c.Next
}

// Front returns the first event that no partition has.
func (c *Cursor) Front() uint64 { return max(c.Next, slices.Max(append([]uint64{0}, c.Nexts...))) }

// advanced returns the cursor behind all events of the shard's partitions before
// next.
func (c Cursor) advanced(shard core.Shard, next uint64) Cursor {
	c.Next, c.Nexts = next, slices.Clone(c.Nexts)
	for p := range c.Nexts {
		if shard.Owns(p) {
			c.Nexts[p] = max(c.Nexts[p], next)
		}
	}
	return c
}

// of returns the cursor of a shard whose partitions stand where those of c do.
func (c Cursor) of(shard core.Shard) Cursor {
	c.Shard, c.Done = shard.String(), false
	c.Next = c.Front()
	for p, next := range c.Nexts {
		if shard.Owns(p) {
			c.Next = min(c.Next, next)
		}
	}
	return c
}

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
	return conn.keptRecord(c.Name, c.Shard, value), err
}

// keptRecord returns a record of the cursor topic.
func (conn *Connection) keptRecord(run, shard string, value []byte) *kgo.Record {
	k := key(conn.Topic, run, shard)
	return &kgo.Record{Topic: conn.CursorTopic, Partition: cursorPartition(k, conn.cursorPartitions), Key: k, Value: value}
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

// endOf returns up to which offset a partition is read.
type endOf func(ctx context.Context, topic string, partition int32) (int64, error)

// peekCursor returns the last committed cursor of a run's shard, nil when there is
// none. It does not wait: a transaction that is open at the moment hides the cursors
// behind its beginning.
func peekCursor(ctx context.Context, conn *Connection, run, shard string) (*Cursor, error) {
	return conn.lastCursor(ctx, run, shard, conn.lastStable)
}

func (conn *Connection) lastCursor(ctx context.Context, run, shard string, end endOf) (*Cursor, error) {
	return lastValue[Cursor](ctx, conn, run, shard, end)
}

// lastValue returns what the last committed record of a key holds, nil when there
// is none.
func lastValue[T any](ctx context.Context, conn *Connection, run, shard string, end endOf) (*T, error) {
	r, err := conn.lastCursorRecord(ctx, run, shard, end)
	if err != nil || r == nil || r.Value == nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(r.Value, v); err != nil {
		return nil, fmt.Errorf("%w: offset %d of %s-%d: %w", ErrDamagedCursor, r.Offset, r.Topic, r.Partition, err)
	}
	return v, nil
}

// lastCursorRecord returns the last committed record of a key below the end of its
// partition.
func (conn *Connection) lastCursorRecord(ctx context.Context, run, shard string, end endOf) (last *kgo.Record, err error) {
	if conn.cursorPartitions == 0 {
		return nil, nil // no cursor topic, no cursor
	}
	k := key(conn.Topic, run, shard)
	partition := cursorPartition(k, conn.cursorPartitions)
	starts, err := conn.admin.ListStartOffsets(ctx, conn.CursorTopic)
	if err != nil {
		return nil, err
	}
	start, ok := starts.Lookup(conn.CursorTopic, partition)
	if !ok || start.Err != nil {
		return nil, fmt.Errorf("start of %s-%d: %w", conn.CursorTopic, partition, cmp.Or(start.Err, errNoOffsets))
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

// ErrNoCursorTopic is returned when the cluster has no cursor topic.
var ErrNoCursorTopic = errors.New("there is no cursor topic")

// stableEnd returns the high watermark of a partition, after waiting until
// the last stable offset has reached it: no transaction is open below.
func (conn *Connection) stableEnd(ctx context.Context, topic string, partition int32) (int64, error) {
	ends, err := conn.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	end, ok := ends.Lookup(topic, partition)
	if !ok || end.Err != nil {
		return 0, fmt.Errorf("end of %s-%d: %w", topic, partition, cmp.Or(end.Err, errNoOffsets))
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
		if err := pace.Sleep(ctx, 50*time.Millisecond); err != nil {
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
		return 0, fmt.Errorf("last stable offset of %s-%d: %w", topic, partition, cmp.Or(o.Err, errNoOffsets))
	}
	return o.Offset, nil
}
