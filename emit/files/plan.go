package files

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gen/core"
	"gen/emit/encode"
)

// State is how far a directory is.
type State struct {
	Next     uint64 // every event before it is published
	End      uint64 // the first event behind the last published segment; above Next when segments in between are lost
	Border   int64  // epoch ms: where the window behind the last published segment begins; 0 without windows
	Finished bool   // manifest and _SUCCESS are there

	segments map[uint64]bool // published, by index
}

// Inspect returns how far the directory of a run is.
func Inspect(d Dir, meta Meta) (State, error) {
	names, err := list(d)
	if err != nil {
		return State{}, err
	}
	return meta.state(names)
}

// state tells how far a directory with these files is.
func (m Meta) state(names []string) (State, error) {
	format, err := encode.Parse(m.Format, m.Compress)
	if err != nil {
		return State{}, err
	}
	s := State{Next: m.From, End: m.From, segments: map[uint64]bool{}}
	last := uint64(0)
	for _, name := range names {
		if i, ok := partIndex(name, format.Ext()); ok {
			s.segments[i] = true
			last = max(last, i)
		}
	}
	s.Finished = slices.Contains(names, ManifestFile) && slices.Contains(names, SuccessFile)
	if len(s.segments) == 0 {
		return s, nil
	}
	seg := m.Segment.of(m.Schedule, last)
	s.End = max(m.From, min(seg.to, m.End()))
	if m.Segment.Window > 0 {
		s.Border = m.Schedule.Start() + int64(last+1)*m.Segment.Window.Milliseconds()
	}
	for {
		seg, ok := m.Segment.next(m.Schedule, s.Next, s.End)
		if !ok || !s.segments[seg.index] {
			return s, nil
		}
		s.Next = seg.to
	}
}

// plan is what a job does to a directory.
type plan struct {
	State
	reached bool     // all that was asked for is published: nothing is written
	meta    bool     // _gen.json is to be written
	remove  []string // files to remove first
}

// makePlan decides what a run does to a directory that holds these files.
// saved is what the directory records, nil when it records nothing. It returns
// ErrOtherRun when the run must not touch it.
func makePlan(d Dir, names []string, saved *Meta, asked Meta) (plan, error) {
	if saved == nil {
		if i := slices.IndexFunc(names, isData); i >= 0 {
			return plan{}, fmt.Errorf("%w: %s has %s but no %s; nothing was written", ErrOtherRun, d.URL(), names[i], MetaFile)
		}
		saved = &asked
	}
	if err := saved.accepts(asked); err != nil {
		return plan{}, err
	}
	state, err := saved.state(names)
	if err != nil {
		return plan{}, err
	}
	p := plan{State: state, meta: !slices.Contains(names, MetaFile)}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") && (strings.HasPrefix(name, ".part-") || strings.HasPrefix(name, "._")) {
			p.remove = append(p.remove, name) // of an interrupted run
		}
		if isList(name) {
			p.remove = append(p.remove, name) // what it lists is compared
		}
	}
	end := asked.End()
	switch {
	case state.Finished && saved.End() != end:
		return p, fmt.Errorf("%w: %s is finished; nothing was written\n  saved: %s\n  asked: %s",
			ErrOtherRun, d.URL(), RangeText(saved.From, saved.End()), RangeText(asked.From, end))
	case state.Finished && state.Next == end, end < state.Next:
		p.reached = true
		return p, nil
	case end < state.End:
		return p, fmt.Errorf("%w: %s has segments behind event %d, the end asked for; nothing was written", ErrOtherRun, d.URL(), end)
	case !sameUpTo(saved.Schedule, asked.Schedule, state.End):
		return p, fmt.Errorf("%w: %s has %s on another schedule; nothing was written", ErrOtherRun, d.URL(), RangeText(saved.From, state.End))
	}
	if slices.Contains(names, SuccessFile) {
		p.remove = append(p.remove, SuccessFile) // a segment was lost since
	}
	p.grow(names, *saved, asked)
	return p, nil
}

// grow plans the change of a directory to another count or schedule. A crash
// between its steps leaves the directory of the old count, with less in it.
func (p *plan) grow(names []string, saved, asked Meta) {
	if saved.Count == asked.Count && saved.Schedule.Equal(asked.Schedule) {
		return
	}
	p.meta = true
	if slices.Contains(names, ManifestFile) {
		p.remove = append(p.remove, ManifestFile) // of the old count
	}
	// The last segment of the old count may end too early.
	seg, ok := saved.Segment.next(saved.Schedule, saved.End()-1, saved.Schedule.End())
	if saved.Count == 0 || saved.Count == asked.Count || !ok || !p.segments[seg.index] || seg.to == saved.End() {
		return
	}
	format := encode.Format{Name: saved.Format, Compress: saved.Compress}
	p.remove = append(p.remove, PartName(seg.index, format.Ext()))
	delete(p.segments, seg.index)
	whole := saved.Segment.of(saved.Schedule, seg.index)
	p.End = max(saved.From, whole.from)
	p.Next = min(p.Next, p.End)
}

// next returns the first event from one on, up to to, whose segment is missing;
// to when there is none.
func (p plan) next(m Meta, from, to uint64) uint64 {
	for n := from; ; {
		seg, ok := m.Segment.next(m.Schedule, n, to)
		if !ok || !p.segments[seg.index] {
			return n
		}
		n = seg.to
	}
}

// sameUpTo tells whether both schedules give the events before n their times.
func sameUpTo(a, b core.Schedule, n uint64) bool {
	before := func(s core.Schedule) core.Schedule {
		i := slices.IndexFunc(s.Segments, func(g core.Segment) bool { return g.From >= max(n, 1) })
		if i < 0 {
			i = len(s.Segments)
		}
		return core.Schedule{Segments: s.Segments[:i]}
	}
	return n == 0 || before(a).Equal(before(b))
}

// isData tells whether a name is that of a data file.
func isData(name string) bool { return !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, ".") }

// savedMeta returns what the directory records, nil when it records nothing.
func savedMeta(d Dir) (*Meta, error) {
	saved, err := ReadMeta(d)
	if errors.Is(err, ErrNoRun) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return &saved, err
}
