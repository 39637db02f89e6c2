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
}

func (c *checker) check(ctx context.Context, p part) (outcome, error) {
	if !p.present {
		return outcome{findings: []counted{missing(p.name, p.from, p.to)}}, nil
	}
	same, rows, err := c.equal(ctx, p)
	if err != nil || same {
		return outcome{rows: rows}, err
	}
	return c.explain(ctx, p)
}

func missing(file string, from, to uint64) counted {
	f := Finding{Kind: Missing, N: ptr(from), File: file}
	if to-from > 1 {
		f.To = ptr(to)
	}
	return counted{f, to - from}
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

// placed is a row that is event n of the file's own segment.
type placed struct {
	n   uint64
	row int64
}

// explain names every difference between the file and its events.
func (c *checker) explain(ctx context.Context, p part) (outcome, error) {
	var o outcome
	r, err := files.OpenRows(c.dir.FS(), p.name, c.format)
	if err != nil {
		o.add(Finding{Kind: Damaged, File: p.name, Got: err.Error()})
		o.findings = append(o.findings, missing(p.name, p.from, p.to))
		return o, nil
	}
	defer r.Close()
	seen := newBitset(p.from, p.to)
	var rows []placed
	var unknown []unknownRow
	guess := p.from // what the next row should be
	err = r.All(func(row files.Row) bool {
		o.rows++
		at := int64(o.rows)
		if row.Err != nil {
			unknown = append(unknown, unknownRow{at, guess, row.Err.Error()})
			return ctx.Err() == nil
		}
		n, ok := c.identify(row.Event, guess, seen)
		switch {
		case !ok:
			unknown = append(unknown, unknownRow{at, guess, rowText(row.Event)})
		case n < p.from || n >= p.to:
			o.strays = append(o.strays, stray{n, at})
		case seen.has(n):
			o.add(Finding{Kind: Duplicated, N: ptr(n), File: p.name, Row: at})
		default:
			seen.set(n)
			rows = append(rows, placed{n, at})
			guess = n + 1
		}
		return ctx.Err() == nil
	})
	if ctx.Err() != nil {
		return o, ctx.Err()
	}
	if err != nil {
		o.add(Finding{Kind: Damaged, File: p.name, Got: err.Error()})
	}
	c.matchUnknown(&o, p, unknown, seen)
	for _, row := range outOfOrder(rows) {
		o.add(Finding{Kind: Misplaced, N: ptr(row.n), File: p.name, Row: row.row})
	}
	for n := p.from; n < p.to; {
		if seen.has(n) {
			n++
			continue
		}
		end := n + 1
		for end < p.to && !seen.has(end) {
			end++
		}
		o.findings = append(o.findings, missing(p.name, n, end))
		n = end
	}
	return o, nil
}

// identify returns the number of an event by its content: the guess, or else
// the first with its timestamp that equals it, one not seen yet before others.
func (c *checker) identify(e core.Event, guess uint64, seen *bitset) (n uint64, ok bool) {
	from, to := c.seq.Schedule.Before(e.Time), c.seq.Schedule.Before(e.Time+1)
	if from <= guess && guess < to && !seen.has(guess) && c.seq.Event(guess) == e {
		return guess, true
	}
	for i := from; i < to; i++ {
		if c.seq.Event(i) != e {
			continue
		}
		if !seen.has(i) {
			return i, true
		}
		n, ok = i, true
	}
	return n, ok
}

// unknownRow is a row that is no event; place is the event expected there.
type unknownRow struct {
	row   int64
	place uint64
	text  string
}

// matchUnknown calls an unknown row altered when an event is missing where it
// stands, and else foreign.
func (c *checker) matchUnknown(o *outcome, p part, unknown []unknownRow, seen *bitset) {
	for _, u := range unknown {
		n := u.place
		for n < p.to && n < u.place+uint64(len(unknown)) && seen.has(n) && seen.altered[n] {
			n++
		}
		if n >= p.from && n < p.to && !seen.has(n) {
			seen.set(n)
			seen.altered[n] = true
			o.add(Finding{Kind: Altered, N: ptr(n), File: p.name, Row: u.row, Want: rowText(c.seq.Event(n)), Got: u.text})
			continue
		}
		o.add(Finding{Kind: Foreign, File: p.name, Row: u.row, Got: u.text})
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

// bitset is a set of event numbers in a range, and which of them were altered.
type bitset struct {
	from    uint64
	to      uint64
	words   []uint64
	altered map[uint64]bool
}

func newBitset(from, to uint64) *bitset {
	return &bitset{from, to, make([]uint64, (to-from)/64+1), map[uint64]bool{}}
}

func (b *bitset) has(n uint64) bool {
	return n >= b.from && n < b.to && b.words[(n-b.from)/64]>>((n-b.from)%64)&1 == 1
}

func (b *bitset) set(n uint64) { b.words[(n-b.from)/64] |= 1 << ((n - b.from) % 64) }
