package files

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"gen/core"
)

// Segmenting cuts a sequence into segments whose borders are functions of the
// event number alone: either every Events events, or every Window of event
// time since the schedule's start. Segment index i exists when it has events.
type Segmenting struct {
	Events uint64
	Window time.Duration // whole milliseconds
}

// ParseSegmenting reads a number of events ("1000000") or a window of event
// time ("60s", "5m").
func ParseSegmenting(s string) (Segmenting, error) {
	if events, err := strconv.ParseUint(s, 10, 53); err == nil && events > 0 {
		return Segmenting{Events: events}, nil
	}
	window, err := time.ParseDuration(s)
	if err != nil || window <= 0 || window%time.Millisecond != 0 {
		return Segmenting{}, fmt.Errorf("segment %q is neither a number of events (1000000) nor a time in whole milliseconds (60s)", s)
	}
	return Segmenting{Window: window}, nil
}

// String returns the form that ParseSegmenting reads.
func (s Segmenting) String() string {
	if s.Window > 0 {
		return s.Window.String()
	}
	return strconv.FormatUint(s.Events, 10)
}

// MarshalText returns the form that ParseSegmenting reads.
func (s Segmenting) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Segmenting) UnmarshalText(b []byte) (err error) {
	*s, err = ParseSegmenting(string(b))
	return err
}

// segment is events From up to, not including, To.
type segment struct {
	index    uint64
	from, to uint64
}

func (s segment) rows() uint64 { return s.to - s.from }

// at returns the segment of event n, uncut.
func (s Segmenting) at(schedule core.Schedule, n uint64) segment {
	if s.Window > 0 {
		return s.of(schedule, uint64((schedule.At(n)-schedule.Start())/s.Window.Milliseconds()))
	}
	return s.of(schedule, n/s.Events)
}

// of returns the segment of an index, uncut; it may be empty.
func (s Segmenting) of(schedule core.Schedule, i uint64) segment {
	if s.Window > 0 {
		begin := schedule.Start() + int64(i)*s.Window.Milliseconds()
		return segment{i, schedule.Before(begin), schedule.Before(begin + s.Window.Milliseconds())}
	}
	return segment{i, i * s.Events, (i + 1) * s.Events}
}

// next returns the segment that begins at event n, cut at end; ok is false
// when n has reached end.
func (s Segmenting) next(schedule core.Schedule, n, end uint64) (seg segment, ok bool) {
	if n >= end {
		return segment{}, false
	}
	seg = s.at(schedule, n)
	seg.from, seg.to = max(seg.from, n), min(seg.to, end)
	return seg, true
}

// RangeText returns "events 0 to 19" for the events from up to, not including,
// next.
func RangeText(from, next uint64) string {
	if from >= next {
		return "no events"
	}
	return fmt.Sprintf("events %d to %d", from, next-1)
}

// PartName returns "part-0000000007" + ext.
// PartName returns the file name of a segment.
func PartName(index uint64, ext string) string { return fmt.Sprintf("part-%010d%s", index, ext) }

var partPattern = regexp.MustCompile(`^part-([0-9]{10,})(\.[a-z.]+)$`)

// partIndex returns the index in a name that PartName made.
func partIndex(name, ext string) (uint64, bool) {
	m := partPattern.FindStringSubmatch(name)
	if m == nil || m[2] != ext {
		return 0, false
	}
	i, err := strconv.ParseUint(m[1], 10, 64)
	return i, err == nil && PartName(i, ext) == name
}
