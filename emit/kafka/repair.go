package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

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

// HangingPlan is what is known of a shard's transaction without shutting out a
// process that may be at work. Open may also hold one of the run's generation.
type HangingPlan struct {
	TransactionalID string            `json:"transactionalId"`
	ProducerID      int64             `json:"producerId"`
	State           string            `json:"state"` // by the coordinator: Ongoing is no hang, but work
	Open            []OpenTransaction `json:"open"`
}

// PlanHanging looks for open transactions of the shard, and of the generation.
func (r Repair) PlanHanging(ctx context.Context) (plan HangingPlan, err error) {
	conn, err := Connect(ctx, r.Config, false)
	if err != nil {
		return plan, err
	}
	defer conn.Close()
	if err := errors.Join(conn.mustHaveTopic(), r.checkShard(ctx, conn)); err != nil {
		return plan, err
	}
	plan.TransactionalID, plan.Open = transactionalID(r.Topic, r.Run.Name, r.Shard.String()), []OpenTransaction{}
	ofRun := transactionalID(r.Topic, r.Run.Name, ofGeneration)
	described, err := conn.admin.DescribeTransactions(ctx, plan.TransactionalID, ofRun)
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
		g := described[ofRun]
		if o.ProducerID == d.ProducerID || g.Err == nil && o.ProducerID == g.ProducerID {
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
	if err := s.settleHanging(ctx); err != nil {
		return err
	}
	lead := newSession(s.Connection, s.run, ofGeneration)
	defer lead.closeProducer()
	return lead.begun(ctx)
}

// fence connects and shuts out whoever drives the run.
func (r Repair) fence(ctx context.Context) (*session, error) {
	conn, err := Connect(ctx, r.Config, true)
	if err != nil {
		return nil, err
	}
	s := newSession(conn, r.Run.Name, r.Shard.String())
	s.acknowledged = r.Local
	err = r.checkShard(ctx, conn)
	if err == nil {
		err = s.awaitOwner(ctx, r.Owner)
	}
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

// checkShard returns ErrSuperseded when the run is cut into another number of
// shards.
func (r Repair) checkShard(ctx context.Context, conn *Connection) error {
	g, err := readGeneration(ctx, conn, r.Run.Name, conn.lastStable)
	if errors.Is(err, ErrDamagedCursor) {
		return nil
	}
	if err == nil && g.Name != "" && g.Shards != r.Shard.Count() {
		err = fmt.Errorf("%w\n  asked: shard %s\n  found: %s, by %s", ErrSuperseded, r.Shard, g, g.Owner)
	}
	return err
}

// FromTopic writes that cursor, after whoever drives the run was shut out. Of a run
// of several shards it begins a generation.
func (r Repair) FromTopic(ctx context.Context) (Cursor, error) {
	s, err := r.fence(ctx)
	if err != nil {
		return Cursor{}, err
	}
	defer s.close()
	if err := s.settleHanging(ctx); err != nil {
		return Cursor{}, err
	}
	g, err := readGeneration(ctx, s.Connection, s.run, s.stableEnd)
	if err != nil && !errors.Is(err, ErrDamagedCursor) {
		return Cursor{}, err
	}
	if err != nil {
		g = first()
	}
	where := func() (Cursor, error) { return r.cursorOf(ctx, s.Connection) }
	if r.Shard.Count() > 1 {
		return s.regenerate(ctx, g, where)
	}
	c, err := where()
	if err != nil {
		return c, err
	}
	c.Generation = g.Generation
	return c, s.writeCursor(ctx, c)
}

// regenerate begins a generation anew where the topic says. The record of the one
// before may be lost: shards of both numbers are shut out.
func (s *session) regenerate(ctx context.Context, g *Generation, where func() (Cursor, error)) (Cursor, error) {
	lead := newSession(s.Connection, s.run, ofGeneration)
	defer lead.closeProducer()
	if err := lead.begun(ctx); err != nil {
		return Cursor{}, err
	}
	c, err := where() // it may be that nothing can be written
	if err != nil {
		return c, err
	}
	next := g.next(c, s.Shard, true)
	if err := lead.writeGeneration(ctx, next); err != nil {
		return c, err
	}
	for _, count := range []int{g.begun().Shards, s.Shard.Count()} {
		if err := s.fenceShards(ctx, count); err != nil {
			return c, err
		}
	}
	if c, err = where(); err != nil {
		return c, err
	}
	return c, lead.writeGeneration(ctx, next.complete(c))
}

// writeCursor commits a cursor alone.
func (s *session) writeCursor(ctx context.Context, c Cursor) error {
	record, err := c.record(s.Connection)
	if err == nil {
		err = s.write(ctx, record)
	}
	if err != nil {
		return fmt.Errorf("the cursor: %w", err)
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
	c := Cursor{Run: r.Run, Generation: 1, TopicID: conn.topicID, Partitions: conn.partitions, Owner: r.Owner}
	c.Shard = r.Shard.String()
	if err := conn.mustHaveTopic(); err != nil {
		return c, err
	}
	if err := r.checkShard(ctx, conn); err != nil {
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
	if err := r.compareLast(stands); err != nil {
		return c, err
	}
	if c.Partitions = r.placedBy(stands, conn.partitions); c.Partitions == 0 {
		return c, fmt.Errorf("%w: the records do not stand in the partitions of any number of them", ErrOtherRun)
	}
	r.setNexts(&c, stands)
	if err := r.countAll(stands, c, extents); err != nil {
		return c, err
	}
	return c, r.neverBack(ctx, conn, c)
}

// setNexts sets where partitions stand: those of one shard are written together. A
// shard that holds event n has all of its own before the next one behind n.
func (r Repair) setNexts(c *Cursor, stands map[int32]*stand) {
	count := r.Shard.Count()
	ofShard := make([]uint64, count)
	for p, st := range stands {
		next := &ofShard[int(p)%count]
		*next = max(*next, st.last+1)
	}
	for i, next := range ofShard {
		for next > 0 && i < c.Partitions && core.Partition(r.Sequence.Event(next).User, c.Partitions)%count != i {
			next++
		}
		ofShard[i] = next
	}
	c.Nexts = make([]uint64, c.Partitions)
	for p := range c.Nexts {
		c.Nexts[p] = ofShard[p%count]
	}
	c.Next = slices.Min(c.Nexts)
}

// neverBack returns ErrLostData when a cursor, or the state directory, says
// that the topic has held more than it does.
func (r Repair) neverBack(ctx context.Context, conn *Connection, c Cursor) error {
	known := r.Local
	k, err := peekCursor(ctx, conn, r.Run.Name, r.Shard.String())
	if err != nil && !errors.Is(err, ErrDamagedCursor) {
		return err
	}
	if k != nil && k.TopicID == c.TopicID && k.Ahead(known) {
		known = k.Run
	}
	if c = c.of(r.Shard); known.Ahead(c.Run) {
		return fmt.Errorf("%w: event %d of incarnation %d was committed, the topic holds the events before %d of incarnation %d",
			ErrLostData, known.Next-1, known.Incarnation, c.Next, c.Incarnation)
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
	from, front := c.Front(), c.Front()
	for p := range first {
		if extents[p].Start > 0 {
			first[p] = c.Nexts[p]
			if st := stands[int32(p)]; st != nil {
				first[p] = st.first
			}
		}
		from = min(from, first[p])
	}
	events := make([]core.Event, lotEvents)
	for n := from; n < front; n += uint64(len(events)) {
		events = events[:min(lotEvents, front-n)]
		r.Sequence.Fill(events, n)
		for i, e := range events {
			if p := core.Partition(e.User, c.Partitions); n+uint64(i) >= first[p] && n+uint64(i) < c.Nexts[p] {
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
			return fmt.Errorf("%w: partition %d holds %d of its %d events from %d to %d", ErrHoles, p, got, want[p], first[p], c.Nexts[p]-1)
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
	if err := errors.Join(conn.mustHaveTopic(), r.checkShard(ctx, conn)); err != nil {
		return Cursor{}, err
	}
	g, err := readGeneration(ctx, conn, r.Run.Name, conn.stableEnd)
	if err != nil {
		return Cursor{}, err
	}
	c, err := conn.shardCursor(ctx, r.Run.Name, r.Shard, g.begun(), conn.stableEnd)
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
		if run, n, ok := ParseHeader(rec); ok && run == id && r.Shard.Owns(int(rec.Partition)) && n >= c.NextOf(int(rec.Partition)) {
			later++
		}
	})
	if err == nil && later > 0 {
		err = fmt.Errorf("%w: the topic holds %d events behind the cursor, which stands at %d", ErrHoles, later, c.Next)
	}
	return *c, err
}
