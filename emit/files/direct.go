package files

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// cachedBytes is how much of what a job writes goes by way of the page cache, where
// the next who reads it finds it. More would only push out what is there, at a price:
// 21 GB on a machine of 24 took 47 s so, and 18 past the cache. Tests change it.
var cachedBytes int64 = 4 << 30

const (
	// blockBytes is what a disk takes at once.
	blockBytes = 1 << 20
	// alignment is that of memory, lengths and offsets, and suits the blocks of any disk.
	alignment = 4096
)

// blocks are buffers of blockBytes.
var blocks = sync.Pool{New: func() any {
	b := make([]byte, blockBytes+alignment)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % alignment
	b = b[skip : skip+blockBytes]
	return &b
}}

// directWriter writes a file past the page cache: the disk takes a block from the
// program's memory while the next ones are filled. It ends with finish or stop.
type directWriter struct {
	file   *os.File
	block  *[]byte // that is being filled
	filled int
	queue  chan *[]byte
	done   chan struct{} // closed when no more is written of the queue
	err    error         // why, to be read when done
}

// newDirectWriter returns nil when the file system has no such way.
func newDirectWriter(f *os.File) *directWriter {
	if setDirect(f, true) != nil {
		return nil
	}
	moreThreads()
	w := &directWriter{file: f, block: blocks.Get().(*[]byte), queue: make(chan *[]byte, 1), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for b := range w.queue {
			if w.err = w.write(*b); w.err != nil {
				return
			}
			blocks.Put(b)
		}
	}()
	return w
}

// moreThreads lets as many goroutines wait for the disk as compute: one that waits
// holds a processor of Go's until the runtime takes it back, a fifth of the time.
var moreThreads = sync.OnceFunc(func() { runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) })

// Write returns an error of an earlier block also.
func (w *directWriter) Write(b []byte) (n int, err error) {
	for n < len(b) {
		k := copy((*w.block)[w.filled:], b[n:])
		n, w.filled = n+k, w.filled+k
		if w.filled < blockBytes {
			continue
		}
		select {
		case w.queue <- w.block:
			w.block, w.filled = blocks.Get().(*[]byte), 0
		case <-w.done:
			return n, w.err
		}
	}
	return n, nil
}

func (w *directWriter) write(block []byte) error {
	n, err := w.file.Write(block)
	if !errors.Is(err, syscall.EINVAL) {
		return err
	}
	// The disk has larger blocks, or room for a part of this one only: the cache
	// takes the rest, or says what is wrong.
	if err := setDirect(w.file, false); err != nil {
		return err
	}
	_, err = w.file.Write(block[n:])
	return err
}

// finish writes the rest, which may be no whole block, through the cache.
func (w *directWriter) finish() error {
	if err := w.stop(); err != nil {
		return err
	}
	if err := setDirect(w.file, false); err != nil {
		return err
	}
	_, err := w.file.Write((*w.block)[:w.filled])
	blocks.Put(w.block)
	return err
}

// stop waits until nothing is written any more.
func (w *directWriter) stop() error {
	close(w.queue)
	<-w.done
	return w.err
}
