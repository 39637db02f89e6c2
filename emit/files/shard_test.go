package files

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gen/core"
	"gen/emit/encode"

	"golang.org/x/sync/errgroup"
)

var shardFormat = encode.Format{Name: "jsonl", Compress: "gzip"}

// newShard returns the job of a shard of one directory: 23 segments, the last one
// shorter.
func newShard(t testing.TB, seq *core.Sequence, target string, shard core.Shard) *Job {
	d, err := OpenWith(target, Options{Owner: "host:/state, shard " + shard.String(), Shard: shard})
	if err != nil {
		t.Fatal(err)
	}
	j := newJob(seq, d, shardFormat, "100", 50, 2230)
	j.Shard = shard
	return j
}

// runShards runs all shards of s at a time.
func runShards(t testing.TB, seq *core.Sequence, target string, s int) {
	t.Helper()
	var group errgroup.Group
	for i := range s {
		job := newShard(t, seq, target, core.Shard{Index: i, Of: s})
		group.Go(func() error {
			result, err := job.Run(context.Background())
			if _, to := job.Part(); err == nil && result.Next != to {
				return fmt.Errorf("shard %v ended at event %d, want %d", job.Shard, result.Next, to)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatalf("%d shards: %v", s, err)
	}
}

// wantWhole is the directory that one job makes.
func wantWhole(t testing.TB, seq *core.Sequence, base string) map[string]string {
	t.Helper()
	whole := newJob(seq, openTemp(t, base+"/want"), shardFormat, "100", 50, 2230)
	if _, err := whole.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return content(t, whole.Dir)
}

func sameContent(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if text, ok := want[name]; !ok {
			t.Errorf("%s: %s is there too", what, name)
		} else if text != got[name] {
			t.Errorf("%s: %s is another file", what, name)
		}
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s: %s is missing", what, name)
		}
	}
}

func TestShardsMakeTheSameDirectory(t *testing.T) { onEveryPlace(t, sameDirectory) }

func sameDirectory(t *testing.T, base string) {
	seq := testSequence(t)
	want := wantWhole(t, seq, base)
	for _, s := range []int{1, 2, 3, 6, 40} { // 40: more than there are segments
		target := fmt.Sprint(base, "/", s)
		runShards(t, seq, target, s)
		sameContent(t, fmt.Sprint(s, " shards"), content(t, openTemp(t, target)), want)
		runShards(t, seq, target, s+1) // nothing is left to do
		sameContent(t, fmt.Sprint(s, " shards, again"), content(t, openTemp(t, target)), want)
	}
}

func TestShardsMayDie(t *testing.T) { onEveryPlace(t, dyingShards) }

// dyingShards interrupts shards, of ever another number of them, at random moments
// and lets what a killed process leaves behind lie about.
func dyingShards(t *testing.T, base string) {
	seq := testSequence(t)
	want := wantWhole(t, seq, base)
	for round := range 20 {
		r := rand.New(rand.NewPCG(uint64(round), 7))
		target := fmt.Sprint(base, "/", round)
		var done []string
		for range r.IntN(6) {
			s := 1 + r.IntN(4)
			shard := core.Shard{Index: r.IntN(s), Of: s}
			done = append(done, shard.String())
			ctx, cancel := context.WithCancel(context.Background())
			job := newShard(t, seq, target, shard)
			left := r.IntN(5)
			job.Published = func(Entry) {
				if left--; left <= 0 {
					cancel()
				}
			}
			if _, err := job.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatalf("round %d, after %v: %v", round, done, err)
			}
			cancel()
			strays(t, target, shard)
		}
		s := 1 + r.IntN(5)
		runShards(t, seq, target, s)
		sameContent(t, fmt.Sprintf("round %d: %v, then %d", round, done, s), content(t, openTemp(t, target)), want)
	}
}

// strays leaves behind what a killed shard does: a temporary file.
func strays(t testing.TB, target string, shard core.Shard) {
	d, err := OpenWith(target, Options{Shard: shard})
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Create(PartName(3, shardFormat.Ext()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("half a")); err != nil {
		t.Fatal(err)
	}
	if err := p.Finish(); err != nil {
		t.Fatal(err)
	}
}

func TestShardsAreKeptApart(t *testing.T) { onEveryPlace(t, keptApart) }

func keptApart(t *testing.T, base string) {
	seq := testSequence(t)
	first, second := core.Shard{Index: 0, Of: 3}, core.Shard{Index: 1, Of: 3}
	held := newShard(t, seq, base, first)
	var err error
	// A writer breaks the lock of its own name in HDFS.
	if held.Dir, err = OpenWith(base, Options{Owner: "elsewhere:/state", Shard: first}); err != nil {
		t.Fatal(err)
	}
	locks, err := held.lock(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	locks.letIn()
	for what, job := range map[string]*Job{
		"the same shard":        newShard(t, seq, base, first),
		"a job that is not cut": newJob(seq, openTemp(t, base), shardFormat, "100", 50, 2230),
	} {
		if _, err := job.Run(context.Background()); !errors.Is(err, ErrLocked) {
			t.Errorf("%s beside a shard: %v, want ErrLocked", what, err)
		}
	}
	result, err := newShard(t, seq, base, second).Run(context.Background())
	if err != nil || result.Finished {
		t.Errorf("another shard beside a shard: %+v, %v, want its part", result, err)
	}
	locks.unlock()
	other := newShard(t, seq, base, first)
	other.Meta.Seed = 7
	if _, err := other.Run(context.Background()); !errors.Is(err, ErrOtherRun) {
		t.Errorf("a shard of another seed: %v, want ErrOtherRun", err)
	}
}

// What no list speaks for is compared, whoever finishes; what a list says of a
// file that is as long is taken, which the manifest shows.
func TestShardsCompareWhatNoListHas(t *testing.T) {
	seq, base := testSequence(t), t.TempDir()
	want := wantWhole(t, seq, base)
	damage := func(target string) {
		d := openTemp(t, target)
		name := PartName(3, shardFormat.Ext())
		b := []byte(want[name])
		b[len(b)/2] ^= 1
		if err := publish(d, name, b); err != nil {
			t.Fatal(err)
		}
	}
	for _, lists := range []bool{true, false} {
		target := fmt.Sprint(base, "/", lists)
		if _, err := newShard(t, seq, target, core.Shard{Index: 0, Of: 2}).Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		damage(target)
		if !lists {
			if err := openTemp(t, target).Remove(listName("0-of-2")); err != nil {
				t.Fatal(err)
			}
		}
		result, err := newShard(t, seq, target, core.Shard{Index: 1, Of: 2}).Run(context.Background())
		if err != nil || !result.Finished {
			t.Fatalf("the last shard: %+v, %v", result, err)
		}
		if same := maps.Equal(content(t, openTemp(t, target)), want); same == lists {
			t.Errorf("with lists %v: the directory is equal to the undisturbed one: %v", lists, same)
		}
	}
}

// Two who begin a directory at a time, each with another run: one is refused.
func TestShardsOfTwoRuns(t *testing.T) {
	seq := testSequence(t)
	for round := range 20 {
		target := t.TempDir()
		refused := make(chan error, 2)
		for i := range 2 {
			job := newShard(t, seq, target, core.Shard{Index: i, Of: 2})
			job.Meta.Run = fmt.Sprint("run-", i)
			go func() {
				_, err := job.Run(context.Background())
				refused <- err
			}()
		}
		a, b := <-refused, <-refused
		if (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), ErrOtherRun) {
			t.Fatalf("round %d: %v and %v, want one refused", round, a, b)
		}
	}
}

func TestShardNames(t *testing.T) {
	names := []string{"_gen.lock-0-of-3", ".part-0000000001.jsonl.1-of-3.tmp", "._gen.json.2-of-30.tmp", ".part-0000000001.jsonl.gz.3-of-4.go-hdfs-aX1-7.tmp"}
	others := []string{"_gen.lock", ".part-0000000001.jsonl.tmp", "part-0000000001.jsonl", "_shard-0-of-3.json", ".part-0000000001.jsonl.go-hdfs-aX1-7.tmp"}
	want := "0-of-3 1-of-3 2-of-30 3-of-4"
	if got := strings.Join(shardsOf(append(names, others...)), " "); got != want {
		t.Errorf("shardsOf = %s, want %s", got, want)
	}
}
