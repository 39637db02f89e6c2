package verify

import (
	"math/bits"
	"slices"

	"gen/core"
	"gen/emit/files"
)

// part is a file to check: events from up to, not including, to. An extra
// file, which no segment of the run has, holds none. One that is not present
// may stand for all the absent ones up to the next that is.
type part struct {
	name     string
	from, to uint64
	present  bool
}

// plan lists the segments that the run must have, to its end when it is whole
// and else to the last one present, and the files that belong to no segment.
// It returns the first event that need not be there. It costs a step for each
// file present, however large the gaps between their numbers.
func plan(meta files.Meta, ext string, present []files.Part, whole bool, report *Report) (parts []part, next uint64) {
	own, extra := sortParts(meta, present, report)
	next = meta.From
	end := meta.End()
	for next < end {
		index, from, to := meta.Range(next)
		for len(own) > 0 && own[0] < index {
			own = own[1:]
		}
		there := len(own) > 0 && own[0] == index
		switch {
		case !there && len(own) > 0:
			to = max(to, firstOf(meta, own[0]))
		case !there && whole:
			to = end
		case !there:
			end = next // an unfinished run: these are still to come
			continue
		}
		parts = append(parts, part{absentName(meta, ext, index, to), from, to, there})
		next = to
	}
	for _, name := range extra {
		parts = append(parts, part{name, next, next, true})
	}
	return parts, next
}

// sortParts returns the numbers of the segments present, ascending, and the
// names of the files that look like a segment but are none of the run. The
// names do not ascend with the numbers: these may have more than ten digits.
func sortParts(meta files.Meta, present []files.Part, report *Report) (own []uint64, extra []string) {
	for _, p := range present {
		if !p.Segment {
			report.add(Finding{Kind: Foreign, File: p.Name, Got: "no segment of this run has such a name"}, 1)
			continue
		}
		report.Files++
		first := firstOf(meta, p.Index)
		if index, from, to := meta.Range(first); from == to || index != p.Index {
			extra = append(extra, p.Name)
			continue
		}
		own = append(own, p.Index)
	}
	slices.Sort(own)
	return own, extra
}

// firstOf returns the first event of the run in segment index or a later one.
// It is the run's end when there is none.
func firstOf(meta files.Meta, index uint64) uint64 {
	size := meta.Segment.Events
	if meta.Segment.Window > 0 {
		size = uint64(meta.Segment.Window.Milliseconds())
	}
	hi, n := bits.Mul64(index, size)
	switch {
	case hi > 0 || meta.Segment.Window > 0 && n > core.MaxTime:
		return meta.End()
	case meta.Segment.Window > 0:
		n = meta.Schedule.Before(meta.Schedule.Start() + int64(n))
	}
	return min(max(n, meta.From), meta.End())
}

// absentName returns the name of segment index, or, when events up to to are
// more than that segment, the names of the first and the last.
func absentName(meta files.Meta, ext string, index, to uint64) string {
	name := files.PartName(index, ext)
	if last, _, _ := meta.Range(to - 1); last != index {
		name += " to " + files.PartName(last, ext)
	}
	return name
}
