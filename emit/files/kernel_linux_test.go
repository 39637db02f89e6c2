package files

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWidenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	WidenPipe(w)
	if got, err := unix.FcntlInt(w.Fd(), unix.F_GETPIPE_SZ, 0); err != nil || got != pipeBytes {
		t.Errorf("the pipe holds %d bytes, %v, want %d", got, err, pipeBytes)
	}
	WidenPipe(new(bytes.Buffer)) // which is no pipe, nor is a file
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	WidenPipe(file)
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
