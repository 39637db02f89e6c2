package encode

import (
	"bytes"
	"testing"

	"gen/core"
)

// parquetAllocs returns the allocations an event of a Parquet file whose events
// arrive in batches of 8,192, each of which before has.
func parquetAllocs(t *testing.T, events []core.Event, before func([]core.Event)) float64 {
	var out bytes.Buffer
	allocs := testing.AllocsPerRun(3, func() {
		out.Reset()
		w, err := Format{Name: "parquet", Compress: "snappy"}.NewWriter(&out, true)
		if err != nil {
			t.Fatal(err)
		}
		for begin := 0; begin < len(events); begin += 8192 {
			batch := events[begin:min(begin+8192, len(events))]
			before(batch)
			if err := w.Write(batch); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return allocs / float64(len(events))
}

var escaped *core.Event

// What a Parquet writer allocates belongs to pages and row groups: no event
// costs anything.
func TestParquetWriterDoesNotAllocateByEvent(t *testing.T) {
	const most = 0.02
	events := sample(1<<18, false)
	got := parquetAllocs(t, events, func([]core.Event) {})
	t.Logf("%.5f allocations an event", got)
	if got > most {
		t.Errorf("%.4f allocations an event, want at most %v", got, most)
	}
	wasteful := parquetAllocs(t, events, func(batch []core.Event) {
		for i := range batch {
			if i%16 == 0 {
				escaped = &core.Event{Time: batch[i].Time}
			}
		}
	})
	if wasteful <= most {
		t.Errorf("a writer that allocates for every 16th event passes with %.4f", wasteful)
	}
}
