package verify

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"
)

// Verifying a right file costs what its reader and two batches cost, no
// allocation an event. Naming what is wrong, which costs some, must not pass.
func TestVerifyDoesNotAllocateByEvent(t *testing.T) {
	const (
		rows = 200_000
		most = 0.001
	)
	seq := testSequence(t)
	events := make([]core.Event, rows)
	seq.Fill(events, 0)
	dir, p := t.TempDir(), part{name: "part-0000000000.jsonl", present: true, from: 0, to: rows}
	if err := os.WriteFile(filepath.Join(dir, p.name), encode.AppendJSONL(nil, events), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := files.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	allocs := func(seq *core.Sequence, right bool) float64 {
		c := &checker{dir: d, format: encode.Format{Name: "jsonl", Compress: "none"}, seq: seq, rows: new(atomic.Uint64)}
		return testing.AllocsPerRun(3, func() {
			o, err := c.check(context.Background(), p)
			if err != nil || o.right() != right {
				t.Fatalf("right is %v, want %v; %v", o.right(), right, err)
			}
		}) / rows
	}
	got := allocs(seq, true)
	t.Logf("%.6f allocations an event", got)
	if got > most {
		t.Errorf("%.4f allocations an event, want at most %v", got, most)
	}
	other := *seq
	other.Seed++
	if wrong := allocs(&other, false); wrong <= most {
		t.Errorf("naming %d wrong rows passes with %.6f", rows, wrong)
	}
}
