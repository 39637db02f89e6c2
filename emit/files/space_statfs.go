//go:build linux || darwin

package files

import "golang.org/x/sys/unix"

// FreeSpace returns the bytes that this user can still write below a local
// directory, which must be there.
func FreeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
