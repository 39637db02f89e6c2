package verify

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"gen/core"
	"gen/emit/files"
)

// Absent files in a row are one part, so that a stray name costs nothing.
func TestPlan(t *testing.T) {
	events := files.Segmenting{Events: 100}
	window := files.Segmenting{Window: time.Second} // 10 events at 10/s
	for _, c := range []struct {
		name    string
		segment files.Segmenting
		from    uint64
		count   uint64 // 0: no end
		whole   bool
		present []uint64
		want    string
		next    uint64
	}{
		{"nothing yet", events, 0, 0, false, nil, "", 0},
		{"nothing of a whole run", events, 0, 250, true, nil, "-0 to 2:0-250", 250},
		{"all of a whole run", events, 0, 250, true, []uint64{0, 1, 2}, "+0:0-100 +1:100-200 +2:200-250", 250},
		{"an unfinished run", events, 0, 250, false, []uint64{0, 1}, "+0:0-100 +1:100-200", 200},
		{"a run from 150 on", events, 150, 0, false, []uint64{1, 3}, "+1:150-200 -2:200-300 +3:300-400", 400},
		{"the end lost", events, 0, 1000, true, []uint64{0}, "+0:0-100 -1 to 9:100-1000", 1000},
		{"gaps", events, 0, 0, false, []uint64{0, 3, 4, 6}, "+0:0-100 -1 to 2:100-300 +3:300-400 +4:400-500 -5:500-600 +6:600-700", 700},
		{"a stray name", events, 0, 0, false, []uint64{0, 300000}, "+0:0-100 -1 to 299999:100-30000000 +300000:30000000-30000100", 30000100},
		// Eleven digits sort before ten.
		{"a name of eleven digits", events, 0, 0, false, []uint64{10000000000, 9999999999},
			"-0 to 9999999998:0-999999999900 +9999999999:999999999900-1000000000000 +10000000000:1000000000000-1000000000100", 1000000000100},
		{"a name behind the end", events, 0, 250, false, []uint64{0, 9}, "+0:0-100 +9:100-100", 100},
		{"a name before the beginning", events, 150, 0, false, []uint64{0, 1}, "+1:150-200 +0:200-200", 200},
		{"a name past all numbers", events, 0, 0, false, []uint64{1<<64 - 1}, "+18446744073709551615:0-0", 0},
		{"windows with gaps", window, 0, 0, false, []uint64{0, 3, 100000}, "+0:0-10 -1 to 2:10-30 +3:30-40 -4 to 99999:40-1000000 +100000:1000000-1000010", 1000010},
		{"a window past all times", window, 0, 0, false, []uint64{0, 9999999999999, 1<<64 - 1}, "+0:0-10 +9999999999999:10-10 +18446744073709551615:10-10", 10},
	} {
		meta := files.Meta{Schedule: core.ConstantSchedule(1735689600000, core.Rate{Num: 10, Den: 1}), From: c.from, Count: c.count, Segment: c.segment}
		var present []files.Part
		for _, i := range c.present {
			present = append(present, files.Part{Name: files.PartName(i, ""), Index: i, Segment: true})
		}
		parts, next := plan(meta, "", present, c.whole, newReport(c.from))
		if got := planText(parts); got != c.want || next != c.next {
			t.Errorf("%s: plan = %q, %d, want %q, %d", c.name, got, next, c.want, c.next)
		}
	}
}

// planText writes +index:from-to for a part, - for one that is absent.
func planText(parts []part) string {
	text := ""
	for i, p := range parts {
		if i > 0 {
			text += " "
		}
		sign := "-"
		if p.present {
			sign = "+"
		}
		var first, last uint64
		names := fmt.Sprint(p.name)
		if n, _ := fmt.Sscanf(names, "part-%d to part-%d", &first, &last); n == 2 {
			text += fmt.Sprintf("%s%d to %d:%d-%d", sign, first, last, p.from, p.to)
			continue
		}
		text += fmt.Sprintf("%s%d:%d-%d", sign, first, p.from, p.to)
	}
	return text
}

// A window without events has no segment: its file is no part of the run.
func TestPlanOfWindowsWithoutEvents(t *testing.T) {
	meta := files.Meta{Schedule: core.ConstantSchedule(0, core.Rate{Num: 1, Den: 10}), Segment: files.Segmenting{Window: 4 * time.Second}}
	var present []files.Part
	for _, i := range []uint64{0, 1, 5} { // events 0 and 2 are in windows 0 and 5, event 1 is in window 2
		present = append(present, files.Part{Name: files.PartName(i, ""), Index: i, Segment: true})
	}
	parts, next := plan(meta, "", present, false, newReport(0))
	if got, want := planText(parts), "+0:0-1 -2:1-2 +5:2-3 +1:3-3"; got != want || next != 3 {
		t.Errorf("plan = %q, %d, want %q, 3", got, next, want)
	}
}

func TestGapsAreFoundByEvent(t *testing.T) {
	gaps := []gap{{from: 5, to: 6}, {from: 10, to: 20}}
	got := map[uint64]bool{}
	for n := range uint64(25) {
		if gapOf(gaps, n) != nil {
			got[n] = true
		}
	}
	want := map[uint64]bool{5: true, 10: true, 11: true, 12: true, 13: true, 14: true, 15: true, 16: true, 17: true, 18: true, 19: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("in a gap: %v, want %v", got, want)
	}
}
