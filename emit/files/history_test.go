package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"gen/core"
	"gen/emit/encode"

	"pgregory.net/rapid"
)

// Whatever happens to a run (stopped at any event, other workers, stray and
// torn files, lost segments), its directory ends up the same.
func TestAnyHistoryGivesTheSameDirectory(t *testing.T) { onEveryPlace(t, anyHistory) }

func anyHistory(t *testing.T, base string) {
	seq := testSequence(t)
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
			return newJob(seq, openTemp(t, fmt.Sprint(base, "/", round, name)), format, segment, from, count)
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
			j.Accepted = func(uint64) (Wait, error) {
				return func(ctx context.Context, n, to uint64) (uint64, error) {
					if to > stopAt {
						cancel()
					}
					return min(to, n+1+n%700), ctx.Err()
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
func TestAStreamMayGrow(t *testing.T) { onEveryPlace(t, streamMayGrow) }

func streamMayGrow(t *testing.T, base string) {
	seq := testSequence(t)
	format := encode.Format{Name: "jsonl", Compress: "none"}
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		segment := rapid.SampledFrom([]string{"1s", "3s", "1h"}).Draw(t, "segment")
		job := func(name string, schedule core.Schedule, count uint64) *Job {
			grown := &core.Sequence{Snapshot: seq.Snapshot, Seed: seq.Seed, Schedule: schedule}
			return newJob(grown, openTemp(t, fmt.Sprint(base, "/", round, name)), format, segment, 0, count)
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
			j.Accepted = func(uint64) (Wait, error) {
				return func(ctx context.Context, n, to uint64) (uint64, error) {
					if to > stopAt {
						cancel()
					}
					return min(to, n+1+n%700), ctx.Err()
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
	d := j.Dir
	name := PartName(rapid.Uint64Range(0, 5).Draw(t, "segment"), j.Format.Ext())
	kind := rapid.SampledFrom([]string{"nothing", "stray", "torn", "flipped", "lost"}).Draw(t, "harm")
	if kind == "flipped" && !j.Format.Text() {
		kind = "torn" // a byte of Parquet that no row depends on may stay: another build writes another one
	}
	if kind == "stray" { // of a process that was killed
		p, err := d.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("half a")); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := fs.ReadFile(d.FS(), name)
	if err != nil || len(b) == 0 || kind == "nothing" {
		return
	}
	_ = d.Remove(SuccessFile) // it may not be there
	switch kind {
	case "torn":
		err = publish(d, name, b[:len(b)/2])
	case "flipped":
		b[len(b)/2] ^= 1
		err = publish(d, name, b)
	case "lost":
		err = d.Remove(name)
	}
	if err != nil {
		t.Fatal(err)
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
func TestAFinishedDirectoryIsNotRepaired(t *testing.T) { onEveryPlace(t, notRepaired) }

func notRepaired(t *testing.T, base string) {
	seq := testSequence(t)
	format := encode.Format{Name: "jsonl", Compress: "none"}
	j := newJob(seq, openTemp(t, base), format, "100", 0, 300)
	if _, err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := content(t, j.Dir)
	name := PartName(1, format.Ext())
	b := []byte(before[name])
	b[10] ^= 1
	if err := publish(j.Dir, name, b); err != nil {
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
