package files

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback has the disk begin to write a part of a file. It waits for
// nothing; what goes wrong is told by Sync.
func startWriteback(f *os.File, at, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), at, n, unix.SYNC_FILE_RANGE_WRITE)
}

// setDirect has writes into a file go past the page cache, or through it again.
func setDirect(f *os.File, direct bool) error {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags &^= unix.O_DIRECT; direct {
		flags |= unix.O_DIRECT
	}
	if _, err = unix.FcntlInt(f.Fd(), unix.F_SETFL, flags); err != nil {
		return &os.PathError{Op: "fcntl", Path: f.Name(), Err: err}
	}
	return nil
}

// pipeBytes is what any user may ask for: /proc/sys/fs/pipe-max-size.
const pipeBytes = 1 << 20

// WidenPipe lets a pipe hold 1 MiB, if w is one. With the 64 KiB that it holds
// otherwise writer and reader wait for each other: a reader in Go gets 21M rows a
// second instead of 31.
func WidenPipe(w io.Writer) {
	f, ok := w.(*os.File)
	if !ok {
		return
	}
	// What is no pipe stays as it is, and Fd would make what does not block do so.
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeBytes) })
	}
}
