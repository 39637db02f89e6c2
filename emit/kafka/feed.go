package kafka

import (
	"context"
	"encoding/binary"
	"strconv"
	"sync/atomic"
	"time"

	"gen/core"
	"gen/emit/encode"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// lotEvents is how many events are made ready at a time.
	lotEvents = 8192
	// lots is how many such lots there are at the most, whatever the broker
	// does: some 25 MB when all are in use. Few lots stay in the caches, which
	// is worth a third of the client's time against one of 100,000 events.
	lots = 8
)

// feed makes the records of a session's events ready while the transaction
// before is still being committed. A lot that the client is done with is made
// anew in place, so that nothing is allocated for an event; when the broker is
// slow no lot comes back, and the feed waits.
type feed struct {
	delivery   *Delivery
	run        [8]byte // what the headers begin with
	partitions int

	ready, free chan *lot
	made        int // lots
	current     *lot
	taken       int // of the current lot
	acks        acks
	stop        func() // and wait until nothing runs any more
}

// lot holds the records of consecutive events. Key, header and value of each
// are slices of one array.
type lot struct {
	feed    *feed
	events  []core.Event
	records []kgo.Record
	headers []kgo.RecordHeader
	bytes   []byte
	promise func(*kgo.Record, error)
	open    atomic.Int64 // records that the client is not done with
}

// newFeed begins to make the records of the events from up to, not including,
// the delivery's end.
func newFeed(ctx context.Context, d *Delivery, cursor Cursor) *feed {
	f := &feed{delivery: d, run: cursor.RunID(), partitions: cursor.Partitions, ready: make(chan *lot, lots), free: make(chan *lot, lots)}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.fill(ctx, cursor.Next)
	}()
	f.stop = func() { cancel(); <-over }
	return f
}

// fill fills lots until the end of the run or of the context.
func (f *feed) fill(ctx context.Context, from uint64) {
	for from < f.delivery.End {
		l := f.empty(ctx)
		if l == nil {
			return
		}
		to := from + min(lotEvents, f.delivery.End-from)
		l.fill(from, to)
		f.ready <- l // which has room for every lot there is
		from = to
	}
}

// empty returns a lot that the client is done with, or a new one while there
// are few; nil when the context ends.
func (f *feed) empty(ctx context.Context) *lot {
	select {
	case l := <-f.free:
		return l
	case <-ctx.Done():
		return nil
	default:
	}
	if f.made < lots {
		f.made++
		return f.newLot()
	}
	select {
	case l := <-f.free:
		return l
	case <-ctx.Done():
		return nil
	}
}

// piece is some consecutive events of a lot, and their records.
type piece struct {
	events  []core.Event
	records []kgo.Record
	promise func(*kgo.Record, error)
	taken   time.Time
	wait    time.Duration // when the quota of the first one's partition is used up
}

// take returns the next events: some, but no more than most, and none that a
// partition has no quota for. It waits for a lot and returns the context's error.
func (f *feed) take(ctx context.Context, most uint64) (piece, error) {
	if f.current == nil {
		select {
		case f.current = <-f.ready:
			f.taken = 0
		case <-ctx.Done():
			return piece{}, ctx.Err()
		}
	}
	l := f.current
	from, to := f.taken, int(min(uint64(len(l.records)), uint64(f.taken)+most))
	p := piece{promise: l.promise, taken: time.Now()}
	if f.delivery.quota != nil {
		to, p.wait = f.allowed(l.records[:to], from, p.taken)
	}
	p.events, p.records = l.events[from:to], l.records[from:to]
	if f.taken = to; to == len(l.records) {
		f.current = nil
	}
	return p, nil
}

// allowed returns the first record, from one on, that its partition has no quota
// for, and how long that is when it is the first.
func (f *feed) allowed(records []kgo.Record, from int, now time.Time) (to int, wait time.Duration) {
	for to = from; to < len(records); to++ {
		if wait := f.delivery.quota.Take(int(records[to].Partition), now); wait > 0 {
			if to > from {
				wait = 0
			}
			return to, wait
		}
	}
	return to, 0
}

func (f *feed) newLot() *lot {
	l := &lot{
		feed: f, events: make([]core.Event, lotEvents), records: make([]kgo.Record, lotEvents), headers: make([]kgo.RecordHeader, lotEvents),
		bytes: make([]byte, 0, lotEvents*(10+16+encode.MaxRow)),
	}
	l.promise = l.done
	return l
}

// done is told that the client is done with one of the lot's records.
func (l *lot) done(r *kgo.Record, err error) {
	l.feed.acks.done(r, err)
	if l.open.Add(-1) == 0 {
		l.feed.free <- l
	}
}

// fill makes the records of the events from up to, not including, to.
func (l *lot) fill(from, to uint64) {
	d, k := l.feed.delivery, int(to-from)
	l.events, l.records = l.events[:k], l.records[:k]
	l.open.Store(int64(k))
	b := l.bytes[:0]
	d.Sequence.Fill(l.events, from)
	for i, e := range l.events {
		keyAt := len(b)
		b = strconv.AppendUint(b, uint64(e.User), 10)
		headerAt := len(b)
		b = append(b, l.feed.run[:]...)
		b = binary.BigEndian.AppendUint64(b, from+uint64(i))
		valueAt := len(b)
		b = encode.AppendJSONL(b, l.events[i:i+1])
		b = b[:len(b)-1] // a record needs no line feed
		l.records[i] = kgo.Record{
			Topic: d.Topic, Partition: int32(core.Murmur2(b[keyAt:headerAt])&0x7fffffff) % int32(l.feed.partitions),
			Key: b[keyAt:headerAt:headerAt], Value: b[valueAt:len(b):len(b)],
		}
		if !d.NoHeader {
			l.headers[i] = kgo.RecordHeader{Key: HeaderKey, Value: b[headerAt:valueAt:valueAt]}
			l.records[i].Headers = l.headers[i : i+1 : i+1]
		}
		if d.EventTime {
			l.records[i].Timestamp = time.UnixMilli(e.Time)
		}
	}
}

// acks counts what becomes of the records of a session.
type acks struct {
	open  atomic.Int64 // sent and not acknowledged
	first atomic.Pointer[error]
}

func (a *acks) done(r *kgo.Record, err error) {
	if err != nil {
		err = refusedTo(err, "Write", "topic", r.Topic)
		a.first.CompareAndSwap(nil, &err)
		return
	}
	a.open.Add(-1)
}

// failure returns the first failure of a record.
func (a *acks) failure() error {
	if err := a.first.Load(); err != nil {
		return *err
	}
	return nil
}
