package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"go.etcd.io/bbolt"
)

// damaged is one damaged copy of a file.
type damaged struct {
	what string
	b    []byte
}

// truncations yields every prefix whose length is a multiple of 512, and some
// odd ones.
func truncations(whole []byte) (all []damaged) {
	for n := 0; n < len(whole); n += 512 {
		all = append(all, damaged{fmt.Sprintf("%d of %d bytes", n, len(whole)), whole[:n]})
	}
	for _, n := range []int{1, 15, 79, 80, 4095, 4097, 4096 + 79, 4096 + 80, len(whole) - 1} {
		all = append(all, damaged{fmt.Sprintf("%d of %d bytes", n, len(whole)), whole[:n]})
	}
	return all
}

// flips changes one byte of a file at a time, every step-th on average, calls
// check, and puts it back: one bit of most bytes, all bits of some.
func flips(tb testing.TB, path string, size, step int, check func(what string) bool) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	for i := rand.IntN(step); i < size; i += 1 + rand.IntN(2*step-1) {
		mask := byte(1) << rand.IntN(8)
		if rand.IntN(4) == 0 {
			mask = 0xff
		}
		var was [1]byte
		_, err := f.ReadAt(was[:], int64(i))
		if err == nil {
			_, err = f.WriteAt([]byte{was[0] ^ mask}, int64(i))
		}
		goOn := err == nil && check(fmt.Sprintf("byte %d ^ %#x", i, mask))
		if _, err := f.WriteAt(was[:], int64(i)); err != nil {
			tb.Fatal(err)
		}
		if !goOn {
			tb.Fatalf("stopped at byte %d: %v", i, err)
		}
	}
}

// zeroed yields copies in which one block of 512 bytes is zero, as a power cut
// leaves what was never written.
func zeroed(whole []byte) (all []damaged) {
	for i := 0; i+512 <= len(whole); i += 512 {
		b := slices.Clone(whole)
		clear(b[i : i+512])
		all = append(all, damaged{fmt.Sprintf("bytes %d to %d zero", i, i+511), b})
	}
	return all
}

var garbage = []damaged{
	{"empty", nil},
	{"text", []byte("not a database\n")},
	{"zeros", make([]byte, 32768)},
	{"ones", bytes.Repeat([]byte{0xff}, 32768)},
}

// overwrite puts the bytes in place; a missing tail is a truncation.
func overwrite(tb testing.TB, path string, b []byte) {
	tb.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		tb.Fatal(err)
	}
}

func TestDamagedSnapshot(t *testing.T) {
	s, want, path := savedSnapshot(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	loads, refusals := 0, 0
	check := func(what string) bool {
		got, err := s.LoadSnapshot()
		if err == nil {
			loads++
			if err := checkSnapshot(got, want); err != nil {
				t.Errorf("%s: LoadSnapshot() = %v", what, err)
			}
		} else {
			refusals++
			checkError(t, what+": LoadSnapshot()", err, ErrCorrupt, path)
		}
		return !t.Failed()
	}
	for _, d := range slices.Concat(truncations(whole), zeroed(whole), garbage) {
		overwrite(t, path, d.b)
		check(d.what)
	}
	overwrite(t, path, whole)
	flips(t, path, len(whole), 40, check)
	flips(t, path, 2*pageSize, 3, check)
	t.Logf("file of %d bytes: %d loads, %d refusals", len(whole), loads, refusals)
	if loads == 0 || refusals < 500 {
		t.Errorf("%d loads, %d refusals: nothing was tested", loads, refusals)
	}
	// A damaged snapshot is replaced by the next save.
	overwrite(t, path, whole[:len(whole)/2])
	if err := s.SaveSnapshot(want); err != nil {
		t.Fatal(err)
	}
	check("saved again")
}

func mustRead(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// checkDamagedRun opens a damaged record: either it is refused, or it holds
// the value that was saved, can be changed, and holds the change.
func checkDamagedRun(t *testing.T, s *State, path, what string, change bool) (refused bool) {
	t.Helper()
	list, listErr := s.Runs()
	if listErr != nil || len(list) != 1 {
		t.Fatalf("%s: Runs() = %+v, %v", what, list, listErr)
	}
	r, err := s.OpenRun(testTarget, testName, "")
	if err != nil {
		checkError(t, what+": OpenRun()", err, ErrCorrupt, path)
		checkError(t, what+": Runs()", list[0].Err, ErrCorrupt, path)
		return true
	}
	if got, ok, err := r.Load(); err != nil || !ok || !equalRun(got, testRun(77)) {
		t.Errorf("%s: Load() = %d, %v, %v, want 77", what, got.Next, ok, err)
	}
	if list[0].Err != nil || !equalRun(list[0].Run, testRun(77)) {
		t.Errorf("%s: Runs() = %+v, want next 77", what, list[0])
	}
	for n := uint64(78); change && n < 81; n++ {
		if err := r.Save(testRun(n)); err != nil {
			t.Errorf("%s: Save() = %v", what, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if change {
		r = mustOpenRun(t, s)
		if got, ok, err := r.Load(); err != nil || !ok || got.Next != 80 {
			t.Errorf("%s: Load() after Save(80) = %d, %v, %v", what, got.Next, ok, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return false
}

// TestDamagedRun flips the bytes of a record that lies in the bucket's inline
// page, and of one that had pages of its own and a long free list. Where the
// damage lies in unused bytes, the record must still be fit for changes.
func TestDamagedRun(t *testing.T) {
	for _, c := range []struct {
		name string
		step int // between flips
		make func(*RunFile) error
	}{
		{"saved once", 1, func(r *RunFile) error { return r.Save(testRun(77)) }},
		{"saved often, sizes change", 25, func(r *RunFile) error {
			for n := range 40 {
				run := testRun(uint64(n))
				run.Recipe.Params.Genres = make([]string, n*977%9000)
				if err := r.Save(run); err != nil {
					return err
				}
			}
			return r.Save(testRun(77))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Open(t.TempDir())
			r := mustOpenRun(t, s)
			if err := errors.Join(c.make(r), r.Close()); err != nil {
				t.Fatal(err)
			}
			path := s.runPath(testTarget, testName)
			whole := mustRead(t, path)
			refusals, loads := 0, 0
			check := func(what string) bool {
				if checkDamagedRun(t, s, path, what, false) {
					refusals++
				} else {
					loads++
				}
				return !t.Failed()
			}
			if testing.Short() {
				c.step *= 16
			}
			flips(t, path, len(whole), c.step, check)
			for _, d := range slices.Concat(truncations(whole), zeroed(whole), garbage) {
				overwrite(t, path, d.b)
				if checkDamagedRun(t, s, path, d.what, true) {
					refusals++
				}
			}
			t.Logf("file of %d bytes: %d loads, %d refusals", len(whole), loads, refusals)
			if loads == 0 || refusals < 60 {
				t.Errorf("%d loads, %d refusals: nothing was tested", loads, refusals)
			}
			overwrite(t, path, whole)
			if checkDamagedRun(t, s, path, "whole again", true) {
				t.Error("the whole file was refused")
			}
		})
	}
}

// TestLocateRefuses holds the rules that a single flip does not break alone.
func TestLocateRefuses(t *testing.T) {
	s, path := savedRun(t, 77)
	r := mustOpenRun(t, s)
	big := testRun(77)
	big.Recipe.Params.Genres = []string{string(bytes.Repeat([]byte{'x'}, 3*pageSize))}
	if err := errors.Join(r.Save(big), r.Save(big), r.Close()); err != nil {
		t.Fatal(err)
	}
	whole := mustRead(t, path)
	m, err := newestMeta(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	root, free := int(m.root)*pageSize, int(m.freelist)*pageSize
	leaf := int(ne.Uint64(whole[root+pageHeader+leafElement+len(bucketName):])) * pageSize
	count := ne.Uint16(whole[free+10:])
	if leaf == 0 || count < 2 {
		t.Fatalf("own page at %d, %d free pages: the record is not the kind this test is about", leaf, count)
	}
	put := func(change func(b []byte)) []byte {
		b := slices.Clone(whole)
		change(b)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"unchanged", whole, true},
		{"a page free twice", put(func(b []byte) {
			ne.PutUint16(b[free+10:], count+1)
			copy(b[free+pageHeader+8*int(count):], b[free+pageHeader:free+pageHeader+8])
		}), false},
		{"a meta page is free", put(func(b []byte) { ne.PutUint16(b[free+10:], count+1) }), false},
		{"a page is used and free", put(func(b []byte) {
			ne.PutUint16(b[free+10:], count+1)
			ne.PutUint64(b[free+pageHeader+8*int(count):], uint64(leaf/pageSize))
		}), false},
		{"a page neither used nor free", put(func(b []byte) { ne.PutUint16(b[free+10:], count-1) }), false},
		{"a free page beyond the last", put(func(b []byte) { ne.PutUint64(b[free+pageHeader:], m.highWater) }), false},
		{"a free list longer than its page", put(func(b []byte) { ne.PutUint16(b[free+10:], 0xfffe) }), false},
		{"a long free list longer than its page", put(func(b []byte) { ne.PutUint16(b[free+10:], 0xffff) }), false},
		{"the root is a free list", put(func(b []byte) { ne.PutUint16(b[root+8:], freelistPage) }), false},
		{"the bucket is the root", put(func(b []byte) {
			ne.PutUint64(b[root+pageHeader+leafElement+len(bucketName):], m.root)
		}), false},
		{"a page overflows into the next", put(func(b []byte) { ne.PutUint32(b[leaf+12:], 1<<30) }), false},
		{"a value longer than its pages", put(func(b []byte) { ne.PutUint32(b[leaf+pageHeader+12:], 1<<20) }), false},
	} {
		_, err := locate(bytes.NewReader(c.b), int64(len(c.b)))
		if c.ok && err != nil || !c.ok && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: locate() = %v", c.name, err)
		}
	}
}

// TestBboltAloneControl: what the checks are for. bbolt alone makes a new
// database of an empty file, returns a changed value, goes back to the last
// transaction but one, and leaves its memory map.
func TestBboltAloneControl(t *testing.T) {
	s := Open(t.TempDir())
	r := mustOpenRun(t, s)
	if err := errors.Join(r.Save(testRun(76)), r.Save(testRun(77)), r.Close()); err != nil {
		t.Fatal(err)
	}
	path := s.runPath(testTarget, testName)
	whole := mustRead(t, path)
	at, err := locate(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	newest := pageHeader
	if ne.Uint64(whole[pageSize+pageHeader+48:]) > ne.Uint64(whole[pageHeader+48:]) {
		newest += pageSize
	}
	flip := func(i int, mask byte) []byte {
		b := slices.Clone(whole)
		b[i] ^= mask
		return b
	}
	for _, c := range []struct {
		name  string
		b     []byte
		sound bool // bbolt alone returns what was saved
	}{
		{"unchanged", whole, true},
		{"empty", nil, false},
		{"byte of the value", flip(int(at.off+at.size/2), 1), false},
		{"newest meta page", flip(newest+56, 1), false},
		{"length of the value", flip(int(at.off)-len(valueKey)-2, 0x10), false},
		{"half", whole[:2*pageSize], false},
	} {
		overwrite(t, path, c.b)
		got, err := bboltAlone(path)
		run, _, runErr := unpackRun(got)
		t.Logf("%s: bbolt alone reads %d bytes, next %d, %v, %v", c.name, len(got), run.Next, err, runErr)
		if sound := err == nil && bytes.Equal(got, whole[at.off:at.off+at.size]); sound != c.sound {
			t.Errorf("%s: bbolt alone: sound = %v, want %v", c.name, sound, c.sound)
		}
		overwrite(t, path, c.b)
		if refused := checkDamagedRun(t, s, path, c.name, false); refused == c.sound {
			t.Errorf("%s: OpenRun() refused = %v", c.name, refused)
		}
	}
}

// bboltAlone reads the value without any of our checks; guard makes an error
// of a panic or fault, which would end the program.
func bboltAlone(path string) (value []byte, err error) {
	d := &database{}
	err = guard(func() (err error) {
		d.bolt, err = bbolt.Open(path, 0o644, options(func(path string, flag int, mode os.FileMode) (f *os.File, err error) {
			d.file, err = os.OpenFile(path, flag, mode)
			return d.file, err
		}, false))
		return err
	})
	if err != nil {
		d.broken = err
	} else {
		value, err = d.value()
	}
	return value, errors.Join(err, d.close())
}

// TestTruncatedWhileOpen: another program empties a record that is in use. The
// fault is an error, Close returns, and the lock is free.
func TestTruncatedWhileOpen(t *testing.T) {
	s, path := savedRun(t, 5)
	r := mustOpenRun(t, s)
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	_, _, err := r.Load()
	checkError(t, "Load()", err, ErrCorrupt, path)
	checkError(t, "Save()", r.Save(testRun(6)), ErrCorrupt, path)
	if err := r.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if err := s.ResetRun(testTarget, testName, ""); err != nil {
		t.Fatalf("ResetRun() = %v", err)
	}
	r = mustOpenRun(t, s)
	if err := errors.Join(r.Save(testRun(6)), r.Close()); err != nil {
		t.Error(err)
	}
	if debug.SetPanicOnFault(false) {
		t.Error("guard left SetPanicOnFault on")
	}
}

// TestRemovedWhileWaiting: the lock of a file that was removed while we waited
// for it must not count: OpenRun begins anew.
func TestRemovedWhileWaiting(t *testing.T) {
	s, path := savedRun(t, 5)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := lockAndCheck(f, true); !errors.Is(err, errReplaced) {
		t.Errorf("lockAndCheck() of a removed file = %v, want %v", err, errReplaced)
	}
	f.Close()
	r := mustOpenRun(t, s)
	defer r.Close()
	if _, ok, err := r.Load(); ok || err != nil {
		t.Errorf("Load() = %v, %v, want a new record", ok, err)
	}
}
