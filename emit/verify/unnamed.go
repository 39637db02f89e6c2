package verify

import (
	"bytes"
	"fmt"

	"gen/core"
	"gen/emit/encode"

	"github.com/twmb/franz-go/pkg/kgo"
)

// unknown is records without a header, one behind the other, that are no event
// of a run without headers. Whether they stand in the place of events that are
// missing shows when all is read.
type unknown struct {
	*lane
	after      uint64 // the event before them, plus 1
	count      uint64
	next       uint64 // how many records of the partition stand before the next one
	offset, to int64
	got        string // the first of them; of the first MaxFindings only
}

// takeUnnamed takes a record without a header. It may be an event of any run
// without headers.
func (p *partitionCheck) takeUnnamed(r *kgo.Record) {
	var candidate *lane
	var best likeness
	others := false
	for i := range p.lanes {
		l := &p.lanes[i]
		switch {
		case !l.Cursor.NoHeader:
		case l.Sequence == nil:
			others = true
		default:
			if candidate == nil || l == p.named {
				candidate = l
			}
			if found := p.recognise(l, r); found.rank > best.rank {
				best = found
			}
		}
	}
	switch {
	case best.rank > 0:
		p.takeLike(best, r)
	case others: // it may be of a run that is not compared
	case candidate != nil:
		p.takeUnknown(candidate, r)
	default:
		p.takeForeign(r)
	}
}

// likeness is an event that a record equals. Runs without headers may hold the
// same events: the one where the event is still to come has the highest rank.
type likeness struct {
	*lane
	n    uint64
	rank int // 3: to come, 2: in flight, 1: seen already, 0: there is no such event
}

func (p *partitionCheck) recognise(l *lane, r *kgo.Record) likeness {
	n, ok := l.identify(r.Value)
	switch {
	case !ok:
		return likeness{}
	case n >= p.next(l):
		return likeness{l, n, 2}
	case l.seen.has(n):
		return likeness{l, n, 1}
	}
	return likeness{l, n, 3}
}

func (p *partitionCheck) takeLike(e likeness, r *kgo.Record) {
	p.named = e.lane
	if e.rank == 2 {
		e.inFlight++
		return
	}
	event := e.Sequence.Event(e.n)
	p.rows = encode.AppendJSONL(p.rows[:0], []core.Event{event})
	row := p.rows[:len(p.rows)-1]
	p.judge(&sighting{e.lane, e.n, event.User, r, p.records, row}, bytes.Equal(row, r.Value))
}

// identify returns the number of an event by its row: the first with its
// timestamp that equals it, one that was not seen yet before others.
func (l *lane) identify(row []byte) (n uint64, ok bool) {
	e, err := encode.ParseJSONL(row)
	if err != nil {
		return 0, false
	}
	l.moment.load(l.Sequence, e.Time)
	return l.moment.find(e, &l.seen)
}

func (p *partitionCheck) takeUnknown(l *lane, r *kgo.Record) {
	if k := len(p.unknown); k > 0 {
		if u := &p.unknown[k-1]; u.lane == l && u.next == p.records {
			u.count, u.next, u.to = u.count+1, u.next+1, r.Offset+1
			return
		}
	}
	u := unknown{lane: l, after: l.last, count: 1, next: p.records + 1, offset: r.Offset, to: r.Offset + 1}
	if len(p.unknown) < MaxFindings {
		u.got = recordText(r)
	}
	p.unknown = append(p.unknown, u)
}

// judgeUnknown calls unknown records altered as far as events are missing where
// they stand, and else foreign.
func (p *partitionCheck) judgeUnknown() {
	for _, u := range p.unknown {
		altered, from, to := uint64(0), uint64(0), uint64(0)
		for n := max(u.after, p.first(u.lane)); altered < u.count; n = to {
			missing, ok := p.nextMissing(u.lane, n)
			if !ok {
				break
			}
			if altered == 0 {
				from = missing
			}
			u.seen.add(missing)
			altered, to = altered+1, missing+1
		}
		u.records += altered
		p.foreign += u.count - altered
		if altered > 0 {
			p.spell(p.alteredFinding(u, altered, from, to), altered)
		}
		if altered < u.count && !p.AllowForeign {
			p.spell(p.spanFinding(Foreign, u, u.count-altered), u.count-altered)
		}
	}
}

// nextMissing returns the partition's next event of the run, from n on, if it
// is missing.
func (p *partitionCheck) nextMissing(l *lane, n uint64) (missing uint64, ok bool) {
	for ; n < p.next(l); n++ {
		if l.homes.Of(l.Sequence.Event(n).User) == p.extent.Partition {
			return n, !l.seen.has(n)
		}
	}
	return 0, false
}

// spanFinding returns a finding about so many of some unknown records.
func (p *partitionCheck) spanFinding(kind Kind, u unknown, count uint64) Finding {
	f := Finding{Kind: kind, File: partitionName(p.topic, p.extent.Partition), Place: &Place{Partition: p.extent.Partition, Offset: &u.offset, Count: count}, Got: u.got}
	if u.count > 1 {
		f.ToOffset = &u.to
	}
	return f
}

func (p *partitionCheck) alteredFinding(u unknown, count, from, to uint64) Finding {
	f := p.spanFinding(Altered, u, count)
	f.N, f.Run = ptr(from), u.Cursor.Name
	if count > 1 {
		f.To = ptr(to)
	}
	e := u.Sequence.Event(from)
	row := encode.AppendJSONL(nil, []core.Event{e})
	f.Want = fmt.Sprintf("key %d value %s", e.User, row[:len(row)-1])
	return f
}

func (p *partitionCheck) spell(f Finding, count uint64) {
	p.tally.Counts[f.Kind] += count
	if p.spelled(f.Kind) < MaxFindings {
		p.tally.Findings = append(p.tally.Findings, f)
	}
}
