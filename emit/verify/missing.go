package verify

import (
	"cmp"
	"context"
	"slices"

	"gen/core"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kgo"
)

// missingChunk is how many events are computed at a time to tell the partition
// of those that are missing. It divides pageEvents.
const missingChunk = 4096

// missing names the events that no record held, but for those that retention
// has deleted: for each partition those that follow each other in it as one.
func (c *topicCheck) missing(run *tracked) Tally {
	if run.Cursor.TopicID != c.TopicID {
		return c.lostTopic(run)
	}
	m := &missingSearch{run: run, tally: newTally(), topic: c.topic}
	m.first = make([]uint64, run.Cursor.Partitions)
	m.open = make([]Finding, run.Cursor.Partitions)
	for p, check := range c.partitions {
		if int(p) < len(m.first) {
			m.first[p] = check.first(&check.lanes[run.index])
		}
	}
	front := run.Cursor.Front()
	for n := slices.Min(m.first) / missingChunk * missingChunk; n < front; n += missingChunk {
		m.chunk(n, min(missingChunk, front-n))
	}
	m.closeAll()
	return m.tally
}

// lostTopic names all events of a run whose topic was deleted.
func (c *topicCheck) lostTopic(run *tracked) Tally {
	t := newTally()
	t.add(Finding{
		Kind: Missing, N: ptr(0), To: ptr(run.Cursor.Front()), Run: run.Cursor.Name, File: c.topic,
		Want: "topic id " + run.Cursor.TopicID + ", in which the run began",
		Got:  "topic id " + c.TopicID + ": the topic was deleted and created again",
	}, run.Cursor.Front())
	return t
}

// missingSearch is the state of one search.
type missingSearch struct {
	run    *tracked
	topic  string
	tally  Tally
	first  []uint64  // of each partition: the first event that must be there
	open   []Finding // of each partition: the last missing events; Count is 0 when there are none
	events [missingChunk]core.Event
}

func (m *missingSearch) chunk(from, count uint64) {
	page := m.run.inPlace.page(from, false)
	if page != nil && count == missingChunk && full(page, from) {
		m.closeAll()
		return
	}
	events := m.events[:count]
	m.run.Sequence.Fill(events, from)
	seen := hand{eventSet: m.run.inPlace}
	for i, e := range events {
		n, p := from+uint64(i), m.run.homes.Of(e.User)
		switch {
		case seen.has(n):
			m.close(p)
		case n >= m.first[p] && n < m.run.Cursor.NextOf(int(p)):
			m.add(p, n)
		}
	}
}

// full tells whether a chunk of a page has all its events.
func full(p *page, from uint64) bool {
	w := from % pageEvents / 64
	for i := range p[w : w+missingChunk/64] {
		if p[w+uint64(i)].Load() != ^uint64(0) {
			return false
		}
	}
	return true
}

func (m *missingSearch) add(p int32, n uint64) {
	m.tally.Counts[Missing]++
	f := &m.open[p]
	if f.Place == nil {
		*f = Finding{Kind: Missing, N: ptr(n), Run: m.run.Cursor.Name, File: partitionName(m.topic, p), Place: &Place{Partition: p}}
	} else {
		f.To = ptr(n + 1)
	}
	f.Count++
}

func (m *missingSearch) close(p int32) {
	if m.open[p].Place != nil && len(m.tally.Findings) < MaxFindings {
		m.tally.Findings = append(m.tally.Findings, m.open[p])
	}
	m.open[p] = Finding{}
}

func (m *missingSearch) closeAll() {
	for p := range m.open {
		m.close(int32(p))
	}
}

// locate sets, for the missing events that are spelled out, behind which offset
// they are missing. It reads a few records again.
func (c *topicCheck) locate(ctx context.Context, conn *kafka.Connection, report *TopicReport) error {
	for _, f := range report.Findings {
		if f.Kind != Missing || f.Place == nil || c.partitions[f.Partition] == nil {
			continue
		}
		p := c.partitions[f.Partition]
		l := &p.lanes[slices.IndexFunc(c.runs, func(t *tracked) bool { return t.Cursor.Name == f.Run })]
		err := conn.EachBatch(ctx, []kafka.Extent{l.around(*f.N, p.extent)}, func(b kafka.Batch) {
			for _, r := range b.Records {
				if n, ok := p.eventOf(l, r); ok && n < *f.N {
					offset := r.Offset
					f.After = &offset
				}
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eventOf returns the number of the event of the lane's run that a record is.
func (p *partitionCheck) eventOf(l *lane, r *kgo.Record) (n uint64, ok bool) {
	if id, n, named := kafka.ParseHeader(r); named {
		o, known := p.owners[id]
		return n, known && o == owner{l.tracked, l.Cursor.Incarnation}
	}
	if !l.Cursor.NoHeader {
		return 0, false
	}
	return l.identify(r.Value)
}

// around returns the part of an extent in which event n of the lane's run would
// stand.
func (l *lane) around(n uint64, x kafka.Extent) kafka.Extent {
	i, _ := slices.BinarySearchFunc(l.marks, n, func(m mark, n uint64) int { return cmp.Compare(m.n, n) })
	if i > 0 {
		x.Start = l.marks[i-1].offset
	}
	if i < len(l.marks) {
		x.End = l.marks[i].offset
	}
	return x
}
