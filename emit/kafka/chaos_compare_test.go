//go:build chaos

package kafka

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"

	"gen/core"
)

// chaosRun is the name of every run of the suite.
const chaosRun = "seed-42"

// chaosSequence is small, so that a generator starts at once.
func chaosSequence() *core.Sequence {
	var movies []core.Movie
	for i := range 50 {
		movies = append(movies, core.Movie{ID: uint32(i + 1), Genres: []string{fmt.Sprint("G", i%5)}})
	}
	cat, err := core.NewCatalogue("chaos", movies)
	if err != nil {
		panic(err)
	}
	p := core.DefaultParams()
	p.Users = 500
	snapshot, err := core.Compile("seed", cat, p)
	if err != nil {
		panic(err)
	}
	return &core.Sequence{Snapshot: snapshot, Seed: 42, Schedule: core.ConstantSchedule(1735689600000, core.Rate{Num: 50, Den: 1})}
}

// row is a record as a consumer sees it.
type row struct {
	partition  int
	offset     int64
	header     []byte // nil: none
	key, value string
}

func (r row) String() string {
	return fmt.Sprintf("partition %d, offset %d, header %x, key %q, value %q", r.partition, r.offset, r.header, r.key, r.value)
}

// wantRow computes the row of event n from package core alone. Its header
// lacks the run's identity, which depends on the topic.
func wantRow(seq *core.Sequence, n uint64, partitions int) row {
	e := seq.Event(n)
	return row{
		partition: core.Partition(e.User, partitions),
		header:    binary.BigEndian.AppendUint64(make([]byte, 8), n),
		key:       strconv.Itoa(int(e.User)),
		value:     fmt.Sprintf(`{"userId":%d,"movieId":%d,"rating":%.1f,"timestamp":%d}`, e.User, e.Movie, float64(e.Rating)/2, e.Time),
	}
}

// findings count what is wrong with a topic.
type findings struct {
	rows                                              int
	duplicated, missing, disordered, altered, foreign int
	first                                             string
}

func (f *findings) wrong() bool {
	return f.duplicated+f.missing+f.disordered+f.altered+f.foreign > 0
}

func (f *findings) String() string {
	return fmt.Sprintf("%d rows: %d duplicated, %d missing, %d out of order, %d altered, %d foreign; first: %s",
		f.rows, f.duplicated, f.missing, f.disordered, f.altered, f.foreign, f.first)
}

// comparison takes the rows of a topic, each partition in its order, and
// compares them with events 0 to end-1. No findings means that each partition
// holds the rows of its events, each once, in the order of the sequence, and
// nothing else.
type comparison struct {
	findings
	seq        *core.Sequence
	partitions int
	seen       []bool
	next       []uint64 // of each partition: above every event seen there
	run        []byte   // identity in the first header
}

func newComparison(seq *core.Sequence, end uint64, partitions int) *comparison {
	return &comparison{seq: seq, partitions: partitions, seen: make([]bool, end), next: make([]uint64, partitions)}
}

func (c *comparison) found(count *int, what string, r row) {
	*count++
	if c.first == "" {
		c.first = what + ": " + r.String()
	}
}

func (c *comparison) add(r row) {
	c.rows++
	if len(r.header) != 16 {
		c.found(&c.foreign, "no event of the run", r)
		return
	}
	if c.run == nil {
		c.run = r.header[:8:8]
	}
	n := binary.BigEndian.Uint64(r.header[8:])
	if n >= uint64(len(c.seen)) || string(r.header[:8]) != string(c.run) {
		c.found(&c.foreign, "no event of the run", r)
		return
	}
	want := wantRow(c.seq, n, c.partitions)
	if r.partition != want.partition || r.key != want.key || r.value != want.value {
		c.found(&c.altered, fmt.Sprintf("event %d should be in partition %d, key %s, %s", n, want.partition, want.key, want.value), r)
		c.seen[n] = true
		return
	}
	switch {
	case c.seen[n]:
		c.found(&c.duplicated, fmt.Sprintf("event %d a second time", n), r)
	case n < c.next[r.partition]:
		c.found(&c.disordered, fmt.Sprintf("event %d behind event %d", n, c.next[r.partition]-1), r)
	}
	c.seen[n] = true
	c.next[r.partition] = max(c.next[r.partition], n+1)
}

// end counts what has not come.
func (c *comparison) end() *findings {
	for n, seen := range c.seen {
		if !seen {
			c.found(&c.missing, fmt.Sprintf("event %d is missing", n), wantRow(c.seq, uint64(n), c.partitions))
		}
	}
	return &c.findings
}

// The comparison must find each kind of fault, and count it as what it is.
func TestChaosComparisonFindsFaults(t *testing.T) {
	const partitions, end = 6, 1000
	seq := chaosSequence()
	sound := func() []row {
		var rows []row
		for n := range uint64(end) {
			rows = append(rows, wantRow(seq, n, partitions))
		}
		return rows
	}
	// Of one partition two rows that follow each other.
	first, second := 100, 101
	for sound()[second].partition != sound()[first].partition {
		second++
	}
	for _, c := range []struct {
		name   string
		broken func(rows []row) []row
		want   findings
	}{
		{"nothing", func(rows []row) []row { return rows }, findings{}},
		{"one twice", func(rows []row) []row { return append(rows, rows[7]) }, findings{duplicated: 1}},
		{"a transaction twice", func(rows []row) []row { return append(rows[:500:500], rows[400:]...) }, findings{duplicated: 100}},
		{"one missing", func(rows []row) []row { return append(rows[:7], rows[8:]...) }, findings{missing: 1}},
		{"the last one missing", func(rows []row) []row { return rows[:end-1] }, findings{missing: 1}},
		{"two in the wrong order", func(rows []row) []row {
			rows[first], rows[second] = rows[second], rows[first]
			return rows
		}, findings{disordered: 1}},
		{"another value", func(rows []row) []row { rows[7].value += " "; return rows }, findings{altered: 1}},
		{"another key", func(rows []row) []row { rows[7].key = "1234567"; return rows }, findings{altered: 1}},
		{"another partition", func(rows []row) []row {
			rows[7].partition = (rows[7].partition + 1) % partitions
			return rows
		}, findings{altered: 1}},
		{"the header of another event", func(rows []row) []row { rows[7].header = rows[8].header; return rows }, findings{altered: 1, duplicated: 1, missing: 1}},
		{"an event too many", func(rows []row) []row { return append(rows, wantRow(seq, end, partitions)) }, findings{foreign: 1}},
		{"no header", func(rows []row) []row { return append(rows, row{key: "7"}) }, findings{foreign: 1}},
		{"another run", func(rows []row) []row { rows[7].header[0]++; return rows }, findings{foreign: 1, missing: 1}},
	} {
		comparison := newComparison(seq, end, partitions)
		for _, r := range c.broken(sound()) {
			comparison.add(r)
		}
		got := *comparison.end()
		if got.wrong() != (got.first != "") {
			t.Errorf("%s: first: %q", c.name, got.first)
		}
		got.rows, got.first = 0, ""
		if got != c.want {
			t.Errorf("%s: found %v, want %v", c.name, &got, &c.want)
		}
	}
}
