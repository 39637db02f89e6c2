package kafka

import (
	"context"
	"errors"
	"fmt"

	"gen/core"
	"gen/emit/encode"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	// ErrNoRecords is returned when a topic holds no record of a run.
	ErrNoRecords = errors.New("the topic holds no record of the run")
	// ErrSchedule is returned when the records are those of the run, but for
	// their times.
	ErrSchedule = errors.New("the records have the times of another schedule")
	// ErrHoles is returned when a partition lacks events that are before the
	// last one in the topic: no cursor stands for such a topic.
	ErrHoles = errors.New("events are missing in the middle")
)

// Repair is what stands behind gen repair. Every way plans without changing
// anything, and acts when asked to.
type Repair struct {
	Config
	Run      core.Run // identity as it would begin
	Sequence *core.Sequence
	Local    core.Run // by the state directory; Next is 0 when it has none
}

// HangingPlan is what is known of a run's transaction without shutting out a
// process that may be at work.
type HangingPlan struct {
	TransactionalID string            `json:"transactionalId"`
	ProducerID      int64             `json:"producerId"`
	State           string            `json:"state"` // by the coordinator: Ongoing is no hang, but work
	Open            []OpenTransaction `json:"open"`
}

// PlanHanging looks for open transactions of the run.
func (r Repair) PlanHanging(ctx context.Context) (plan HangingPlan, err error) {
	conn, err := Connect(ctx, r.Config, false)
	if err != nil {
		return plan, err
	}
	defer conn.Close()
	if err := conn.mustHaveTopic(); err != nil {
		return plan, err
	}
	plan.TransactionalID, plan.Open = transactionalID(r.Topic, r.Run.Name), []OpenTransaction{}
	described, err := conn.admin.DescribeTransactions(ctx, plan.TransactionalID)
	if err != nil {
		return plan, fmt.Errorf("describe transactional id %q: %w", plan.TransactionalID, err)
	}
	d, err := described.On(plan.TransactionalID, nil)
	if err == nil {
		err = d.Err
	}
	if err != nil {
		return plan, fmt.Errorf("describe transactional id %q: %w", plan.TransactionalID, err)
	}
	plan.ProducerID, plan.State = d.ProducerID, d.State
	open, err := conn.openTransactions(ctx)
	for _, o := range open {
		if o.ProducerID == d.ProducerID {
			plan.Open = append(plan.Open, o)
		}
	}
	return plan, err
}

// EndHanging shuts out whoever drives the run and ends what hangs.
func (r Repair) EndHanging(ctx context.Context) error {
	r.Config.EndHanging = true
	s, err := r.fence(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.settleHanging(ctx)
}

// fence connects and shuts out whoever drives the run.
func (r Repair) fence(ctx context.Context) (*session, error) {
	conn, err := Connect(ctx, r.Config, true)
	if err != nil {
		return nil, err
	}
	s := &session{Connection: conn, run: r.Run.Name, previous: -1, acknowledged: r.Local}
	err = s.awaitOwner(ctx, r.Owner)
	if err == nil {
		err = s.fence(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// PlanFromTopic returns the cursor that the committed records of the topic
// stand for, by their headers. It returns ErrNoRecords, ErrHoles, ErrSchedule,
// or ErrOtherRun when no number of partitions has placed them.
func (r Repair) PlanFromTopic(ctx context.Context) (Cursor, error) {
	conn, err := Connect(ctx, r.Config, false)
	if err != nil {
		return Cursor{}, err
	}
	defer conn.Close()
	return r.cursorOf(ctx, conn)
}

// FromTopic writes that cursor, after whoever drives the run was shut out.
func (r Repair) FromTopic(ctx context.Context) (Cursor, error) {
	s, err := r.fence(ctx)
	if err != nil {
		return Cursor{}, err
	}
	defer s.close()
	if err := s.settleHanging(ctx); err != nil {
		return Cursor{}, err
	}
	c, err := r.cursorOf(ctx, s.Connection)
	if err != nil {
		return c, err
	}
	return c, s.writeCursor(ctx, c)
}

// writeCursor commits a cursor alone.
func (s *session) writeCursor(ctx context.Context, c Cursor) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	record, err := c.record(s.Connection)
	if err != nil {
		return err
	}
	if err := s.producer.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("send the cursor: %w", err)
	}
	if err := s.producer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit the cursor: %w", err)
	}
	return nil
}

// stand is what a partition holds of a run.
type stand struct {
	count       uint64
	first, last uint64
	value       []byte // of the last
}

func (r Repair) cursorOf(ctx context.Context, conn *Connection) (Cursor, error) {
	c := Cursor{Run: r.Run, Shard: onlyShard, Generation: 1, TopicID: conn.topicID, Partitions: conn.partitions, Owner: r.Owner}
	if err := conn.mustHaveTopic(); err != nil {
		return c, err
	}
	extents, err := conn.Extents(ctx)
	if err != nil {
		return c, err
	}
	incarnation, stands, err := readStands(ctx, conn, c, extents)
	if err != nil {
		return c, err
	}
	c.Incarnation = incarnation
	for _, st := range stands {
		c.Next = max(c.Next, st.last+1)
	}
	if err := r.compareLast(stands); err != nil {
		return c, err
	}
	if c.Partitions = r.placedBy(stands, conn.partitions); c.Partitions == 0 {
		return c, fmt.Errorf("%w: the records do not stand in the partitions of any number of them", ErrOtherRun)
	}
	c.Nexts = nexts(c.Next, c.Partitions)
	if err := r.countAll(stands, c, extents); err != nil {
		return c, err
	}
	return c, r.neverBack(ctx, conn, c)
}

// neverBack returns ErrLostData when a cursor, or the state directory, says
// that the topic has held more than it does.
func (r Repair) neverBack(ctx context.Context, conn *Connection, c Cursor) error {
	known := r.Local
	k, err := peekCursor(ctx, conn, r.Run.Name)
	if err != nil && !errors.Is(err, ErrDamagedCursor) {
		return err
	}
	if k != nil && k.TopicID == c.TopicID && k.Ahead(known) {
		known = k.Run
	}
	if known.Ahead(c.Run) {
		return fmt.Errorf("%w: event %d of incarnation %d was committed, the topic holds events up to %d of incarnation %d",
			ErrLostData, known.Next-1, known.Incarnation, c.Next-1, c.Incarnation)
	}
	return nil
}

// readStands returns the run's latest incarnation in the topic and what each
// partition holds of it.
func readStands(ctx context.Context, conn *Connection, c Cursor, extents []Extent) (incarnation uint32, stands map[int32]*stand, err error) {
	ids := c.incarnations()
	found := map[uint32]map[int32]*stand{}
	err = conn.Each(ctx, extents, func(rec *kgo.Record) {
		id, n, ok := ParseHeader(rec)
		i, known := ids[id]
		if !ok || !known {
			return
		}
		if found[i] == nil {
			found[i] = map[int32]*stand{}
		}
		st := found[i][rec.Partition]
		if st == nil {
			st = &stand{first: n}
			found[i][rec.Partition] = st
		}
		st.count++
		if n >= st.last {
			st.last, st.value = n, rec.Value
		}
		incarnation = max(incarnation, i)
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%w: run %s, seed %d, snapshot %.8s; records without headers cannot be told apart", ErrNoRecords, c.Name, c.Seed, c.Snapshot)
	}
	return incarnation, found[incarnation], err
}

// compareLast compares each partition's last record with the sequence: the
// identity in the header does not cover the schedule.
func (r Repair) compareLast(stands map[int32]*stand) error {
	for _, st := range stands {
		want := encode.AppendJSONL(nil, []core.Event{r.Sequence.Event(st.last)})
		if want := want[:len(want)-1]; string(want) != string(st.value) {
			return fmt.Errorf("%w, event %d\n  found: %.200s\n  asked: %s", ErrSchedule, st.last, st.value, want)
		}
	}
	return nil
}

// placedBy returns by how many partitions, at most those there are, the run
// has placed its records; 0 when by none.
func (r Repair) placedBy(stands map[int32]*stand, most int) int {
	for count := most; count > 0; count-- {
		fits := true
		for p, st := range stands {
			fits = fits && core.Partition(r.Sequence.Event(st.first).User, count) == int(p) && core.Partition(r.Sequence.Event(st.last).User, count) == int(p)
		}
		if fits {
			return count
		}
	}
	return 0
}

// countAll returns ErrHoles when a partition does not hold as many events as it
// must from its first one, or from event 0 if nothing was deleted there.
func (r Repair) countAll(stands map[int32]*stand, c Cursor, extents []Extent) error {
	first, want := make([]uint64, c.Partitions), make([]uint64, c.Partitions)
	from := c.Next
	for p := range first {
		if extents[p].Start > 0 {
			first[p] = c.Next
			if st := stands[int32(p)]; st != nil {
				first[p] = st.first
			}
		}
		from = min(from, first[p])
	}
	events := make([]core.Event, lotEvents)
	for n := from; n < c.Next; n += uint64(len(events)) {
		events = events[:min(lotEvents, c.Next-n)]
		r.Sequence.Fill(events, n)
		for i, e := range events {
			if p := core.Partition(e.User, c.Partitions); n+uint64(i) >= first[p] {
				want[p]++
			}
		}
	}
	for p := range want {
		got := uint64(0)
		if st := stands[int32(p)]; st != nil {
			got = st.count
		}
		if got != want[p] {
			return fmt.Errorf("%w: partition %d holds %d of its %d events from %d to %d", ErrHoles, p, got, want[p], first[p], c.Next-1)
		}
	}
	return nil
}

// Behind compares the state directory with the cursor in Kafka, which has lost
// data when it is behind: it returns that cursor. It returns ErrNoCursor when
// there is none, and ErrHoles when the topic holds later events: then the cursor
// alone was lost, and FromTopic is the way.
func (r Repair) Behind(ctx context.Context) (Cursor, error) {
	conn, err := Connect(ctx, r.Config, false)
	if err != nil {
		return Cursor{}, err
	}
	defer conn.Close()
	if err := conn.mustHaveTopic(); err != nil {
		return Cursor{}, err
	}
	c, err := readCursor(ctx, conn, r.Run.Name)
	if err != nil {
		return Cursor{}, err
	}
	if c == nil {
		return Cursor{}, ErrNoCursor
	}
	switch {
	case c.TopicID != conn.topicID:
		return *c, ErrTopicReplaced
	case c.NoHeader:
		return *c, fmt.Errorf("%w that says which event it is: whether later ones stand in the topic cannot be told", ErrNoRecords)
	}
	id, later := c.RunID(), uint64(0)
	err = conn.readCommitted(ctx, conn.Topic, all(conn.partitions), func(rec *kgo.Record) {
		if run, n, ok := ParseHeader(rec); ok && run == id && n >= c.Next {
			later++
		}
	})
	if err == nil && later > 0 {
		err = fmt.Errorf("%w: the topic holds %d events behind the cursor, which stands at %d", ErrHoles, later, c.Next)
	}
	return *c, err
}
