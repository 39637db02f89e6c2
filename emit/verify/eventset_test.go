package verify

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Goroutines add events that stand between each other's, as the partitions of a
// topic do: none is lost. They go through the words in step, so that they meet.
func TestEventSet(t *testing.T) {
	const parts, events, from = 2, 4_000_000, 3*pageEvents - 1024
	s := newEventSet()
	var group sync.WaitGroup
	var arrived atomic.Uint64
	for p := range uint64(parts) {
		group.Go(func() {
			h := hand{eventSet: s}
			for n := from + p; n < from+events; n += parts {
				if n%64 == p {
					all := arrived.Add(1)
					for all = (all + parts - 1) / parts * parts; arrived.Load() < all; {
						runtime.Gosched()
					}
				}
				if h.has(n) || !h.add(n) || !h.has(n) || h.add(n) {
					t.Errorf("event %d is not added once", n)
				}
			}
		})
	}
	group.Wait()
	next := uint64(from)
	s.each(func(n uint64) {
		if n != next {
			t.Fatalf("each gives %d, want %d", n, next)
		}
		next++
	})
	if next != from+events || len(s.pages) != 63 {
		t.Errorf("%d events in %d pages, want %d in 63", next-from, len(s.pages), events)
	}
	if (&hand{eventSet: s}).has(from + 100*pageEvents) {
		t.Error("an event that was not added is there")
	}
}
