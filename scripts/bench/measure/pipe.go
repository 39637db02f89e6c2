package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"
)

// pipe reads what the command writes, to its end.
func pipe(c *command) (seen result, err error) {
	out, err := c.StdoutPipe()
	if err != nil {
		return seen, err
	}
	if f, ok := out.(*os.File); ok {
		f.Fd() // its reads then wait in the system, as those of most readers do
	}
	c.begin = time.Now()
	if err := c.Start(); err != nil {
		return seen, err
	}
	done := c.follow(c.Process.Pid)
	defer done()
	buf := make([]byte, 1<<17)
	for {
		n, err := out.Read(buf)
		if n > 0 && seen.bytes == 0 {
			seen.first = time.Since(c.begin)
		}
		seen.bytes += int64(n)
		seen.events += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return seen, err
		}
	}
	err = c.Wait() // which must not be before all is read
	seen.took = time.Since(c.begin)
	return seen, err
}
