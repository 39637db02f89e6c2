//go:build chaos

package kafka

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// chaos is one run of events into a topic of its own, and whoever drives it.
type chaos struct {
	t          *testing.T
	broker     *broker
	topic      string
	partitions int
	options    childOptions  // of the next generator
	next       atomic.Uint64 // the cursor as far as the generators have told
}

// newChaos names a topic, which the first generator creates.
func newChaos(t *testing.T, b *broker, topic string) *chaos {
	return &chaos{t: t, broker: b, topic: topic, partitions: 6, options: childOptions{
		Brokers: b.addresses, Topic: topic, Owner: "first:" + topic, State: filepath.Join(t.TempDir(), "state"),
		CommitEvents: tail / 10, CommitInterval: time.Millisecond, TransactionTimeout: 10 * time.Second,
	}}
}

// generator is a process that delivers.
type generator struct {
	c       *chaos
	cmd     *exec.Cmd
	started time.Time
	exited  chan struct{}
	log     strings.Builder // standard error; complete when it has exited

	mu       sync.Mutex
	changed  chan struct{} // closed at each line that the process writes
	inside   bool          // a transaction
	begun    bool
	signaled bool // itself or the broker
	commits  int
	first    time.Time // of the first commit
}

// start starts a generator; change changes its options.
func (c *chaos) start(change func(*childOptions)) *generator {
	c.t.Helper()
	options := c.options
	if change != nil {
		change(&options)
	}
	text, err := json.Marshal(options)
	if err != nil {
		c.t.Fatal(err)
	}
	g := &generator{c: c, cmd: exec.Command(os.Args[0]), exited: make(chan struct{}), changed: make(chan struct{})}
	g.cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	g.cmd.Stderr = &g.log
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	g.started = time.Now()
	if err := g.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go g.follow(out)
	c.t.Cleanup(func() {
		g.cmd.Process.Kill()
		<-g.exited
	})
	return g
}

func (g *generator) follow(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		g.hear(lines.Text())
	}
	g.cmd.Wait()
	close(g.exited)
}

func (g *generator) hear(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	word, number, _ := strings.Cut(line, " ")
	switch word {
	case saidInside:
		g.inside = true
	case saidCommit:
		g.inside = false
		g.commits++
		if g.first.IsZero() {
			g.first = time.Now()
		}
	case saidSignal:
		g.signaled = true
	case saidBegun:
		g.begun = true
		fallthrough
	case saidSaved:
		if n, err := strconv.ParseUint(number, 10, 64); err == nil {
			g.c.next.Store(max(n, g.c.next.Load()))
		}
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// longest is how long the suite waits in silence for what must happen.
const longest = 3 * time.Minute

// await waits until happened, which is asked again whenever the process says
// something, and fails the test when the process ends before, or stays silent.
func (g *generator) await(what string, happened func() bool) {
	g.c.t.Helper()
	for {
		g.mu.Lock()
		done, changed := happened(), g.changed
		g.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-g.exited:
			g.mu.Lock()
			done = happened()
			g.mu.Unlock()
			if !done {
				g.c.t.Fatalf("the generator ended (%v) while the suite waited for %s\n%s", g.cmd.ProcessState, what, g.log.String())
			}
		case <-time.After(longest):
			g.kill()
			g.c.t.Fatalf("the generator said nothing for %v while the suite waited for %s\n%s", longest, what, g.log.String())
		}
	}
}

// awaitCommits waits for n more commits.
func (g *generator) awaitCommits(n int) {
	g.c.t.Helper()
	g.mu.Lock()
	want := g.commits + n
	g.mu.Unlock()
	g.await(strconv.Itoa(n)+" commits", func() bool { return g.commits >= want })
}

// kill sends SIGKILL and tells whether that ended the process, and whether it
// was inside a transaction then.
func (g *generator) kill() (killed, inside bool) {
	g.cmd.Process.Kill()
	<-g.exited
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cmd.ProcessState.ExitCode() == -1, g.inside
}

// wait waits for the end of the process and returns its exit status, -1 after
// SIGKILL.
func (g *generator) wait() int {
	g.c.t.Helper()
	select {
	case <-g.exited:
	case <-time.After(longest):
		g.kill()
		g.c.t.Fatalf("the generator did not end in %v\n%s", longest, g.log.String())
	}
	return g.cmd.ProcessState.ExitCode()
}

// mustEnd is wait for an exit status that must be.
func (g *generator) mustEnd(status int) {
	g.c.t.Helper()
	if got := g.wait(); got != status {
		g.c.t.Fatalf("the generator ended with exit status %d, want %d\n%s", got, status, g.log.String())
	}
}

// finish delivers what is left of the events before end.
func (c *chaos) finish(end uint64) {
	c.t.Helper()
	c.start(func(o *childOptions) { o.End, o.Speed = end, 0 }).mustEnd(exitDone)
	if next := c.next.Load(); next != end {
		c.t.Fatalf("the run ended at event %d, want %d", next, end)
	}
}
