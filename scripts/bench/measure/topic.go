package main

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// poll is how often the offsets are asked for.
const poll = 10 * time.Millisecond

// topic is what a command produces into.
type topic struct {
	client *kgo.Client
	name   string
	count  int64 // events that come
	skip   int64 // events that count for no time
	stop   bool  // end the command when count have come
}

// progress is how many events had come at two times.
type progress struct {
	first, from, to time.Time
	before, events  int64 // until from, until to
}

// add notes that there are so many events now.
func (p *progress) add(events, skip int64) {
	if events <= p.events {
		return
	}
	now := time.Now()
	if p.events == 0 {
		p.first = now
	}
	if p.events <= skip {
		p.from, p.before = now, events
	}
	p.events, p.to = events, now
}

// result returns how long all would have taken at the pace of those between the
// two times; when all came at once, that from the start on.
func (p *progress) result(begin time.Time) result {
	r := result{events: p.events, first: p.first.Sub(begin), took: p.to.Sub(begin)}
	if p.events > p.before {
		r.took = time.Duration(float64(p.to.Sub(p.from)) * float64(p.events) / float64(p.events-p.before))
	}
	return r
}

// patience is how long the end of the last transaction may take to be seen, when
// the command has ended.
const patience = 5 * time.Second

// watchOffsets asks for the offsets until the command has ended and all has come.
func (t *topic) watchOffsets(ctx context.Context, c *command) (seen result, err error) {
	admin := kadm.NewClient(t.client)
	if err := c.start(); err != nil {
		return seen, err
	}
	var p progress
	var end time.Time // of the command
	for end.IsZero() || p.events < t.count && time.Since(end) < patience && err == nil {
		select {
		case err = <-c.ended:
			end = time.Now()
		case <-time.After(poll):
		}
		count, askErr := t.committed(ctx, admin)
		if askErr != nil {
			_ = c.Process.Kill() // the measurement is lost
			return seen, askErr
		}
		p.add(count, t.skip)
		if t.stop && end.IsZero() && p.events >= t.count {
			c.end()
		}
	}
	return p.result(c.begin), c.outcome(err)
}

// committed returns how many records stand in the topic before the first open
// transaction of each partition.
func (t *topic) committed(ctx context.Context, admin *kadm.Client) (count int64, err error) {
	offsets, err := admin.ListCommittedOffsets(ctx, t.name)
	if err == nil {
		err = offsets.Error()
	}
	offsets.Each(func(o kadm.ListedOffset) { count += o.Offset })
	return count, err
}

// consume consumes from the topic's present end on until all events have come.
func (t *topic) consume(ctx context.Context, c *command) (seen result, err error) {
	ends, err := kadm.NewClient(t.client).ListCommittedOffsets(ctx, t.name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return seen, err
	}
	t.client.AddConsumePartitions(ends.KOffsets())
	if err := c.start(); err != nil {
		return seen, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	outcome := make(chan error, 1)
	go func() {
		err := c.outcome(<-c.ended)
		if err != nil {
			cancel(err)
		}
		outcome <- err
	}()
	var p progress
	delays := make([]time.Duration, 0, t.count)
	for int64(len(delays)) < t.count {
		fetches := t.client.PollFetches(ctx)
		now := time.Now()
		if err := fetches.Err(); err != nil {
			return seen, errors.Join(err, context.Cause(ctx))
		}
		for r := range fetches.RecordsAll() {
			due, err := timestamp(r.Value)
			if err != nil {
				return seen, err
			}
			delays = append(delays, now.Sub(due))
		}
		p.add(int64(len(delays)), t.skip)
	}
	if t.stop {
		c.end()
	}
	seen = p.result(c.begin)
	seen.delays = delays[t.skip:]
	return seen, <-outcome
}

// timestamp returns the time that an event ends with, ..."timestamp":1735689600000}.
func timestamp(event []byte) (time.Time, error) {
	digits := bytes.TrimSuffix(event[bytes.LastIndexByte(event, ':')+1:], []byte("}"))
	ms, err := strconv.ParseInt(string(digits), 10, 64)
	return time.UnixMilli(ms), err
}
