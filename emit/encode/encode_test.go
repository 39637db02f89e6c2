package encode

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gen/core"
)

// allFormats returns every format with every compression.
func allFormats() (all []Format) {
	for _, name := range Names() {
		for _, compress := range Compressions(name) {
			all = append(all, Format{name, compress})
		}
	}
	return all
}

// writeAll returns the file of the events, written batch by batch.
func writeAll(t testing.TB, f Format, events []core.Event, batch int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := f.NewWriter(&out, true)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(events, batch) {
		if err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readAll returns the events of a file, its row errors, and the final error
// unless that is io.EOF.
func readAll(f Format, data []byte, batch int) (events []core.Event, bad []*RowError, err error) {
	r, err := f.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	dst := make([]core.Event, batch)
	for {
		n, err := r.Read(dst)
		events = append(events, dst[:n]...)
		var row *RowError
		switch {
		case errors.Is(err, io.EOF):
			return events, bad, nil
		case errors.As(err, &row):
			bad = append(bad, row)
		case err != nil:
			return events, bad, err
		}
	}
}

// drawEvents draws events that every format can hold: any time, ids of all
// lengths.
func drawEvents(t *rapid.T) []core.Event {
	id := rapid.OneOf(rapid.Uint32Range(1, 300000), rapid.Uint32Range(1, 1<<31-1))
	at := rapid.OneOf(rapid.Int64Range(1735689600000, 1735689700000), rapid.Int64())
	one := rapid.Custom(func(t *rapid.T) core.Event {
		return core.Event{Time: at.Draw(t, "time"), User: id.Draw(t, "user"), Movie: id.Draw(t, "movie"), Rating: rapid.Uint8Range(1, 10).Draw(t, "rating")}
	})
	return rapid.SliceOfN(one, 0, 300).Draw(t, "events")
}

func TestRoundTrip(t *testing.T) {
	for _, f := range allFormats() {
		t.Run(f.Name+"/"+f.Compress, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				events := drawEvents(t)
				var out bytes.Buffer
				w, err := f.NewWriter(&out, true)
				if err != nil {
					t.Fatal(err)
				}
				for rest := events; len(rest) > 0; {
					n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
					if err := w.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				got, bad, err := readAll(f, out.Bytes(), rapid.IntRange(1, 50).Draw(t, "read"))
				if err != nil || len(bad) > 0 || !slices.Equal(got, events) {
					t.Fatalf("read %d of %d events, row errors %v, error %v", len(got), len(events), bad, err)
				}
			})
		})
	}
}

// A large file crosses pages, row groups, compression blocks and windows.
func TestRoundTripLarge(t *testing.T) {
	events := sample(groupRows+pageRows+12345, false)
	for i := range events[:1000] {
		events[i].User = 1 // ids far apart: one value, then a column without a dictionary
		events[i+groupRows].Movie = uint32(dictLimit + i*1000)
	}
	for _, f := range allFormats() {
		got, bad, err := readAll(f, writeAll(t, f, events, 5000), 777)
		if err != nil || len(bad) > 0 || !slices.Equal(got, events) {
			t.Errorf("%v: read %d of %d events, row errors %v, error %v", f, len(got), len(events), bad, err)
		}
	}
}

// The bytes must not depend on how the events were split over calls of Write,
// nor on what the pooled encoders wrote before.
func TestSameBytesForAnySplit(t *testing.T) {
	events := sample(150000, true)
	for _, f := range allFormats() {
		want := writeAll(t, f, events, len(events))
		for _, batch := range []int{1, 7, 1000, textBatch, 65537} {
			writeAll(t, f, events[:batch%500+1], 3)
			if got := writeAll(t, f, events, batch); !bytes.Equal(got, want) {
				t.Errorf("%v: batches of %d make other bytes", f, batch)
			}
		}
		events[99999].Rating ^= 1 // the comparison can fail
		if bytes.Equal(writeAll(t, f, events, 1000), want) {
			t.Errorf("%v: another event makes the same bytes", f)
		}
		events[99999].Rating ^= 1
	}
}

func TestChunksConcatenate(t *testing.T) {
	events := sample(10000, false)
	for _, f := range allFormats() {
		if !f.Text() {
			if _, err := f.AppendChunk(nil, events); err == nil {
				t.Errorf("%v.AppendChunk succeeded", f)
			}
			continue
		}
		file, err := f.AppendHeader(nil)
		for i := 0; i < len(events) && err == nil; i += 3000 {
			file, err = f.AppendChunk(file, events[i:min(i+3000, len(events))])
		}
		if err != nil {
			t.Fatal(err)
		}
		got, bad, err := readAll(f, file, 4096)
		if err != nil || len(bad) > 0 || !slices.Equal(got, events) {
			t.Errorf("%v: read %d of %d events, row errors %v, error %v", f, len(got), len(events), bad, err)
		}
	}
}

func TestEmptyFile(t *testing.T) {
	for _, f := range allFormats() {
		data := writeAll(t, f, nil, 1)
		if got, bad, err := readAll(f, data, 10); err != nil || len(got)+len(bad) > 0 {
			t.Errorf("%v: file without events reads as %v, %v, %v", f, got, bad, err)
		}
		if f.Compress == "none" && f.Name == "jsonl" {
			continue // no bytes are a valid file without rows
		}
		if _, bad, err := readAll(f, nil, 10); err == nil && len(bad) == 0 {
			t.Errorf("%v: no bytes at all read without an error", f)
		}
	}
}

// A file cut anywhere must not read as a whole one, and gives a prefix of its
// events.
func TestCutFile(t *testing.T) {
	events := sample(20000, false)
	for _, f := range allFormats() {
		data := writeAll(t, f, events, 1000)
		rnd := rand.New(rand.NewPCG(3, 4))
		for range 30 {
			cut := rnd.IntN(len(data))
			got, bad, err := readAll(f, data[:cut], 1000)
			whole := f.Compress == "none" && cut > 0 && data[cut-1] == '\n'
			if err == nil && len(bad) == 0 && !whole {
				t.Errorf("%v cut at byte %d of %d: no error", f, cut, len(data))
			}
			if len(got) > len(events) || !slices.Equal(got, events[:len(got)]) {
				t.Errorf("%v cut at byte %d: events are not a prefix", f, cut)
			}
			if f.Text() && cut > len(data)*9/10 && len(got) < len(events)/2 {
				t.Errorf("%v cut at byte %d of %d: only %d events delivered", f, cut, len(data), len(got))
			}
		}
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("disk full")

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteErrorIsKept(t *testing.T) {
	events := sample(groupRows+1, false)
	for _, f := range allFormats() {
		w, err := f.NewWriter(&failingWriter{left: 100000}, true)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Write(events) // the second one must repeat its error
		if err := w.Write(events[:1]); !errors.Is(err, errFull) {
			t.Errorf("%v: Write after a failed one = %v, want %v", f, err, errFull)
		}
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("%v: Close after a failed Write = %v, want %v", f, err, errFull)
		}
		if err := w.Write(events[:1]); err == nil {
			t.Errorf("%v: Write after Close succeeded", f)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ format, compress, ext, err string }{
		{"jsonl", "", ".jsonl", ""},
		{"jsonl", "zstd", ".jsonl.zst", ""},
		{"csv", "gzip", ".csv.gz", ""},
		{"csv", "none", ".csv", ""},
		{"parquet", "", ".parquet", ""},
		{"parquet", "zstd", ".parquet", ""},
		{"json", "", "", `unknown format "json", choose from csv, jsonl, parquet`},
		{"", "", "", `unknown format "", choose from csv, jsonl, parquet`},
		{"csv", "snappy", "", `format csv has no compression "snappy", choose from none, gzip, zstd`},
		{"parquet", "gzip", "", `format parquet has no compression "gzip", choose from snappy, zstd, none`},
	} {
		f, err := Parse(c.format, c.compress)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("Parse(%q, %q) = %v, want %s", c.format, c.compress, err, c.err)
			}
			continue
		}
		if err != nil || f.Ext() != c.ext {
			t.Errorf("Parse(%q, %q) = %v, %v with extension %s, want %s", c.format, c.compress, f, err, f.Ext(), c.ext)
		}
	}
	if f, _ := Parse("parquet", ""); f.Compress != "snappy" {
		t.Errorf("parquet's default compression is %s, want snappy", f.Compress)
	}
	if _, err := (Format{}).NewWriter(io.Discard, true); err == nil {
		t.Error("the zero Format has a writer")
	}
}

func TestFormatOf(t *testing.T) {
	for _, f := range allFormats() {
		got, ok := FormatOf("dir.csv/part-0000000007" + f.Ext())
		if f.Name == "parquet" {
			f.Compress = "snappy"
		}
		if !ok || got != f {
			t.Errorf("FormatOf(%s) = %v, %t, want %v", f.Ext(), got, ok, f)
		}
	}
	for _, name := range []string{"", "_SUCCESS", "part.jsonl.bz2", ".jsonl", "part.gz", "part.jsonl/x", "partjsonl"} {
		if f, ok := FormatOf(name); ok {
			t.Errorf("FormatOf(%q) = %v, want none", name, f)
		}
	}
}

// The row error of a file must fit on a screen line.
func TestRowErrorText(t *testing.T) {
	line := strings.Repeat("x", 500)
	_, bad, err := readAll(Format{"jsonl", "none"}, []byte(line+"\n"), 1)
	if err != nil || len(bad) != 1 || bad[0].Text != line[:120] {
		t.Errorf("bad row of 500 bytes: %v, %v", bad, err)
	}
}
