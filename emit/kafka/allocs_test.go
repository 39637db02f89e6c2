package kafka

import (
	"testing"

	"gen/core"
)

// A lot is made once and filled again and again: its records cost no allocation.
func TestLotDoesNotAllocate(t *testing.T) {
	d := &Delivery{Sequence: testSequence(t), End: 1 << 30}
	f := &feed{delivery: d, homes: core.NewPartitions(d.Sequence.Snapshot, 6)}
	f.own = newOwnEvents(d, Cursor{Partitions: 6}, f.homes)
	l := f.newLot()
	if got := testing.AllocsPerRun(10, l.fill); got != 0 {
		t.Errorf("filling a lot of %d records allocates %v times", lotEvents, got)
	}
	l.bytes = nil
	if got := testing.AllocsPerRun(10, l.fill); got == 0 {
		t.Error("a lot without room for its bytes is not seen to allocate")
	}
}
