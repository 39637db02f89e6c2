package kafka

import (
	"context"
	"encoding/binary"
	"slices"
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
	delivery *Delivery
	run      [8]byte // what the headers begin with
	homes    *core.Partitions
	own      *ownEvents

	ready, free chan *lot
	made        int // lots
	current     *lot
	taken       int // of the current lot
	acks        acks
	stop        func() // and wait until nothing runs any more
}

// lot holds the records of the shard's next events. Key, header and value of each
// are slices of one array.
type lot struct {
	feed    *feed
	to      uint64 // every event of the shard before it is in this lot, or in one before
	ns      []uint64
	events  []core.Event
	records []kgo.Record
	headers []kgo.RecordHeader
	bytes   []byte
	promise func(*kgo.Record, error)
	open    atomic.Int64 // records that the client is not done with
}

// newFeed begins to make the records of the shard's events from the cursor up to,
// not including, the delivery's end.
func newFeed(ctx context.Context, d *Delivery, cursor Cursor) *feed {
	f := &feed{
		delivery: d, run: cursor.RunID(), ready: make(chan *lot, lots), free: make(chan *lot, lots),
		homes: core.NewPartitions(d.Sequence.Snapshot, cursor.Partitions),
	}
	f.own = newOwnEvents(d, cursor, f.homes)
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.fill(ctx)
	}()
	f.stop = func() { cancel(); <-over }
	return f
}

// fill fills lots until the end of the run or of the context.
func (f *feed) fill(ctx context.Context) {
	for f.own.at < f.delivery.End {
		l := f.empty(ctx)
		if l == nil {
			return
		}
		l.fill()
		f.ready <- l // which has room for every lot there is
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

// piece is some of a lot's events that follow each other, and their records.
type piece struct {
	events  []core.Event
	records []kgo.Record
	promise func(*kgo.Record, error)
	next    uint64 // every event of the shard before it is in this piece, or in one before
	taken   time.Time
	wait    time.Duration // when the quota of the first one's partition is used up
}

// load waits for a lot, unless there is one.
func (f *feed) load(ctx context.Context) error {
	if f.current != nil {
		return nil
	}
	select {
	case f.current = <-f.ready:
		f.taken = 0
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// peek returns the shard's next event, the delivery's end when it has no more. It
// waits for a lot and returns the context's error.
func (f *feed) peek(ctx context.Context) (uint64, error) {
	for {
		if err := f.load(ctx); err != nil {
			return 0, err
		}
		l := f.current
		if f.taken < len(l.ns) {
			return l.ns[f.taken], nil
		}
		if l.to >= f.delivery.End {
			return l.to, nil
		}
		f.drop()
	}
}

// drop leaves the lot, which has no more events. One that never had any goes back
// by itself.
func (f *feed) drop() {
	if l := f.current; len(l.ns) == 0 {
		f.free <- l
	}
	f.current = nil
}

// take returns the next events: some, but none from due on, no more than most, and
// none that a partition has no quota for; none at all when a lot has only those of
// other shards. It waits for a lot and returns the context's error.
func (f *feed) take(ctx context.Context, due, most uint64) (piece, error) {
	if err := f.load(ctx); err != nil {
		return piece{}, err
	}
	l := f.current
	from := f.taken
	to := int(min(uint64(len(l.ns)), uint64(from)+most))
	if to > from && l.ns[to-1] >= due {
		before, _ := slices.BinarySearch(l.ns[from:to], due)
		to = from + before
	}
	p := piece{promise: l.promise, taken: time.Now()}
	if f.delivery.quota != nil {
		to, p.wait = f.allowed(l.records[:to], from, p.taken)
	}
	p.events, p.records, p.next = l.events[from:to], l.records[from:to], l.to
	if f.taken = to; to < len(l.ns) {
		p.next = l.ns[to]
	} else {
		f.drop()
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
		feed: f, ns: make([]uint64, lotEvents), events: make([]core.Event, lotEvents), records: make([]kgo.Record, lotEvents), headers: make([]kgo.RecordHeader, lotEvents),
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

// fill makes the records of the shard's next events.
func (l *lot) fill() {
	f := l.feed
	d := f.delivery
	l.ns, l.events = l.ns[:lotEvents], l.events[:lotEvents]
	k := f.own.next(l.ns, l.events)
	l.to, l.ns, l.events, l.records = f.own.at, l.ns[:k], l.events[:k], l.records[:k]
	l.open.Store(int64(k))
	b := l.bytes[:0]
	for i, e := range l.events {
		keyAt := len(b)
		b = strconv.AppendUint(b, uint64(e.User), 10)
		headerAt := len(b)
		b = append(b, f.run[:]...)
		b = binary.BigEndian.AppendUint64(b, l.ns[i])
		valueAt := len(b)
		b = encode.AppendJSONL(b, l.events[i:i+1])
		b = b[:len(b)-1] // a record needs no line feed
		l.records[i] = kgo.Record{
			Topic: d.Topic, Partition: f.homes.Of(e.User),
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
