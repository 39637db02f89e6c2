//go:build chaos

package kafka

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// life is how long a generator that is killed at random lives, more or less.
const life = 400 * time.Millisecond

// tail is more than a transaction can hold: one whose commit nobody was told of
// may lie behind the cursor that the suite knows.
const tail = 100_000

// speedFor returns the speed at which so many events last for so many lives.
func speedFor(events uint64, lives int) float64 {
	const rate = 50 // of the schedule
	return float64(events) / float64(lives) / life.Seconds() / rate
}

// A generator that is killed at random moments, again and again, while its
// state file is damaged, lost, or replaced by an older one.
func TestChaosKills(t *testing.T) {
	t.Parallel()
	kills, end := killCount(t), uint64(size(200_000, 2_000_000))
	c := newChaos(t, sharedBroker(t), "kills")
	var recoveries []time.Duration
	inside := 0
	for k := range kills {
		switch k {
		case kills / 4:
			c.writeState("")
		case kills / 2:
			os.Remove(c.options.State)
		case kills * 3 / 4:
			c.writeState("100")
		}
		g := c.start(func(o *childOptions) { o.End, o.Speed = end, speedFor(end-c.next.Load(), kills-k+9) })
		moment := rand.N(2 * life) // from the start on: recovery is met too
		if k%2 == 1 {
			g.awaitCommits(1)
			moment = rand.N(life)
		}
		select {
		case <-time.After(moment):
		case <-g.exited:
		}
		killed, within := g.kill()
		if !killed {
			t.Fatalf("kill %d: the generator had ended by itself: %v\n%s", k, g.cmd.ProcessState, g.log.String())
		}
		if within {
			inside++
		}
		if !g.first.IsZero() {
			recoveries = append(recoveries, g.first.Sub(g.started))
		}
	}
	if inside == 0 {
		t.Error("no kill came inside a transaction: the test shows nothing")
	}
	c.finish(end)
	report(result{"generator killed", fmt.Sprintf("%d kills, %d inside a transaction", kills, inside), c.mustBeSound(end),
		"start to first commit: " + percentiles(recoveries)})
}

// writeState puts something else in the place of the state file.
func (c *chaos) writeState(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.options.State, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// Two instances at once: the second takes over, the first must end as fenced
// and name the other.
func TestChaosTakeOver(t *testing.T) {
	t.Parallel()
	rounds := size(3, 20)
	c := newChaos(t, sharedBroker(t), "takeover")
	const end, speed = 10_000_000, 200
	instance := func(i int) *generator {
		return c.start(func(o *childOptions) {
			o.End, o.Speed, o.TakeOver = end, speed, true
			o.Owner = fmt.Sprintf("host-%d:state", i)
			o.State = fmt.Sprintf("%s-%d", o.State, i)
		})
	}
	first := instance(0)
	first.awaitCommits(5)
	for i := range rounds {
		second := instance(i + 1)
		first.mustEnd(exitFenced)
		if log := first.log.String(); !strings.Contains(log, fmt.Sprintf("host-%d:state", i+1)) {
			t.Errorf("round %d: the first instance does not name the second\n%s", i, log)
		}
		second.awaitCommits(5)
		first = second
	}
	first.kill()
	c.options.TakeOver = true
	total := c.next.Load() + tail
	c.finish(total)
	report(result{"two instances", fmt.Sprintf("%d rounds", rounds), c.mustBeSound(total), ""})
}

// A generator that is stopped inside a transaction for longer than the
// transaction timeout goes on by itself, or ends as fenced when another one
// has taken over meanwhile.
func TestChaosStopped(t *testing.T) {
	t.Parallel()
	rounds := size(2, 10)
	const timeout, speed = 3 * time.Second, 200
	points := []string{"afterFlush", "afterFirstProduce", "afterCursorRecord", "afterEvents"}
	c := newChaos(t, sharedBroker(t), "stopped")
	c.options.TransactionTimeout, c.options.End, c.options.Speed = timeout, 1<<40, speed
	takenOver := 0
	for round := range rounds {
		g := c.start(func(o *childOptions) { o.Signal, o.SignalAt, o.Passes = syscall.SIGSTOP, points[round%len(points)], 5 })
		g.await("its stop", func() bool { return g.signaled })
		survivor := g
		if round%2 == 1 {
			survivor = c.start(func(o *childOptions) { o.TakeOver, o.Owner = true, fmt.Sprintf("other-%d:state", round) })
			survivor.awaitCommits(5)
			takenOver++
		}
		// The time beyond the timeout is what is tried here.
		time.Sleep(timeout + 2*time.Second + rand.N(3*time.Second))
		if err := g.cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if survivor != g {
			g.mustEnd(exitFenced)
		}
		survivor.awaitCommits(5)
		survivor.kill()
		c.options.TakeOver = true // of whoever was the owner
	}
	total := c.next.Load() + tail
	c.finish(total)
	report(result{"stopped beyond the timeout", fmt.Sprintf("%d rounds, %d taken over", rounds, takenOver), c.mustBeSound(total), ""})
}

// A generator that dies at each failpoint goes on from there.
func TestChaosFailpoints(t *testing.T) {
	t.Parallel()
	c := newChaos(t, sharedBroker(t), "failpoints")
	const step = 2000 // ten transactions
	once := map[string]bool{"afterInit": true, "afterRecover": true, "afterLastTransaction": true}
	end, deaths := uint64(0), 0
	for _, name := range failpoints {
		for _, passes := range []int{1, 2, 5} {
			if passes > 1 && once[name] {
				continue // it is passed once in a process
			}
			end += step
			g := c.start(func(o *childOptions) {
				o.End, o.CommitEvents, o.Signal, o.SignalAt, o.Passes = end, step/10, syscall.SIGKILL, name, passes
			})
			if status := g.wait(); status != -1 {
				t.Errorf("%s: exit status %d, want death at pass %d\n%s", name, status, passes, g.log.String())
			}
			deaths++
			c.finish(end)
		}
	}
	report(result{"killed at each failpoint", fmt.Sprintf("%d deaths at %d failpoints", deaths, len(failpoints)), c.mustBeSound(end), ""})
}
