package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"gen/cmd/gen/report"
	"gen/core"
	"gen/emit/catalogue"
	"gen/emit/encode"
	"gen/emit/files"

	"golang.org/x/sync/errgroup"
)

// eventFiles are files of events.
type eventFiles struct {
	fsys    fs.FS
	names   []string
	foreign bool // gen has not written them: their times may be in seconds
}

// openReportedFiles finds out who wrote a directory or a file.
func openReportedFiles(ctx context.Context, e *env, o reportOptions) (*reported, error) {
	fsys, name, err := files.Source(o.target)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.target, cause(err))
	}
	if !info.IsDir() {
		return openForeign(e, o, eventFiles{fsys, []string{name}, true}, path.Dir(name))
	}
	dir, err := files.Open(o.target)
	if err != nil {
		return nil, err
	}
	meta, err := files.ReadMeta(dir)
	switch {
	case err == nil:
		return openOwn(ctx, e, o, dir, meta)
	case !errors.Is(err, files.ErrNoRun):
		return nil, err
	}
	names, err := foreignNames(fsys, name, o.target)
	if err != nil {
		return nil, err
	}
	return openForeign(e, o, eventFiles{fsys, names, true}, name)
}

// cause returns an error without the operation and the path of a file system.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// openOwn reports about a directory that gen wrote.
func openOwn(ctx context.Context, e *env, o reportOptions, dir files.Dir, meta files.Meta) (*reported, error) {
	snapshot, err := snapshotOf(o.state, meta.Snapshot, meta.Recipe)
	if err != nil {
		return nil, err
	}
	state, err := describeTarget(ctx, dir, meta, 0)
	if err != nil {
		return nil, err
	}
	format, err := encode.Parse(meta.Format, meta.Compress)
	if err != nil {
		return nil, err
	}
	parts, err := files.Parts(dir, format.Ext())
	if err != nil {
		return nil, err
	}
	r := &reported{known: report.KnownOf(snapshot), events: state.Next - meta.From, seed: &meta.Seed, close: func() {}}
	r.page = report.Page{Target: dir.URL(), Profile: meta.Recipe.Profile, Commands: state.Replay}
	r.page.Identity = append([]report.Row{{Name: "run", Value: meta.Run}}, snapshotRows(meta.Snapshot, meta.Recipe, meta.Seed)...)
	r.page.Identity = append(append(r.page.Identity, scheduleRows(meta.Schedule)...), report.Row{
		Name: "holds", Value: fmt.Sprintf("%s, %s of %s, %s", files.RangeText(meta.From, state.Next), plural(state.Segments, "file"), format.Name, sizeText(state.Bytes)),
	})
	own := eventFiles{fsys: dir.FS()}
	for _, p := range parts {
		if !p.Segment {
			r.page.Notes = append(r.page.Notes, p.Name+" is no file of this run and is left out")
			continue
		}
		own.names = append(own.names, p.Name)
	}
	if !state.Finished {
		r.page.Notes = append(r.page.Notes, "The run is not finished: these are the events published so far.")
	}
	r.read = func(ctx context.Context, m *report.Measure, done *atomic.Uint64) (func(*report.Figures), error) {
		if err := own.read(ctx, m, done); err != nil {
			return nil, withHint(err, "gen verify "+o.target+" names every row that is not as computed")
		}
		if rows := done.Load(); rows != r.events {
			r.page.Notes = append(r.page.Notes, fmt.Sprintf("The files hold %d rows, and %d events up to the first gap: gen verify %s names what is wrong.", rows, r.events, o.target))
			e.ui.warn("%s: the files hold %d rows, and %d events up to the first gap; gen verify %s names what is wrong", o.target, rows, r.events, o.target)
		}
		return nil, nil
	}
	return r, nil
}

// ratingsFiles are the names under which others keep ratings.
var ratingsFiles = []string{"ratings.csv", "ratings.parquet"}

// foreignNames returns the data files of a directory that gen did not write: the
// ratings among the files of a data set, or all.
func foreignNames(fsys fs.FS, dir, target string) (names []string, err error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, entry := range entries {
		name := entry.Name()
		_, known := encode.FormatOf(name)
		switch {
		case slices.Contains(ratingsFiles, name):
			return []string{path.Join(dir, name)}, nil
		case known && !entry.IsDir() && !strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "."):
			names = append(names, path.Join(dir, name))
		default:
			others = append(others, name)
		}
	}
	if len(names) > 0 {
		return names, nil
	}
	err = fmt.Errorf("%s: no ratings in this directory: no file of jsonl, csv or parquet", target)
	if len(others) > 0 {
		err = fmt.Errorf("%w\n  found: %s", err, strings.Join(others[:min(5, len(others))], ", "))
	}
	return nil, err
}

// openForeign reports about ratings that gen did not write. A movies.csv in the
// same directory tells the genres.
func openForeign(e *env, o reportOptions, data eventFiles, dir string) (*reported, error) {
	for _, name := range data.names {
		if _, ok := encode.FormatOf(name); !ok {
			return nil, fmt.Errorf("%s: %s has none of the endings of jsonl, csv or parquet", o.target, path.Base(name))
		}
	}
	r := &reported{page: report.Page{Target: o.target}, close: func() {}}
	movies := path.Join(dir, "movies.csv")
	cat, warnings, err := catalogue.Read(data.fsys, movies)
	switch {
	case err == nil:
		r.known = report.KnownFrom(cat)
	case !errors.Is(err, fs.ErrNotExist):
		e.ui.warn("the genres are not known: %v", err)
	}
	for _, w := range warnings {
		e.ui.warn("%s: %s", movies, w)
	}
	r.read = func(ctx context.Context, m *report.Measure, done *atomic.Uint64) (func(*report.Figures), error) {
		return nil, data.read(ctx, m, done)
	}
	return r, nil
}

// read hands the events of the files to a Measure, several files at a time.
func (f eventFiles) read(ctx context.Context, m *report.Measure, done *atomic.Uint64) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for _, name := range f.names {
		group.Go(func() error { return f.readFile(ctx, name, m, done) })
	}
	return group.Wait()
}

func (f eventFiles) readFile(ctx context.Context, name string, m *report.Measure, done *atomic.Uint64) error {
	format, _ := encode.FormatOf(name) // it has one
	rows, err := files.OpenRows(f.fsys, name, format)
	if err != nil {
		return err
	}
	events := make([]core.Event, reportBatch)
	for err == nil && ctx.Err() == nil {
		var n int
		n, err = rows.Read(events)
		if f.foreign {
			inMillis(events[:n])
		}
		m.Add(events[:n])
		done.Add(uint64(n))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("read %s: %w", name, err)
	}
	return errors.Join(err, ctx.Err(), rows.Close())
}

// inMillis turns times in seconds, as MovieLens has them, into milliseconds: as
// milliseconds they would lie before March 1973.
func inMillis(events []core.Event) {
	const earliest = 100_000_000_000
	for i := range events {
		if t := events[i].Time; t > -earliest && t < earliest {
			events[i].Time = 1000 * t
		}
	}
}
