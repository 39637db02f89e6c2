//go:build chaos

package kafka

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// broker is a real Kafka that scripts/kafka.sh runs: one broker or more.
type broker struct {
	dir       string
	addresses []string
	version   string
}

// sharedBroker returns the one that the driver has started. It serves every
// scenario that can do with one broker: a topic each.
func sharedBroker(t *testing.T) *broker {
	t.Helper()
	if chaosDir == "" {
		t.Fatal("GEN_CHAOS_DIR is not set: scripts/chaos_kafka.sh runs this suite")
	}
	b := &broker{dir: filepath.Join(chaosDir, "kafka")}
	b.addresses, b.version = strings.Split(b.env(t, "BOOTSTRAP"), ","), b.env(t, "VERSION")
	return b
}

// ownBrokers starts brokers for one test, of the version of the shared one.
func ownBrokers(t *testing.T, args ...string) *broker {
	t.Helper()
	// Where the driver finds it when the suite is killed.
	dir := filepath.Join(chaosDir, strings.ReplaceAll(t.Name(), "/", "-"))
	b := &broker{dir: dir, version: sharedBroker(t).version}
	out := b.run(t, "start", append(args, "--version", b.version)...)
	t.Cleanup(func() { b.run(t, "stop") })
	b.addresses = strings.Split(strings.TrimSpace(out), ",")
	return b
}

func (b *broker) command(command string, args ...string) *exec.Cmd {
	script := filepath.Join("..", "..", "scripts", "kafka.sh")
	return exec.Command(script, append([]string{command, b.dir}, args...)...)
}

// run calls kafka.sh and returns its standard output.
func (b *broker) run(t *testing.T, command string, args ...string) string {
	t.Helper()
	cmd := b.command(command, args...)
	errs := new(strings.Builder)
	cmd.Stderr = errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kafka.sh %s %v: %v\n%s%s", command, args, err, out, errs)
	}
	return string(out)
}

// env returns what kafka.sh has written for others to know.
func (b *broker) env(t *testing.T, name string) string {
	t.Helper()
	file, err := os.Open(filepath.Join(b.dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+"="); ok {
			return value
		}
	}
	t.Fatalf("%s/env has no %s", b.dir, name)
	return ""
}

// pid returns the process id of broker i, from 1 on.
func (b *broker) pid(t *testing.T, i int) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.Split(b.env(t, "PIDS"), ",")[i-1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// kill sends SIGKILL to broker i.
func (b *broker) kill(t *testing.T, i int) {
	t.Helper()
	if err := syscall.Kill(b.pid(t, i), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// restart starts broker i again; one that runs ends in good order first.
func (b *broker) restart(t *testing.T, i int) {
	t.Helper()
	b.run(t, "restart", strconv.Itoa(i))
}
