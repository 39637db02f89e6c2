package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
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

// Whatever happens to a run (stopped at any event, other workers, stray and
// torn files, lost segments), its directory ends up the same.
func TestAnyHistoryGivesTheSameDirectory(t *testing.T) {
	seq := testSequence(t)
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		format := rapid.SampledFrom(anyFormat()).Draw(t, "format")
		segment := rapid.SampledFrom([]string{"1", "100", "177", "100000", "2s", "5s", "1h"}).Draw(t, "segment")
		count := rapid.Uint64Range(1, 700).Draw(t, "count")
		if segment == "1" {
			count = min(count, 5)
		}
		from := rapid.Uint64Range(0, 2000).Draw(t, "from")
		job := func(name string) *Job {
			return newJob(seq, openTemp(t, filepath.Join(base, fmt.Sprint(round, name))), format, segment, from, count)
		}
		want := job("want")
		if _, err := want.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 2).Draw(t, "interruptions") {
			j := job("got")
			j.Workers = rapid.IntRange(1, 4).Draw(t, "workers")
			stopAt := from + rapid.Uint64Range(0, count).Draw(t, "stop at")
			ctx, cancel := context.WithCancel(context.Background())
			j.Accepted = func(uint64) (func(context.Context, uint64) error, error) {
				return func(ctx context.Context, n uint64) error {
					if n >= stopAt {
						cancel()
					}
					return ctx.Err()
				}, nil
			}
			if result, err := j.Run(ctx); err == nil && result.Next != j.Meta.End() {
				t.Fatalf("Run = %+v, %v", result, err)
			}
			cancel()
			harm(t, j)
		}
		j := job("got")
		if _, err := j.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got, want := content(t, j.Dir), content(t, want.Dir); !maps.Equal(got, want) {
			t.Fatalf("%d files, want %d: %v", len(got), len(want), differing(got, want))
		}
	})
}

// A stream may change its rate and its count between invocations, whatever
// happens to it in between: what is published keeps its times, and the end is
// that of a run that had the last schedule from the beginning.
func TestAStreamMayGrow(t *testing.T) {
	seq := testSequence(t)
	base := t.TempDir()
	format := encode.Format{Name: "jsonl", Compress: "none"}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		segment := rapid.SampledFrom([]string{"1s", "3s", "1h"}).Draw(t, "segment")
		job := func(name string, schedule core.Schedule, count uint64) *Job {
			grown := &core.Sequence{Snapshot: seq.Snapshot, Seed: seq.Seed, Schedule: schedule}
			return newJob(grown, openTemp(t, filepath.Join(base, fmt.Sprint(round, name))), format, segment, 0, count)
		}
		schedule, count := seq.Schedule, uint64(0)
		for range rapid.IntRange(1, 3).Draw(t, "invocations") {
			j := job("got", schedule, count)
			if saved, err := savedMeta(j.Dir); err != nil {
				t.Fatal(err)
			} else if saved != nil {
				state, err := Inspect(j.Dir, *saved)
				if err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "another rate") {
					rate, _ := core.ParseRate(rapid.SampledFrom([]string{"20", "100"}).Draw(t, "rate"))
					schedule = schedule.Then(state.End, max(schedule.At(state.End), state.Border), rate)
				}
				count = state.End + rapid.Uint64Range(1, 300).Draw(t, "more")
				j = job("got", schedule, count)
			}
			ctx, cancel := context.WithCancel(context.Background())
			stopAt := rapid.Uint64Range(0, 400).Draw(t, "stop at")
			j.Accepted = func(uint64) (func(context.Context, uint64) error, error) {
				return func(ctx context.Context, n uint64) error {
					if n >= stopAt {
						cancel()
					}
					return ctx.Err()
				}, nil
			}
			_, err := j.Run(ctx)
			cancel()
			if errors.Is(err, ErrOtherRun) && strings.Contains(err.Error(), "finished") {
				return // an earlier invocation had reached its end
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			harm(t, j)
		}
		if saved, err := savedMeta(job("got", schedule, 0).Dir); err != nil {
			t.Fatal(err)
		} else if saved != nil && saved.Count > 0 {
			count = saved.Count
		}
		count = max(count, 700)
		last := job("got", schedule, count)
		if _, err := last.Run(context.Background()); errors.Is(err, ErrOtherRun) && strings.Contains(err.Error(), "finished") {
			return // an earlier invocation had reached its end
		} else if err != nil {
			t.Fatal(err)
		}
		want := job("want", schedule, count)
		if _, err := want.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got, want := content(t, last.Dir), content(t, want.Dir); !maps.Equal(got, want) {
			t.Fatalf("%d files, want %d: %v", len(got), len(want), differing(got, want))
		}
	})
}

// harm does to a directory what a crash, a disk or a person may do to it.
func harm(t *rapid.T, j *Job) {
	d := j.Dir.(*local)
	name := partName(rapid.Uint64Range(0, 5).Draw(t, "segment"), j.Format.Ext())
	path := filepath.Join(d.path, name)
	switch rapid.SampledFrom([]string{"nothing", "stray", "torn", "flipped", "lost"}).Draw(t, "harm") {
	case "stray":
		_ = os.WriteFile(filepath.Join(d.path, "."+name+".tmp"), []byte("half a"), 0o644) // the directory may be missing
	case "torn":
		_ = os.Remove(filepath.Join(d.path, SuccessFile))
		if info, err := os.Stat(path); err == nil {
			_ = os.Truncate(path, info.Size()/2)
		}
	case "flipped":
		_ = os.Remove(filepath.Join(d.path, SuccessFile))
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			b[len(b)/2] ^= 1
			_ = os.WriteFile(path, b, 0o644)
		}
	case "lost":
		_ = os.Remove(filepath.Join(d.path, SuccessFile))
		_ = os.Remove(path)
	}
}

func differing(a, b map[string]string) (names []string) {
	for name := range a {
		if a[name] != b[name] {
			names = append(names, name)
		}
	}
	return names
}

// The comparison above must be able to fail: a finished directory is not
// looked at again, so that a flipped byte stays.
func TestAFinishedDirectoryIsNotRepaired(t *testing.T) {
	seq := testSequence(t)
	format := encode.Format{Name: "jsonl", Compress: "none"}
	j := newJob(seq, openTemp(t, t.TempDir()), format, "100", 0, 300)
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := content(t, j.Dir)
	path := filepath.Join(j.Dir.(*local).path, partName(1, format.Ext()))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[10] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	result, err := newJob(seq, j.Dir, format, "100", 0, 300).Run(context.Background())
	if err != nil || !result.Complete {
		t.Fatalf("Run = %+v, %v", result, err)
	}
	if maps.Equal(before, content(t, j.Dir)) {
		t.Error("a flipped byte is not seen by the comparison")
	}
}

// failing is a directory of which one operation fails.
type failing struct {
	Dir
	operation string
	left      *atomic.Int64 // operations until it fails
}

var errInjected = errors.New("injected")

func (f failing) fail(operation string) error {
	if f.operation == operation && f.left.Add(-1) == 0 {
		return errInjected
	}
	return nil
}

func (f failing) Create(name string) (Pending, error) {
	if err := f.fail("create"); err != nil {
		return nil, err
	}
	p, err := f.Dir.Create(name)
	return failingFile{p, f}, err
}

type failingFile struct {
	Pending
	dir failing
}

func (f failingFile) Write(b []byte) (int, error) {
	if err := f.dir.fail("write"); err != nil {
		n, _ := f.Pending.Write(b[:len(b)/2]) // a torn write
		return n, err
	}
	return f.Pending.Write(b)
}

func (f failingFile) Finish() error { return errors.Join(f.dir.fail("finish"), f.Pending.Finish()) }

func (f failingFile) Publish() error {
	if err := f.dir.fail("publish"); err != nil {
		return err
	}
	return f.Pending.Publish()
}

// Whichever operation fails, what is visible is whole, no temporary file
// stays, and the next run completes the directory.
func TestEveryFailureLeavesWholeSegments(t *testing.T) {
	seq := testSequence(t)
	format := encode.Format{Name: "csv", Compress: "none"}
	want := newJob(seq, openTemp(t, t.TempDir()), format, "100", 0, 500)
	if _, err := want.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	whole := content(t, want.Dir)
	for _, operation := range []string{"create", "write", "finish", "publish"} {
		for at := int64(1); at <= 8; at++ {
			dir := openTemp(t, t.TempDir())
			left := new(atomic.Int64)
			left.Store(at)
			j := newJob(seq, failing{dir, operation, left}, format, "100", 0, 500)
			if _, err := j.Run(context.Background()); !errors.Is(err, errInjected) {
				t.Fatalf("%s %d: %v, want the injected error", operation, at, err)
			}
			for name, got := range content(t, dir) {
				if strings.HasPrefix(name, ".") || got != whole[name] {
					t.Errorf("%s %d: %s is visible and not whole", operation, at, name)
				}
			}
			if _, err := newJob(seq, dir, format, "100", 0, 500).Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(content(t, dir), whole) {
				t.Errorf("%s %d: another directory after the next run", operation, at)
			}
		}
	}
}

func TestTwoWritersAreKeptApart(t *testing.T) {
	d := openTemp(t, t.TempDir())
	unlock, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newJob(testSequence(t), d, encode.Format{Name: "jsonl", Compress: "none"}, "100", 0, 10).Run(context.Background()); !errors.Is(err, ErrLocked) {
		t.Errorf("Run beside a lock: %v, want ErrLocked", err)
	}
	unlock()
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
			if i, ok := partIndex(partName(seg.index, ".csv.gz"), ".csv.gz"); !ok || i != seg.index {
				t.Fatalf("partIndex(%q) = %d, %v", partName(seg.index, ".csv.gz"), i, ok)
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
