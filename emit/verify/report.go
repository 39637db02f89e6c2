// Package verify compares what was delivered with the sequence computed
// again, event by event.
//
// Start with Dir or Topic. It never trusts a manifest: every row is read and compared.
package verify

import (
	"fmt"

	"gen/core"
)

// Kind says what is wrong with an event or a row.
type Kind string

// The kinds of findings.
const (
	Missing    Kind = "missing"    // an event that stands nowhere
	Duplicated Kind = "duplicated" // a row whose event stands elsewhere too
	Altered    Kind = "altered"    // a row in the place of an event, not equal to it
	Misplaced  Kind = "misplaced"  // an event in the wrong order or the wrong file
	Foreign    Kind = "foreign"    // a row or file that is no event of the run
	Damaged    Kind = "damaged"    // a file that cannot be read, or is not what the manifest says
)

// Kinds are the kinds of findings, in the order in which they are told.
var Kinds = []Kind{Missing, Duplicated, Altered, Misplaced, Foreign, Damaged}

// Finding is one thing that is wrong, or several that follow each other.
type Finding struct {
	Kind Kind    `json:"kind"`
	N    *uint64 `json:"n,omitempty"`   // the event, where known
	To   *uint64 `json:"to,omitempty"`  // with N: events N up to, not including, To; in a partition those of its own
	Run  string  `json:"run,omitempty"` // in a topic: whose event it is
	File string  `json:"file"`          // where it stands, or should: a file, or topic-partition
	Row  int64   `json:"row,omitempty"` // from 1; of event N
	*Place
	Want string `json:"want,omitempty"` // of the first, when there are several
	Got  string `json:"got,omitempty"`  // the same
}

// Place is where in a topic something is wrong.
type Place struct {
	Partition int32  `json:"partition"`
	Offset    *int64 `json:"offset,omitempty"`   // of the record, or the first of them
	ToOffset  *int64 `json:"toOffset,omitempty"` // records from Offset up to, not including, ToOffset
	After     *int64 `json:"after,omitempty"`    // of missing events: the offset of the run's last record before them
	Count     uint64 `json:"count"`              // records, or missing events of the partition
}

func (f Finding) String() string {
	s := string(f.Kind)
	if f.N != nil {
		s += fmt.Sprintf(" event %d", *f.N)
	}
	if f.To != nil {
		s += fmt.Sprintf(" to %d", *f.To-1)
	}
	if f.Run != "" {
		s += " of run " + f.Run
	}
	s += " in " + f.File
	if f.Row > 0 {
		s += fmt.Sprintf(", row %d", f.Row)
		if f.To != nil {
			s += fmt.Sprintf(" to %d", uint64(f.Row)+*f.To-*f.N-1)
		}
	}
	first := ""
	if f.Place != nil {
		s += f.text(f.Kind)
		if f.Count > 1 {
			first = "of the first: "
		}
	}
	if f.Want != "" {
		s += "\n    want " + first + f.Want
	}
	if f.Got != "" {
		s += "\n    got  " + first + f.Got
	}
	return s
}

func (p Place) text(kind Kind) string {
	s := ""
	switch {
	case p.Count > 1 && kind == Missing:
		s = fmt.Sprintf(", %d of its events", p.Count)
	case p.Count > 1:
		s = fmt.Sprintf(", %d records", p.Count)
	}
	switch {
	case p.ToOffset != nil:
		s += fmt.Sprintf(", offsets %d to %d", *p.Offset, *p.ToOffset-1)
	case p.Offset != nil:
		s += fmt.Sprintf(", offset %d", *p.Offset)
	case p.After != nil:
		s += fmt.Sprintf(", behind offset %d", *p.After)
	}
	return s
}

// Tally counts what was found and spells out some of it.
type Tally struct {
	Counts   map[Kind]uint64 `json:"counts"`
	Findings []Finding       `json:"findings"` // MaxFindings at the most
}

// Report is the outcome of the verification of a directory.
type Report struct {
	From     uint64 `json:"from"`
	Next     uint64 `json:"next"`     // events From to Next-1 were looked for
	Finished bool   `json:"finished"` // the run has its manifest and _SUCCESS, which comes last
	Files    int    `json:"files"`
	Rows     uint64 `json:"rows"` // read
	Tally
}

// MaxFindings is how many findings a report spells out.
const MaxFindings = 20

// newTally returns a tally without findings: an empty list in JSON, not null.
func newTally() Tally { return Tally{map[Kind]uint64{}, []Finding{}} }

func newReport(from uint64) *Report { return &Report{From: from, Tally: newTally()} }

// OK tells whether nothing was found.
func (t *Tally) OK() bool { return len(t.Counts) == 0 }

func (t *Tally) add(f Finding, count uint64) {
	if count == 0 {
		return
	}
	if t.Counts == nil {
		t.Counts = map[Kind]uint64{}
	}
	t.Counts[f.Kind] += count
	t.spell(f)
}

// include adds what was found in one file: counts, and as much as there is
// room for of the first findings.
func (t *Tally) include(file *Tally) {
	for kind, count := range file.Counts {
		t.Counts[kind] += count
	}
	for _, f := range file.Findings {
		t.spell(f)
	}
}

// spell puts a finding into the list, or into the last one there.
func (t *Tally) spell(f Finding) {
	if len(t.Findings) > 0 && t.Findings[len(t.Findings)-1].extend(f) {
		return
	}
	if len(t.Findings) < MaxFindings {
		t.Findings = append(t.Findings, f)
	}
}

// extend takes in the finding of the next events in the next rows, and tells
// whether it was one.
func (f *Finding) extend(next Finding) bool {
	if f.N == nil || next.N == nil || f.Row == 0 || f.Kind != next.Kind || f.File != next.File || f.Want != "" || next.Want != "" {
		return false
	}
	to := *f.N + 1
	if f.To != nil {
		to = *f.To
	}
	if *next.N != to || next.Row != f.Row+int64(to-*f.N) {
		return false
	}
	f.To = ptr(to + 1)
	if next.To != nil {
		f.To = next.To
	}
	return true
}

func rowText(e core.Event) string {
	return fmt.Sprintf("userId %d movieId %d rating %.1f timestamp %d", e.User, e.Movie, e.Stars(), e.Time)
}

func ptr(n uint64) *uint64 { return &n }
