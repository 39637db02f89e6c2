package meter

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gen/core"
	"gen/emit/pace"
)

// delivery plays 1000 events a second into a meter.
type delivery struct {
	*Meter
	schedule core.Schedule
	pacer    *pace.Pacer
	next     uint64
}

func begin(options ...pace.Option) *delivery {
	d := &delivery{Meter: &Meter{}, schedule: core.ConstantSchedule(0, core.Rate{Num: 1000, Den: 1})}
	d.pacer = pace.New(d.schedule, 0, 1, options...)
	d.Session(0)
	d.Begin(0, d.pacer)
	return d
}

// send sends the events up to, not including, to.
func (d *delivery) send(to uint64) {
	events := make([]core.Event, to-d.next)
	for i := range events {
		events[i].Time = d.schedule.At(d.next + uint64(i))
	}
	d.Sent(d.next, events)
	d.next = to
}

// A batch each 100 ms, committed 20 ms later: lags of 1 to 100 ms until it is
// sent, of 21 to 120 ms until it is committed.
func TestLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin()
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			d.send(d.pacer.Due() - 1)
			time.Sleep(20 * time.Millisecond)
			d.Committed(d.next)
		}
		r := d.ReadLags()
		if r.Next != d.next || r.Sent != d.next || r.Rate != 1000 || r.State != Running {
			t.Errorf("Read() = %+v, want all %d sent and committed", r, d.next)
		}
		for _, c := range []struct {
			name string
			got  int64
			want int64 // within 2 ms: events are sampled
		}{
			{"sent, most", r.Lags.Sent.Max(), 120_000},
			{"sent, half", r.Lags.Sent.ValueAtQuantile(50), 60_000},
			{"committed, most", r.Lags.Committed.Max(), 140_000},
			{"committed, half", r.Lags.Committed.ValueAtQuantile(50), 80_000},
			{"gaps, most", r.Lags.Gaps.Max(), 120_000},
			{"gaps, half", r.Lags.Gaps.ValueAtQuantile(50), 0},
			{"events", r.Lags.Committed.TotalCount() * 1000, int64(d.next) * 1000},
		} {
			if c.got < c.want-2000 || c.got > c.want+2000 {
				t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
			}
		}
		if n := d.Recent().TotalCount(); n != int64(d.next) {
			t.Errorf("Recent() holds %d events, want %d", n, d.next)
		}
		if n := d.Recent().TotalCount(); n != 0 {
			t.Errorf("Recent() again holds %d events, want 0", n)
		}
	})
}

func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := func(m *Meter, what string, want State) {
			t.Helper()
			if got := m.Read().State; got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		is(&Meter{}, "before the beginning", Starting)
		d := begin()
		is(d.Meter, "at the beginning", Running)
		time.Sleep(time.Second)
		d.send(1000)
		time.Sleep(1900 * time.Millisecond)
		d.Outage()
		is(d.Meter, "an outage", Waiting)
		d.Committed(1000)
		is(d.Meter, "1.9 s late", CatchingUp)
		d.send(2000)
		time.Sleep(2100 * time.Millisecond)
		is(d.Meter, "sent and open for 2.1 s", Waiting)
		d.Session(1500) // half of it was committed after all
		if r := d.Read(); r.Restarts != 1 || r.Next != 1500 || r.Sent != 2000 {
			t.Errorf("Read() after a restart = %+v, want 1 restart at 1500, 2000 sent", r)
		}
		d.next = 1500
		d.send(5000)
		d.Committed(5000)
		if got := d.Read().Sent; got != 5500 {
			t.Errorf("Sent = %d, want 5500: 500 of them twice", got)
		}
		is(d.Meter, "caught up", Running)
		if n := d.ReadLags().Lags.Committed.TotalCount(); n != 4500 {
			t.Errorf("lags of %d events, want 4500: what a session lost is sent again", n)
		}
		d.End()
		is(d.Meter, "at the end", Done)
	})
}

// What a sink gathers before it commits is neither late nor stuck.
func TestSlack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin()
		d.Slack = 10 * time.Second
		d.send(1)
		time.Sleep(10 * time.Second)
		if got := d.Read().State; got != Running {
			t.Errorf("within the slack: %q, want running", got)
		}
	})
}

// Without a pacer nothing is measured but how far it is.
func TestUnpaced(t *testing.T) {
	var m Meter
	m.Begin(7, nil)
	m.Sent(7, make([]core.Event, 3))
	m.Committed(10)
	r := m.ReadLags()
	if r.Next != 10 || r.Lags.Sent != nil || m.Recent() != nil || r.State != Running {
		t.Errorf("ReadLags() = %+v, want no lags", r)
	}
	var none *Meter
	none.Begin(0, nil)
	none.Sent(0, nil)
	none.Committed(1)
	none.Session(1)
	none.Outage()
	none.End()
}

// Skipped wall time is read.
func TestSkippedIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := begin(pace.Skip())
		time.Sleep(5 * time.Second)
		if _, err := d.pacer.Next(context.Background(), 0, 10); err != nil {
			t.Fatal(err)
		}
		if r := d.Read(); r.Skipped != 5*time.Second || r.Behind != 0 {
			t.Errorf("Read() = %+v, want 5s skipped", r)
		}
	})
}

// BenchmarkMeter is a second of 50,000 events in batches as each sink has them.
func BenchmarkMeter(b *testing.B) {
	for _, batch := range []uint64{1, 50, 2500} {
		b.Run(fmt.Sprint("batches of ", batch), func(b *testing.B) {
			d := begin()
			events := make([]core.Event, batch)
			for b.Loop() {
				for range 50_000 / batch {
					d.Sent(d.next, events)
					d.next += batch
					d.Committed(d.next)
				}
			}
		})
	}
}
