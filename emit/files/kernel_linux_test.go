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
