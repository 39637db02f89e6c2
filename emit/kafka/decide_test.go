package kafka

import (
	"errors"
	"testing"

	"gen/core"
)

// The recovery table of decide, a row each.
func TestDecide(t *testing.T) {
	asked := Cursor{Run: core.Run{Name: "a", Snapshot: "s", Seed: 42, Format: 1}, Owner: "me"}
	saved := func(incarnation uint32, next uint64) core.Run { return core.Run{Incarnation: incarnation, Next: next} }
	restarted := asked
	restarted.Incarnation = 4
	at := func(next uint64, change func(*Cursor)) *Cursor {
		c := asked
		c.Next, c.TopicID, c.Partitions, c.Owner = next, "T", 6, "another"
		if change != nil {
			change(&c)
		}
		return &c
	}
	for _, c := range []struct {
		name string
		situation
		next        uint64
		incarnation uint32
		partitions  int
		err         error
	}{
		{"nothing anywhere", situation{}, 0, 0, 6, nil},
		{"the cursor alone", situation{kafka: at(7, nil)}, 7, 0, 6, nil},
		{"the state is behind", situation{kafka: at(7, nil), local: saved(0, 5)}, 7, 0, 6, nil},
		{"the state agrees", situation{kafka: at(7, nil), local: saved(0, 7)}, 7, 0, 6, nil},
		{"the state is ahead", situation{kafka: at(7, nil), local: saved(0, 8)}, 0, 0, 0, ErrLostData},
		{"the state alone", situation{local: saved(0, 8)}, 0, 0, 0, ErrNoCursor},
		{"records alone", situation{found: 1}, 0, 0, 0, ErrNoCursor},
		{"another seed", situation{kafka: at(7, func(c *Cursor) { c.Seed = 1 })}, 0, 0, 0, ErrOtherRun},
		{"another snapshot", situation{kafka: at(7, func(c *Cursor) { c.Snapshot = "x" })}, 0, 0, 0, ErrOtherRun},
		{"another format version", situation{kafka: at(7, func(c *Cursor) { c.Format = 2 })}, 0, 0, 0, ErrOtherRun},
		{"another topic of the name", situation{kafka: at(7, func(c *Cursor) { c.TopicID = "U" })}, 0, 0, 0, ErrTopicReplaced},
		{"more partitions now", situation{kafka: at(7, nil), partitions: 12}, 7, 0, 6, nil},
		{"fewer partitions now", situation{kafka: at(7, nil), partitions: 3}, 0, 0, 0, ErrPartitions},
		{"other headers", situation{kafka: at(7, func(c *Cursor) { c.NoHeader = true })}, 0, 0, 0, ErrOtherRun},
		{"a restart", situation{kafka: at(7, nil), local: saved(0, 8), restart: true}, 0, 1, 6, nil},
		{"a restart into a new topic", situation{kafka: at(7, func(c *Cursor) { c.TopicID, c.Incarnation = "U", 3 }), restart: true}, 0, 4, 6, nil},
		{"a restart without a cursor", situation{found: 3, local: saved(0, 8), restart: true}, 0, 3, 6, nil},
		{"a restart of nothing", situation{restart: true}, 0, 1, 6, nil},
		{"a restart goes on", situation{kafka: at(7, func(c *Cursor) { c.Incarnation = 4 }), asked: restarted, restart: true}, 7, 4, 6, nil},
		{"a restart that committed nothing", situation{kafka: at(7, nil), asked: restarted, restart: true}, 0, 4, 6, nil},
		{"a restart whose cursor was lost", situation{local: saved(4, 7), asked: restarted, restart: true}, 0, 0, 0, ErrNoCursor},
		{"a restart whose cursors were lost", situation{kafka: at(7, nil), local: saved(4, 2), asked: restarted, restart: true}, 0, 0, 0, ErrLostData},
		{"the state is of an older incarnation", situation{kafka: at(7, func(c *Cursor) { c.Incarnation = 1 }), local: saved(0, 100)}, 7, 1, 6, nil},
		{"the state is of a newer incarnation", situation{kafka: at(7, nil), local: saved(1, 2)}, 0, 0, 0, ErrLostData},
		{"a restart of another seed", situation{kafka: at(7, func(c *Cursor) { c.Seed = 1 }), restart: true}, 0, 1, 6, nil},
	} {
		c.topicID = "T"
		if c.asked.Name == "" {
			c.asked = asked
		}
		if c.situation.partitions == 0 {
			c.situation.partitions = 6
		}
		got, err := decide(c.situation)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		if err == nil && (got.Next != c.next || got.Incarnation != c.incarnation || got.Partitions != c.partitions || got.Owner != "me" || got.TopicID != "T") {
			t.Errorf("%s: %+v, want next %d, incarnation %d, partitions %d", c.name, got, c.next, c.incarnation, c.partitions)
		}
	}
}

func TestRunIDsDiffer(t *testing.T) {
	base := Cursor{Run: core.Run{Name: "a", Snapshot: "s", Seed: 42, Format: 1}, TopicID: "T"}
	seen := map[[8]byte]string{base.RunID(): "base"}
	for name, change := range map[string]func(*Cursor){
		"run": func(c *Cursor) { c.Name = "b" }, "snapshot": func(c *Cursor) { c.Snapshot = "t" }, "seed": func(c *Cursor) { c.Seed = 7 },
		"format": func(c *Cursor) { c.Format = 2 }, "topic": func(c *Cursor) { c.TopicID = "U" }, "incarnation": func(c *Cursor) { c.Incarnation = 1 },
	} {
		c := base
		change(&c)
		if other, ok := seen[c.RunID()]; ok {
			t.Errorf("another %s has the identity of %s", name, other)
		}
		seen[c.RunID()] = name
	}
}

func TestParseTarget(t *testing.T) {
	got, err := ParseTarget("kafka://a:9092,b:9093/ratings")
	if err != nil || len(got.Brokers) != 2 || got.Topic != "ratings" || got.String() != "kafka://a:9092,b:9093/ratings" {
		t.Errorf("ParseTarget = %+v, %v", got, err)
	}
	for _, s := range []string{"kafka://", "kafka://a:9092", "kafka://a/ratings", "kafka://a:9092/", "kafka://a:0/t", "kafka://a:9092/no/slash", "kafka://a:9092/..", "kafka://a:9092/__consumer_offsets", "http://a:9092/t"} {
		if got, err := ParseTarget(s); err == nil {
			t.Errorf("ParseTarget(%q) = %+v", s, got)
		}
	}
}
