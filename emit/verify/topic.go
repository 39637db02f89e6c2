package verify

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"gen/core"
	"gen/emit/kafka"
)

// TopicRun is a run whose cursor says that it delivered into the topic.
type TopicRun struct {
	Cursor   kafka.Cursor
	Sequence *core.Sequence // nil: its records are counted and not compared
}

// TopicOptions are the settings of the verification of a topic.
type TopicOptions struct {
	// Runs are those whose cursors were read before the extents were: every
	// event before a cursor must be there, later ones are in flight.
	Runs    []TopicRun
	TopicID string
	// Extents and Hidden are what kafka.Connection.Settled returned.
	Extents, Hidden []kafka.Extent
	AllowForeign    bool           // records of no run are no finding
	Records         *atomic.Uint64 // counts the records read
}

// RunReport is the outcome for one run.
type RunReport struct {
	Run         string `json:"run"`
	ID          string `json:"id"` // what its headers begin with, hexadecimal
	Incarnation uint32 `json:"incarnation"`
	Compared    bool   `json:"compared"` // false: its records were only counted
	Next        uint64 `json:"next"`     // events 0 to Next-1 were looked for
	// Nexts says up to which event each partition was looked through, where shards
	// leave them at different ones.
	Nexts    []uint64 `json:"nexts,omitempty"`
	Records  uint64   `json:"records"`  // of those events
	InFlight uint64   `json:"inFlight"` // records of later events: committed after the cursor was read
	Earlier  uint64   `json:"earlier"`  // records of earlier incarnations, which are not compared
	// NoHeader says that its records are known by content and time: those of
	// earlier incarnations then count as duplicated.
	NoHeader bool `json:"noHeader,omitempty"`
	// First is, for each partition from which retention has deleted records,
	// the first event that is left: those before it were not looked for.
	First map[int32]uint64 `json:"first,omitempty"`
}

// NextOf returns up to which event a partition was looked through.
func (r *RunReport) NextOf(partition int32) uint64 {
	if int(partition) < len(r.Nexts) {
		return r.Nexts[partition]
	}
	return r.Next
}

// TopicReport is the outcome of the verification of a topic.
type TopicReport struct {
	Topic      string         `json:"topic"`
	Partitions []kafka.Extent `json:"partitions"`       // what was read of each
	Hidden     []kafka.Extent `json:"hidden,omitempty"` // what an open transaction hides
	Records    uint64         `json:"records"`          // committed, and read
	Foreign    uint64         `json:"foreign"`          // of them records of no run, a finding unless allowed
	Runs       []RunReport    `json:"runs"`
	Tally
}

// tracked is a run while its records are read.
type tracked struct {
	TopicRun
	index   int
	end     uint64 // the first event that its schedule has no time for
	homes   *core.Partitions
	inPlace *eventSet // events that stand in their partition
	astray  *eventSet // events that stand in another one
}

// owner is whom the id in a header belongs to.
type owner struct {
	*tracked
	incarnation uint32
}

// topicCheck is what the partitions have in common.
type topicCheck struct {
	TopicOptions
	topic      string
	runs       []*tracked
	owners     map[[8]byte]owner
	partitions map[int32]*partitionCheck
}

// Topic compares the committed records of a topic with the sequences of its
// runs. It keeps one bit for each event, and for each batch in work some
// megabytes.
func Topic(ctx context.Context, conn *kafka.Connection, o TopicOptions) (*TopicReport, error) {
	c := newTopicCheck(conn.Topic, o)
	err := conn.EachBatch(ctx, o.Extents, func(b kafka.Batch) {
		c.partitions[b.Partition].take(b)
		o.Records.Add(uint64(len(b.Records)))
	})
	if err != nil {
		return nil, err
	}
	report := c.report()
	return report, c.locate(ctx, conn, report)
}

func newTopicCheck(topic string, o TopicOptions) *topicCheck {
	c := &topicCheck{TopicOptions: o, topic: topic, owners: map[[8]byte]owner{}, partitions: map[int32]*partitionCheck{}}
	for i, r := range o.Runs {
		t := &tracked{TopicRun: r, index: i, inPlace: newEventSet(), astray: newEventSet()}
		if r.Sequence != nil {
			t.end = r.Sequence.Schedule.End()
			t.homes = core.NewPartitions(r.Sequence.Snapshot, r.Cursor.Partitions)
		}
		c.runs = append(c.runs, t)
		c.addOwners(t)
	}
	for _, x := range o.Extents {
		c.partitions[x.Partition] = newPartitionCheck(c, x)
	}
	return c
}

// maxEarlier is how many earlier incarnations of a run are told from records of
// nobody.
const maxEarlier = 10_000

// addOwners adds the ids of the run's incarnations, and of the next one: the
// run may begin anew after its cursor was read.
func (c *topicCheck) addOwners(t *tracked) {
	cursor, present := t.Cursor, t.Cursor.Incarnation
	for i := present - min(present, maxEarlier); i <= present+1; i++ {
		cursor.Incarnation = i
		c.owners[cursor.RunID()] = owner{t, i}
	}
}

// report puts together what was found, when every record is read.
func (c *topicCheck) report() *TopicReport {
	report := &TopicReport{Topic: c.topic, Partitions: c.Extents, Hidden: c.Hidden, Runs: []RunReport{}, Tally: newTally()}
	var found []Tally
	for _, p := range c.inOrder() {
		p.judgeUnknown()
		report.Records += p.records
		report.Foreign += p.foreign
	}
	for _, run := range c.runs {
		report.Runs = append(report.Runs, c.runReport(run))
		if run.Sequence != nil {
			found = append(found, c.judgeStrays(run), c.missing(run))
		}
	}
	for _, p := range c.inOrder() {
		found = append(found, p.tally)
	}
	report.Tally = mix(found)
	return report
}

func (c *topicCheck) inOrder() []*partitionCheck {
	var list []*partitionCheck
	for _, p := range slices.Sorted(maps.Keys(c.partitions)) {
		list = append(list, c.partitions[p])
	}
	return list
}

func (c *topicCheck) runReport(run *tracked) RunReport {
	id := run.Cursor.RunID()
	r := RunReport{
		Run: run.Cursor.Name, ID: hex.EncodeToString(id[:]), Incarnation: run.Cursor.Incarnation, Compared: run.Sequence != nil,
		Next: run.Cursor.Next, NoHeader: run.Cursor.NoHeader, First: map[int32]uint64{},
	}
	if run.Cursor.Front() > run.Cursor.Next {
		r.Nexts = run.Cursor.Nexts
	}
	for _, p := range c.inOrder() {
		l := &p.lanes[run.index]
		r.Records, r.InFlight, r.Earlier = r.Records+l.records, r.InFlight+l.inFlight, r.Earlier+l.earlier
		if first := p.first(l); first > 0 && r.Compared {
			r.First[p.extent.Partition] = first
		}
	}
	return r
}

// judgeStrays names the events that stand in the partition of another one: in
// their own they may be missing.
func (c *topicCheck) judgeStrays(run *tracked) Tally {
	t := newTally()
	seen := hand{eventSet: run.inPlace}
	for _, p := range c.inOrder() {
		for _, f := range p.lanes[run.index].strays {
			if seen.has(*f.N) {
				f.Kind = Duplicated
			}
			t.Findings = append(t.Findings, f)
		}
	}
	run.astray.each(func(n uint64) {
		if seen.add(n) {
			t.Counts[Misplaced]++
		} else {
			t.Counts[Duplicated]++
		}
	})
	return t
}

// mix adds up tallies. Of the findings it keeps MaxFindings, some of each kind:
// a thousand of one must not hide the only one of another.
func mix(found []Tally) Tally {
	t := newTally()
	byKind := map[Kind][]Finding{}
	for _, part := range found {
		for kind, n := range part.Counts {
			t.Counts[kind] += n
		}
		for _, f := range part.Findings {
			byKind[f.Kind] = append(byKind[f.Kind], f)
		}
	}
	keep := map[Kind]int{}
	for left, more := MaxFindings, true; left > 0 && more; {
		more = false
		for _, k := range Kinds {
			if left > 0 && keep[k] < len(byKind[k]) {
				keep[k]++
				left--
				more = true
			}
		}
	}
	for _, k := range Kinds {
		slices.SortStableFunc(byKind[k], compareFindings)
		t.Findings = append(t.Findings, byKind[k][:keep[k]]...)
	}
	return t
}

// compareFindings orders those of one kind by event; those of none stay in the
// order of their places.
func compareFindings(a, b Finding) int {
	if a.N == nil || b.N == nil {
		return 0
	}
	return cmp.Compare(*a.N, *b.N)
}

func partitionName(topic string, p int32) string { return fmt.Sprintf("%s-%d", topic, p) }
