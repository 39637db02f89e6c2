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

// Finding is one thing that is wrong.
type Finding struct {
	Kind Kind    `json:"kind"`
	N    *uint64 `json:"n,omitempty"`   // the event, where known
	To   *uint64 `json:"to,omitempty"`  // with N: events N up to, not including, To
	File string  `json:"file"`          // where it stands, or should: a file, or topic-partition
	Row  int64   `json:"row,omitempty"` // from 1; of event N
	// Offset is where it stands in a partition.
	Offset *int64 `json:"offset,omitempty"`
	Want   string `json:"want,omitempty"`
	Got    string `json:"got,omitempty"`
}

func (f Finding) String() string {
	s := string(f.Kind)
	if f.N != nil {
		s += fmt.Sprintf(" event %d", *f.N)
	}
	if f.To != nil {
		s += fmt.Sprintf(" to %d", *f.To-1)
	}
	s += " in " + f.File
	if f.Row > 0 {
		s += fmt.Sprintf(", row %d", f.Row)
		if f.To != nil {
			s += fmt.Sprintf(" to %d", uint64(f.Row)+*f.To-*f.N-1)
		}
	}
	if f.Offset != nil {
		s += fmt.Sprintf(", offset %d", *f.Offset)
	}
	if f.Want != "" {
		s += "\n    want " + f.Want
	}
	if f.Got != "" {
		s += "\n    got  " + f.Got
	}
	return s
}

// Report is the outcome of a verification.
type Report struct {
	From     uint64          `json:"from"`
	Next     uint64          `json:"next"`     // events From to Next-1 were looked for
	Finished bool            `json:"finished"` // the run has its manifest and _SUCCESS, which comes last
	Files    int             `json:"files"`
	Rows     uint64          `json:"rows"` // read
	Counts   map[Kind]uint64 `json:"counts"`
	Findings []Finding       `json:"findings"` // the first MaxFindings
}

// MaxFindings is how many findings a report spells out.
const MaxFindings = 20

// newReport returns a report without findings: an empty list in JSON, not null.
func newReport(from uint64) *Report {
	return &Report{From: from, Counts: map[Kind]uint64{}, Findings: []Finding{}}
}

// OK tells whether nothing was found.
func (r *Report) OK() bool { return len(r.Counts) == 0 }

func (r *Report) add(f Finding, count uint64) {
	if count == 0 {
		return
	}
	if r.Counts == nil {
		r.Counts = map[Kind]uint64{}
	}
	r.Counts[f.Kind] += count
	r.spell(f)
}

// include adds what was found in one file: counts, and as much as there is
// room for of the first findings.
func (r *Report) include(file *Report) {
	for kind, count := range file.Counts {
		r.Counts[kind] += count
	}
	for _, f := range file.Findings {
		r.spell(f)
	}
}

// spell puts a finding into the list, or into the last one there.
func (r *Report) spell(f Finding) {
	if len(r.Findings) > 0 && r.Findings[len(r.Findings)-1].extend(f) {
		return
	}
	if len(r.Findings) < MaxFindings {
		r.Findings = append(r.Findings, f)
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
