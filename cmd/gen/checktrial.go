package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/kafka"
)

// tryDelivery sends the first events of the run into a topic of their own and
// reads them back.
func tryDelivery(ctx context.Context, x *checkup) finding {
	switch {
	case x.opts.send == 0:
		return skipped("--send 0")
	case x.scratch == "":
		return skipped("no right to a transactional id of its own")
	}
	schedule, err := scheduleOptions{}.freshSchedule()
	if err != nil {
		return wrong("", "%v", err)
	}
	partitions := min(3, max(1, x.events.Partitions))
	seq := &core.Sequence{Snapshot: x.snapshot, Seed: x.opts.seed, Schedule: schedule}
	t, err := x.conn.Try(ctx, x.scratch, partitions, seq, x.opts.send)
	f := judgeTrial(x, seq, partitions, t, err)
	if f.Result == resultOK {
		x.sent, x.clockFrom, x.clockTo, x.trial = true, t.ClockFrom, t.ClockTo, describeTrial(x, seq, t)
	}
	if len(t.Left) == 0 {
		return f
	}
	f.Text, f.Remedy = f.Text+fmt.Sprintf("; %s could not be deleted: %v", strings.Join(t.Left, " and "), t.LeftErr), x.tool("kafka-topics", "--delete --topic", quoted(x.scratch+".*"))
	if f.Result == resultOK {
		f.Result = resultWarning
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		x.ui.warn("%s; it takes: %s", f.Text, f.Remedy) // the line of this check will not be printed
	}
	return f
}

// judgeTrial judges what became of the test events.
func judgeTrial(x *checkup, seq *core.Sequence, partitions int, t kafka.Trial, err error) finding {
	switch {
	case kafka.IsRefused(err):
		return warning(x.allow("--topic gen.check. --resource-pattern-type prefixed", "All"), "no right to the topic %s, nothing was sent: %v", x.scratch, err)
	case errors.Is(err, context.DeadlineExceeded):
		return wrong(x.tool("kafka-topics", "--describe --unavailable-partitions"), "the test events were not sent and read back within %s", checkPatience)
	case err != nil:
		return wrong(x.tool("kafka-topics", "--describe --unavailable-partitions"), "the test events could not be delivered: %v", err)
	}
	if n, bad := firstMisfit(seq, x.opts.send, partitions, t.Records); bad != nil {
		return wrong(x.again("event")+" "+strconv.FormatUint(n, 10), "%v", bad)
	}
	return fine("%d events in one transaction, read back as computed in %s (%s with %s)", x.opts.send, t.Took.Round(time.Millisecond), x.scratch, plural(partitions, "partition"))
}

// firstMisfit returns the first record that is not what the sequence says, and
// its event. That each of n records is an event, in its partition, behind the
// one before, leaves no room for one that is missing or stands twice.
func firstMisfit(seq *core.Sequence, n uint64, partitions int, records []kafka.TrialRecord) (uint64, error) {
	if uint64(len(records)) != n {
		return 0, fmt.Errorf("%d events were sent, %d read back", n, len(records))
	}
	next := map[int32]uint64{}
	for _, r := range records {
		if !r.Named || r.Event >= n {
			return 0, fmt.Errorf("partition %d holds a record whose header names no event that was sent: %s", r.Partition, r.Value)
		}
		if r.Event < next[r.Partition] {
			return r.Event, fmt.Errorf("event %d stands behind event %d in partition %d", r.Event, next[r.Partition]-1, r.Partition)
		}
		next[r.Partition] = r.Event + 1
		if err := fits(seq, partitions, r); err != nil {
			return r.Event, fmt.Errorf("event %d: %w: %s", r.Event, err, r.Value)
		}
	}
	return 0, nil
}

// fits checks a record as a consumer would, who knows the fields and their
// ranges, and then against the sequence.
func fits(seq *core.Sequence, partitions int, r kafka.TrialRecord) error {
	var v struct {
		UserID    *uint32  `json:"userId"`
		MovieID   *uint32  `json:"movieId"`
		Rating    *float64 `json:"rating"`
		Timestamp *int64   `json:"timestamp"`
	}
	decoder := json.NewDecoder(bytes.NewReader(r.Value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		return err
	}
	want := encode.AppendJSONL(nil, []core.Event{seq.Event(r.Event)})
	switch {
	case v.UserID == nil || v.MovieID == nil || v.Rating == nil || v.Timestamp == nil:
		return errors.New("a field is missing")
	case *v.UserID < 1 || *v.UserID > core.MaxID:
		return fmt.Errorf("userId %d is not 1 to %d", *v.UserID, core.MaxID)
	case *v.MovieID < 1:
		return errors.New("movieId 0")
	case *v.Rating < 0.5 || *v.Rating > 5 || math.Mod(*v.Rating, 0.5) != 0:
		return fmt.Errorf("rating %v is not 0.5 to 5.0 in halves", *v.Rating)
	case *v.Timestamp < 0 || *v.Timestamp > core.MaxTime:
		return fmt.Errorf("timestamp %d is no time in milliseconds", *v.Timestamp)
	case r.Key != strconv.FormatUint(uint64(*v.UserID), 10):
		return fmt.Errorf("key %q is not the userId", r.Key)
	case int(r.Partition) != core.Partition(*v.UserID, partitions):
		return fmt.Errorf("it stands in partition %d, Kafka's default for its key is %d", r.Partition, core.Partition(*v.UserID, partitions))
	case !bytes.Equal(r.Value, bytes.TrimSuffix(want, []byte("\n"))):
		return fmt.Errorf("the sequence says %s", want[:len(want)-1])
	}
	return nil
}

// lookAtClock tells how far the brokers' clock is from this machine's.
func lookAtClock(_ context.Context, x *checkup) finding {
	if !x.sent {
		return skipped("no test events were sent")
	}
	return judgeClock(x.clockFrom, x.clockTo)
}

// judgeClock judges a difference that lies between from and to.
func judgeClock(from, to time.Duration) finding {
	const much = time.Second
	off, which := time.Duration(0), ""
	switch {
	case from > much:
		off, which = from, "ahead of"
	case to < -much:
		off, which = -to, "behind"
	default:
		return fine("the broker's agrees with this machine's to %s", max(to, -from).Round(time.Millisecond))
	}
	return warning("timedatectl timesync-status", "the broker's clock is %s %s this machine's: retention and message.timestamp.after.max.ms go by it", off.Round(100*time.Millisecond), which)
}

// trialAnswer is what check prints of its test events.
type trialAnswer struct {
	Topic   string            `json:"topic"`   // it is deleted again
	Events  int               `json:"events"`  // sent and read back
	Ratings map[string]uint64 `json:"ratings"` // events by stars: "0.5" to "5.0"
	Example json.RawMessage   `json:"example"` // an event
	User    exampleUser       `json:"user"`    // of that event
}

func describeTrial(x *checkup, seq *core.Sequence, t kafka.Trial) *trialAnswer {
	a := &trialAnswer{Topic: x.scratch, Events: len(t.Records), Ratings: map[string]uint64{}, Example: t.Records[0].Value}
	for stars := range 10 {
		a.Ratings[starsText(stars+1)] = 0
	}
	for _, r := range t.Records {
		a.Ratings[starsText(int(seq.Event(r.Event).Rating))]++
	}
	explained := seq.Snapshot.Explain(seq.Seed, t.Records[0].Event)
	a.User = exampleUser{int(explained.User), explained.Weights}
	return a
}

// starsText returns a rating in half stars: "4.5".
func starsText(halves int) string { return fmt.Sprintf("%.1f", float64(halves)/2) }

// text draws the histogram of the ratings; nothing without a trial.
func (a *trialAnswer) text() string {
	if a == nil {
		return ""
	}
	const widest = 50
	top := uint64(1)
	for _, n := range a.Ratings {
		top = max(top, n)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nratings of the %d test events\n", a.Events)
	for halves := 1; halves <= 10; halves++ {
		n := a.Ratings[starsText(halves)]
		bar := strings.Repeat("#", int((n*widest+top-1)/top))
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %s %6d %s", starsText(halves), n, bar), " ") + "\n")
	}
	fmt.Fprintf(&b, "\none of them, and its %s\n  %s\n\n", a.User, a.Example)
	return b.String()
}
