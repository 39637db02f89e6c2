package verify

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"

	"pgregory.net/rapid"
)

func testSequence(tb testing.TB) *core.Sequence {
	tb.Helper()
	var movies []core.Movie
	for i := range 500 {
		movies = append(movies, core.Movie{ID: uint32(i + 1), Genres: []string{fmt.Sprint("G", i%5)}})
	}
	cat, err := core.NewCatalogue("test", movies)
	if err != nil {
		tb.Fatal(err)
	}
	p := core.DefaultParams()
	p.Users = 5000
	s, err := core.Compile("seed", cat, p)
	if err != nil {
		tb.Fatal(err)
	}
	// Eight events a millisecond: a timestamp alone does not name an event.
	rate, err := core.ParseRate("8000")
	if err != nil {
		tb.Fatal(err)
	}
	return &core.Sequence{Snapshot: s, Seed: 42, Schedule: core.ConstantSchedule(1735689600000, rate)}
}

const (
	segmentRows = 100
	allRows     = 500
)

// dump writes 500 events as five files and returns the directory.
func dump(tb testing.TB, seq *core.Sequence, dir string) (files.Dir, files.Meta) {
	tb.Helper()
	d, err := files.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	format := encode.Format{Name: "jsonl", Compress: "none"}
	meta := files.Meta{
		Run: "test", Snapshot: seq.Snapshot.ID(), Seed: seq.Seed, Version: core.FormatVersion, Recipe: seq.Snapshot.Recipe, Schedule: seq.Schedule,
		Count: allRows, Segment: files.Segmenting{Events: segmentRows}, Format: format.Name, Compress: format.Compress,
	}
	job := &files.Job{Dir: d, Meta: meta, Sequence: seq, Format: format, Workers: 2}
	if _, err := job.Run(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return d, meta
}

func verifyDir(tb interface{ Fatal(...any) }, d files.Dir, meta files.Meta, seq *core.Sequence) map[Kind]uint64 {
	r, err := Dir(context.Background(), d, meta, seq, Options{Workers: 2, Rows: new(atomic.Uint64)})
	if err != nil {
		tb.Fatal(err)
	}
	if r.OK() != (len(r.Findings) == 0) {
		tb.Fatal("findings and counts disagree")
	}
	return r.Counts
}

// edit rewrites the lines of a segment.
func edit(tb testing.TB, dir string, segment int, change func(lines [][]byte) [][]byte) {
	tb.Helper()
	path := filepath.Join(dir, fmt.Sprintf("part-%010d.jsonl", segment))
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	lines := change(bytes.SplitAfter(b[:len(b)-1], []byte("\n")))
	last := len(lines) - 1
	if !bytes.HasSuffix(lines[last], []byte("\n")) {
		lines[last] = append(lines[last], '\n')
	}
	for i := range lines {
		if !bytes.HasSuffix(lines[i], []byte("\n")) {
			lines[i] = append(bytes.Clone(lines[i]), '\n')
		}
	}
	if err := os.WriteFile(path, bytes.Join(lines, nil), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func line(tb testing.TB, dir string, segment, row int) []byte {
	var got []byte
	edit(tb, dir, segment, func(lines [][]byte) [][]byte { got = bytes.Clone(lines[row]); return lines })
	return got
}

func insert(lines [][]byte, at int, row []byte) [][]byte {
	out := append([][]byte{}, lines[:at]...)
	return append(append(out, row), lines[at:]...)
}

func remove(lines [][]byte, at int) [][]byte {
	return append(append([][]byte{}, lines[:at]...), lines[at+1:]...)
}

// Each fault, once, is found and named; the directory without one is clean.
func TestEveryFaultIsNamed(t *testing.T) {
	seq := testSequence(t)
	foreign := []byte(`{"userId":1,"movieId":1,"rating":1.0,"timestamp":1}` + "\n")
	for _, c := range []struct {
		name  string
		fault func(dir string)
		want  map[Kind]uint64
	}{
		{"nothing", func(string) {}, map[Kind]uint64{}},
		{"a row lost", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { return remove(l, 50) })
		}, map[Kind]uint64{Missing: 1}},
		{"the first row lost", func(dir string) {
			edit(t, dir, 0, func(l [][]byte) [][]byte { return remove(l, 0) })
		}, map[Kind]uint64{Missing: 1}},
		{"the last rows lost", func(dir string) {
			edit(t, dir, 4, func(l [][]byte) [][]byte { return l[:90] })
		}, map[Kind]uint64{Missing: 10}},
		{"a row twice", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { return insert(l, 51, l[50]) })
		}, map[Kind]uint64{Duplicated: 1}},
		{"a row again in another file", func(dir string) {
			row := line(t, dir, 1, 7)
			edit(t, dir, 3, func(l [][]byte) [][]byte { return insert(l, 20, row) })
		}, map[Kind]uint64{Duplicated: 1}},
		{"a row moved to another file", func(dir string) {
			row := line(t, dir, 1, 7)
			edit(t, dir, 1, func(l [][]byte) [][]byte { return remove(l, 7) })
			edit(t, dir, 3, func(l [][]byte) [][]byte { return insert(l, 20, row) })
		}, map[Kind]uint64{Misplaced: 1}},
		{"a row moved within its file", func(dir string) {
			edit(t, dir, 1, func(l [][]byte) [][]byte { return insert(remove(l, 7), 60, l[7]) })
		}, map[Kind]uint64{Misplaced: 1}},
		{"two rows exchanged", func(dir string) {
			edit(t, dir, 1, func(l [][]byte) [][]byte { l[3], l[4] = l[4], l[3]; return l })
		}, map[Kind]uint64{Misplaced: 1}},
		{"a rating changed", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { l[9] = changeRating(l[9]); return l })
		}, map[Kind]uint64{Altered: 1}},
		{"a row of garbage", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { l[9] = []byte("garbage\n"); return l })
		}, map[Kind]uint64{Altered: 1}},
		{"a timestamp changed", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { l[9] = bytes.Replace(l[9], []byte(":17"), []byte(":18"), 1); return l })
		}, map[Kind]uint64{Altered: 1}},
		{"a foreign row", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { return insert(l, 9, foreign) })
		}, map[Kind]uint64{Foreign: 1}},
		{"an event that is not due yet", func(dir string) {
			row := encode.AppendJSONL(nil, []core.Event{seq.Event(allRows + 7)})
			edit(t, dir, 4, func(l [][]byte) [][]byte { return append(l, row) })
		}, map[Kind]uint64{Foreign: 1}},
		{"a foreign file", func(dir string) { write(t, dir, "notes.txt", "x") }, map[Kind]uint64{Foreign: 1}},
		{"a file lost", func(dir string) { os.Remove(filepath.Join(dir, "part-0000000003.jsonl")) }, map[Kind]uint64{Missing: segmentRows}},
		{"an empty file", func(dir string) { write(t, dir, "part-0000000003.jsonl", "") }, map[Kind]uint64{Missing: segmentRows}},
		{"an empty file too many", func(dir string) { write(t, dir, "part-0000000077.jsonl", "") }, map[Kind]uint64{Foreign: 1}},
		{"a file lost after the first ones", func(dir string) { os.Remove(filepath.Join(dir, "part-0000000004.jsonl")) }, map[Kind]uint64{Missing: segmentRows}},
		{"files lost in a row", func(dir string) {
			os.Remove(filepath.Join(dir, "part-0000000001.jsonl"))
			os.Remove(filepath.Join(dir, "part-0000000002.jsonl"))
		}, map[Kind]uint64{Missing: 2 * segmentRows}},
		{"a manifest damaged", func(dir string) { write(t, dir, files.ManifestFile, "{") }, map[Kind]uint64{Damaged: 1}},
		// The count of the run says where it must end.
		{"a manifest and the last file lost", func(dir string) {
			os.Remove(filepath.Join(dir, files.ManifestFile))
			os.Remove(filepath.Join(dir, "part-0000000004.jsonl"))
		}, map[Kind]uint64{Damaged: 1, Missing: segmentRows}},
		{"a row of garbage and its neighbours lost", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { l[9] = []byte("garbage\n"); return append(l[:10:10], l[20:]...) })
		}, map[Kind]uint64{Altered: 1, Missing: 10}},
		{"garbage, more than there are events missing", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte {
				l[9] = []byte("garbage\n")
				return insert(insert(l, 9, l[9]), 9, l[9])
			})
		}, map[Kind]uint64{Altered: 1, Foreign: 2}},
		{"garbage behind a row that is too early", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte {
				l[60], l[20] = []byte("garbage\n"), []byte("garbage\n")
				return insert(remove(l, 10), 70, l[10])
			})
		}, map[Kind]uint64{Altered: 2, Misplaced: 1}},
		{"spaces in a row", func(dir string) {
			edit(t, dir, 2, func(l [][]byte) [][]byte { l[9] = bytes.ReplaceAll(l[9], []byte(","), []byte(", ")); return l })
		}, map[Kind]uint64{Damaged: 1}}, // the row is right, the bytes are not the manifest's
	} {
		dir := filepath.Join(t.TempDir(), "out")
		d, meta := dump(t, seq, dir)
		c.fault(dir)
		if got := verifyDir(t, d, meta, seq); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func write(tb testing.TB, dir, name, text string) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func changeRating(row []byte) []byte {
	i := bytes.Index(row, []byte(`"rating":`)) + len(`"rating":`)
	row = bytes.Clone(row)
	row[i] = '1' + (row[i]-'0')%4
	return row
}

// Any mix of lost, repeated and altered rows is counted exactly.
func TestMixedFaultsAreCounted(t *testing.T) {
	seq := testSequence(t)
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		dir := filepath.Join(base, fmt.Sprint(round))
		d, meta := dump(t, seq, dir)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "faults"), 1))
		lost := rapid.IntRange(0, 30).Draw(rt, "lost")
		repeated := rapid.IntRange(0, 30).Draw(rt, "repeated")
		edit(t, dir, 1, func(l [][]byte) [][]byte {
			for range lost {
				l = remove(l, random.IntN(len(l)))
			}
			return l
		})
		edit(t, dir, 3, func(l [][]byte) [][]byte {
			for i := range repeated {
				at := random.IntN(segmentRows)
				l = insert(l, at+i, l[at+i])
			}
			return l
		})
		altered := rapid.IntRange(0, segmentRows).Draw(rt, "altered")
		edit(t, dir, 2, func(l [][]byte) [][]byte {
			for _, i := range random.Perm(segmentRows)[:altered] {
				l[i] = []byte("garbage\n")
			}
			return l
		})
		want := map[Kind]uint64{}
		if altered > 0 {
			want[Altered] = uint64(altered)
		}
		if lost > 0 {
			want[Missing] = uint64(lost)
		}
		if repeated > 0 {
			want[Duplicated] = uint64(repeated)
		}
		if got := verifyDir(rt, d, meta, seq); !reflect.DeepEqual(got, want) {
			rt.Fatalf("%v, want %v", got, want)
		}
	})
}

func TestOutOfOrderIsTheFewestRows(t *testing.T) {
	for _, c := range []struct {
		events []uint64
		want   []uint64
	}{
		{[]uint64{1, 2, 3}, nil},
		{[]uint64{5, 1, 2, 3}, []uint64{5}},
		{[]uint64{1, 2, 3, 0}, []uint64{0}},
		{[]uint64{1, 4, 5, 2, 3, 6, 7}, []uint64{4, 5}},
	} {
		var rows []placed
		for i, n := range c.events {
			rows = append(rows, placed{n, int64(i)})
		}
		var got []uint64
		for _, r := range outOfOrder(rows) {
			got = append(got, r.n)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("outOfOrder(%v) = %v, want %v", c.events, got, c.want)
		}
	}
}
