package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"gen/emit/files"
)

// compareManifest reports what the manifest says of the run that is not so:
// its list must hold every segment once, in order, and its sums be those of the
// list.
func compareManifest(meta files.Meta, ext string, m files.Manifest, r *Report) {
	damaged := func(want, got string) {
		r.add(Finding{Kind: Damaged, File: files.ManifestFile, Want: want, Got: got}, 1)
	}
	sum := m.Bytes
	if want, got := compareList(meta, ext, m.Segments, r.Next); want != got {
		damaged(want, got)
	} else {
		sum = 0
		for _, e := range m.Segments {
			sum += e.Bytes
		}
	}
	line := func(from, next, rows, bytes uint64) string {
		return fmt.Sprintf("%s, %d rows, %d bytes", files.RangeText(from, next), rows, bytes)
	}
	want, got := line(meta.From, r.Next, r.Next-meta.From, sum), line(m.From, m.Next, m.Rows, m.Bytes)
	if want != got {
		damaged(want, got)
	}
}

// compareList returns two equal texts, or what the first wrong entry should be
// and is. It stops there: those behind it follow from where it ends.
func compareList(meta files.Meta, ext string, entries []files.Entry, end uint64) (want, got string) {
	n := meta.From
	for _, e := range entries {
		got = entryText(e.Name, e.From, e.Next, e.Rows)
		if n >= end {
			return fmt.Sprintf("no segment after event %d", end-1), got
		}
		index, from, to := meta.Range(n)
		want = entryText(files.PartName(index, ext), from, to, to-from)
		if want != got {
			return want, got
		}
		n = to
	}
	if n < end {
		index, from, to := meta.Range(n)
		return entryText(files.PartName(index, ext), from, to, to-from), "the list ends"
	}
	return "", ""
}

func entryText(name string, from, next, rows uint64) string {
	return fmt.Sprintf("%s with %s, %d rows", name, files.RangeText(from, next), rows)
}

// compareBytes reports files whose rows are right although their bytes are not
// those of the manifest.
func compareBytes(m files.Manifest, parts []part, outcomes []outcome, r *Report) {
	hashed := map[string]outcome{}
	for i, o := range outcomes {
		if o.sum != "" {
			hashed[parts[i].name] = o
		}
	}
	for _, e := range m.Segments {
		o, ok := hashed[e.Name]
		switch {
		case !ok: // its rows are wrong
		case o.sum != e.SHA256:
			r.add(Finding{Kind: Damaged, File: e.Name, Want: "SHA-256 " + e.SHA256, Got: "SHA-256 " + o.sum}, 1)
		case o.size != e.Bytes:
			r.add(Finding{Kind: Damaged, File: files.ManifestFile, Want: fmt.Sprintf("%s of %d bytes", e.Name, o.size), Got: fmt.Sprintf("%d bytes", e.Bytes)}, 1)
		}
	}
}

// hash returns the SHA-256 of a file, hexadecimal, and its size.
func hash(fsys fs.FS, name string) (sum string, size uint64, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), uint64(n), errors.Join(err, f.Close())
}
