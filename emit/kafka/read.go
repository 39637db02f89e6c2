package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Extent is what a partition holds.
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
	starts, err := conn.admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	var extents []Extent
	for _, p := range partitions {
		start, ok := starts.Lookup(topic, p)
		if !ok || start.Err != nil {
			return nil, fmt.Errorf("start of %s-%d: %w", topic, p, start.Err)
		}
		end, err := conn.stableEnd(ctx, topic, p)
		if err != nil {
			return nil, err
		}
		extents = append(extents, Extent{p, start.Offset, end})
	}
	return extents, nil
}

// Each calls each with the committed records of the topic within the extents,
// partition by partition in order, partitions mixed.
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
	from, ends := map[int32]kgo.Offset{}, map[int32]int64{}
	for _, x := range extents {
		if x.Start < x.End {
			from[x.Partition], ends[x.Partition] = kgo.NewOffset().At(x.Start), x.End
		}
	}
	if len(ends) == 0 {
		return nil
	}
	// Control records show the position also where nothing was committed.
	reader, err := kgo.NewClient(append(conn.options(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(ends) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, e := range fetches.Errors() {
			return fmt.Errorf("read %s-%d: %w", e.Topic, e.Partition, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, open := ends[r.Partition]
			if open && r.Offset < end && !r.Attrs.IsControl() {
				each(r)
			}
			if open && r.Offset >= end-1 {
				delete(ends, r.Partition)
			}
		})
	}
	return nil
}
