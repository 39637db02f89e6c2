package verify

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"gen/emit/files"
)

// The manifest is compared with the run in all that it says.
func TestManifestThatLies(t *testing.T) {
	seq := testSequence(t)
	for _, c := range []struct {
		name   string
		change func(m *files.Manifest)
		want   uint64
	}{
		{"nothing", func(*files.Manifest) {}, 0},
		{"From", func(m *files.Manifest) { m.From = 1 }, 1},
		{"Next", func(m *files.Manifest) { m.Next-- }, 1},
		{"Rows and Bytes", func(m *files.Manifest) { m.Rows, m.Bytes = 9, 1 }, 1},
		{"Bytes", func(m *files.Manifest) { m.Bytes++ }, 1},
		{"no segments", func(m *files.Manifest) { m.Segments = nil }, 1},
		{"the last segment not listed", func(m *files.Manifest) { m.Segments = m.Segments[:4] }, 1},
		{"a segment not listed", func(m *files.Manifest) { m.Segments = append(m.Segments[:1:1], m.Segments[2:]...) }, 1},
		{"a segment twice", func(m *files.Manifest) { m.Segments = append(m.Segments, m.Segments[4]) }, 1},
		{"two exchanged", func(m *files.Manifest) { m.Segments[0], m.Segments[1] = m.Segments[1], m.Segments[0] }, 1},
		{"an entry's name", func(m *files.Manifest) { m.Segments[2].Name = "part-0000000009.jsonl" }, 1},
		{"an entry's From", func(m *files.Manifest) { m.Segments[2].From++ }, 1},
		{"an entry's Next", func(m *files.Manifest) { m.Segments[2].Next++ }, 1},
		{"an entry's Rows", func(m *files.Manifest) { m.Segments[2].Rows++ }, 1},
		{"an entry's Bytes, and the sum", func(m *files.Manifest) { m.Segments[2].Bytes++; m.Bytes++ }, 1},
		{"an entry's SHA256", func(m *files.Manifest) { m.Segments[2].SHA256 = "00" }, 1},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		d, meta := dump(t, seq, dir)
		m, err := files.ReadManifest(d)
		if err != nil {
			t.Fatal(err)
		}
		c.change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, files.ManifestFile, string(text))
		want := map[Kind]uint64{}
		if c.want > 0 {
			want[Damaged] = c.want
		}
		if got := verifyDir(t, d, meta, seq); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

// A run is finished when both files that finish it are there.
func TestFilesThatFinishARun(t *testing.T) {
	seq := testSequence(t)
	for _, c := range []struct {
		name     string
		remove   []string
		finished bool
		want     string // findings
	}{
		{"both", nil, true, ""},
		{"a crash between the two", []string{files.SuccessFile}, false, ""},
		{"a crash before both", []string{files.SuccessFile, files.ManifestFile}, false, ""},
		{"a manifest lost", []string{files.ManifestFile}, false, "damaged in _manifest.json\n    want a manifest, as there is _SUCCESS\n    got  no such file"},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		d, meta := dump(t, seq, dir)
		for _, name := range c.remove {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Dir(context.Background(), d, meta, seq, Options{Workers: 2, Rows: new(atomic.Uint64)})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, f := range r.Findings {
			found = append(found, f.String())
		}
		if got := strings.Join(found, "\n"); r.Finished != c.finished || got != c.want || r.Next != allRows {
			t.Errorf("%s: finished %v, next %d, found %q; want %v, %d, %q", c.name, r.Finished, r.Next, got, c.finished, allRows, c.want)
		}
	}
}

func TestNoFindingsAreAnEmptyList(t *testing.T) {
	seq := testSequence(t)
	d, meta := dump(t, seq, filepath.Join(t.TempDir(), "out"))
	r, err := Dir(context.Background(), d, meta, seq, Options{Workers: 1, Rows: new(atomic.Uint64)})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"counts":{},"findings":[]`) {
		t.Errorf("Marshal = %s, %v, want empty lists", text, err)
	}
}
