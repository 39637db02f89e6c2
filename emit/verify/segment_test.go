package verify

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"

	"pgregory.net/rapid"
)

// checkRows writes the events as a file of a run whose segment they should be
// and returns what is found in it.
func checkRows(tb testing.TB, seq *core.Sequence, events []core.Event, p part) outcome {
	tb.Helper()
	dir := tb.TempDir()
	p.name, p.present = "part-0000000000.jsonl", true
	if err := os.WriteFile(filepath.Join(dir, p.name), encode.AppendJSONL(nil, events), 0o644); err != nil {
		tb.Fatal(err)
	}
	d, err := files.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	c := &checker{dir: d, format: encode.Format{Name: "jsonl", Compress: "none"}, seq: seq, rows: new(atomic.Uint64)}
	o, err := c.check(context.Background(), p)
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// A large file of which every row is wrong takes time and memory in proportion
// to its rows: a square of them would not end here.
func TestEveryRowOfALargeFileIsAltered(t *testing.T) {
	const rows = 300_000
	for _, rate := range []uint64{50, 1_000_000} {
		seq := testSequence(t)
		seq.Schedule = core.ConstantSchedule(1735689600000, core.Rate{Num: rate, Den: 1})
		other := *seq
		other.Seed++
		events := make([]core.Event, rows)
		other.Fill(events, 0)
		o := checkRows(t, seq, events, part{from: 0, to: rows})
		// Some rows of the other seed equal an event of their millisecond.
		if n := o.found.Counts[Altered]; n > rows || n < rows/2 {
			t.Errorf("rate %d: %d altered of %d", rate, n, rows)
		}
		if len(o.found.Findings) != MaxFindings {
			t.Errorf("rate %d: %d findings are kept, want %d", rate, len(o.found.Findings), MaxFindings)
		}
		for _, f := range o.found.Findings {
			if f.Kind == Altered && (!strings.HasPrefix(f.Want, "userId ") || !strings.HasPrefix(f.Got, "userId ")) {
				t.Fatalf("rate %d: finding without its rows: %v", rate, f)
			}
		}
	}
}

// Rows in a wrong file are one finding as long as they follow each other, even
// after as many findings as a report spells out.
func TestNeighboursAreOneFinding(t *testing.T) {
	seq := testSequence(t)
	events := make([]core.Event, 1000)
	seq.Fill(events, 0)
	o := checkRows(t, seq, append(events, events[:500]...), part{from: 0, to: 1000})
	if len(o.found.Findings) != 1 || o.found.Counts[Duplicated] != 500 {
		t.Fatalf("%v, %v, want one finding of 500", o.found.Counts, o.found.Findings)
	}
	got, want := o.found.Findings[0].String(), "duplicated event 0 to 499 in part-0000000000.jsonl, row 1001 to 1500"
	if got != want {
		t.Errorf("finding %q, want %q", got, want)
	}
}

// What is spelled out in two steps is what is spelled out in one.
func TestIncludeEqualsAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, parts := newReport(0), newReport(0)
		n, row := uint64(0), int64(1)
		for file := range 3 {
			var one Report
			for range rapid.IntRange(0, 40).Draw(t, "findings") {
				n += rapid.Uint64Range(1, 2).Draw(t, "events on")
				row++
				f := Finding{Kind: Duplicated, N: ptr(n), File: string(rune('a' + file)), Row: row}
				g := f
				g.N = ptr(n)
				whole.add(f, 1)
				one.add(g, 1)
			}
			parts.include(&one.Tally)
		}
		if len(whole.Findings) != len(parts.Findings) || whole.Counts[Duplicated] != parts.Counts[Duplicated] {
			t.Fatalf("%v and %v", whole, parts)
		}
		for i := range whole.Findings {
			if a, b := whole.Findings[i].String(), parts.Findings[i].String(); a != b {
				t.Fatalf("finding %d: %q and %q", i, a, b)
			}
		}
	})
}

// An event is found by its content, however many share its millisecond.
func TestMomentFindsEveryEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := sharedSequence
		seq.Schedule = core.ConstantSchedule(1735689600000, core.Rate{Num: rapid.SampledFrom([]uint64{1, 1000, 999_999, 1_000_000, 20_000_000}).Draw(t, "rate"), Den: 1})
		n := rapid.Uint64Range(0, 1e6).Draw(t, "n")
		e := seq.Event(n)
		from, to := seq.Schedule.Before(e.Time), seq.Schedule.Before(e.Time+1)
		var m moment
		m.load(&seq, e.Time-1) // load must not keep another time
		m.load(&seq, e.Time)
		seen := newBitset(from, to)
		for i := from; i < n; i++ {
			seen.set(i)
		}
		if got, ok := m.find(e, seen); !ok || got != n {
			t.Fatalf("find(event %d) = %d, %v", n, got, ok)
		}
		e.Rating += 20
		if got, ok := m.find(e, seen); ok {
			t.Fatalf("an event that is none is found as %d", got)
		}
	})
}

var sharedSequence = func() core.Sequence {
	cat, err := core.NewCatalogue("test", []core.Movie{{ID: 1, Genres: []string{"A"}}, {ID: 2, Genres: []string{"A", "B"}}})
	if err != nil {
		panic(err)
	}
	p := core.DefaultParams()
	p.Users, p.TopK = 300, 2
	s, err := core.Compile("seed", cat, p)
	if err != nil {
		panic(err)
	}
	return core.Sequence{Snapshot: s, Seed: 3}
}()

// Rows with times that no event can have are foreign, and cost nothing.
func TestRowsOfImpossibleTimes(t *testing.T) {
	seq := testSequence(t)
	for _, time := range []int64{-1 << 63, -1, 0, core.MaxTime + 1, 1 << 48, 1<<63 - 1} {
		var m moment
		m.load(seq, time)
		if n, ok := m.find(core.Event{Time: time, User: 1, Movie: 1, Rating: 1}, newBitset(0, 10)); ok {
			t.Errorf("time %d: event %d", time, n)
		}
	}
}
