package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"gen/core"
	"gen/emit/files"
	"gen/emit/kafka"
)

func TestExitCode(t *testing.T) {
	wrap := func(err error) error {
		return fmt.Errorf("outer: %w", withHint(fmt.Errorf("inner: %w", err), "do this"))
	}
	for _, c := range []struct {
		name       string
		err, cause error
		want       int
	}{
		{"nothing", nil, nil, 0},
		{"the reader has gone", wrap(errClosedPipe), nil, 0},
		{"a broken pipe elsewhere", wrap(syscall.EPIPE), nil, 1},
		{"anything", wrap(io.ErrUnexpectedEOF), nil, 1},
		{"usage", wrap(errUsage), nil, 2},
		{"a parameter", wrap(core.ErrParams), nil, 2},
		{"a rate", wrap(core.ErrRate), nil, 2},
		{"a URL of another kind", wrap(files.ErrScheme), nil, 2},
		{"a mismatch", wrap(errMismatch), nil, 3},
		{"another run in the directory", wrap(files.ErrOtherRun), nil, 3},
		{"another run in the topic", wrap(kafka.ErrOtherRun), nil, 3},
		{"a lost cursor", wrap(kafka.ErrNoCursor), nil, 3},
		{"findings", wrap(errFindings), nil, 4},
		{"SIGINT", wrap(context.Canceled), signalError{syscall.SIGINT}, 130},
		{"SIGTERM", wrap(context.Canceled), signalError{syscall.SIGTERM}, 143},
		{"a failure after a signal", wrap(syscall.ENOSPC), signalError{syscall.SIGINT}, 1},
		{"a time limit that nobody set", wrap(context.DeadlineExceeded), nil, 1},
	} {
		if got := exitCode(c.err, c.cause); got != c.want {
			t.Errorf("%s: exitCode = %d, want %d", c.name, got, c.want)
		}
	}
	if got := hintOf(wrap(errors.New("x"))); got != "do this" {
		t.Errorf("hintOf = %q", got)
	}
}

func TestResume(t *testing.T) {
	const start = 1735689600000
	fifty, hundred := core.Rate{Num: 50, Den: 1}, core.Rate{Num: 100, Den: 1}
	saved := core.ConstantSchedule(start, fifty)
	twice := saved.Then(3000, start+70_000, fifty)
	at := func(ms int64) *int64 { return &ms }
	for _, c := range []struct {
		name  string
		flags scheduleOptions
		saved core.Schedule
		grow  bool
		want  core.Schedule
		err   error
	}{
		{"no flags keep", scheduleOptions{}, saved, true, saved, nil},
		{"an equal rate appends nothing", scheduleOptions{rate: &fifty}, saved, true, saved, nil},
		{"an equal start appends nothing", scheduleOptions{start: at(start)}, saved, true, saved, nil},
		{"the last start appends nothing", scheduleOptions{start: at(start + 70_000)}, twice, true, twice, nil},
		{"the first start appends nothing", scheduleOptions{start: at(start)}, twice, true, twice, nil},
		{"another rate appends", scheduleOptions{rate: &hundred}, saved, true, saved.Then(6000, start+120_000, hundred), nil},
		{"now appends the gap", scheduleOptions{start: at(start + 500_000), startNow: true}, saved, true, saved.Then(6000, start+500_000, fifty), nil},
		{"now is not before the border", scheduleOptions{start: at(start), startNow: true}, saved, true, saved.Then(6000, start+120_000, fifty), nil},
		{"another start is refused", scheduleOptions{start: at(5)}, saved, true, saved, errMismatch},
		{"a dump refuses another rate", scheduleOptions{rate: &hundred}, saved, false, saved, errMismatch},
		{"a dump keeps the now it began with", scheduleOptions{start: at(5), startNow: true}, saved, false, saved, nil},
	} {
		got, err := c.flags.resume(c.saved, 6000, start+120_000, c.grow)
		if !errors.Is(err, c.err) || err == nil && !got.Equal(c.want) {
			t.Errorf("%s: %v, %v, want %v, %v", c.name, got, err, c.want, c.err)
		}
	}
}
