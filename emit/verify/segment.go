package verify

import (
	"context"
	"errors"
	"io"
	"slices"
	"sort"
	"sync/atomic"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
)

// checker compares one file.
type checker struct {
	dir    files.Dir
	format encode.Format
	seq    *core.Sequence
	rows   *atomic.Uint64
	moment moment
}

func (c *checker) check(ctx context.Context, p part) (outcome, error) {
	var o outcome
	if !p.present {
		o.miss(p.from, p.to)
		return o, nil
	}
	same, rows, err := c.equal(ctx, p)
	if err == nil && !same {
		return c.explain(ctx, p)
	}
	if err == nil && p.from == p.to {
		o.add(Finding{Kind: Foreign, File: p.name, Got: "no segment of this run has such a name"})
	}
	o.rows = rows
	return o, err
}

// equal tells whether the file holds its events and nothing else. Anything
// else, also a file that cannot be read, is for explain to name.
func (c *checker) equal(ctx context.Context, p part) (same bool, rows uint64, err error) {
	r, err := files.OpenRows(c.dir.FS(), p.name, c.format)
	if err != nil {
		return false, 0, nil
	}
	defer r.Close()
	got, want := make([]core.Event, batch), make([]core.Event, batch)
	for n := p.from; ; {
		if err := ctx.Err(); err != nil {
			return false, 0, err
		}
		k, err := r.Read(got)
		if uint64(k) > p.to-n || err != nil && !errors.Is(err, io.EOF) {
			return false, 0, nil
		}
		c.seq.Fill(want[:k], n)
		if !slices.Equal(got[:k], want[:k]) {
			return false, 0, nil
		}
		n += uint64(k)
		c.rows.Add(uint64(k))
		if err != nil {
			return n == p.to, n - p.from, nil
		}
	}
}

func (o *outcome) add(f Finding) { o.found.add(f, 1) }

func (o *outcome) miss(from, to uint64) { o.gaps = append(o.gaps, gap{from: from, to: to}) }

// placed is a row that is event n of the file's own segment.
type placed struct {
	n   uint64
	row int64
}

// unknownRow is a row that is no event; place is the event expected there.
type unknownRow struct {
	row   int64
	place uint64
}

// explanation is what is known of the rows of a file that is not right.
type explanation struct {
	*checker
	part
	outcome
	guess   uint64 // what the next row should be
	seen    *bitset
	rows    []placed
	unknown []unknownRow
	texts   []string // of the first MaxFindings unknown rows: no more can be printed
}

// explain names every difference between the file and its events.
func (c *checker) explain(ctx context.Context, p part) (outcome, error) {
	x := explanation{checker: c, part: p, guess: p.from}
	r, err := files.OpenRows(c.dir.FS(), p.name, c.format)
	if err != nil {
		x.add(Finding{Kind: Damaged, File: p.name, Got: err.Error()})
		x.miss(p.from, p.to)
		return x.outcome, nil
	}
	defer r.Close()
	x.seen = newBitset(p.from, p.to)
	err = r.All(func(row files.Row) bool {
		x.outcome.rows++
		x.take(row, int64(x.outcome.rows))
		return ctx.Err() == nil
	})
	if ctx.Err() != nil {
		return x.outcome, ctx.Err()
	}
	if err != nil {
		x.add(Finding{Kind: Damaged, File: p.name, Got: err.Error()})
	}
	x.matchUnknown()
	for _, row := range outOfOrder(x.rows) {
		x.add(Finding{Kind: Misplaced, N: ptr(row.n), File: p.name, Row: row.row})
	}
	x.findGaps()
	return x.outcome, nil
}

// take says which event a row is.
func (x *explanation) take(row files.Row, at int64) {
	if row.Err != nil {
		x.takeUnknown(at, row.Err.Error)
		return
	}
	n, ok := x.identify(row.Event)
	switch {
	case !ok:
		x.takeUnknown(at, func() string { return rowText(row.Event) })
	case n < x.from || n >= x.to:
		x.strays = append(x.strays, stray{n, at})
	case x.seen.has(n):
		x.add(Finding{Kind: Duplicated, N: ptr(n), File: x.name, Row: at})
	default:
		x.seen.set(n)
		x.rows = append(x.rows, placed{n, at})
		x.guess = n + 1
	}
}

func (x *explanation) takeUnknown(at int64, text func() string) {
	if len(x.texts) < MaxFindings {
		x.texts = append(x.texts, text())
	}
	x.unknown = append(x.unknown, unknownRow{at, x.guess})
}

// identify returns the number of an event by its content: the guess, or else
// the first with its timestamp that equals it, one not seen yet before others.
func (x *explanation) identify(e core.Event) (n uint64, ok bool) {
	if !x.seen.has(x.guess) && x.seq.Event(x.guess) == e {
		return x.guess, true
	}
	x.moment.load(x.seq, e.Time)
	return x.moment.find(e, x.seen)
}

// matchUnknown calls an unknown row altered when an event is missing where it
// stands, and else foreign. Rows of one place follow each other and take the
// missing events from there on. They never reach those of another place: an
// event that is not missing stands before each place but the file's first.
func (x *explanation) matchUnknown() {
	next := x.from
	for i, u := range x.unknown {
		if i == 0 || u.place != x.unknown[i-1].place {
			next = u.place
		}
		f := Finding{Kind: Foreign, File: x.name, Row: u.row}
		if i < len(x.texts) {
			f.Got = x.texts[i]
		}
		if next < x.to && !x.seen.has(next) {
			f.Kind, f.N = Altered, ptr(next)
			if i < len(x.texts) {
				f.Want = rowText(x.seq.Event(next))
			}
			x.seen.set(next)
			next++
		}
		x.add(f)
	}
}

// findGaps collects the events that no row stands for.
func (x *explanation) findGaps() {
	for n := x.from; n < x.to; n++ {
		if x.seen.has(n) {
			continue
		}
		end := n + 1
		for end < x.to && !x.seen.has(end) {
			end++
		}
		x.miss(n, end)
		n = end
	}
}

// outOfOrder returns the rows outside a longest ascending run of events.
func outOfOrder(rows []placed) []placed {
	if sort.SliceIsSorted(rows, func(i, j int) bool { return rows[i].n < rows[j].n }) {
		return nil
	}
	// Patience sorting: tails[k] is the row with the smallest event that ends
	// an ascending run of length k+1; before is the row ahead of each in it.
	var tails []int
	before := make([]int, len(rows))
	for i, row := range rows {
		k := sort.Search(len(tails), func(k int) bool { return rows[tails[k]].n >= row.n })
		before[i] = -1
		if k > 0 {
			before[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		}
		tails[k] = i
	}
	inOrder := make([]bool, len(rows))
	for i := tails[len(tails)-1]; i >= 0; i = before[i] {
		inOrder[i] = true
	}
	var out []placed
	for i, row := range rows {
		if !inOrder[i] {
			out = append(out, row)
		}
	}
	return out
}
