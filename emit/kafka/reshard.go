package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kgo"
)

// mustChange tells whether the shard has to change a generation, see
// decideGeneration. A process that has sent events in another one is fenced.
func (s *session) mustChange(g *Generation) (bool, error) {
	switch {
	case testOnlyPassGeneration:
		return false, nil
	case s.again && g.Generation != s.generation:
		return false, fencedByGeneration(s.run, g)
	case s.again:
		return false, nil
	}
	// A run of one shard is restarted by its cursor alone.
	restart := s.Restart && g.Shards > 1
	return decideGeneration(g, s.Shard, restart, s.TakeOver)
}

// generate returns the generation that the shard belongs to, after it has changed
// it when it must.
func (s *session) generate(ctx context.Context, asked *Cursor) (*Generation, error) {
	var seen *Generation // when the producer began
	for try := 0; ; try++ {
		g, change, err := s.lookAtGeneration(ctx, asked)
		if err != nil {
			return nil, err
		}
		if seen == nil {
			seen = g
		}
		switch wait := s.turn(g, try); {
		case !change && g.Generation == seen.Generation && g.Pending == seen.Pending:
			return g, nil
		case !change:
			// Whoever has changed it may have shut out this shard too, when there were
			// as many before.
			seen = g
			s.closeProducer()
			err = s.begun(ctx)
		case wait > 0:
			err = pace.Sleep(ctx, wait)
		default:
			err = s.reshard(ctx, asked)
			if err != nil && !fatal(err) && try < 50 { // another shard may do it too
				err = pace.Sleep(ctx, time.Duration(50+rand.IntN(200))*time.Millisecond)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// lookAtGeneration reads the generation and tells whether the shard has to change it.
func (s *session) lookAtGeneration(ctx context.Context, asked *Cursor) (g *Generation, change bool, err error) {
	g, err = readGeneration(ctx, s.Connection, s.run, s.stableEnd)
	if errors.Is(err, ErrDamagedCursor) && s.Restart {
		g, err = first(), nil
	}
	if err != nil {
		return nil, false, err
	}
	if change, err = s.mustChange(g); err != nil {
		return nil, false, err
	}
	if s.restarted(g, asked) {
		change = change && g.Pending
	}
	return g, change, nil
}

// restarted tells whether a generation is the one by which this process has begun
// the run anew.
func (s *session) restarted(g *Generation, asked *Cursor) bool {
	return s.Restart && asked.Incarnation > 0 && g.Shards == s.Shard.Count() && g.Incarnation == asked.Incarnation
}

// turn returns how long a shard leaves it to others to change the generation:
// those of lower index go first, and who has begun may end. It is for speed alone.
func (s *session) turn(g *Generation, try int) time.Duration {
	const step = 50 * time.Millisecond
	switch {
	case g.Pending && g.Shards == s.Shard.Count() && try < int(pendingFor/step):
		return step
	case try == 0:
		return time.Duration(min(s.Shard.Index, 20)) * step
	}
	return 0
}

// reshard changes the generation, G1 to G6 of the package comment. An error that
// is not fatal may be another shard that does it too.
func (s *session) reshard(ctx context.Context, asked *Cursor) error {
	lead := newSession(s.Connection, s.run, ofGeneration)
	defer lead.closeProducer()
	if err := lead.begun(ctx); err != nil { // G1
		return err
	}
	g, change, err := s.lookAtGeneration(ctx, asked) // G2
	if err != nil || !change {
		return err
	}
	before := g.begun()
	// What is refused must not shut out anybody.
	_, had, err := s.consider(ctx, before, *asked)
	if err != nil {
		return err
	}
	if !g.Pending || g.Shards != s.Shard.Count() { // G3
		g = g.next(*asked, s.Shard, had)
		if err := lead.writeGeneration(ctx, g); err != nil {
			return err
		}
	}
	testOnlyFailpoint("afterIntent")
	if err := s.fenceShards(ctx, before.Shards); err != nil { // G4
		return err
	}
	testOnlyFailpoint("afterFence")
	c, err := s.decideAll(ctx, before, asked) // G5
	if err != nil {
		return err
	}
	if err := lead.writeGeneration(ctx, g.complete(c)); err != nil { // G6
		return err
	}
	s.Say("run %s is cut into %s, its generation %d, from events %d to %d on", s.run, shardsText(g.Shards), g.Generation, c.Next, c.Front())
	testOnlyFailpoint("afterGeneration")
	return nil
}

// begun begins the producer and waits until what that has ended is over.
func (s *session) begun(ctx context.Context) error {
	if err := s.fence(ctx); err != nil {
		return err
	}
	return s.settleHanging(ctx)
}

// fenceShards shuts out every shard of a generation.
func (s *session) fenceShards(ctx context.Context, count int) error {
	for i := range count {
		shard := core.Shard{Index: i, Of: count}.String()
		if shard == s.shard {
			s.closeProducer()
			if err := s.begun(ctx); err != nil {
				return err
			}
			continue
		}
		old := newSession(s.Connection, s.run, shard)
		err := old.begun(ctx)
		old.closeProducer()
		if err != nil {
			return fmt.Errorf("shut out shard %s: %w", shard, err)
		}
	}
	return nil
}

// consider returns where all partitions stand after a generation, or where they
// begin, and whether shards have sent anything in it. It changes nothing.
func (s *session) consider(ctx context.Context, before *Generation, asked Cursor) (c Cursor, had bool, err error) {
	if err := s.findTopic(ctx, before.recorded()); err != nil {
		return c, false, err
	}
	sit := situation{asked: asked, topicID: s.topicID, partitions: s.partitions, restart: s.Restart}
	shards, err := cursorsOf(ctx, s.Connection, s.run, before, s.stableEnd)
	switch {
	case errors.Is(err, ErrDamagedCursor) && sit.restart: // it says nothing
	case err != nil:
		return c, false, err
	default:
		sit.kafka = before.stand(shards)
	}
	if sit.kafka == nil {
		sit.local = s.acknowledged
		if s.topicID != "" {
			if sit.found, err = s.findIncarnations(ctx, asked); err != nil {
				return c, false, err
			}
		}
	}
	if c, err = decide(sit); err != nil {
		return c, false, err
	}
	partitions := c.Partitions
	if partitions == 0 {
		partitions = int(s.topicShape().partitions)
	}
	if err := ownsAny(s.Shard, partitions); err != nil {
		return c, false, err
	}
	if s.resume != nil {
		if c.Schedule, _, err = s.resume(c, true); err != nil {
			return c, false, beginError{err}
		}
	}
	return c, sit.kafka != nil, nil
}

// ownsAny returns core.ErrShard for a shard that has nothing to do.
func ownsAny(shard core.Shard, partitions int) error {
	if shard.Index < partitions {
		return nil
	}
	return fmt.Errorf("%w: %s owns none of the %d partitions of the run", core.ErrShard, shard, partitions)
}

// decideAll is consider, for good: a topic that is missing is made.
func (s *session) decideAll(ctx context.Context, before *Generation, asked *Cursor) (Cursor, error) {
	c, _, err := s.consider(ctx, before, *asked)
	if err != nil {
		return c, err
	}
	if s.Restart {
		asked.Incarnation = c.Incarnation
	}
	if s.topicID == "" {
		if err := s.createTopic(ctx); err != nil {
			return c, err
		}
		c.TopicID, c.Partitions = s.topicID, s.partitions
	}
	if len(c.Nexts) != c.Partitions {
		c.Nexts = nexts(c.Next, c.Partitions)
	}
	return c, nil
}

// writeGeneration commits a generation, and returns when everybody reads it.
func (s *session) writeGeneration(ctx context.Context, g *Generation) error {
	g.Time, g.Owner = time.Now().UnixMilli(), s.Owner
	value, err := json.Marshal(g)
	if err != nil {
		return err
	}
	if err := s.write(ctx, s.keptRecord(s.run, ofGeneration, value)); err != nil {
		return fmt.Errorf("%s of run %s: %w", g, s.run, err)
	}
	return s.settleHanging(ctx)
}

// write commits one record alone.
func (s *session) write(ctx context.Context, record *kgo.Record) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.producer.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("send it: %w", err)
	}
	if err := s.producer.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit it: %w", err)
	}
	s.open = false
	return nil
}
