//go:build !linux

package files

import (
	"errors"
	"io"
	"os"
)

// startWriteback is for Linux.
func startWriteback(*os.File, int64, int64) {}

// setDirect is for Linux.
func setDirect(*os.File, bool) error { return errors.ErrUnsupported }

// WidenPipe is for Linux.
func WidenPipe(io.Writer) {}
