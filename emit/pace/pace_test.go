package pace

import (
	"context"
	"errors"
	"testing"
	"time"

	"gen/core"
)

// paced returns a pacer at 1000 events a second that began some time ago.
func paced(from uint64, speed float64, ago time.Duration) *Pacer {
	p := New(core.ConstantSchedule(1735689600000, core.Rate{Num: 1000, Den: 1}), from, speed)
	p.origin = p.origin.Add(-ago)
	return p
}

func TestDue(t *testing.T) {
	for _, c := range []struct {
		name  string
		from  uint64
		speed float64
		ago   time.Duration
		want  uint64
	}{
		{"the first event at once", 0, 1, 0, 1},
		{"an hour", 0, 1, time.Hour, 3_600_001},
		{"from event 5000 on", 5000, 1, time.Hour, 3_605_001},
		{"at half the speed", 0, 0.5, time.Hour, 1_800_001},
		{"at a thousandth", 0, 0.001, time.Hour, 3601},
		{"at two and a half times the speed", 0, 2.5, time.Hour, 9_000_001},
		// Event time ends with the year 9999; only what it can name is due.
		{"without end", 0, 1e300, time.Hour, core.MaxTime + 1},
	} {
		got := paced(c.from, c.speed, c.ago).Due()
		// The test itself takes time: a second at the most.
		late := uint64(1000 * min(max(c.speed, 1), 1000))
		if got < c.want || got > c.want+late {
			t.Errorf("%s: Due() = %d, want %d", c.name, got, c.want)
		}
	}
}

func TestLive(t *testing.T) {
	for _, c := range []struct {
		name  string
		start time.Duration // of event time, from now on
		from  uint64
		want  uint64
	}{
		{"a start-up of a quarter of a second", -250 * time.Millisecond, 0, 251},
		{"from event 200 on", -250 * time.Millisecond, 200, 251},
		{"event time runs ahead", time.Hour, 0, 1},
	} {
		schedule := core.ConstantSchedule(time.Now().Add(c.start).UnixMilli(), core.Rate{Num: 1000, Den: 1})
		// The test itself takes time: a second at the most.
		if got := Live(schedule, c.from).Due(); got < c.want || got > c.want+1000 {
			t.Errorf("%s: Due() = %d, want %d", c.name, got, c.want)
		}
	}
}

func TestDueNeverDecreases(t *testing.T) {
	for _, speed := range []float64{0.3, 1, 1e6} {
		p := paced(0, speed, 0)
		last := p.Due()
		for range 10_000 {
			due := p.Due()
			if due < last {
				t.Fatalf("speed %v: Due() = %d after %d", speed, due, last)
			}
			last = due
		}
	}
}

// Wait returns no earlier than the event is due.
func TestWait(t *testing.T) {
	for _, c := range []struct {
		name  string
		from  uint64
		speed float64
		n     uint64
		want  time.Duration
	}{
		{"the first event", 7, 1, 7, 0},
		{"an event of the past", 7, 1, 3, 0},
		{"20 ms on", 0, 1, 20, 20 * time.Millisecond},
		{"10 ms on at half the speed", 0, 0.5, 10, 20 * time.Millisecond},
		{"50 ms on at two and a half times the speed", 100, 2.5, 150, 20 * time.Millisecond},
		{"a day on at a great speed", 0, 86_400_000, 86_400_000, time.Millisecond},
	} {
		p := paced(c.from, c.speed, 0)
		if err := p.Wait(context.Background(), c.n); err != nil {
			t.Errorf("%s: Wait(%d) = %v", c.name, c.n, err)
		}
		took := time.Since(p.origin)
		if took < c.want || took > c.want+time.Second {
			t.Errorf("%s: Wait(%d) took %v, want %v", c.name, c.n, took, c.want)
		}
		if due := p.Due(); due <= c.n {
			t.Errorf("%s: after Wait(%d) Due() = %d", c.name, c.n, due)
		}
	}
}

// A wait ends with its context, also one that no time.Duration can hold.
func TestWaitEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, speed := range []float64{1, 0.001, 1e-300} {
		if err := paced(0, speed, 0).Wait(ctx, 1<<40); !errors.Is(err, context.Canceled) {
			t.Errorf("speed %v: Wait = %v, want %v", speed, err, context.Canceled)
		}
	}
}
