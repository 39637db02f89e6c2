package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"sync/atomic"

	"gen/core"
	"gen/emit/encode"
	"gen/emit/files"

	"golang.org/x/sync/errgroup"
)

// batch is how many rows are compared at a time.
const batch = 8192

// Options are the settings of a verification.
type Options struct {
	Workers int
	Rows    *atomic.Uint64 // counts the rows read
}

// part is a file to check: events from up to, not including, to. An extra
// file, which no segment of the run has, holds none.
type part struct {
	name     string
	from, to uint64
	present  bool
}

// outcome is what was found in one file.
type outcome struct {
	rows     uint64
	findings []counted
	strays   []stray // rows that are events of other files
}

type counted struct {
	Finding
	count uint64
}

type stray struct {
	n   uint64
	row int64
}

func (o *outcome) add(f Finding) { o.findings = append(o.findings, counted{f, 1}) }

// Dir compares a directory with the sequence that its _gen.json describes. It
// returns an error only when it could not look: what it found is in the
// report.
func Dir(ctx context.Context, d files.Dir, meta files.Meta, seq *core.Sequence, o Options) (*Report, error) {
	format, err := encode.Parse(meta.Format, meta.Compress)
	if err != nil {
		return nil, err
	}
	report := &Report{From: meta.From, Counts: map[Kind]uint64{}}
	manifest, err := files.ReadManifest(d)
	report.Finished = err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		report.add(Finding{Kind: Damaged, File: files.ManifestFile, Got: err.Error()}, 1)
	}
	present, err := files.Parts(d, format.Ext())
	if err != nil {
		return nil, err
	}
	parts, next := plan(meta, format, present, report)
	report.Next = next
	if report.Finished && (manifest.Next != next || manifest.From != meta.From) {
		report.add(Finding{Kind: Damaged, File: files.ManifestFile, Got: fmt.Sprintf("it lists %s, the run has %s", files.RangeText(manifest.From, manifest.Next), files.RangeText(meta.From, next))}, 1)
	}
	outcomes := make([]outcome, len(parts))
	group, checking := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Workers))
	for i, p := range parts {
		group.Go(func() (err error) {
			c := &checker{dir: d, format: format, seq: seq, rows: o.Rows}
			outcomes[i], err = c.check(checking, p)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	merge(report, parts, outcomes)
	if report.Finished {
		return report, compareManifest(ctx, d, manifest, rightFiles(parts, outcomes), report, o)
	}
	return report, nil
}

// plan lists the segments that the run must have, up to its end when it is
// finished and else up to the last one present, and the files that belong to
// no segment. It returns the first event that need not be there.
func plan(meta files.Meta, format encode.Format, present []files.Part, report *Report) (parts []part, next uint64) {
	there := map[string]bool{}
	last, some := uint64(0), false
	for _, p := range present {
		if !p.Segment {
			report.add(Finding{Kind: Foreign, File: p.Name, Got: "no segment of this run has such a name"}, 1)
			continue
		}
		there[p.Name] = true
		report.Files++
		last, some = p.Index, true
	}
	next = meta.From
	for (some || report.Finished) && next < meta.End() {
		index, from, to := meta.Range(next)
		if !report.Finished && index > last {
			break
		}
		name := files.PartName(index, format.Ext())
		parts = append(parts, part{name, from, to, there[name]})
		delete(there, name)
		next = to
	}
	for _, p := range present {
		if there[p.Name] {
			parts = append(parts, part{p.Name, next, next, true})
		}
	}
	return parts, next
}

// merge puts the outcomes together. A row that is an event of another file is
// misplaced when the event is missing there, a duplicate when it is not, and
// foreign when the run has not come that far.
func merge(r *Report, parts []part, outcomes []outcome) {
	var gaps []gap // in ascending order, as the parts are
	for _, o := range outcomes {
		for _, f := range o.findings {
			if f.Kind == Missing {
				gaps = append(gaps, gap{f.Finding, f.count, f.count})
			}
		}
	}
	found := map[uint64]bool{}
	for i, o := range outcomes {
		r.Rows += o.rows
		for _, s := range o.strays {
			f := Finding{Kind: Duplicated, N: ptr(s.n), File: parts[i].name, Row: s.row}
			if s.n < r.From || s.n >= r.Next {
				f.Kind = Foreign
			} else if g := gapOf(gaps, s.n); g != nil && !found[s.n] {
				f.Kind = Misplaced
				found[s.n] = true
				g.left--
			}
			r.add(f, 1)
		}
		for _, f := range o.findings {
			if f.Kind != Missing {
				r.add(f.Finding, f.count)
			}
		}
	}
	for _, g := range gaps {
		r.add(g.Finding, g.left)
	}
}

// gap is a range of events that are not in their file; left of them stand
// nowhere.
type gap struct {
	Finding
	events, left uint64
}

// gapOf returns the gap that holds event n, nil when there is none.
func gapOf(gaps []gap, n uint64) *gap {
	i := sort.Search(len(gaps), func(i int) bool { return *gaps[i].N+gaps[i].events > n })
	if i == len(gaps) || *gaps[i].N > n {
		return nil
	}
	return &gaps[i]
}

// rightFiles returns the names of the files of which every row is right.
func rightFiles(parts []part, outcomes []outcome) map[string]bool {
	right := map[string]bool{}
	for i, o := range outcomes {
		right[parts[i].name] = len(o.findings) == 0 && len(o.strays) == 0
	}
	return right
}

// compareManifest reports files whose bytes are not those of the manifest
// although their rows are right.
func compareManifest(ctx context.Context, d files.Dir, m files.Manifest, right map[string]bool, r *Report, o Options) error {
	bad := make([]string, len(m.Segments))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Workers))
	for i, e := range m.Segments {
		if !right[e.Name] {
			continue
		}
		group.Go(func() error {
			sum, err := hash(ctx, d.FS(), e.Name)
			if err == nil && sum != e.SHA256 {
				bad[i] = sum
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, sum := range bad {
		if sum != "" {
			e := m.Segments[i]
			r.add(Finding{Kind: Damaged, File: e.Name, Want: "SHA-256 " + e.SHA256, Got: "SHA-256 " + sum}, 1)
		}
	}
	return nil
}

func hash(ctx context.Context, fsys fs.FS, name string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}
