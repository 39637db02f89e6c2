//go:build chaos

package kafka

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// One generator lives through a broker that is killed and restarted, again and
// again.
func TestChaosBrokerDies(t *testing.T) {
	kills, stops := size(1, 20), size(1, 10)
	total := uint64(size(200_000, 2_000_000))
	c := newChaos(t, sharedBroker(t), "broker")
	const secondsEach = 8
	speed := float64(total) / float64(kills+stops) / secondsEach / 50
	g := c.start(func(o *childOptions) { o.End, o.Speed, o.EndHanging = 1<<40, speed, true })
	var recoveries []time.Duration
	for i := range kills + stops {
		g.awaitCommits(1 + rand.N(50))
		if i%3 != 1 {
			c.broker.kill(t, 1)
		}
		c.broker.restart(t, 1)
		up := time.Now()
		g.awaitCommits(1)
		recoveries = append(recoveries, time.Since(up))
	}
	g.kill()
	total = max(total, c.next.Load()+tail)
	c.finish(total)
	report(result{"broker killed, restarted", fmt.Sprintf("%d kills, %d restarts", kills, stops), c.mustBeSound(total),
		"broker up to next commit: " + percentiles(recoveries)})
}

// No broker at the start: an error that says so, and no waiting for ever.
func TestChaosNoBrokerAtStart(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	c := newChaos(t, &broker{addresses: []string{address}}, "nobody")
	g := c.start(func(o *childOptions) { o.End = 10 })
	g.mustEnd(exitFailed)
	if !strings.Contains(g.log.String(), address) {
		t.Errorf("the error does not name %s\n%s", address, g.log.String())
	}
	report(result{"no broker at start", "1 start", &findings{}, fmt.Sprintf("ended after %v", time.Since(g.started).Round(100*time.Millisecond))})
}

// The broker is away for a while, and for longer than the transaction timeout.
func TestChaosBrokerAway(t *testing.T) {
	for _, away := range []struct {
		name          string
		time, timeout time.Duration
	}{
		{"away", time.Duration(size(5, 60)) * time.Second, 90 * time.Second},
		{"away-beyond-the-timeout", time.Duration(size(6, 30)) * time.Second, 3 * time.Second},
	} {
		t.Run(away.name, func(t *testing.T) {
			c := newChaos(t, sharedBroker(t), "broker-"+away.name)
			c.options.TransactionTimeout = away.timeout
			g := c.start(func(o *childOptions) { o.End, o.Speed, o.EndHanging = 1<<40, 100, true })
			g.awaitCommits(10)
			c.broker.kill(t, 1)
			time.Sleep(away.time) // is what is tried here
			c.broker.restart(t, 1)
			g.awaitCommits(10)
			g.kill()
			total := c.next.Load() + tail
			c.finish(total)
			report(result{"broker " + away.name, fmt.Sprintf("%v, timeout %v", away.time, away.timeout), c.mustBeSound(total), ""})
		})
	}
}

// Leadership moves on three brokers: one of them is killed or stopped, comes
// back, and takes its partitions again.
func TestChaosLeaders(t *testing.T) {
	rounds := size(3, 12)
	c := newChaos(t, ownBrokers(t, "--brokers", "3"), "leaders")
	g := c.start(func(o *childOptions) { o.End, o.Speed, o.EndHanging = 1<<40, 100, true })
	for round := range rounds {
		g.awaitCommits(1 + rand.N(50))
		id := round%3 + 1
		if round%2 == 0 {
			c.broker.kill(t, id)
			g.awaitCommits(20)
		}
		c.broker.restart(t, id)
		g.awaitCommits(20)
		c.electPreferred()
	}
	g.awaitCommits(20)
	g.kill()
	total := c.next.Load() + tail
	c.finish(total)
	report(result{"leaders moved, 3 brokers", fmt.Sprintf("%d rounds", rounds), c.mustBeSound(total), ""})
}

// electPreferred gives every partition back to its preferred leader.
func (c *chaos) electPreferred() {
	c.t.Helper()
	conn := c.connect()
	defer conn.Close()
	results, err := conn.admin.ElectLeaders(c.t.Context(), kadm.ElectPreferredReplica, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	moved := 0
	for _, topic := range results {
		for _, partition := range topic {
			if partition.Err == nil {
				moved++
			}
		}
	}
	c.t.Logf("%d partitions have another leader", moved)
}

// connect returns a connection of the suite's own.
func (c *chaos) connect() *Connection {
	c.t.Helper()
	conn, err := Connect(c.t.Context(), DefaultConfig(Target{Brokers: c.broker.addresses, Topic: c.topic}), false)
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}
