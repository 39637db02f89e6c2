package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"gen/emit/encode"
)

// places returns a new directory of each kind of schemes, as a target. One that
// needs a service is added where it runs: hdfs_real_test.go.
var places = map[string]func(t *testing.T) string{
	"":     func(t *testing.T) string { return t.TempDir() },
	"file": func(t *testing.T) string { return "file://" + t.TempDir() },
}

// onEveryPlace runs a test of the suite that every kind of directory passes.
func onEveryPlace(t *testing.T, test func(t *testing.T, base string)) {
	for name, place := range places {
		if _, ok := schemes[name]; !ok {
			t.Errorf("there is no scheme %q", name)
		}
		t.Run("scheme "+name, func(t *testing.T) { test(t, place(t)) })
	}
	t.Run("past the cache", func(t *testing.T) {
		pastTheCache(t)
		test(t, t.TempDir())
	})
}

// pastTheCache has files of a test written past the page cache from the first on.
func pastTheCache(t *testing.T) {
	before := cachedBytes
	cachedBytes = 0
	t.Cleanup(func() { cachedBytes = before })
}

func TestDirectories(t *testing.T) { onEveryPlace(t, directory) }

// directory goes through the contract of Dir and Pending.
func directory(t *testing.T, base string) {
	d := openTemp(t, base+"/a/b")
	if names, err := list(d); len(names) > 0 || err != nil {
		t.Fatalf("list of a directory that is not there: %v, %v", names, err)
	}
	if _, err := ReadMeta(d); !errors.Is(err, ErrNoRun) {
		t.Errorf("ReadMeta of a directory that is not there: %v, want ErrNoRun", err)
	}
	if err := TryToWrite(d); err != nil {
		t.Errorf("TryToWrite into what is not there: %v", err)
	}
	if names, err := list(openTemp(t, base)); len(names) > 0 || err != nil {
		t.Errorf("TryToWrite leaves %v, %v", names, err)
	}
	big := strings.Repeat("0123456789abcdef", 100_000)
	for _, content := range []string{"first", "", big} {
		p, err := d.Create("data")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(p, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		hidden(t, d, "data", content)
		if err := p.Finish(); err != nil {
			t.Fatal(err)
		}
		hidden(t, d, "data", content)
		if err := p.Publish(); err != nil {
			t.Fatal(err)
		}
		p.Abort() // does nothing
		if got, err := fs.ReadFile(d.FS(), "data"); err != nil || string(got) != content {
			t.Fatalf("ReadFile gives %d bytes, %v, want %d", len(got), err, len(content))
		}
	}
	p, err := d.Create("other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte(big)); err != nil {
		t.Fatal(err)
	}
	p.Abort()
	if names, err := list(d); err != nil || !slices.Equal(names, []string{"data"}) {
		t.Errorf("list = %v, %v, want data alone", names, err)
	}
	reading(t, d, big)
	if err := d.Remove("data"); err != nil {
		t.Error(err)
	}
	if err := d.Remove("data"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove of what is not there: %v, want fs.ErrNotExist", err)
	}
	if err := publish(openTemp(t, base+"/a"), "file", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(base + "/a/file"); err == nil {
		t.Error("Open takes a file for a directory")
	}
}

// hidden checks that a file that is being written is not visible as name, with
// this content, nor under a name of data.
func hidden(t *testing.T, d Dir, name, content string) {
	t.Helper()
	names, err := list(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n != name && isData(n) {
			t.Errorf("%s is visible", n)
		}
	}
	if b, err := fs.ReadFile(d.FS(), name); err == nil && string(b) == content {
		t.Error("the file is visible before Publish")
	}
}

// reading compares the file data with what is in it.
func reading(t *testing.T, d Dir, content string) {
	if err := fstest.TestFS(d.FS(), "data"); err != nil {
		t.Error(err)
	}
	f, err := d.FS().Open("data")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at, seeker := f.(io.ReaderAt), f.(io.Seeker)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			b := make([]byte, 100_000)
			for off := int64(i); off < int64(len(content)); off += 400_000 {
				n, err := at.ReadAt(b, off)
				if want := content[off:min(int(off)+len(b), len(content))]; string(b[:n]) != want || n < len(b) && !errors.Is(err, io.EOF) {
					t.Errorf("ReadAt(%d) = %d bytes, %v", off, n, err)
				}
			}
		})
	}
	group.Wait()
	if n, err := at.ReadAt(make([]byte, 1), int64(len(content))); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("ReadAt behind the end = %d, %v, want io.EOF", n, err)
	}
	if n, err := seeker.Seek(-16, io.SeekEnd); n != int64(len(content)-16) || err != nil {
		t.Errorf("Seek = %d, %v", n, err)
	}
	if b, err := io.ReadAll(f); string(b) != content[len(content)-16:] || err != nil {
		t.Errorf("the last 16 bytes are %q, %v", b, err)
	}
	if _, err := d.FS().Open("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of what is not there: %v, want fs.ErrNotExist", err)
	}
}

// Source splits a target so that what it names is found: a file, a directory,
// the root.
func TestSources(t *testing.T) { onEveryPlace(t, sources) }

func sources(t *testing.T, base string) {
	err := WriteFile(base+"/dir/x.csv", func(w io.Writer) error {
		_, err := io.WriteString(w, "content")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for target, dir := range map[string]bool{base + "/dir/x.csv": false, base + "/dir": true, base + "/dir/": true, base + "/dir/../dir": true} {
		fsys, name, err := Source(target)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := fs.Stat(fsys, name); err != nil || info.IsDir() != dir {
			t.Errorf("Stat(%s) = %v, %v, want a directory: %v", target, info, err, dir)
		}
	}
	fsys, name, err := Source(base + "/nothing")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(fsys, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of what is not there: %v, want fs.ErrNotExist", err)
	}
}

// failing is a directory of which one operation fails.
type failing struct {
	Dir
	operation string
	left      *atomic.Int64 // operations until it fails
}

var errInjected = errors.New("injected")

func (f failing) fail(operation string) error {
	if f.operation == operation && f.left.Add(-1) == 0 {
		return errInjected
	}
	return nil
}

func (f failing) Create(name string) (Pending, error) {
	if err := f.fail("create"); err != nil {
		return nil, err
	}
	p, err := f.Dir.Create(name)
	return failingFile{p, f}, err
}

type failingFile struct {
	Pending
	dir failing
}

func (f failingFile) Write(b []byte) (int, error) {
	if err := f.dir.fail("write"); err != nil {
		n, _ := f.Pending.Write(b[:len(b)/2]) // a torn write
		return n, err
	}
	return f.Pending.Write(b)
}

func (f failingFile) Finish() error { return errors.Join(f.dir.fail("finish"), f.Pending.Finish()) }

func (f failingFile) Publish() error {
	if err := f.dir.fail("publish"); err != nil {
		return err
	}
	return f.Pending.Publish()
}

// Whichever operation fails, what is visible is whole, no temporary file
// stays, and the next run completes the directory.
func TestEveryFailureLeavesWholeSegments(t *testing.T) { onEveryPlace(t, everyFailure) }

func everyFailure(t *testing.T, base string) {
	seq := testSequence(t)
	format := encode.Format{Name: "csv", Compress: "none"}
	want := newJob(seq, openTemp(t, base+"/want"), format, "100", 0, 500)
	if _, err := want.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	whole := content(t, want.Dir)
	for _, operation := range []string{"create", "write", "finish", "publish"} {
		for at := int64(1); at <= 8; at++ {
			dir := openTemp(t, fmt.Sprint(base, "/", operation, at))
			left := new(atomic.Int64)
			left.Store(at)
			j := newJob(seq, failing{dir, operation, left}, format, "100", 0, 500)
			if _, err := j.Run(context.Background()); !errors.Is(err, errInjected) {
				t.Fatalf("%s %d: %v, want the injected error", operation, at, err)
			}
			for name, got := range content(t, dir) {
				if strings.HasPrefix(name, ".") || got != whole[name] {
					t.Errorf("%s %d: %s is visible and not whole", operation, at, name)
				}
			}
			if _, err := newJob(seq, dir, format, "100", 0, 500).Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(content(t, dir), whole) {
				t.Errorf("%s %d: another directory after the next run", operation, at)
			}
		}
	}
}

func TestTwoWritersAreKeptApart(t *testing.T) { onEveryPlace(t, twoWriters) }

func twoWriters(t *testing.T, base string) {
	d := openTemp(t, base)
	unlock, err := d.Lock("")
	if err != nil {
		t.Fatal(err)
	}
	job := newJob(testSequence(t), openTemp(t, base), encode.Format{Name: "jsonl", Compress: "none"}, "100", 0, 10)
	if _, err := job.Run(context.Background()); !errors.Is(err, ErrLocked) {
		t.Errorf("Run beside a lock: %v, want ErrLocked", err)
	}
	unlock()
	if _, err := job.Run(context.Background()); err != nil {
		t.Errorf("Run behind a lock: %v", err)
	}
	if names, err := list(d); err != nil || len(names) != 4 {
		t.Errorf("list = %v, %v, want a segment and three files", names, err)
	}
}
