//go:build hdfs

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// GEN_HDFS is the address of a real HDFS, hdfs://127.0.0.1:8020; with it
// HDFS passes the suite of every directory. scripts/test_hdfs.sh starts one.
const addressVariable = "GEN_HDFS"

var tests atomic.Int64

func init() { places["hdfs"] = newPlace }

// newPlace returns a directory that no test had before.
func newPlace(t *testing.T) string {
	address := os.Getenv(addressVariable)
	if address == "" {
		t.Fatalf("%s is not set: scripts/test_hdfs.sh sets it", addressVariable)
	}
	return fmt.Sprintf("%s/gen-test/%d-%d", address, time.Now().UnixNano(), tests.Add(1))
}

func openAs(t *testing.T, target, owner string) Dir {
	t.Helper()
	d, err := OpenWith(target, Options{Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A process that was killed keeps its lease for a minute. Who has its name
// follows at once; nobody else does, and is told whose it is.
func TestALockOfADeadProcess(t *testing.T) {
	target := newPlace(t)
	if _, err := openAs(t, target, "host:/state").Lock(""); err != nil {
		t.Fatal(err)
	}
	_, err := openAs(t, target, "other:/state").Lock("")
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "host:/state") {
		t.Errorf("the lock of another: %v, want ErrLocked and its owner", err)
	}
	unlock, err := openAs(t, target, "host:/state").Lock("")
	if err != nil {
		t.Fatalf("the lock of the same owner: %v", err)
	}
	unlock()
	if names, err := list(openAs(t, target, "")); len(names) > 0 || err != nil {
		t.Errorf("list = %v, %v, want nothing", names, err)
	}
}

// Who lost its lock while it was stopped removes neither the lock nor a file of
// who has it now.
func TestALostLockIsNotRemoved(t *testing.T) {
	target := newPlace(t)
	stopped := openAs(t, target, "host:/state")
	unlockStopped, err := stopped.Lock("")
	if err != nil {
		t.Fatal(err)
	}
	half, err := stopped.Create("data")
	if err != nil {
		t.Fatal(err)
	}
	now := openAs(t, target, "host:/state")
	unlock, err := now.Lock("")
	if err != nil {
		t.Fatal(err)
	}
	names, err := list(now)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") { // as the plan of a run does
			if err := now.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	other, err := now.Create("data")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := half.Write([]byte("old")); err == nil {
		err = half.Finish()
		if err == nil {
			t.Error("a file that was removed can be finished")
		}
	}
	if err := half.Publish(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Publish of a removed file: %v, want fs.ErrNotExist", err)
	}
	unlockStopped()
	if _, err := openAs(t, target, "third:/state").Lock(""); !errors.Is(err, ErrLocked) {
		t.Errorf("Lock after a lost one was given back: %v, want ErrLocked", err)
	}
	if err := errors.Join(other.Finish(), other.Publish()); err != nil {
		t.Error(err)
	}
	unlock()
}

// Blocks and copies are those asked for.
func TestBlocksAndCopies(t *testing.T) {
	target := newPlace(t)
	d, err := OpenWith(target, Options{Replication: 2, BlockSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(d, "data", make([]byte, 3<<20)); err != nil { // ends with a block
		t.Fatal(err)
	}
	info, err := fs.Stat(d.FS(), "data")
	if err != nil {
		t.Fatal(err)
	}
	status := info.Sys().(interface {
		GetBlockReplication() uint32
		GetBlocksize() uint64
	})
	if status.GetBlockReplication() != 2 || status.GetBlocksize() != 1<<20 || info.Size() != 3<<20 {
		t.Errorf("%d bytes in blocks of %d, %d copies", info.Size(), status.GetBlocksize(), status.GetBlockReplication())
	}
}

// A file that HDFS has made when its answer is lost is removed all the same.
func TestNoTemporaryFileStays(t *testing.T) {
	d := openAs(t, newPlace(t), "host:/state")
	unlock, err := d.Lock("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create("data"); err != nil { // nobody aborts it
		t.Fatal(err)
	}
	unlock()
	if names, err := list(d); len(names) > 0 || err != nil {
		t.Errorf("list = %v, %v, want nothing", names, err)
	}
}
