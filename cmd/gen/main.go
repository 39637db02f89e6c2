// Command gen writes synthetic movie ratings that can be computed again: as a
// stream, or as files.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) }

// run is main with its surroundings as arguments. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := notifyContext(syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A closed pipe is then an error of Write, for which exitCode has a rule,
	// and not the end of the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	e := &env{
		stdout:         output{stdout},
		stdoutTerminal: isTerminal(stdout),
		ui:             &ui{w: stderr, terminal: isTerminal(stderr), json: hasFlag(args, "json"), quiet: hasFlag(args, "quiet")},
		now:            time.Now,
	}
	err := newApp(e).RunContext(ctx, args)
	code := exitCode(err, context.Cause(ctx))
	e.ui.failure(err, code)
	return code
}

// env is what a command gets from outside.
type env struct {
	stdout         output
	stdoutTerminal bool
	ui             *ui
	now            func() time.Time
}

// answer prints the one answer of a command, as JSON or as text.
func (e *env) answer(asJSON bool, v interface{ text() string }) error {
	if asJSON {
		return printJSON(e.stdout, v)
	}
	_, err := io.WriteString(e.stdout, v.text())
	return err
}

// errClosedPipe is returned when the reader of standard output has gone.
var errClosedPipe = errors.New("standard output is closed")

// output is standard output.
type output struct{ io.Writer }

func (o output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		err = errClosedPipe
	}
	return n, err
}

// hasFlag tells whether a boolean flag is on, also in a command line that
// cannot be parsed.
func hasFlag(args []string, name string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		a, dashed := strings.CutPrefix(strings.Replace(a, "--", "-", 1), "-")
		return dashed && (a == name || a == name+"=true" || a == name+"=1")
	})
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal os.Signal }

func (e signalError) Error() string { return e.signal.String() }

// notifyContext returns a context that the first of the signals ends, with a
// signalError as its cause; the second ends the process at once.
func notifyContext(signals ...os.Signal) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, signals...)
	go func() {
		select {
		case s := <-ch:
			signal.Stop(ch)
			cancel(signalError{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(ch); cancel(nil) }
}
