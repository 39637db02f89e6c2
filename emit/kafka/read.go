package kafka

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Extent is what a partition holds, or a part of it.
type Extent struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"` // first offset that retention left
	End       int64 `json:"end"`   // first offset that no committed record has yet
}

// all returns the partitions 0 to n-1.
func all(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// Extents returns what the topic's partitions hold, in order.
func (conn *Connection) Extents(ctx context.Context) ([]Extent, error) {
	return conn.extents(ctx, conn.Topic, all(conn.partitions))
}

// extents waits until no transaction is open below the present ends.
func (conn *Connection) extents(ctx context.Context, topic string, partitions []int32) ([]Extent, error) {
	extents, held, err := conn.settle(ctx, topic, partitions, conn.TransactionTimeout+15*time.Second)
	if err == nil && len(held) > 0 {
		h := held[0]
		err = fmt.Errorf("%w: %s-%d is stable up to offset %d only, of %d", ErrHanging, topic, h.Partition, h.Start, h.End)
	}
	return extents, err
}

// Settled returns what the topic's partitions hold, in order, and which
// offsets an open transaction hides from read_committed although they were
// there when Settled was called. It waits for the transaction to end until
// patience is over.
//
// Who has read a cursor before the call finds every event before the cursor
// within the extents, or hidden. The last stable offset alone would not do: a
// transaction's markers reach its partitions one after the other, so that the
// cursor may be visible before the last events it covers are. But those events
// were acknowledged before the transaction was ended, so they lie below the high
// watermarks of now, and Settled waits until the last stable offsets have passed
// those.
func (conn *Connection) Settled(ctx context.Context, patience time.Duration) (extents, hidden []Extent, err error) {
	return conn.settle(ctx, conn.Topic, all(conn.partitions), patience)
}

// Settling is how long a reader waits for an open transaction: longer than one
// of a run takes, shorter than a person's patience.
const Settling = 5 * time.Second

// settle takes the high watermarks of the partitions once and waits until the
// last stable offsets have reached them. When patience is over, hidden holds
// what is left between the two.
func (conn *Connection) settle(ctx context.Context, topic string, partitions []int32, patience time.Duration) (extents, hidden []Extent, err error) {
	starts, err := conn.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	ends, err := conn.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range partitions {
		start, startOK := starts.Lookup(topic, p)
		end, endOK := ends.Lookup(topic, p)
		if !startOK || start.Err != nil || !endOK || end.Err != nil {
			return nil, nil, fmt.Errorf("offsets of %s-%d: %w", topic, p, cmp.Or(start.Err, end.Err, errNoOffsets))
		}
		extents = append(extents, Extent{p, start.Offset, end.Offset})
	}
	deadline := time.Now().Add(patience)
	for pause, said := 5*time.Millisecond, false; ; pause = min(2*pause, 100*time.Millisecond) {
		if hidden, err = conn.unstable(ctx, topic, extents); err != nil || len(hidden) == 0 {
			return extents, nil, err
		}
		if time.Now().After(deadline) {
			return without(extents, hidden), hidden, nil
		}
		if !said && pause == 100*time.Millisecond {
			conn.Say("waiting for an open transaction in %s-%d to end", topic, hidden[0].Partition)
			said = true
		}
		if err := pace.Sleep(ctx, pause); err != nil {
			return nil, nil, err
		}
	}
}

// unstable returns the parts of the extents that lie behind the last stable
// offsets.
func (conn *Connection) unstable(ctx context.Context, topic string, extents []Extent) ([]Extent, error) {
	stable, err := conn.admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	var hidden []Extent
	for _, x := range extents {
		o, ok := stable.Lookup(topic, x.Partition)
		if !ok || o.Err != nil {
			return nil, fmt.Errorf("last stable offset of %s-%d: %w", topic, x.Partition, cmp.Or(o.Err, errNoOffsets))
		}
		if o.Offset < x.End {
			hidden = append(hidden, Extent{x.Partition, o.Offset, x.End})
		}
	}
	return hidden, nil
}

// without ends the extents where what is hidden begins.
func without(extents, hidden []Extent) []Extent {
	for _, h := range hidden {
		for i := range extents {
			if extents[i].Partition == h.Partition {
				extents[i].End = h.Start
			}
		}
	}
	return extents
}

// Each calls each with the committed records of the topic within the extents,
// partition by partition in order, partitions mixed. A record may be kept.
func (conn *Connection) Each(ctx context.Context, extents []Extent, each func(*kgo.Record)) error {
	return conn.read(ctx, conn.Topic, extents, each)
}

// readCommitted calls each with the committed records of the partitions, from
// their starts to their high watermarks of now.
func (conn *Connection) readCommitted(ctx context.Context, topic string, partitions []int32, each func(*kgo.Record)) error {
	extents, err := conn.extents(ctx, topic, partitions)
	if err != nil {
		return err
	}
	return conn.read(ctx, topic, extents, each)
}

func (conn *Connection) read(ctx context.Context, topic string, extents []Extent, each func(*kgo.Record)) error {
	var mu sync.Mutex
	return conn.readBatches(ctx, topic, extents, nil, func(b Batch) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range b.Records {
			each(r)
		}
	})
}

// EachBatch calls each with the committed records of the topic within the
// extents: several partitions at a time, a partition's batches in order and one
// at a time. It is several times as fast as Each.
func (conn *Connection) EachBatch(ctx context.Context, extents []Extent, each func(Batch)) error {
	pool := new(recordPool)
	return conn.readBatches(ctx, conn.Topic, extents, pool, func(b Batch) {
		each(b)
		for _, r := range b.Records {
			r.Recycle()
		}
	})
}

// recordPool implements kgo.PoolRecords and kgo.PoolDecompressBytes: half of what
// reading costs is making and collecting records.
type recordPool struct{ records, bytes sync.Pool }

func (p *recordPool) GetRecords(n int) []kgo.Record {
	if s, ok := p.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:n]
	}
	return make([]kgo.Record, n)
}

func (p *recordPool) PutRecords(s []kgo.Record) { p.records.Put(&s) }

// GetDecompressBytes returns a slice that the library makes larger when it must.
func (p *recordPool) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte {
	if s, ok := p.bytes.Get().(*[]byte); ok {
		return *s
	}
	return nil
}

func (p *recordPool) PutDecompressBytes(s []byte) { p.bytes.Put(&s) }
