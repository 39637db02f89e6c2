package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

// The package comment holds the table of the packed value.
const (
	packMagic   = "gen pack"
	packVersion = 1
	packHead    = len(packMagic) + 12 // magic, version, kind, number of parts

	kindSnapshot = 1
	kindRun      = 2
	kindShard    = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// pack returns the packed value of the parts.
func pack(kind uint32, parts ...[]byte) ([]byte, error) {
	size := packHead + 4
	for i, p := range parts {
		if len(p) > math.MaxInt32 {
			return nil, fmt.Errorf("part %d has %d bytes, at most %d are possible", i, len(p), math.MaxInt32)
		}
		size += 4 + len(p)
	}
	b := append(make([]byte, 0, size), packMagic...)
	b = le.AppendUint32(b, packVersion)
	b = le.AppendUint32(b, kind)
	b = le.AppendUint32(b, uint32(len(parts)))
	for _, p := range parts {
		b = append(le.AppendUint32(b, uint32(len(p))), p...)
	}
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// unpack returns the parts of a packed value; they share its memory. It
// returns ErrCorrupt or ErrNewer. The checksum comes before the version: a
// flipped byte must not look like a newer file.
func unpack(b []byte, kind uint32, parts int) ([][]byte, error) {
	if len(b) < packHead+4 {
		return nil, corrupt("packed value of %d bytes is too short", len(b))
	}
	if string(b[:len(packMagic)]) != packMagic {
		return nil, corrupt("packed value begins with %q, not %q", b[:len(packMagic)], packMagic)
	}
	body, sum := b[:len(b)-4], le.Uint32(b[len(b)-4:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return nil, corrupt("CRC-32C is %08x, not %08x as saved", got, sum)
	}
	head := body[len(packMagic):packHead]
	if v := le.Uint32(head); v > packVersion {
		return nil, fmt.Errorf("%w: packed value of version %d, this program reads up to %d", ErrNewer, v, packVersion)
	} else if v != packVersion {
		return nil, corrupt("packed value of version %d", v)
	}
	if k := le.Uint32(head[4:]); k != kind {
		return nil, corrupt("packed value is of kind %d, not %d", k, kind)
	}
	if n := le.Uint32(head[8:]); n != uint32(parts) {
		return nil, corrupt("packed value has %d parts, not %d", n, parts)
	}
	return splitParts(body[packHead:], parts)
}

// kindOf returns the kind of a packed value, 0 when it is too short to have one.
func kindOf(b []byte) uint32 {
	if len(b) < packHead {
		return 0
	}
	return le.Uint32(b[len(packMagic)+4:])
}

// splitParts cuts n length-prefixed parts off b, which holds nothing else.
func splitParts(b []byte, n int) ([][]byte, error) {
	parts := make([][]byte, 0, min(n, len(b)/4))
	for range n {
		if len(b) < 4 || uint64(le.Uint32(b)) > uint64(len(b)-4) {
			return nil, corrupt("the length of part %d does not fit", len(parts))
		}
		end := 4 + int(le.Uint32(b))
		parts = append(parts, b[4:end:end])
		b = b[end:]
	}
	if len(b) > 0 {
		return nil, corrupt("%d bytes after the last part", len(b))
	}
	return parts, nil
}

// packTitles returns the number of titles, then each with its length.
func packTitles(titles []string) []byte {
	b := le.AppendUint32(nil, uint32(len(titles)))
	for _, t := range titles {
		b = append(le.AppendUint32(b, uint32(len(t))), t...)
	}
	return b
}

func unpackTitles(b []byte) ([]string, error) {
	if len(b) < 4 {
		return nil, corrupt("titles are missing")
	}
	parts, err := splitParts(b[4:], int(le.Uint32(b)))
	if err != nil {
		return nil, fmt.Errorf("titles: %w", err)
	}
	titles := make([]string, len(parts))
	for i, p := range parts {
		titles[i] = string(p)
	}
	return titles, nil
}
