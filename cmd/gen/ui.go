package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// ui prints to a person, on standard error.
type ui struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	json     bool
	quiet    bool
	live     string // the line that is redrawn on a terminal
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say prints a line, unless --quiet; a JSON one with --json.
func (u *ui) say(format string, args ...any) {
	switch {
	case u.quiet:
	case u.json:
		u.log(fmt.Sprintf(format, args...))
	default:
		u.line("gen: "+format, args...)
	}
}

// warn prints a warning, unless --quiet.
func (u *ui) warn(format string, args ...any) {
	if u.json && !u.quiet {
		u.record(slog.LevelWarn, fmt.Sprintf(format, args...))
		return
	}
	u.say("warning: "+format, args...)
}

// log prints a JSON line with fields by name, as log/slog does.
func (u *ui) log(message string, fields ...any) {
	u.record(slog.LevelInfo, message, fields...)
}

func (u *ui) record(level slog.Level, message string, fields ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	slog.New(slog.NewJSONHandler(u.w, nil)).Log(context.Background(), level, message, fields...)
}

func (u *ui) line(format string, args ...any) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.live != "" {
		fmt.Fprint(u.w, clearLine)
	}
	fmt.Fprintf(u.w, format+"\n", args...)
	if u.live != "" {
		fmt.Fprint(u.w, u.live)
	}
}

// clearLine moves to the beginning of the line and clears it (ECMA-48, EL).
const clearLine = "\r\x1b[K"

// status redraws the last line of a terminal, as far as it is wide; an empty one
// removes it.
func (u *ui) status(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if text == "" && u.live == "" {
		return
	}
	if f, ok := u.w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && len(text) >= width {
			text = text[:max(0, width-1)]
		}
	}
	u.live = text
	fmt.Fprint(u.w, clearLine+text)
}

// failure is the JSON form of an error: with --json the last line of standard
// error.
type failure struct {
	Kind    string `json:"kind"` // always "error"
	Code    int    `json:"code"` // of the process
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// failure prints an error: its subject, then its further lines indented, then
// the hint.
func (u *ui) failure(err error, code int) {
	if err == nil || code == exitDone || errors.Is(err, errFindings) || code == exitINT || code == exitTERM {
		return
	}
	// The kind is for the exit code, wherever the error was wrapped.
	message, hint := strings.ReplaceAll(err.Error(), errUsage.Error()+": ", ""), hintOf(err)
	if u.json {
		b, _ := json.Marshal(failure{"error", code, message, hint}) // strings and a number
		u.line("%s", b)
		return
	}
	u.line("gen: %s", strings.ReplaceAll(message, "\n", "\ngen: "))
	if hint != "" {
		u.line("gen: hint: %s", strings.ReplaceAll(hint, "\n", "\ngen:   "))
	}
}

// summary prints the end of a run: one JSON object with --json, else text.
func (u *ui) summary(v any, text string) {
	if u.json {
		b, err := json.Marshal(v)
		if err != nil {
			u.warn("summary: %v", err)
			return
		}
		u.line("%s", b)
		return
	}
	u.say("%s", text)
}

// progress shows a counter while work goes on: a bar on a terminal, else a
// line every ten seconds. total is 0 when there is no end. It returns the
// function that ends it.
func (u *ui) progress(what string, done *atomic.Uint64, total uint64) (stop func()) {
	if u.quiet || u.json {
		return func() {}
	}
	draw, every, end := u.plainProgress(what, done, total), 10*time.Second, func() {}
	if u.terminal {
		draw, end = u.barProgress(what, done, total)
		every = 200 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	quit, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for {
			select {
			case <-ticker.C:
				draw()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(quit)
		<-over
		end()
	}
}

func (u *ui) plainProgress(what string, done *atomic.Uint64, total uint64) func() {
	begin, last := time.Now(), uint64(0)
	return func() {
		n := done.Load()
		of := ""
		if total > 0 {
			of = fmt.Sprintf(" of %d (%.1f%%)", total, 100*float64(n)/float64(total))
		}
		u.line("gen: %s: %d%s events after %s, %s", what, n, of, time.Since(begin).Round(time.Second), perSecond(n-last, 10*time.Second))
		last = n
	}
}

func (u *ui) barProgress(what string, done *atomic.Uint64, total uint64) (draw, end func()) {
	most := int64(total)
	if total == 0 {
		most = -1
	}
	bar := progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(u.w), progressbar.OptionSetDescription("gen: "+what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"),
		progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	draw = func() { _ = bar.Set64(int64(done.Load())) } // a bar that cannot be drawn is no failure
	return draw, func() { _ = bar.Clear() }
}

// perSecond returns a rate with its unit: "20.1 M events/s".
func perSecond(events uint64, d time.Duration) string {
	return rateText(float64(events) / max(d.Seconds(), 1e-9))
}

func rateText(rate float64) string {
	switch {
	case rate >= 1e6:
		return fmt.Sprintf("%.2f M events/s", rate/1e6)
	case rate >= 1e4:
		return fmt.Sprintf("%.1f k events/s", rate/1e3)
	case rate >= 1e3:
		return fmt.Sprintf("%.0f events/s", rate)
	default:
		return fmt.Sprintf("%.3g events/s", rate)
	}
}

// sizeText returns bytes with a unit: "1.3 MB".
func sizeText(bytes uint64) string {
	for _, unit := range []struct {
		size uint64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if bytes >= unit.size {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(unit.size), unit.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}

// printJSON prints the one answer of a command.
func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
