package files

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newDirect returns a writer that has found a file with this beginning.
func newDirect(t *testing.T, beginning string) *directWriter {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.WriteString(beginning); err != nil {
		t.Fatal(err)
	}
	w := newDirectWriter(f)
	if w == nil {
		t.Fatal("the file system of temporary files has no O_DIRECT: set TMPDIR to one that has")
	}
	return w
}

func TestDirectWriter(t *testing.T) {
	content := make([]byte, 5*blockBytes+12345)
	for i := range content {
		content[i] = byte(i % 251)
	}
	// Behind a byte every block is where no disk takes it: the cache does.
	for _, beginning := range []string{"", "x"} {
		for _, size := range []int{0, 1, blockBytes - 1, blockBytes, blockBytes + 1, len(content)} {
			w := newDirect(t, beginning)
			for part := range slices.Chunk(content[:size], 77_777) {
				if n, err := w.Write(part); n != len(part) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			if err := w.finish(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(w.file.Name())
			if err != nil || !bytes.Equal(got, append([]byte(beginning), content[:size]...)) {
				t.Errorf("%d bytes behind %q: read %d others, %v", size, beginning, len(got), err)
			}
		}
	}
}

func TestDirectWriterTellsOfAFailure(t *testing.T) {
	w := newDirect(t, "")
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 4 { // one is written, one waits, one is being filled
		if _, err = w.Write(make([]byte, blockBytes)); err != nil {
			break
		}
	}
	if !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write into a closed file: %v, want fs.ErrClosed", err)
	}
	if err := w.finish(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("finish after that: %v, want fs.ErrClosed", err)
	}
}

func TestBlocksAreAligned(t *testing.T) {
	for range 8 {
		b := *blocks.Get().(*[]byte)
		if len(b) != blockBytes || uintptr(unsafe.Pointer(&b[0]))%alignment != 0 {
			t.Errorf("a block of %d bytes at %p", len(b), b)
		}
	}
}

// Only the blocks go past the page cache: the rest is no whole one.
func TestSetDirect(t *testing.T) {
	w := newDirect(t, "")
	direct := func() bool {
		flags, err := unix.FcntlInt(w.file.Fd(), unix.F_GETFL, 0)
		if err != nil {
			t.Fatal(err)
		}
		return flags&unix.O_DIRECT != 0
	}
	if _, err := w.Write(make([]byte, 2*blockBytes+1)); err != nil || !direct() {
		t.Errorf("blocks are written: %v, O_DIRECT is %v, want true", err, direct())
	}
	if err := w.finish(); err != nil || direct() {
		t.Errorf("the rest is written: %v, O_DIRECT is %v, want false", err, direct())
	}
}
