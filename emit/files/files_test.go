package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"time"

	"gen/core"
	"gen/emit/encode"

	"pgregory.net/rapid"
)

func testSequence(tb testing.TB) *core.Sequence {
	tb.Helper()
	var movies []core.Movie
	for i := range 50 {
		movies = append(movies, core.Movie{ID: uint32(i + 1), Title: fmt.Sprint(i), Genres: []string{fmt.Sprint("G", i%5), fmt.Sprint("H", i%3)}})
	}
	cat, err := core.NewCatalogue("test", movies)
	if err != nil {
		tb.Fatal(err)
	}
	p := core.DefaultParams()
	p.Users = 20
	s, err := core.Compile("seed", cat, p)
	if err != nil {
		tb.Fatal(err)
	}
	rate, err := core.ParseRate("50")
	if err != nil {
		tb.Fatal(err)
	}
	return &core.Sequence{Snapshot: s, Seed: 42, Schedule: core.ConstantSchedule(1735689600000, rate)}
}

func newJob(seq *core.Sequence, d Dir, format encode.Format, segment string, from, count uint64) *Job {
	cut, err := ParseSegmenting(segment)
	if err != nil {
		panic(err)
	}
	return &Job{
		Dir: d, Sequence: seq, Format: format, Workers: 2, Events: new(atomic.Uint64),
		Meta: Meta{
			Run: "test", Snapshot: seq.Snapshot.ID(), Seed: seq.Seed, Version: core.FormatVersion, Recipe: seq.Snapshot.Recipe,
			Schedule: seq.Schedule, From: from, Count: count, Segment: cut, Format: format.Name, Compress: format.Compress,
		},
	}
}

func openTemp(t interface{ Fatal(...any) }, path string) Dir {
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// content returns the files of a directory by name.
func content(t interface{ Fatal(...any) }, d Dir) map[string]string {
	names, err := list(d)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		b, err := fs.ReadFile(d.FS(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(b)
	}
	return files
}

// anyFormat is every format with every compression.
func anyFormat() []encode.Format {
	var formats []encode.Format
	for _, name := range encode.Names() {
		for _, c := range encode.Compressions(name) {
			formats = append(formats, encode.Format{Name: name, Compress: c})
		}
	}
	return formats
}

// Segments follow each other without gap or overlap, with ascending indices.
func TestSegmentsPartitionTheRange(t *testing.T) {
	seq := testSequence(t)
	rapid.Check(t, func(t *rapid.T) {
		rate, err := core.ParseRate(rapid.SampledFrom([]string{"50", "1/3", "0.001", "1000000", "7/11"}).Draw(t, "rate"))
		if err != nil {
			t.Fatal(err)
		}
		schedule := core.ConstantSchedule(0, rate).Then(rapid.Uint64Range(1, 5000).Draw(t, "change"), rapid.Int64Range(0, 1e8).Draw(t, "at"), seq.Schedule.Last())
		cut, err := ParseSegmenting(rapid.SampledFrom([]string{"10", "1000", "1s", "1m", "1h"}).Draw(t, "segment"))
		if err != nil {
			t.Fatal(err)
		}
		from := rapid.Uint64Range(0, 10000).Draw(t, "from")
		end := from + rapid.Uint64Range(1, 1000).Draw(t, "count")
		n, last := from, int64(-1)
		for {
			seg, ok := cut.next(schedule, n, end)
			if !ok {
				break
			}
			if seg.from != n || seg.to <= n || int64(seg.index) <= last {
				t.Fatalf("segment %+v after event %d, index %d", seg, n, last)
			}
			n, last = seg.to, int64(seg.index)
			if i, ok := partIndex(PartName(seg.index, ".csv.gz"), ".csv.gz"); !ok || i != seg.index {
				t.Fatalf("partIndex(%q) = %d, %v", PartName(seg.index, ".csv.gz"), i, ok)
			}
		}
		if n != end {
			t.Fatalf("segments end at %d, want %d", n, end)
		}
	})
}

// Any split of a range over any workers concatenates to the same stream.
func TestPipeSplitsAndWorkersChangeNoByte(t *testing.T) {
	seq := testSequence(t)
	for _, name := range []string{"jsonl", "csv"} {
		format := encode.Format{Name: name, Compress: "none"}
		pipe := func(from, to uint64, workers int) []byte {
			var out bytes.Buffer
			p := &Pipe{Out: &out, Sequence: seq, Format: format, From: from, To: to, Workers: workers, Events: new(atomic.Uint64)}
			if next, err := p.Run(context.Background()); next != to || err != nil {
				t.Fatalf("Run = %d, %v", next, err)
			}
			return out.Bytes()
		}
		whole := pipe(0, 60_000, 1)
		rapid.Check(t, func(t *rapid.T) {
			var parts []byte
			for from := uint64(0); from < 60_000; {
				to := min(60_000, from+rapid.Uint64Range(1, 30_000).Draw(t, "events"))
				parts = append(parts, pipe(from, to, rapid.IntRange(1, 4).Draw(t, "workers"))...)
				from = to
			}
			if !bytes.Equal(parts, whole) {
				t.Fatal("the parts are not the whole")
			}
		})
		var paced bytes.Buffer
		p := &Pipe{Out: &paced, Sequence: seq, Format: format, From: 0, To: 60_000, Events: new(atomic.Uint64)}
		if _, err := p.RunPaced(context.Background(), nil); err != nil || !bytes.Equal(paced.Bytes(), whole) {
			t.Errorf("%s: paced output differs: %v", name, err)
		}
	}
}

// closing is a reader of standard output that goes away.
type closing struct{ left int }

func (c *closing) Write(b []byte) (int, error) {
	if c.left -= len(b); c.left < 0 {
		return 0, errInjected
	}
	return len(b), nil
}

func TestPipeEndsWithTheError(t *testing.T) {
	seq := testSequence(t)
	for _, format := range anyFormat() {
		p := &Pipe{Out: &closing{100_000}, Sequence: seq, Format: format, From: 0, To: 10_000_000, Workers: 3, Events: new(atomic.Uint64)}
		if next, err := p.Run(context.Background()); !errors.Is(err, errInjected) || next == p.To {
			t.Errorf("%v: Run = %d, %v", format, next, err)
		}
	}
}

// stuck is a pipe that nobody reads.
type stuck struct{}

func (stuck) Write([]byte) (int, error) { select {} }

func TestAStuckReaderDoesNotKeepTheProcess(t *testing.T) {
	seq := testSequence(t)
	for _, format := range anyFormat() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		p := &Pipe{Out: Until(ctx, stuck{}, 10*time.Millisecond), Sequence: seq, Format: format, From: 0, To: 10, Workers: 2, Events: new(atomic.Uint64)}
		if next, err := p.Run(ctx); !errors.Is(err, ErrNotRead) || next == p.To {
			t.Errorf("%v: Run = %d, %v, want ErrNotRead", format, next, err)
		}
		cancel()
	}
}
