//go:build chaos

// The chaos suite kills what delivers into a real Kafka, and the Kafka, and
// compares the topic with the sequence by the Java console consumer, which
// shares no code with this package. scripts/chaos_kafka.sh runs it.
//
// The test binary plays two parts: the suite, and with GEN_CHAOS_CHILD in the
// environment the generator, a process that the suite starts, kills and starts
// again (chaos_child_test.go). What the generator does is Delivery.Deliver,
// or one of the mutants that the suite must catch (chaos_mutants_test.go).

package kafka

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// What the driver sets.
var (
	chaosDir   = os.Getenv("GEN_CHAOS_DIR") // holds kafka, a cluster of scripts/kafka.sh, and takes others
	chaosLong  = os.Getenv("GEN_CHAOS_LONG") != ""
	chaosKills = os.Getenv("GEN_CHAOS_KILLS") // of TestChaosKills; none: by the form
)

// size returns the size of a scenario in the form that runs: the short one of
// every change, or the long one.
func size(short, long int) int {
	if chaosLong {
		return long
	}
	return short
}

func TestMain(m *testing.M) {
	if options := os.Getenv(childVariable); options != "" {
		os.Exit(runChild(options))
	}
	code := m.Run()
	printResults()
	os.Exit(code)
}

// result is a line of the table that ends a run of the suite.
type result struct {
	scenario, actions string
	findings          *findings
	note              string
}

var results struct {
	sync.Mutex
	list []result
}

// report adds a line to the table.
func report(r result) {
	results.Lock()
	defer results.Unlock()
	results.list = append(results.list, r)
}

func printResults() {
	if len(results.list) == 0 {
		return
	}
	text := []byte("scenario\tactions\trows\tduplicated\tmissing\tdisordered\taltered\tforeign\tnote\n")
	for _, r := range results.list {
		f := r.findings
		text = fmt.Appendf(text, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", r.scenario, r.actions, f.rows, f.duplicated, f.missing, f.disordered, f.altered, f.foreign, r.note)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, err := w.Write(text)
	if err = errors.Join(err, w.Flush()); err != nil {
		panic(err)
	}
}

// percentiles prints the 50th and the 99th of some durations.
func percentiles(of []time.Duration) string {
	if len(of) == 0 {
		return "never"
	}
	sorted := slices.Sorted(slices.Values(of))
	at := func(p int) time.Duration { return sorted[(len(sorted)*p+99)/100-1].Round(time.Millisecond) }
	return fmt.Sprintf("p50 %s, p99 %s of %d", at(50), at(99), len(of))
}

// killCount is the number of kills of the main scenario.
func killCount(t *testing.T) int {
	if chaosKills == "" {
		return size(20, 200)
	}
	n, err := strconv.Atoi(chaosKills)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
