package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gen/emit/kafka"

	"github.com/urfave/cli/v2"
)

// topicAnswer is what inspect prints of a topic.
type topicAnswer struct {
	Target string `json:"target"`
	kafka.Description
	Offsets     int64          `json:"offsets"`           // that the partitions hold
	Events      uint64         `json:"events"`            // that the cursors say were delivered
	Runs        []inspectedRun `json:"runs"`              // in order of name
	CursorTopic string         `json:"cursorTopic"`       // where the cursors were looked for
	Trouble     string         `json:"trouble,omitempty"` // with the cursors
	Last        []kafka.Record `json:"last,omitempty"`    // in order of time
}

// inspectedRun is a run into a topic.
type inspectedRun struct {
	kafka.Standing
	ID     string   `json:"id"`   // what its headers begin with, hexadecimal
	Lost   bool     `json:"lost"` // the topic of its events was deleted since
	Replay []string `json:"replay"`
}

func inspectTopic(ctx context.Context, e *env, c *cli.Context, target string, last int) error {
	conn, err := connect(ctx, e, c, target)
	if err != nil {
		return err
	}
	defer conn.Close()
	a := topicAnswer{Target: target, CursorTopic: conn.CursorTopic, Runs: []inspectedRun{}}
	if a.Description, err = conn.Describe(ctx); err != nil {
		return err
	}
	for _, p := range a.Partitions {
		a.Offsets += p.End - p.Start
	}
	if err := a.addRuns(ctx, conn); err != nil {
		return err
	}
	if last > 0 {
		if a.Last, err = conn.Last(ctx, last); err != nil {
			return err
		}
	}
	return e.answer(c.Bool("json"), a)
}

func (a *topicAnswer) addRuns(ctx context.Context, conn *kafka.Connection) error {
	cursors, err := conn.ReadCursors(ctx)
	if err != nil {
		a.Trouble = err.Error() // the rest is worth seeing
		return ctx.Err()
	}
	for _, name := range slices.Sorted(maps.Keys(cursors)) {
		cursor := *cursors[name]
		id := cursor.RunID()
		run := inspectedRun{Standing: cursor, ID: hex.EncodeToString(id[:]), Lost: cursor.TopicID != a.TopicID, Replay: replay(cursor.Run, 0)}
		if !run.Lost {
			a.Events += cursor.Next
		}
		a.Runs = append(a.Runs, run)
	}
	return nil
}

func (a topicAnswer) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s "+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "%s\n", a.Target)
	row("topic", "%s, id %s, cluster %s", a.Topic, kafka.TopicIDText(a.TopicID), a.Cluster)
	for _, p := range a.Partitions {
		row("partition "+strconv.Itoa(int(p.Partition)), "%s", partitionText(p))
	}
	if policy, ok := a.Configs["cleanup.policy"]; ok {
		row("retention", "cleanup.policy=%s, retention.ms=%s, retention.bytes=%s", policy, a.Configs["retention.ms"], a.Configs["retention.bytes"])
	}
	row("events", "%s", a.eventsText())
	row("offsets", "%d: each transaction takes one more in each of its partitions, for its marker, and what was aborted keeps its own", a.Offsets)
	for _, text := range openTexts(a.Open) {
		row("open", "%s", text)
	}
	for _, why := range a.Unknown {
		row("not told", "%s", why)
	}
	for _, run := range a.Runs {
		run.rows(row)
	}
	for _, r := range a.Last {
		row("last", "%s", a.recordText(r))
	}
	return b.String()
}

func partitionText(p kafka.PartitionState) string {
	s := fmt.Sprintf("offsets %d to %d, leader %d, %d of %d replicas in sync", p.Start, p.End-1, p.Leader, p.InSync, p.Replicas)
	if p.Start == p.End {
		s = fmt.Sprintf("empty, next offset %d, leader %d, %d of %d replicas in sync", p.End, p.Leader, p.InSync, p.Replicas)
	}
	if p.Stable < p.End {
		s += fmt.Sprintf("; readers of committed records stand at offset %d: a transaction is open", p.Stable)
	}
	return s
}

func (a topicAnswer) eventsText() string {
	switch {
	case a.Trouble != "":
		return a.Trouble
	case len(a.Runs) == 0:
		return fmt.Sprintf("%s holds no cursor of a run into this topic", a.CursorTopic)
	}
	s := fmt.Sprintf("%d delivered, by the cursors of %s in %s", a.Events, plural(len(a.Runs), "run"), a.CursorTopic)
	for _, p := range a.Partitions {
		if p.Start > 0 {
			return s + "; retention has deleted some"
		}
	}
	return s
}

// openTexts returns a text for each open transaction.
func openTexts(open []kafka.NamedTransaction) (texts []string) {
	for i, t := range open {
		same := func(o kafka.NamedTransaction) bool {
			return o.ProducerID == t.ProducerID && o.ProducerEpoch == t.ProducerEpoch
		}
		if slices.IndexFunc(open, same) < i {
			continue // told already
		}
		name := "a transaction that no coordinator names"
		if t.TransactionalID != "" {
			name = fmt.Sprintf("transaction of %s, %s by its coordinator", t.TransactionalID, t.State)
		}
		var where []string
		for _, o := range open {
			if same(o) {
				where = append(where, o.String())
			}
		}
		texts = append(texts, fmt.Sprintf("%s, producer %d, epoch %d: %s", name, t.ProducerID, t.ProducerEpoch, strings.Join(where, ", ")))
	}
	return texts
}

func (r inspectedRun) rows(row func(name, format string, args ...any)) {
	state := fmt.Sprintf("next event %d", r.Next)
	switch {
	case r.Lost:
		state += "; the topic was deleted since and created again: begin anew with --restart"
	case r.Done:
		state = fmt.Sprintf("finished, %d events", r.Next)
	}
	name := r.Name
	if r.Incarnation > 0 {
		name += fmt.Sprintf(", incarnation %d", r.Incarnation)
	}
	if r.NoHeader {
		name += ", without headers"
	}
	row("run", "%s: seed %d, snapshot %.8s, %s", name, r.Seed, r.Snapshot, state)
	row("  committed", "%s by %s", time.UnixMilli(r.Time).UTC().Format(time.RFC3339), r.Owner)
	if r.Cut.Shards > 1 || r.Cut.Pending {
		row("  shards", "%s", r.cutText())
	}
	for _, shard := range r.Shards {
		row("  "+shard.Shard, "next event %d, committed %s by %s", shard.Next, time.UnixMilli(shard.Time).UTC().Format(time.RFC3339), shard.Owner)
	}
	row("  recipe", "%s", recipeText(r.Recipe))
	for _, g := range r.Schedule.Segments {
		row("  schedule", "%s", segmentText(g))
	}
	for _, line := range r.Replay {
		row("  replay", "%s", line)
	}
}

// cutText says into how many shards a run is cut.
func (r inspectedRun) cutText() string {
	s := fmt.Sprintf("%d since generation %d, which began at events %d to %d", r.Cut.Shards, r.Cut.Generation, r.Cut.Next, r.Cut.Front())
	if r.Cut.Pending {
		s = fmt.Sprintf("being cut into %d, its generation %d, by %s", r.Cut.Shards, r.Cut.Generation, r.Cut.Owner)
	}
	return s
}

func (a topicAnswer) recordText(r kafka.Record) string {
	who := "no header"
	if r.N != nil {
		who = fmt.Sprintf("event %d of %s", *r.N, a.nameOf(r.RunID))
	}
	return fmt.Sprintf("partition %d, offset %d, %s: key %s value %s", r.Partition, r.Offset, who, oneLine(r.Key), oneLine(r.Value))
}

// nameOf returns the run of an id, or the id when no cursor has it.
func (a topicAnswer) nameOf(id string) string {
	for _, run := range a.Runs {
		if run.ID == id {
			return run.Name
		}
	}
	return "run id " + id
}

// oneLine returns a text that may hold anything as one line.
func oneLine(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
