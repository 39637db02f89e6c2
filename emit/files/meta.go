package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"gen/core"
	"gen/emit/encode"
)

// The names of the files that are not data.
const (
	MetaFile     = "_gen.json"
	ManifestFile = "_manifest.json"
	SuccessFile  = "_SUCCESS"
)

var (
	// ErrOtherRun is returned when a directory holds another run, or files
	// that no run wrote.
	ErrOtherRun = errors.New("the directory holds something else")
	// ErrNoRun is returned when a directory holds no run.
	ErrNoRun = errors.New("not a directory that gen wrote")
)

// Meta is the content of _gen.json: what the directory holds. It names no
// time, host, path or worker count.
type Meta struct {
	Run      string        `json:"run"`
	Snapshot string        `json:"snapshot"`
	Seed     uint64        `json:"seed"`
	Version  int           `json:"version"` // core.FormatVersion
	Recipe   core.Recipe   `json:"recipe"`
	Schedule core.Schedule `json:"schedule"`
	From     uint64        `json:"from"`
	Count    uint64        `json:"count,omitempty"` // events in all; 0: no end
	Segment  Segmenting    `json:"segment"`
	Format   string        `json:"format"`
	Compress string        `json:"compress"`
}

// Manifest is the content of _manifest.json, written when all is published.
type Manifest struct {
	From     uint64  `json:"from"`
	Next     uint64  `json:"next"`
	Rows     uint64  `json:"rows"`
	Bytes    uint64  `json:"bytes"`
	Segments []Entry `json:"segments"`
}

// Entry is one published segment: events From up to, not including, Next.
type Entry struct {
	Name   string `json:"name"`
	From   uint64 `json:"from"`
	Next   uint64 `json:"next"`
	Rows   uint64 `json:"rows"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// ReadMeta returns what the directory holds, or ErrNoRun.
func ReadMeta(d Dir) (Meta, error) {
	var m Meta
	err := readJSON(d, MetaFile, &m)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := fs.Stat(d.FS(), "."); err != nil {
			return m, fmt.Errorf("%s: %w: no such directory", d.URL(), ErrNoRun)
		}
		return m, fmt.Errorf("%s: %w: it has no %s", d.URL(), ErrNoRun, MetaFile)
	}
	if err == nil {
		if bad := m.check(); bad != nil {
			err = fmt.Errorf("%s/%s: %w", d.URL(), MetaFile, bad)
		}
	}
	return m, err
}

// ReadManifest returns the manifest; an error that is fs.ErrNotExist while
// the run is not finished.
func ReadManifest(d Dir) (Manifest, error) {
	var m Manifest
	return m, readJSON(d, ManifestFile, &m)
}

func readJSON(d Dir, name string, v any) error {
	b, err := fs.ReadFile(d.FS(), name)
	if err != nil {
		return fmt.Errorf("read %s/%s: %w", d.URL(), name, err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read %s/%s: %w", d.URL(), name, err)
	}
	return nil
}

func publishJSON(d Dir, name string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	if err := publish(d, name, append(b, '\n')); err != nil {
		return fmt.Errorf("write %s/%s: %w", d.URL(), name, err)
	}
	return nil
}

// End returns the first event that does not belong to the run.
func (m Meta) End() uint64 {
	if m.Count > 0 {
		return m.From + m.Count
	}
	return m.Schedule.End()
}

// identity is what must agree for a directory to go on. The schedule may grow,
// and so may the count of a stream.
type identity struct {
	run, snapshot    string
	seed, from       uint64
	version          int
	segment          Segmenting
	format, compress string
	count            uint64
}

func (m Meta) identity() identity {
	count := m.Count
	if m.Segment.Window > 0 {
		count = 0
	}
	return identity{m.Run, m.Snapshot, m.Seed, m.From, m.Version, m.Segment, m.Format, m.Compress, count}
}

// accepts returns ErrOtherRun, with both sides, when a directory that holds m
// may not go on as asked.
func (m Meta) accepts(asked Meta) error {
	if m.identity() == asked.identity() {
		return nil
	}
	return fmt.Errorf("%w; nothing was written\n  saved: %s\n  asked: %s", ErrOtherRun, m.side(), asked.side())
}

func (m Meta) side() string {
	count := ""
	if m.Segment.Events > 0 {
		count = fmt.Sprintf(" count %d,", m.Count)
	}
	return fmt.Sprintf("run %s, seed %d, snapshot %.16s, version %d, from %d,%s segment %s, %s %s",
		m.Run, m.Seed, m.Snapshot, m.Version, m.From, count, m.Segment, m.Format, m.Compress)
}

// check returns an error when a recorded Meta is not one that gen wrote.
func (m Meta) check() error {
	_, err := encode.Parse(m.Format, m.Compress)
	switch {
	case err != nil:
		return err
	case m.Version != core.FormatVersion:
		return fmt.Errorf("%w %d; this gen has %d", core.ErrFormat, m.Version, core.FormatVersion)
	case len(m.Schedule.Segments) == 0:
		return errors.New("no schedule")
	case m.Segment == Segmenting{}:
		return errors.New("no segment")
	case m.From >= m.End() || m.End() > m.Schedule.End():
		return fmt.Errorf("impossible range: from %d, count %d", m.From, m.Count)
	}
	return nil
}
