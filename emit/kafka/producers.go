package kafka

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// DeliverAll delivers several shards of a run in one process, each as Deliver does.
// They begin together, so that one pacer serves all; the first that fails ends the
// others.
func DeliverAll(ctx context.Context, deliveries []*Delivery) ([]Cursor, error) {
	cursors := make([]Cursor, len(deliveries))
	group, ctx := errgroup.WithContext(ctx)
	together := &meeting{missing: len(deliveries), all: make(chan struct{})}
	for i, d := range deliveries {
		d.together = together
		group.Go(func() (err error) {
			cursors[i], err = d.Deliver(ctx)
			return err
		})
	}
	return cursors, group.Wait()
}

// meeting is where the shards of a process wait until each knows where it goes on.
type meeting struct {
	mu      sync.Mutex
	missing int
	least   uint64
	met     bool
	all     chan struct{} // closed when nobody is missing
}

// meet waits for the others and returns the least of what they bring. Nobody waits
// on a nil meeting.
func (m *meeting) meet(ctx context.Context, next uint64) (uint64, error) {
	if m == nil {
		return next, nil
	}
	m.mu.Lock()
	if !m.met || next < m.least {
		m.met, m.least = true, next
	}
	if m.missing--; m.missing == 0 {
		close(m.all)
	}
	m.mu.Unlock()
	select {
	case <-m.all:
		return m.least, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
