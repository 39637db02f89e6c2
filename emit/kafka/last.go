package kafka

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is a committed record.
type Record struct {
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Time      int64   `json:"time"`            // its own timestamp, epoch ms
	RunID     string  `json:"runId,omitempty"` // of its header, hexadecimal: see Cursor.RunID
	N         *uint64 `json:"n,omitempty"`     // the event of its header
	Key       string  `json:"key"`
	Value     string  `json:"value"`
}

func newRecord(r *kgo.Record) Record {
	record := Record{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: string(r.Key), Value: string(r.Value)}
	if id, n, ok := ParseHeader(r); ok {
		record.RunID, record.N = hex.EncodeToString(id[:]), &n
	}
	return record
}

// Last returns the last n committed records of the topic, in order of their
// timestamps, or fewer when there are no more. Records of one millisecond are in
// order of their events.
func (conn *Connection) Last(ctx context.Context, n int) ([]Record, error) {
	extents, _, err := conn.Settled(ctx, 0)
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, x := range extents {
		tail, err := conn.tail(ctx, x, n)
		if err != nil {
			return nil, err
		}
		records = append(records, tail...)
	}
	slices.SortStableFunc(records, func(a, b Record) int {
		if a.Time != b.Time || a.N == nil || b.N == nil {
			return cmp.Compare(a.Time, b.Time)
		}
		return cmp.Compare(*a.N, *b.N)
	})
	return records[max(0, len(records)-n):], nil
}

// tail returns the last n committed records of an extent. How many of its
// offsets are markers or were aborted shows when they are read: it looks at
// ever more of them.
func (conn *Connection) tail(ctx context.Context, x Extent, n int) ([]Record, error) {
	for look := int64(2*n + 16); ; look *= 8 {
		part := Extent{x.Partition, max(x.Start, x.End-look), x.End}
		var records []Record
		err := conn.read(ctx, conn.Topic, []Extent{part}, func(r *kgo.Record) { records = append(records, newRecord(r)) })
		if err != nil || len(records) >= n || part.Start == x.Start {
			return records[max(0, len(records)-n):], err
		}
	}
}
