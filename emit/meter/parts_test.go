package meter

import (
	"testing"
	"testing/synctest"
	"time"

	"gen/core"
	"gen/emit/pace"
)

// Two shards of a delivery: the sum counts what each was told of, stands where the
// last one stands, and is as late as both are.
func TestParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sum Meter
		parts := sum.Split(2)
		if r := sum.Read(); r.State != Starting || r.Events != 0 {
			t.Errorf("before they begin: %+v, want starting", r)
		}
		pacer := pace.New(core.ConstantSchedule(0, core.Rate{Num: 1000, Den: 1}), 10, 1)
		parts[0].Begin(10, pacer)
		parts[1].Begin(12, pacer)
		for _, part := range parts {
			part.Session(12)
		}
		send := func(part *Meter, events ...int64) {
			var list []core.Event
			for _, ms := range events {
				list = append(list, core.Event{Time: ms})
			}
			part.Sent(uint64(events[0]), list)
		}
		send(parts[0], 10, 13)
		parts[0].Committed(20)
		send(parts[1], 12, 14, 15)
		if r := sum.ReadLags(); r.From != 10 || r.Next != 12 || r.Events != 2 || r.Sent != 5 || r.State != Running {
			t.Errorf("one has committed: %+v", r)
		}
		parts[1].Committed(17)
		r := sum.ReadLags()
		if r.Next != 17 || r.Events != 5 || r.Restarts != 0 || r.Lags.Committed.TotalCount() != 5 || r.Due != 11 {
			t.Errorf("both have: %+v", r)
		}
		if recent := sum.Recent(); recent.TotalCount() != 5 {
			t.Errorf("Recent() has %d events, want 5", recent.TotalCount())
		}
		// What was sent and not committed is sent again after a restart, and counted once.
		send(parts[1], 18, 19)
		parts[1].Session(17)
		send(parts[1], 18, 19)
		parts[1].Committed(30)
		if r := sum.Read(); r.Events != 7 || r.Restarts != 1 {
			t.Errorf("after a restart: %+v, want 7 events", r)
		}
		parts[0].Outage()
		if r := sum.Read(); r.State != Waiting {
			t.Errorf("one waits: %+v", r)
		}
		parts[0].Committed(31)
		time.Sleep(5 * time.Second)
		if r := sum.Read(); r.State != CatchingUp || r.Behind < 4*time.Second {
			t.Errorf("late: %+v", r)
		}
		sum.End()
		if r := sum.Read(); r.State != Done {
			t.Errorf("at the end: %+v", r)
		}
	})
}
