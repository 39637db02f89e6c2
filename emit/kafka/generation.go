package kafka

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gen/core"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrSuperseded is returned to a shard of a generation that another one has taken
// the place of. Nothing was sent.
var ErrSuperseded = errors.New("the run goes on with another number of shards")

// Generation is the value of a generation record: into how many shards a run is
// cut, from some moment on. Of one that is complete, the cursor says where every
// partition stood then, and whose schedule it has.
type Generation struct {
	Cursor
	Shards  int   `json:"shards"`
	Earlier []int `json:"earlier,omitempty"` // numbers of shards that the run has had before
	// Pending says that the generation has not begun, and Before what the last one
	// is that has; nil: the first.
	Pending bool        `json:"pending,omitempty"`
	Before  *Generation `json:"before,omitempty"`
}

// first is the generation of a run that has no record of one.
func first() *Generation { return &Generation{Cursor: Cursor{Generation: 1}, Shards: 1} }

// begun returns the generation in which shards send, or have sent.
func (g *Generation) begun() *Generation {
	switch {
	case !g.Pending:
		return g
	case g.Before != nil:
		return g.Before
	}
	return first()
}

// recorded tells whether the cursor in it says where partitions stand.
func (g *Generation) recorded() bool { return !g.Pending && g.Name != "" }

func (g *Generation) String() string {
	return fmt.Sprintf("generation %d, of %s", g.Generation, shardsText(g.Shards))
}

func shardsText(n int) string {
	if n == 1 {
		return "1 shard"
	}
	return fmt.Sprintf("%d shards", n)
}

// decideGeneration tells whether a shard has to change the generation that it
// finds, by this table:
//
//	generation                      do
//	s shards, complete              join
//	s shards, complete, a restart   change
//	s shards, pending               change: complete it
//	others, s is new                change
//	others, s was one before        ErrSuperseded; change when told to take over
func decideGeneration(g *Generation, shard core.Shard, restart, takeOver bool) (change bool, err error) {
	switch {
	case g.Shards == shard.Count():
		return g.Pending || restart, nil
	case slices.Contains(g.Earlier, shard.Count()) && !takeOver:
		return false, fmt.Errorf("%w; nothing was sent\n  asked: shard %s\n  found: %s, by %s", ErrSuperseded, shard, g, g.Owner)
	}
	return true, nil
}

// next returns the pending generation that is to take the place of g; had tells
// whether shards have sent anything in it.
func (g *Generation) next(c Cursor, shard core.Shard, had bool) *Generation {
	n := &Generation{Cursor: c, Shards: shard.Count(), Pending: true, Earlier: slices.Clone(g.Earlier)}
	n.Generation, n.Shard, n.Done = g.Generation+1, "", false
	begun := g.begun()
	if begun.recorded() {
		n.Before = begun
	}
	if had {
		n.Earlier = append(n.Earlier, begun.Shards)
		slices.Sort(n.Earlier)
	}
	n.Earlier = slices.DeleteFunc(slices.Compact(n.Earlier), func(s int) bool { return s == n.Shards })
	return n
}

// complete returns the generation that begins where a cursor stands.
func (g *Generation) complete(c Cursor) *Generation {
	n := &Generation{Cursor: c, Shards: g.Shards, Earlier: g.Earlier}
	n.Generation, n.Shard, n.Done = g.Generation, "", false
	return n
}

// readGeneration returns the generation of a run, and first() when it has no
// record.
func readGeneration(ctx context.Context, conn *Connection, run string, end endOf) (*Generation, error) {
	g, err := lastValue[Generation](ctx, conn, run, ofGeneration, end)
	switch {
	case err != nil:
		return nil, err
	case g == nil:
		return first(), nil
	case g.Shards < 1 || g.Generation < 2 || !g.Pending && len(g.Nexts) != g.Partitions:
		return nil, fmt.Errorf("%w: %s", ErrDamagedCursor, key(conn.Topic, run, ofGeneration))
	}
	return g, nil
}

// cursorsOf returns the cursors of the shards of a generation, nil for those that
// have committed nothing in it.
func cursorsOf(ctx context.Context, conn *Connection, run string, g *Generation, end endOf) ([]*Cursor, error) {
	cursors := make([]*Cursor, g.Shards)
	for i := range cursors {
		c, err := conn.lastCursor(ctx, run, core.Shard{Index: i, Of: g.Shards}.String(), end)
		if err != nil {
			return nil, err
		}
		if c != nil && c.Generation == g.Generation {
			cursors[i] = c
		}
	}
	return cursors, nil
}

// shardCursor returns where a shard goes on in a generation: at its cursor, or where
// its partitions stood when the generation began; nil when that is nowhere.
func (conn *Connection) shardCursor(ctx context.Context, run string, shard core.Shard, g *Generation, end endOf) (*Cursor, error) {
	c, err := conn.lastCursor(ctx, run, shard.String(), end)
	switch {
	case err != nil:
		return nil, err
	case c != nil && (c.Generation == g.Generation || testOnlyPassGeneration):
		return c, nil
	case g.recorded() && g.Shards == shard.Count():
		base := g.of(shard)
		return &base, nil
	}
	return nil, nil
}

// stand returns where a run stands in a generation, with the owner and the time of
// the shard that has moved last; nil when it has not begun.
func (g *Generation) stand(shards []*Cursor) *Cursor {
	if g.Shards == 1 && shards[0] != nil {
		return shards[0]
	}
	if !g.recorded() {
		return nil
	}
	c := g.Cursor
	c.Nexts, c.Done = slices.Clone(c.Nexts), true
	for i, shard := range shards {
		if shard == nil {
			c.Done = c.Done && i >= c.Partitions // which has nothing to do
			continue
		}
		c.Done = c.Done && shard.Done
		for p := range c.Nexts {
			if (core.Shard{Index: i, Of: g.Shards}).Owns(p) {
				c.Nexts[p] = max(c.Nexts[p], shard.NextOf(p))
			}
		}
		if shard.Time >= c.Time {
			c.Time, c.Owner, c.Schedule = shard.Time, shard.Owner, shard.Schedule
		}
	}
	c.Next = slices.Min(c.Nexts)
	return &c
}

// Standing is where a run stands.
type Standing struct {
	Cursor
	Cut    Generation `json:"-"`
	Shards []Cursor   `json:"shards,omitempty"` // of a run that is cut; those that have begun
}

// kept are the records of a run in the cursor topic.
type kept struct {
	generation *Generation
	cursors    map[string]*Cursor // by shard
}

// standing puts the records of a run together. Cursors of other generations do not
// count. It returns nil when nothing was delivered.
func (k *kept) standing() *Standing {
	g := first()
	if k.generation != nil {
		g = k.generation.begun()
	}
	s := &Standing{Cut: *g}
	if k.generation != nil {
		s.Cut = *k.generation
	}
	shards := make([]*Cursor, g.Shards)
	for i := range shards {
		c := k.cursors[core.Shard{Index: i, Of: g.Shards}.String()]
		if c == nil || c.Generation != g.Generation {
			continue
		}
		shards[i] = c
		if g.Shards > 1 {
			s.Shards = append(s.Shards, *c)
		}
	}
	c := g.stand(shards)
	if c == nil {
		return nil
	}
	s.Cursor = *c
	return s
}

// ReadCursors returns where every run into the topic stands, by run. Behind a
// transaction that stays open cursors are not visible: the ones before are returned
// then. It returns ErrNoCursorTopic when there is no cursor topic.
func (conn *Connection) ReadCursors(ctx context.Context) (map[string]*Standing, error) {
	if conn.cursorPartitions == 0 {
		return nil, fmt.Errorf("%w %q on %s", ErrNoCursorTopic, conn.CursorTopic, strings.Join(conn.Brokers, ","))
	}
	extents, _, err := conn.settle(ctx, conn.CursorTopic, all(conn.cursorPartitions), Settling)
	if err != nil {
		return nil, err
	}
	last := map[string]*kgo.Record{}
	err = conn.read(ctx, conn.CursorTopic, extents, func(r *kgo.Record) {
		if bytes.HasPrefix(r.Key, []byte(conn.Topic+"/")) { // a topic's name holds no slash
			last[string(r.Key)] = r
		}
	})
	if err != nil {
		return nil, err
	}
	runs := map[string]*kept{}
	for k, r := range last {
		if r.Value == nil {
			continue // deleted
		}
		if err := keep(runs, conn.Topic, k, r.Value); err != nil {
			return nil, fmt.Errorf("%w: key %q, offset %d of %s-%d: %w", ErrDamagedCursor, k, r.Offset, r.Topic, r.Partition, err)
		}
	}
	standings := map[string]*Standing{}
	for name, k := range runs {
		if s := k.standing(); s != nil {
			standings[name] = s
		}
	}
	return standings, nil
}

var errNotOfKey = errors.New("it is not the cursor of this key")

// keep adds a record of the cursor topic to those of its run.
func keep(runs map[string]*kept, topic, k string, value []byte) error {
	g := new(Generation)
	if err := json.Unmarshal(value, g); err != nil {
		return err
	}
	c := &g.Cursor
	ofRun := func(shard string) bool { return string(key(topic, c.Name, shard)) == k }
	known := runs[c.Name]
	if known == nil {
		known = &kept{cursors: map[string]*Cursor{}}
	}
	switch {
	case g.Shards > 0 && ofRun(ofGeneration):
		known.generation = g
	case g.Shards == 0 && c.Partitions > 0 && ofRun(cmp.Or(c.Shard, core.Shard{}.String())):
		known.cursors[cmp.Or(c.Shard, core.Shard{}.String())] = c
	default:
		return errNotOfKey
	}
	runs[c.Name] = known
	return nil
}

// fencedByGeneration returns ErrFenced for a shard that has sent events.
func fencedByGeneration(run string, g *Generation) error {
	return fmt.Errorf("%w: run %s goes on in %s, by %s", ErrFenced, run, g, g.Owner)
}

// pendingFor is how long another shard may take to complete a generation before
// it is done for it.
const pendingFor = 500 * time.Millisecond
