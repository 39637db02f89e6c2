package main

import (
	"context"
	"errors"
	"syscall"

	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"
	"gen/store"

	"github.com/urfave/cli/v2"
)

// Exit codes.
const (
	exitDone     = 0   // done, or the reader of standard output has gone
	exitFailed   = 1   // failed
	exitUsage    = 2   // the command line or a parameter is wrong
	exitMismatch = 3   // the state does not match the run
	exitFindings = 4   // verify, check or diff found something
	exitINT      = 130 // stopped by SIGINT, cleanly
	exitTERM     = 143 // stopped by SIGTERM, cleanly
)

var (
	// errUsage is wrapped by every error in the command line.
	errUsage = errors.New("usage")
	// errMismatch is wrapped when what is saved is not what was asked for.
	errMismatch = errors.New("state mismatch")
	// errFindings is returned when the answer, already printed, is bad news.
	errFindings = errors.New("findings")
)

// exitCode maps an error, and the cause that ended the context, to the code
// of the process.
func exitCode(err, cause error) int {
	var stopped signalError
	var library cli.ExitCoder
	switch {
	case err == nil, errors.Is(err, errClosedPipe):
		return exitDone
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.Is(err, errUsage), errors.Is(err, files.ErrScheme), errors.Is(err, core.ErrParams), errors.Is(err, core.ErrRate), errors.Is(err, core.ErrStages), errors.Is(err, core.ErrArrivals), errors.Is(err, core.ErrShard), errors.As(err, &library):
		return exitUsage
	case isMismatch(err):
		return exitMismatch
	case errors.Is(err, context.Canceled) && errors.As(cause, &stopped):
		if stopped.signal == syscall.SIGTERM {
			return exitTERM
		}
		return exitINT
	default:
		return exitFailed
	}
}

func isMismatch(err error) bool {
	for _, is := range []error{
		errMismatch, files.ErrOtherRun, kafka.ErrOtherRun, kafka.ErrOtherOwner, kafka.ErrNoCursor, kafka.ErrLostData,
		kafka.ErrTopicReplaced, kafka.ErrPartitions, kafka.ErrSuperseded, kafka.ErrHanging, kafka.ErrNoRecords, kafka.ErrHoles, kafka.ErrSchedule,
	} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// hinted is an error with a remedy.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

// withHint attaches a remedy; a nil error stays nil.
func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// hintOf returns the remedy attached to an error, or the one known for its
// kind.
func hintOf(err error) string {
	var h interface{ Hint() string }
	switch {
	case errors.As(err, &h):
		return h.Hint()
	case errors.Is(err, store.ErrLocked):
		return "another gen process uses it: wait for it, stop it, or take another --state or --run"
	case errors.Is(err, files.ErrLocked):
		return "wait for the other gen process or stop it; nothing was written"
	case errors.Is(err, store.ErrNewer):
		return "use the gen that wrote it, or another --state"
	}
	return ""
}
