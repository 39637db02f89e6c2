package main

import (
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// sampleEvery is how often the processes are looked at: those of a Spark job are
// Python workers that nobody waits for, so that the system's account of the
// command lacks them.
const sampleEvery = time.Second

// tree is what a process and all those it has started have taken.
type tree struct {
	mu     sync.Mutex
	cpu    time.Duration // most seen
	memory int64         // most seen, in bytes, by proportional set size
}

// follow samples until the function that it returns is called.
func (t *tree) follow(root int) (done func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(sampleEvery):
				t.sample(root)
			}
		}
	}()
	return func() { close(stop); <-stopped }
}

// sample looks at the processes once. One that ends meanwhile is left out.
func (t *tree) sample(root int) {
	procs, err := procfs.AllProcs()
	if err != nil {
		return // no such system
	}
	children, stats := map[int][]procfs.Proc{}, map[int]procfs.ProcStat{}
	var todo []procfs.Proc
	for _, p := range procs {
		s, err := p.Stat()
		if err != nil {
			continue
		}
		children[s.PPID], stats[p.PID] = append(children[s.PPID], p), s
		if p.PID == root {
			todo = append(todo, p)
		}
	}
	var cpu time.Duration
	var memory int64
	for ; len(todo) > 0; todo = todo[1:] {
		p := todo[0]
		todo = append(todo, children[p.PID]...)
		s := stats[p.PID]
		// Those of its children that it has waited for are in its own account.
		ticks := int64(s.UTime) + int64(s.STime) + int64(s.CUTime) + int64(s.CSTime)
		cpu += time.Duration(ticks) * time.Second / userHZ
		if rollup, err := p.ProcSMapsRollup(); err == nil {
			memory += int64(rollup.Pss)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cpu, t.memory = max(t.cpu, cpu), max(t.memory, memory)
}

// userHZ is how many ticks a second of CPU has, on every Linux that Go runs on.
const userHZ = 100
