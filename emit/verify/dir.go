package verify

import (
	"context"
	"errors"
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

// outcome is what was found in one file.
type outcome struct {
	rows   uint64
	found  Tally   // what is missing is in gaps
	gaps   []gap   // in ascending order
	strays []stray // rows that are events of other files

	sum  string // SHA-256, hexadecimal, of a file of a finished run whose rows are right
	size uint64 // in bytes, of such a file
}

// gap is a range of events that are not in their file; left of them stand
// nowhere.
type gap struct {
	file           string
	from, to, left uint64
}

// stray is a row that is event n.
type stray struct {
	n   uint64
	row int64
}

func (o *outcome) right() bool { return o.found.OK() && len(o.gaps) == 0 && len(o.strays) == 0 }

// Dir compares a directory with the sequence that its _gen.json describes. It
// returns an error only when it could not look: what it found is in the
// report.
func Dir(ctx context.Context, d files.Dir, meta files.Meta, seq *core.Sequence, o Options) (*Report, error) {
	format, err := encode.Parse(meta.Format, meta.Compress)
	if err != nil {
		return nil, err
	}
	report := newReport(meta.From)
	manifest, whole, err := readEnd(d, meta, report)
	if err != nil {
		return nil, err
	}
	present, err := files.Parts(d, format.Ext())
	if err != nil {
		return nil, err
	}
	var parts []part
	parts, report.Next = plan(meta, format.Ext(), present, whole, report)
	if report.Finished {
		compareManifest(meta, format.Ext(), manifest, report)
	}
	outcomes := make([]outcome, len(parts))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Workers))
	for i, p := range parts {
		group.Go(func() (err error) {
			c := &checker{dir: d, format: format, seq: seq, rows: o.Rows}
			outcomes[i], err = c.check(ctx, p)
			if err == nil && report.Finished && p.present && outcomes[i].right() {
				outcomes[i].sum, outcomes[i].size, err = hash(d.FS(), p.name) // now, while it is in the page cache
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	merge(report, parts, outcomes)
	if report.Finished {
		compareBytes(manifest, parts, outcomes, report)
	}
	return report, nil
}

// readEnd reads the two files that finish a run, the manifest first. A
// manifest alone is what a crash between the two leaves: the run is not
// finished yet. whole tells whether every segment must be there.
func readEnd(d files.Dir, meta files.Meta, report *Report) (m files.Manifest, whole bool, err error) {
	_, err = fs.Stat(d.FS(), files.SuccessFile)
	success := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, false, err
	}
	m, err = files.ReadManifest(d)
	switch {
	case err == nil:
		report.Finished = success
	case !errors.Is(err, fs.ErrNotExist):
		report.add(Finding{Kind: Damaged, File: files.ManifestFile, Got: err.Error()}, 1)
	case success:
		report.add(Finding{Kind: Damaged, File: files.ManifestFile, Want: "a manifest, as there is " + files.SuccessFile, Got: "no such file"}, 1)
	}
	// Without the manifest the end of a run that has no count is not known.
	return m, report.Finished || success && meta.Count > 0, nil
}

// merge puts the outcomes together. A row that is an event of another file is
// misplaced when the event is missing there, a duplicate when it is not, and
// foreign when the run has not come that far.
func merge(r *Report, parts []part, outcomes []outcome) {
	var gaps []gap // in ascending order, as the parts are
	for i, o := range outcomes {
		for _, g := range o.gaps {
			g.file, g.left = parts[i].name, g.to-g.from
			gaps = append(gaps, g)
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
		r.include(&o.found)
	}
	for _, g := range gaps {
		f := Finding{Kind: Missing, N: ptr(g.from), File: g.file}
		if g.to-g.from > 1 {
			f.To = ptr(g.to)
		}
		r.add(f, g.left)
	}
}

// gapOf returns the gap that holds event n, nil when there is none.
func gapOf(gaps []gap, n uint64) *gap {
	i := sort.Search(len(gaps), func(i int) bool { return gaps[i].to > n })
	if i == len(gaps) || gaps[i].from > n {
		return nil
	}
	return &gaps[i]
}
