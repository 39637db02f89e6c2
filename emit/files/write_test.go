package files

import (
	"bytes"
	"errors"
	"testing"
)

// fullDisk takes room bytes.
type fullDisk struct {
	bytes.Buffer
	room, largest int
}

var errFull = errors.New("no space left")

func (d *fullDisk) Write(b []byte) (int, error) {
	d.largest = max(d.largest, len(b))
	k := min(len(b), d.room-d.Len())
	_, _ = d.Buffer.Write(b[:k]) // which has no errors
	if k < len(b) {
		return k, errFull
	}
	return k, nil
}

func TestWriteInParts(t *testing.T) {
	b := make([]byte, 3*partBytes+5)
	for i := range b {
		b[i] = byte(i % 251)
	}
	for _, room := range []int{len(b), len(b) - 1, partBytes, partBytes - 1, 0} {
		d := &fullDisk{room: room}
		n, err := writeInParts(d, b)
		if wantErr := room < len(b); n != room || (err != nil) != wantErr || err != nil && !errors.Is(err, errFull) {
			t.Errorf("room for %d of %d bytes: wrote %d, %v", room, len(b), n, err)
		}
		if !bytes.Equal(d.Bytes(), b[:room]) || d.largest > partBytes {
			t.Errorf("room for %d bytes: other bytes, or a write of %d", room, d.largest)
		}
	}
}
