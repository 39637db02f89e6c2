package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"gen/core"
)

// part returns the events of a shard: a contiguous part of the segments. They are
// cut by a number of events.
func (m Meta) part(s core.Shard) (from, to uint64) {
	if s.Count() == 1 {
		return m.From, m.End()
	}
	size := m.Segment.Events
	first, last := m.From/size, (m.End()-1)/size
	lo, hi := s.Range(last - first + 1)
	bound := func(i uint64) uint64 { return min(max(m.From, (first+i)*size), m.End()) }
	return bound(lo), bound(hi)
}

// between returns the segments of the events from up to, not including, to.
func (m Meta) between(from, to uint64) (segments []segment) {
	for n := from; ; {
		seg, ok := m.Segment.next(m.Schedule, n, to)
		if !ok {
			return segments
		}
		segments = append(segments, seg)
		n = seg.to
	}
}

// lockName returns the file by which a shard is locked.
func lockName(shard string) string { return "_gen.lock-" + shard }

// listName returns the file in which a shard lists its segments.
func listName(shard string) string { return "_shard-" + shard + ".json" }

// shardPattern finds the shard in the name of a lock or of a temporary file.
var shardPattern = regexp.MustCompile(`^(?:_gen\.lock-|\..*\.)([0-9]+-of-[0-9]+)(?:$|\..*\.?tmp$)`)

// shardsOf returns the shards that have left something behind, or are at work.
func shardsOf(names []string) (shards []string) {
	for _, name := range names {
		if m := shardPattern.FindStringSubmatch(name); m != nil && !slices.Contains(shards, m[1]) {
			shards = append(shards, m[1])
		}
	}
	return shards
}

// isOthers tells whether a file may be of use to another shard: its list, or what
// it is writing.
func (j *Job) isOthers(name string) bool {
	shards := shardsOf([]string{name})
	return j.Shard.Count() > 1 && (isList(name) || len(shards) > 0 && shards[0] != j.Shard.String())
}

// locks are those that a job holds.
type locks struct{ dir, shard func() }

// letIn lets other shards in.
func (l *locks) letIn() {
	if l.shard != nil && l.dir != nil {
		l.dir()
		l.dir = nil
	}
}

func (l *locks) unlock() {
	for _, unlock := range []func(){l.dir, l.shard} {
		if unlock != nil {
			unlock()
		}
	}
}

// planning is how long another shard may take to plan.
const planning = 10 * time.Second

// lock takes the lock of the directory, for a shard also its own.
func (j *Job) lock(ctx context.Context) (*locks, error) {
	dir, err := j.Dir.Lock("")
	for begun := time.Now(); j.Shard.Count() > 1 && errors.Is(err, ErrLocked) && time.Since(begun) < planning; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
			dir, err = j.Dir.Lock("")
		}
	}
	if err != nil {
		return nil, err
	}
	l := &locks{dir: dir}
	if j.Shard.Count() > 1 {
		l.shard, err = j.Dir.Lock(j.Shard.String())
	}
	if err == nil {
		err = j.tidy()
	}
	if err != nil {
		l.unlock()
		return nil, err
	}
	return l, nil
}

// tidy removes what shards have left behind that were killed. It returns
// ErrLocked when one is at work beside a job that is not cut.
func (j *Job) tidy() error {
	names, err := list(j.Dir)
	if err != nil {
		return err
	}
	for _, shard := range shardsOf(names) {
		if shard == j.Shard.String() {
			continue
		}
		unlock, err := j.Dir.Lock(shard)
		if errors.Is(err, ErrLocked) && j.Shard.Count() > 1 {
			continue
		}
		if err != nil {
			return fmt.Errorf("shard %s: %w", shard, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, ".tmp") && slices.Contains(shardsOf([]string{name}), shard) {
				_ = j.Dir.Remove(name) // what stays is hidden, and nobody's
			}
		}
		unlock()
	}
	return nil
}

// shardList is the content of a shard's list.
type shardList struct {
	Segments []Entry `json:"segments"`
}

// publishList publishes the sums of the shard's segments, with one more that is
// about to be published.
func (j *Job) publishList(more ...Entry) error {
	from, to := j.Part()
	var l shardList
	for _, seg := range j.Meta.between(from, to) {
		if e, ok := j.written[seg.index]; ok {
			l.Segments = append(l.Segments, e)
		}
	}
	l.Segments = append(l.Segments, more...)
	return publishJSON(j.Dir, listName(j.Shard.String()), l)
}

// takeLists takes from lists of shards the entries of files that are still as
// long. It tells whether the lists are still there.
func (j *Job) takeLists(names []string) (all bool, err error) {
	all = true
	for _, name := range names {
		if !isList(name) {
			continue
		}
		var l shardList
		err := readJSON(j.Dir, name, &l)
		if errors.Is(err, fs.ErrNotExist) {
			all = false
			continue
		}
		if err != nil {
			return all, err
		}
		for _, e := range l.Segments {
			j.takeEntry(e)
		}
	}
	return all, nil
}

func isList(name string) bool { return strings.HasPrefix(name, "_shard-") }

func (j *Job) takeEntry(e Entry) {
	index, from, to := j.Meta.Range(e.From)
	if _, known := j.written[index]; known || e.From != from || e.Next != to || e.Name != PartName(index, j.Format.Ext()) {
		return
	}
	if info, err := fs.Stat(j.Dir.FS(), e.Name); err == nil && uint64(info.Size()) == e.Bytes {
		j.written[index] = e
	}
}

// runShard makes what is missing of a shard's segments.
func (j *Job) runShard(ctx context.Context, p plan, result *Result) error {
	names, err := list(j.Dir)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name != listName(j.Shard.String()) })
	if _, err := j.takeLists(names); err != nil {
		return err
	}
	from, to := j.Part()
	var old []segment
	for _, seg := range j.Meta.between(from, to) {
		if p.segments[seg.index] {
			old = append(old, seg)
		} else {
			j.last = seg.to
		}
	}
	if err := j.checkMissing(ctx, old, result); err != nil {
		return err
	}
	if j.last == 0 && len(old) > 0 && len(names) == 0 {
		err = j.again(ctx, func() error { return j.publishList() })
	} else if j.last > 0 {
		err = j.write(ctx, p, result)
	}
	if err != nil {
		return err
	}
	result.Next = to
	return j.finishAll(ctx, result)
}

// finishAll finishes the directory when every shard's segments are there.
func (j *Job) finishAll(ctx context.Context, result *Result) error {
	all := j.Meta.between(j.Meta.From, j.Meta.End())
	var names []string
	for listed := false; !listed; {
		var state State
		var err error
		if names, err = list(j.Dir); err == nil {
			state, err = j.Meta.state(names)
		}
		if err == nil && state.Finished && state.Next == j.Meta.End() {
			result.Finished = true
			return nil
		}
		if err != nil || state.Next != j.Meta.End() {
			return err
		}
		// Lists that are gone now say that another shard has just finished it.
		if listed, err = j.takeLists(names); err != nil {
			return err
		}
	}
	if err := j.checkMissing(ctx, all, result); err != nil {
		return err
	}
	if err := j.publishEnd(ctx, all, result); err != nil {
		return err
	}
	for _, name := range names {
		if !isList(name) {
			continue
		}
		if err := j.Dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) { // another one finishes too
			return err
		}
	}
	unlock, err := j.Dir.Lock("")
	if err != nil {
		return nil //nolint:nilerr // who begins now tidies too
	}
	defer unlock()
	return j.tidy()
}
