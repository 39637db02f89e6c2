package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// BenchmarkCommand runs the command in GEN_BENCH, so that a profile of a whole
// command can be taken; scripts/bench/profile.sh does for several:
//
//	GEN_BENCH='dump --count 10000000 --state /tmp/state' go test ./cmd/gen -run '^$' -bench Command -benchtime 1x -cpuprofile cpu.out
func BenchmarkCommand(b *testing.B) {
	command := os.Getenv("GEN_BENCH")
	if command == "" {
		b.Skip("GEN_BENCH is not set")
	}
	for b.Loop() {
		if code := run(append([]string{"gen"}, strings.Fields(command)...), io.Discard, os.Stderr); code != 0 {
			b.Fatalf("gen %s: exit status %d", command, code)
		}
	}
}
