// Command first runs a command until its first byte on standard output, prints
// to standard error how long that took, and ends it.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		begin := time.Now()
		if err = cmd.Start(); err == nil {
			_, err = out.Read(make([]byte, 1))
			fmt.Fprintln(os.Stderr, "first byte after", time.Since(begin).Round(time.Microsecond))
			_ = cmd.Process.Kill() // it has done its work
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
