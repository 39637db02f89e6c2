package verify

import (
	"bytes"
	"fmt"
	"math"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lotRecords is how many records are compared together: their events and rows
// stay in the first-level cache.
const lotRecords = 256

// partitionCheck compares the records of one partition. One goroutine at a time
// uses it.
type partitionCheck struct {
	*topicCheck
	extent  kafka.Extent
	skipped bool // retention has deleted records that were to be read
	lanes   []lane
	records uint64
	foreign uint64
	tally   Tally
	folds   map[Kind]*fold
	unknown []unknown
	named   *lane // of the last record without a header that was recognised

	// The lot: records of one run that are compared together.
	lane   *lane
	ns     []uint64
	lot    []*kgo.Record
	ats    []uint64 // how many records of the partition stand before each
	events []core.Event
	rows   []byte

	// The last header, as neighbours are mostly of one run.
	id    [8]byte
	owner owner
	known bool
}

// lane is one run in one partition.
type lane struct {
	*tracked
	seen, strayed              hand
	records, inFlight, earlier uint64

	begun  bool
	began  uint64 // the event of the first record that retention left
	last   uint64 // the event of the last record in order, plus 1
	before uint64 // the event of the record before that, plus 1
	behind int64  // the offset of the last record in order
	marks  []mark
	strays []Finding // the first MaxFindings
	moment moment
}

// mark says where an event stands: every markEvery-th of a lane.
type mark struct {
	n      uint64
	offset int64
}

const markEvery = 1024

func newPartitionCheck(c *topicCheck, x kafka.Extent) *partitionCheck {
	p := &partitionCheck{
		topicCheck: c, extent: x, tally: newTally(), folds: map[Kind]*fold{}, lanes: make([]lane, len(c.runs)),
		ns: make([]uint64, 0, lotRecords), lot: make([]*kgo.Record, 0, lotRecords), ats: make([]uint64, 0, lotRecords),
		events: make([]core.Event, lotRecords), rows: make([]byte, 0, lotRecords*encode.MaxRow),
	}
	for i, run := range c.runs {
		p.lanes[i] = lane{tracked: run, seen: hand{eventSet: run.inPlace}, strayed: hand{eventSet: run.astray}}
	}
	return p
}

// first returns the first event of the run that must be in the partition: 0
// unless retention has deleted what was before.
func (p *partitionCheck) first(l *lane) uint64 {
	switch {
	case p.extent.Start == 0 && !p.skipped:
		return 0
	case l.begun:
		return l.began
	}
	return p.next(l) // nothing of the run is left
}

// next returns the first event of the run that need not be in the partition.
func (p *partitionCheck) next(l *lane) uint64 { return l.Cursor.NextOf(int(p.extent.Partition)) }

func (p *partitionCheck) take(b kafka.Batch) {
	if b.Skipped {
		p.skipped = true
		for i := range p.lanes {
			p.lanes[i].begun = false
		}
	}
	for _, r := range b.Records {
		id, n, ok := kafka.ParseHeader(r)
		if ok && (id != p.id || !p.known) {
			p.id = id
			p.owner, p.known = p.owners[id]
		}
		switch {
		case !ok:
			p.flush()
			p.takeUnnamed(r)
		case !p.known:
			p.flush()
			p.takeForeign(r)
		default:
			p.takeNamed(&p.lanes[p.owner.index], n, r)
		}
		p.records++
	}
	p.flush()
}

// takeNamed takes a record whose header names event n of the lane's run.
func (p *partitionCheck) takeNamed(l *lane, n uint64, r *kgo.Record) {
	switch {
	case p.owner.incarnation < l.Cursor.Incarnation:
		l.earlier++
	case p.owner.incarnation > l.Cursor.Incarnation || n >= p.next(l) && (l.Sequence == nil || n < l.end):
		l.inFlight++
	case l.Sequence == nil:
		l.records++
	case n >= l.end:
		p.flush()
		p.takeForeign(r)
	default:
		if p.lane != l || len(p.ns) == lotRecords {
			p.flush()
			p.lane = l
		}
		p.ns, p.lot, p.ats = append(p.ns, n), append(p.lot, r), append(p.ats, p.records)
	}
}

// flush compares the lot.
func (p *partitionCheck) flush() {
	if len(p.ns) == 0 {
		return
	}
	events := p.events[:len(p.ns)]
	p.lane.Sequence.Pick(events, p.ns)
	p.rows = encode.AppendJSONL(p.rows[:0], events)
	rest := p.rows
	for i, r := range p.lot {
		end := len(r.Value)
		same := end < len(rest) && rest[end] == '\n' && bytes.Equal(rest[:end], r.Value)
		if !same {
			end = bytes.IndexByte(rest, '\n')
		}
		p.judge(&sighting{p.lane, p.ns[i], events[i].User, r, p.ats[i], rest[:end]}, same)
		rest = rest[end+1:]
	}
	p.ns, p.lot, p.ats = p.ns[:0], p.lot[:0], p.ats[:0]
}

// sighting is a record that is to be event n of a run.
type sighting struct {
	*lane
	n      uint64
	user   uint32
	record *kgo.Record
	at     uint64 // how many records of the partition stand before it
	row    []byte // of event n
}

// judge says what is wrong with a record.
func (p *partitionCheck) judge(s *sighting, sameValue bool) {
	l := s.lane
	l.records++
	if !sameValue || !isKey(s.record.Key, s.row) {
		p.find(Altered, s, func() string { return fmt.Sprintf("key %d value %s", s.user, s.row) })
	}
	home := l.homes.Of(s.user)
	if home != p.extent.Partition {
		p.takeStray(s, home)
		return
	}
	if !l.begun {
		l.begun, l.began = true, s.n
	}
	if !l.seen.add(s.n) {
		p.find(Duplicated, s, nil)
		return
	}
	p.checkOrder(s)
}

// isKey tells whether a key is the userId that a row begins with.
func isKey(key, row []byte) bool {
	digits := row[len(`{"userId":`):]
	return len(key) < len(digits) && digits[len(key)] == ',' && bytes.Equal(digits[:len(key)], key)
}

// checkOrder compares a record with the one before it. Of two that are not in
// order, the one that the record before both does not fit to stands wrong.
func (p *partitionCheck) checkOrder(s *sighting) {
	l := s.lane
	switch {
	case s.n >= l.last:
		l.before = l.last
	case s.n >= l.before:
		early := *s
		early.n, early.at = l.last-1, s.at-1
		early.record = &kgo.Record{Partition: s.record.Partition, Offset: l.behind}
		p.find(Misplaced, &early, func() string { return fmt.Sprintf("behind event %d", s.n) })
		if k := len(l.marks); k > 0 && l.marks[k-1].offset == l.behind {
			l.marks = l.marks[:k-1]
		}
	default:
		p.find(Misplaced, s, func() string { return fmt.Sprintf("before event %d", l.last-1) })
		return
	}
	l.last, l.behind = s.n+1, s.record.Offset
	if k := len(l.marks); k == 0 || l.records >= uint64(k)*markEvery {
		l.marks = append(l.marks, mark{s.n, s.record.Offset})
	}
}

// takeStray notes a record of an event whose partition is another one.
func (p *partitionCheck) takeStray(s *sighting, home int32) {
	if !s.strayed.add(s.n) {
		p.find(Duplicated, s, nil)
		return
	}
	if len(s.strays) < MaxFindings {
		f := p.finding(Misplaced, s)
		f.Want = fmt.Sprintf("partition %d", home)
		s.strays = append(s.strays, f)
	}
}

// takeForeign takes a record of no run.
func (p *partitionCheck) takeForeign(r *kgo.Record) {
	p.foreign++
	if !p.AllowForeign {
		p.find(Foreign, &sighting{n: math.MaxUint64, record: r, at: p.records}, nil)
	}
}

// fold is the last finding of a kind, which the next record may belong to.
type fold struct {
	lane *lane
	next uint64 // the event, or a later one, that can follow
	at   uint64 // of its last record
	list int    // its index in the list, -1 when it is not spelled out
}

// find counts a finding and spells it out, as one with those of the records
// before if they are of the same kind.
func (p *partitionCheck) find(kind Kind, s *sighting, want func() string) {
	p.tally.Counts[kind]++
	f := p.folds[kind]
	if f != nil && f.lane == s.lane && f.at+1 == s.at && (s.lane == nil || s.n >= f.next) {
		f.at, f.next = s.at, s.n+1
		if f.list >= 0 {
			p.tally.Findings[f.list].grow(s)
		}
		return
	}
	f = &fold{s.lane, s.n + 1, s.at, -1}
	p.folds[kind] = f
	if p.spelled(kind) >= MaxFindings {
		return
	}
	f.list = len(p.tally.Findings)
	found := p.finding(kind, s)
	if want != nil {
		found.Want = want()
	}
	p.tally.Findings = append(p.tally.Findings, found)
}

func (p *partitionCheck) spelled(kind Kind) (n int) {
	for _, f := range p.tally.Findings {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// finding returns a finding about one record.
func (p *partitionCheck) finding(kind Kind, s *sighting) Finding {
	offset := s.record.Offset
	f := Finding{Kind: kind, File: partitionName(p.topic, p.extent.Partition), Place: &Place{Partition: p.extent.Partition, Offset: &offset, Count: 1}}
	if s.lane != nil {
		f.N, f.Run = ptr(s.n), s.Cursor.Name
	}
	if kind == Altered || kind == Foreign {
		f.Got = recordText(s.record)
	}
	return f
}

// grow takes in the record that follows.
func (f *Finding) grow(s *sighting) {
	f.Count++
	to := s.record.Offset + 1
	f.ToOffset = &to
	if f.N != nil {
		f.To = ptr(s.n + 1)
	}
}

// recordText shows a record, which may hold anything.
func recordText(r *kgo.Record) string {
	text := func(b []byte) string {
		b = b[:min(len(b), 120)]
		for _, c := range b {
			if c < ' ' || c > '~' {
				return fmt.Sprintf("%q", b)
			}
		}
		return string(b)
	}
	s := fmt.Sprintf("key %s value %s", text(r.Key), text(r.Value))
	if id, n, ok := kafka.ParseHeader(r); ok {
		s += fmt.Sprintf(" header run id %x event %d", id, n)
	}
	return s
}
