package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

var (
	// ErrNoAnswer is returned when a partition could not be read further for
	// too long.
	ErrNoAnswer = errors.New("the broker sends nothing more")
	// ErrTopicLost is returned when a topic is deleted, or loses records that
	// retention did not delete, while it is read.
	ErrTopicLost = errors.New("the topic changed while it was read")

	errNoOffsets = errors.New("the broker does not say")
)

// Batch is some of the committed records of a partition, in order. It is valid
// until the function that was called with it returns.
type Batch struct {
	Partition int32
	Records   []*kgo.Record
	// Skipped says that retention has deleted, before they were read, records
	// between the last batch and this one, or up to the end of the extent.
	Skipped bool
}

// patient is how long a reader waits for a broker that is slow or away.
var patient = 30 * time.Second // a test has less

// fetchBytes is how much of a partition is fetched at once, as it is stored. A
// fetch holds several times as much while it is in use: its rows, and 200 bytes
// for each record.
const fetchBytes = 1 << 20

// reader reads partitions of one topic up to offsets that are known to be
// stable. It sends its own fetch requests instead of consuming, because a
// consumer does not say how far it has come where nothing was committed, and
// waits there for ever. What a response holds is the library's to say.
type reader struct {
	*Connection
	topic        string
	each         func(Batch)
	pools        []kgo.Pool
	decompressor kgo.Decompressor

	mu      sync.Mutex
	id      [16]byte
	leaders map[int32]int32
}

// readBatches calls each as EachBatch does. Without a pool, records may be kept.
func (conn *Connection) readBatches(ctx context.Context, topic string, extents []Extent, pool *recordPool, each func(Batch)) error {
	r := &reader{Connection: conn, topic: topic, each: each}
	if pool != nil {
		r.pools = []kgo.Pool{pool}
	}
	r.decompressor = kgo.DefaultDecompressor(r.pools...)
	if err := r.findLeaders(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.GOMAXPROCS(0)) // half of them wait for the broker
	for _, x := range extents {
		group.Go(func() error { return r.partition(ctx, x) })
	}
	return group.Wait()
}

func (r *reader) findLeaders(ctx context.Context) error {
	meta, err := r.admin.Metadata(ctx, r.topic)
	if err != nil {
		return fmt.Errorf("ask for the leaders of topic %q: %w", r.topic, err)
	}
	topic := meta.Topics[r.topic]
	if topic.Err != nil {
		return fmt.Errorf("ask for the leaders of topic %q: %w", r.topic, topic.Err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.id, r.leaders = topic.ID, map[int32]int32{}
	for p, detail := range topic.Partitions {
		r.leaders[p] = detail.Leader
	}
	return nil
}

// partition reads one extent.
func (r *reader) partition(ctx context.Context, x Extent) error {
	lastProgress := time.Now()
	for at := x.Start; at < x.End; {
		fetched, next, err := r.fetch(ctx, x.Partition, at)
		switch {
		case errors.Is(err, kerr.OffsetOutOfRange):
			if next, err = r.retained(ctx, x.Partition, at); err != nil {
				return err
			}
			r.each(Batch{Partition: x.Partition, Skipped: true})
		case err != nil && !passes(err):
			return fmt.Errorf("read %s-%d at offset %d: %w", r.topic, x.Partition, at, refusedTo(err, "Read", "topic", r.topic))
		case next == at: // a broker that is slow or away, or that throttles
			if time.Since(lastProgress) > patient {
				return fmt.Errorf("read %s-%d at offset %d of %d: %w", r.topic, x.Partition, at, x.End, cmp.Or(err, ErrNoAnswer))
			}
			if err := r.pause(ctx, err); err != nil {
				return err
			}
			continue
		}
		r.hand(x, fetched)
		at, lastProgress = next, time.Now()
	}
	return nil
}

// hand passes on what lies within the extent.
func (r *reader) hand(x Extent, records []*kgo.Record) {
	for len(records) > 0 && records[len(records)-1].Offset >= x.End {
		records = records[:len(records)-1]
	}
	if len(records) > 0 {
		r.each(Batch{Partition: x.Partition, Records: records})
	}
}

// pause waits before the next attempt, and looks for the leaders after an error.
func (r *reader) pause(ctx context.Context, failure error) error {
	if err := pace.Sleep(ctx, 100*time.Millisecond); err != nil {
		return err
	}
	if failure != nil {
		if err := r.findLeaders(ctx); err != nil && !passes(err) {
			return err
		}
	}
	return ctx.Err()
}

// passes tells whether an error may be over soon: a leader that moves, a broker
// that restarts.
func passes(err error) bool {
	var code *kerr.Error
	return !errors.Is(err, ErrTopicLost) && (!errors.As(err, &code) || code.Retriable)
}

// fetch returns committed records from an offset on, and the offset behind what
// the broker sent: at itself when it sent nothing.
func (r *reader) fetch(ctx context.Context, partition int32, at int64) (records []*kgo.Record, next int64, err error) {
	r.mu.Lock()
	leader, id := r.leaders[partition], r.id
	r.mu.Unlock()
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = -1, 500, 1, fetchBytes, 1
	req.SessionEpoch = -1 // none: each request says all that it wants
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.topic, id // by name up to version 12, by id from 13 on
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = partition, at, fetchBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	answer, err := r.client.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return nil, at, err
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, at, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, at, errors.New("the broker answered for another partition")
	}
	part0 := &resp.Topics[0].Partitions[0]
	options := kgo.ProcessFetchPartitionOpts{Offset: at, IsolationLevel: kgo.ReadCommitted(), Topic: r.topic, Partition: partition, Pools: r.pools}
	fetched, next := kgo.ProcessFetchPartition(options, part0, r.decompressor, nil)
	if errors.Is(fetched.Err, kerr.UnknownTopicID) || errors.Is(fetched.Err, kerr.InconsistentTopicID) {
		return nil, at, fmt.Errorf("%w: it was deleted: %w", ErrTopicLost, fetched.Err)
	}
	return fetched.Records, next, fetched.Err
}

// retained returns the first offset that retention left of a partition that no
// longer holds offset at.
func (r *reader) retained(ctx context.Context, partition int32, at int64) (int64, error) {
	starts, err := r.admin.ListStartOffsets(ctx, r.topic)
	if err != nil {
		return 0, err
	}
	start, ok := starts.Lookup(r.topic, partition)
	if !ok || start.Err != nil {
		return 0, fmt.Errorf("start of %s-%d: %w", r.topic, partition, cmp.Or(start.Err, errNoOffsets))
	}
	if start.Offset <= at {
		return 0, fmt.Errorf("%w: %s-%d has lost offset %d and what followed", ErrTopicLost, r.topic, partition, at)
	}
	return start.Offset, nil
}
