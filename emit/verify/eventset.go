package verify

import (
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// pageEvents is how many events a page of an eventSet has bits for: 8 kB.
const pageEvents = 1 << 16

type page [pageEvents / 64]atomic.Uint64

// eventSet is a set of event numbers that many goroutines add to. It costs one
// bit for each event, in pages that are made when the first of their events
// comes: what retention has deleted costs nothing.
type eventSet struct {
	mu    sync.RWMutex
	pages map[uint64]*page
}

func newEventSet() *eventSet { return &eventSet{pages: map[uint64]*page{}} }

// page returns the page of event n, nil when there is none and none is to be
// made.
func (s *eventSet) page(n uint64, create bool) *page {
	i := n / pageEvents
	s.mu.RLock()
	p := s.pages[i]
	s.mu.RUnlock()
	if p != nil || !create {
		return p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages[i] == nil {
		s.pages[i] = new(page)
	}
	return s.pages[i]
}

// sorted returns the numbers of the pages.
func (s *eventSet) sorted() []uint64 { return slices.Sorted(maps.Keys(s.pages)) }

// each calls f with every event of the set, in order.
func (s *eventSet) each(f func(n uint64)) {
	for _, i := range s.sorted() {
		for w := range s.pages[i] {
			for word := s.pages[i][w].Load(); word != 0; word &= word - 1 {
				f(i*pageEvents + uint64(w*64+bits.TrailingZeros64(word)))
			}
		}
	}
}

// hand is one goroutine's access to an eventSet. It keeps the page that it used
// last.
type hand struct {
	*eventSet
	number uint64 // of the page
	held   *page
}

func (h *hand) word(n uint64, create bool) *atomic.Uint64 {
	if h.held == nil || h.number != n/pageEvents {
		h.number, h.held = n/pageEvents, h.page(n, create)
	}
	if h.held == nil {
		return nil
	}
	return &h.held[n%pageEvents/64]
}

func (h *hand) has(n uint64) bool {
	w := h.word(n, false)
	return w != nil && w.Load()>>(n%64)&1 == 1
}

// add tells whether the event was not in the set yet.
func (h *hand) add(n uint64) bool {
	bit := uint64(1) << (n % 64)
	return h.word(n, true).Or(bit)&bit == 0
}
