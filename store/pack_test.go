package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPackBytes holds the table of the package comment: the bytes of version 1
// never change. The checksum was computed apart, by the bitwise definition.
func TestPackBytes(t *testing.T) {
	got, err := pack(kindRun, []byte("ab"), nil)
	if err != nil {
		t.Fatal(err)
	}
	head := "67656e207061636b" + "01000000" + "02000000" + "02000000" + "02000000" + "6162" + "00000000"
	want, _ := hex.DecodeString(head)
	want = le.AppendUint32(want, bitwiseCRC32C(want))
	if !bytes.Equal(got, want) {
		t.Errorf("pack(2, ab, -) = %x, want %x", got, want)
	}
	// RFC 3720 B.4: 32 bytes of zeros.
	if sum := bitwiseCRC32C(make([]byte, 32)); sum != 0x8a9136aa {
		t.Errorf("bitwiseCRC32C(zeros) = %08x, want 8a9136aa", sum)
	}
}

func bitwiseCRC32C(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c)
		for range 8 {
			crc = crc>>1 ^ 0x82F63B78*(crc&1)
		}
	}
	return ^crc
}

func TestPackRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SliceOf(rapid.Byte()), 0, 5).Draw(t, "parts")
		kind := rapid.Uint32().Draw(t, "kind")
		b, err := pack(kind, parts...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(b, kind, len(parts))
		if err != nil || !slices.EqualFunc(got, parts, bytes.Equal) {
			t.Fatalf("unpack(pack(%x)) = %x, %v", parts, got, err)
		}
		// Every proper prefix and every changed byte is refused.
		if _, err := unpack(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")], kind, len(parts)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("unpack of a prefix = %v, want ErrCorrupt", err)
		}
		at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[at] ^= rapid.ByteRange(1, 255).Draw(t, "flip")
		if _, err := unpack(b, kind, len(parts)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("unpack with byte %d changed = %v, want ErrCorrupt", at, err)
		}
	})
}

func TestTitlesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "titles")
		titles := make([]string, len(raw))
		for i := range raw {
			titles[i] = string(raw[i])
		}
		got, err := unpackTitles(packTitles(titles))
		if err != nil || !slices.Equal(got, titles) {
			t.Fatalf("unpackTitles(packTitles(%q)) = %q, %v", titles, got, err)
		}
	})
}

// seal sets the checksum of a value that was changed on purpose.
func seal(b []byte) []byte {
	b = slices.Clone(b)
	le.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
	return b
}

func TestUnpackRefuses(t *testing.T) {
	good, _ := pack(kindRun, []byte("one"), []byte("two"))
	change := func(at int, v uint32) []byte {
		b := slices.Clone(good)
		le.PutUint32(b[at:], v)
		return seal(b)
	}
	for _, c := range []struct {
		name  string
		value []byte
		want  error
	}{
		{"empty", nil, ErrCorrupt},
		{"head only", seal(good[:packHead]), ErrCorrupt},
		{"other magic", change(0, 0), ErrCorrupt},
		{"newer version", change(8, packVersion+1), ErrNewer},
		// A flip in the version is damage: the checksum tells it from a newer file.
		{"newer version by a flip", append(append(slices.Clone(good[:8]), 2), good[9:]...), ErrCorrupt},
		{"version 0", change(8, 0), ErrCorrupt},
		{"other kind", change(12, kindSnapshot), ErrCorrupt},
		{"another number of parts", change(16, 3), ErrCorrupt},
		{"a length too long", change(20, 1<<31), ErrCorrupt},
		{"a length too short", change(20, 2), ErrCorrupt},
		{"bytes after the last part", seal(append(slices.Clone(good), 0)), ErrCorrupt},
	} {
		if _, err := unpack(c.value, kindRun, 2); !errors.Is(err, c.want) {
			t.Errorf("%s: unpack = %v, want %v", c.name, err, c.want)
		}
	}
}
