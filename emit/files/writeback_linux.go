package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteback has the disk begin to write a part of a file. It waits for
// nothing; what goes wrong is told by Sync.
func startWriteback(f *os.File, at, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), at, n, unix.SYNC_FILE_RANGE_WRITE)
}
