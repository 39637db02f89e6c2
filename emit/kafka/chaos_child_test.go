//go:build chaos

package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// childVariable holds the options of the generator in the environment.
const childVariable = "GEN_CHAOS_CHILD"

// childOptions say what the generator does and when it dies.
type childOptions struct {
	Brokers                              []string
	Topic                                string
	Owner                                string
	State                                string  // the file that stands for the state directory
	End                                  uint64  // the first event that does not belong to the run
	Speed                                float64 // of a schedule of 50 events a second; 0: as fast as it goes
	CommitEvents                         int     // in a transaction at the most
	CommitInterval                       time.Duration
	TransactionTimeout                   time.Duration
	TakeOver, EndHanging, NoHangingCheck bool
	Mutant                               string // of mutants; none: Delivery

	// The generator sends itself Signal when it has passed the failpoint
	// SignalAt for the Passes-th time.
	Signal   syscall.Signal
	SignalAt string
	Passes   int

	// KillBroker is the process id of a broker that gets SIGKILL within 5 ms
	// after EndTxn was sent for the KillCommit-th time; DieToo ends the
	// generator as well.
	KillBroker, KillCommit int
	DieToo                 bool
}

// Exit statuses of the generator.
const (
	exitDone    = 0
	exitFailed  = 1
	exitFenced  = 10
	exitHanging = 11
)

func exitOf(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, ErrFenced):
		return exitFenced
	case errors.Is(err, ErrHanging):
		return exitHanging
	}
	return exitFailed
}

// The generator tells its parent on standard output what it does, a line each.
const (
	saidBegun  = "begun"     // and where
	saidInside = "inside"    // a transaction
	saidCommit = "committed" // the transaction
	saidSaved  = "saved"     // and up to where
	saidSignal = "signal"    // was sent
)

func runChild(options string) int {
	var o childOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		panic(err)
	}
	testOnlyFailpoint, testOnlyNoHangingCheck = o.pass, o.NoHangingCheck
	run := (*childOptions).deliver
	if o.Mutant != "" {
		run = mutants[o.Mutant]
	}
	err := run(&o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	return exitOf(err)
}

// pass is called at each failpoint.
func (o *childOptions) pass(name string) {
	switch name {
	case "afterFirstProduce":
		fmt.Println(saidInside)
	case "afterEndTxn":
		fmt.Println(saidCommit)
	}
	if name != o.SignalAt {
		return
	}
	if o.Passes--; o.Passes == 0 {
		fmt.Println(saidSignal) // before it may be too late
		syscall.Kill(os.Getpid(), o.Signal)
	}
}

func (o *childOptions) deliver() error {
	config := DefaultConfig(Target{Brokers: o.Brokers, Topic: o.Topic})
	config.Owner, config.TakeOver, config.EndHanging = o.Owner, o.TakeOver, o.EndHanging
	config.CommitEvents, config.CommitInterval, config.TransactionTimeout = o.CommitEvents, o.CommitInterval, o.TransactionTimeout
	config.Say = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	if o.KillBroker != 0 {
		config.Client = append(config.Client, kgo.WithHooks(&brokerKiller{childOptions: o}))
	}
	seq := chaosSequence()
	d := &Delivery{
		Config: config, Sequence: seq, End: o.End, Local: core.Run{Next: o.loadState()}, Events: new(atomic.Uint64),
		Run:   core.Run{Name: chaosRun, Snapshot: seq.Snapshot.ID(), Recipe: seq.Snapshot.Recipe, Seed: seq.Seed, Format: core.FormatVersion, Schedule: seq.Schedule},
		Begun: func(c Cursor) { fmt.Println(saidBegun, c.Next) },
		Save: func(run core.Run) error {
			err := o.saveState(run.Next)
			fmt.Println(saidSaved, run.Next)
			return err
		},
	}
	if o.Speed > 0 {
		d.Pace = func(from uint64) *pace.Pacer { return pace.New(seq.Schedule, from, o.Speed) }
	}
	_, err := d.Deliver(context.Background())
	return err
}

// loadState returns the next event by the state file. One that is missing or
// cannot be read is lost, and says 0.
func (o *childOptions) loadState() (next uint64) {
	data, err := os.ReadFile(o.State)
	if err != nil || json.Unmarshal(data, &next) != nil {
		return 0
	}
	return next
}

func (o *childOptions) saveState(next uint64) error {
	file, err := os.CreateTemp(filepath.Dir(o.State), ".state-")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, next); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return os.Rename(file.Name(), o.State)
}

// brokerKiller is a hook of the client.
type brokerKiller struct {
	*childOptions
	commits int
}

// OnBrokerWrite is called when a request has been written. One goroutine
// writes all requests to end a transaction.
func (k *brokerKiller) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if kmsg.Key(key) != kmsg.EndTxn || err != nil {
		return
	}
	if k.commits++; k.commits != k.KillCommit {
		return
	}
	time.Sleep(rand.N(5 * time.Millisecond))
	if err := syscall.Kill(k.KillBroker, syscall.SIGKILL); err != nil {
		panic(err)
	}
	fmt.Println(saidSignal)
	if k.DieToo {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
}
