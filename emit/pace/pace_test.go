package pace

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"gen/core"
)

// paced returns a pacer at 1000 events a second.
func paced(from uint64, speed float64, options ...Option) *Pacer {
	return New(core.ConstantSchedule(1735689600000, core.Rate{Num: 1000, Den: 1}), from, speed, options...)
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
		{"without end", 0, 1e300, time.Hour, core.MaxTime + 1 - 1735689600000},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := paced(c.from, c.speed)
			time.Sleep(c.ago)
			if got := p.Due(); got < c.want || got > c.want && c.speed < 1e300 {
				t.Errorf("%s: Due() = %d, want %d", c.name, got, c.want)
			}
		})
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
		p := paced(0, speed)
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

// Wait returns when the event is due, to the nanosecond of a fake clock.
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
		synctest.Test(t, func(t *testing.T) {
			begin, p := time.Now(), paced(c.from, c.speed)
			if err := p.Wait(context.Background(), c.n); err != nil {
				t.Errorf("%s: Wait(%d) = %v", c.name, c.n, err)
			}
			if took := time.Since(begin); took != c.want {
				t.Errorf("%s: Wait(%d) took %v, want %v", c.name, c.n, took, c.want)
			}
			if due := p.Due(); due <= c.n {
				t.Errorf("%s: after Wait(%d) Due() = %d", c.name, c.n, due)
			}
		})
	}
}

// A wait ends with its context, also one that no time.Duration can hold.
func TestWaitEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, speed := range []float64{1, 0.001, 1e-300} {
		if err := paced(0, speed).Wait(ctx, 1<<40); !errors.Is(err, context.Canceled) {
			t.Errorf("speed %v: Wait = %v, want %v", speed, err, context.Canceled)
		}
	}
}

// sends plays a pacer for some time and returns how many events were sent in
// each second. The sink takes pause from one Take to the next.
func sends(t *testing.T, p *Pacer, seconds int, pause time.Duration) []uint64 {
	t.Helper()
	begin, n := time.Now(), uint64(0)
	sent := make([]uint64, seconds)
	for {
		to, err := p.Next(context.Background(), n, 1<<53)
		if err != nil {
			t.Fatal(err)
		}
		second := int(time.Since(begin) / time.Second)
		if second >= seconds {
			return sent
		}
		sent[second] += to - n
		n = to
		time.Sleep(pause)
	}
}

// After a stall the events come no faster than the maximum rate, and without
// loss of it; without one all at once.
func TestMaxRate(t *testing.T) {
	const stall, seconds = 30, 40
	for _, c := range []struct {
		name  string
		max   float64
		pause time.Duration
		late  uint64 // events that were late when the stall was over
	}{
		{"twice the rate", 2000, 0, stall * 1000},
		{"twice the rate, in batches", 2000, 50 * time.Millisecond, stall * 1000},
		{"one and a half times", 1500, 50 * time.Millisecond, stall * 1000},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := paced(0, 1, MaxRate(c.max, 100*time.Millisecond))
			time.Sleep(stall * time.Second)
			total := 0.0
			for i, k := range sends(t, p, seconds, c.pause) {
				total += float64(k)
				if float64(k) > c.max*1.1+1 {
					t.Errorf("%s: %d events in second %d, want at most %v", c.name, k, i, c.max)
				}
			}
			if want := min(c.max*seconds, 1000*(stall+seconds)); total < want*0.99 || total > want*1.01 {
				t.Errorf("%s: %v events in %d s, want %v", c.name, total, seconds, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		p := paced(0, 1)
		time.Sleep(stall * time.Second)
		if first := sends(t, p, 2, 0)[0]; first < stall*1000 {
			t.Errorf("control: without a maximum rate %d events in the first second, want %d", first, stall*1000)
		}
	})
}

// A maximum rate below the schedule's is kept as well.
func TestMaxRateBelowTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i, k := range sends(t, paced(0, 1, MaxRate(2, 100*time.Millisecond)), 10, 0) {
			if k < 1 || k > 3 {
				t.Errorf("%d events in second %d, want 2", k, i)
			}
		}
	})
}

// With Skip wall time is left out after a stall, and no event.
func TestSkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := paced(0, 1, Skip())
		time.Sleep(30 * time.Second)
		for i, k := range sends(t, p, 10, 0) {
			if k < 999 || k > 1001 {
				t.Errorf("%d events in second %d, want 1000", k, i)
			}
		}
		if got := p.Skipped(); got != 30*time.Second {
			t.Errorf("Skipped() = %v, want 30s", got)
		}
		// A stall between the wait and what follows, as when the process is stopped.
		stalled := paced(0, 1, Skip())
		if err := stalled.Wait(context.Background(), 10); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if to := stalled.Take(10, 1<<53); to != 11 || stalled.Skipped() != 6*time.Second {
			t.Errorf("stopped for 6 s: Take(10) = %d, %v skipped; want 11, 6s", to, stalled.Skipped())
		}
		// Less than a second is caught up.
		late := paced(0, 1, Skip())
		time.Sleep(900 * time.Millisecond)
		if to, _ := late.Next(context.Background(), 0, 1<<53); to != 901 || late.Skipped() != 0 {
			t.Errorf("after 0.9 s: %d events, %v skipped; want 901, 0s", to, late.Skipped())
		}
	})
}

// set returns the time as time.Now returns it after somebody has set the wall
// clock: another wall time, the same monotonic reading.
func set(t time.Time, by time.Duration) time.Time {
	const nsecShift = 30 // time.Time: flag, 33 bits of seconds, 30 of nanoseconds
	*(*uint64)(unsafe.Pointer(&t)) += uint64(by/time.Second) << nsecShift
	return t
}

// The wall clock is set back by an hour, or ahead, while the pacer runs.
func TestWallClockSetDuringRun(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		begin := time.Now()
		p := paced(0, 1)
		p.origin = begin
		p.now = func() time.Time { return set(begin.Add(10*time.Second), by) }
		if wall := p.now().Round(0).Sub(begin.Round(0)); wall != by+10*time.Second {
			t.Fatalf("the wall clock shows %v more, want %v", wall, by+10*time.Second)
		}
		if got := p.Due(); got != 10_001 {
			t.Errorf("set by %v: Due() = %d, want 10001", by, got)
		}
		if got := p.Late(9_000); got != time.Second {
			t.Errorf("set by %v: Late(9000) = %v, want 1s", by, got)
		}
		if skipping := p.Skipped(); skipping != 0 {
			t.Errorf("set by %v: %v skipped", by, skipping)
		}
	}
}

// The wanted rate is one of wall time: a ramp from 100 to 300/s at speed 2.
func TestRateNow(t *testing.T) {
	stages, err := core.ParseStages("10s 100, 10s 100..300")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  float64
	}{{0, 200}, {5 * time.Second, 200}, {7500 * time.Millisecond, 400}, {time.Minute, 0}} {
		synctest.Test(t, func(t *testing.T) {
			p := New(core.Schedule{Segments: []core.Segment{{Shape: stages}}}, 0, 2)
			time.Sleep(c.after)
			if got := p.Rate(); got != c.want {
				t.Errorf("after %v Rate() = %v, want %v", c.after, got, c.want)
			}
		})
	}
}

// No second of any place in time holds more than the quota of a partition, and
// partitions do not take each other's.
func TestQuota(t *testing.T) {
	const most = 100
	q := NewQuota(2, most)
	var sent [2][]time.Time
	now := time.Unix(0, 0)
	for i := range 100_000 {
		partition := i % 7 % 2
		wait := q.Take(partition, now)
		if wait > 0 {
			now = now.Add(wait)
			if q.Take(partition, now) > 0 {
				t.Fatalf("record %d: refused after the wait of %v", i, wait)
			}
		}
		sent[partition] = append(sent[partition], now)
		now = now.Add(time.Duration(i%13) * 100 * time.Microsecond)
	}
	for p, times := range sent {
		for i := most; i < len(times); i++ {
			if window := times[i].Sub(times[i-most]); window < time.Second {
				t.Fatalf("partition %d: records %d to %d within %v", p, i-most, i, window)
			}
		}
	}
	if perSecond := float64(len(sent[0])) / now.Sub(time.Unix(0, 0)).Seconds(); perSecond < most*0.95 {
		t.Errorf("%v records a second into the fuller partition, want about %d", perSecond, most)
	}
}

// Senders of the same events, each of which sends its part of what it takes, keep
// the maximum rate together and stay together, and what one skips all have skipped.
func TestAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders, most = 3, 2000
		pacers := []*Pacer{paced(0, 1, MaxRate(most, 100*time.Millisecond))}
		for len(pacers) < senders {
			pacers = append(pacers, pacers[0].Another())
		}
		time.Sleep(30 * time.Second)
		begin, next, sent := time.Now(), [senders]uint64{}, 0.0
		for time.Since(begin) < 10*time.Second {
			for i, p := range pacers {
				to := p.Take(next[i], 1<<53)
				sent += float64(to-next[i]) / senders
				next[i] = to
			}
			time.Sleep(10 * time.Millisecond)
		}
		if sent < most*10*0.95 || sent > most*10*1.05 || next[0] != next[1] || next[0] != next[2] {
			t.Errorf("%v events in 10 s, want %d; they stand at %d", sent, most*10, next)
		}
		first := paced(0, 1, Skip())
		second := first.Another()
		time.Sleep(30 * time.Second)
		first.Take(0, 1<<53)
		if got := second.Skipped(); got != 30*time.Second || second.Due() != 1 {
			t.Errorf("the other one has skipped %v and stands at event %d, want 30s, 1", got, second.Due())
		}
	})
}
