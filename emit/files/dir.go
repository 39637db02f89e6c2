// Package files delivers events as files and streams, and reads them back.
//
// Start with Job, which writes a range into a directory as immutable segments,
// Pipe, which writes one to a stream, and Read.
//
// # Directories
//
// A segment's borders are functions of the event number alone, see Segmenting.
// It is written under a temporary name, made durable, and renamed; segments are
// published in order, so that a directory never has a gap. _gen.json says what
// the directory holds and comes first; _manifest.json and _SUCCESS say that it
// is finished and come last. The directory itself is the cursor of its run: it
// goes on at the first segment that is missing.
//
// # Shards
//
// Several jobs write one directory at a time, each a contiguous part of its
// segments: see core.Shard. A job holds the lock of its shard while it works, and
// the lock of the directory while it plans and writes _gen.json, so that no two
// begin the directory with different ones; a job that is not cut holds the latter
// all the time, and begins only when no shard is at work. Temporary names bear the
// shard's, so that two shards that make the same segment, when their number has
// changed, do not write into one file.
//
// Before its last segment a shard publishes a list of its segments with their
// sums, _shard-0-of-3.json. Who finds all segments published finds all lists too,
// unless a shard was killed: it makes what no list has again in memory and
// compares, writes the manifest, _SUCCESS, and removes the lists. Two who do so at
// a time write the same bytes.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"gen/core"
)

// ErrLocked is returned when another process writes into the directory.
var ErrLocked = errors.New("another process writes into it")

// ErrAway is returned when a file system, or a part of it, does not answer or
// takes nothing now: the same step, from its beginning, may succeed later.
var ErrAway = errors.New("the file system does not answer")

// ErrScheme is returned for a URL of a kind that cannot be read or written.
var ErrScheme = errors.New("no files at")

// Dir is a flat directory of published files. Reading goes through FS, whose
// files implement io.ReaderAt and io.Seeker. A Dir may be used from several
// goroutines.
type Dir interface {
	// URL is the directory's canonical name: the same for every way to write it.
	URL() string
	// FS reads the directory. It need not exist yet.
	FS() fs.FS
	// Create opens a file under a temporary name that begins with ".", and
	// makes the directory when it is missing. Nobody sees it before Publish.
	Create(name string) (Pending, error)
	// Remove deletes a file.
	Remove(name string) error
	// Lock takes one of the directory's locks, "" or the name of a shard, which
	// nobody else has until unlock. It returns ErrLocked.
	Lock(name string) (unlock func(), err error)
}

// Pending is a file that is being written. It ends with Publish or Abort.
type Pending interface {
	io.Writer
	// Finish makes the bytes durable. No Write may follow.
	Finish() error
	// Publish gives the finished file its name, replacing any file of that
	// name; when it returns nil the file is visible and survives a power cut.
	Publish() error
	// Abort removes the temporary file. It does nothing after Publish.
	Abort()
}

// Options say how a directory is written. The zero value is good for reading.
type Options struct {
	// Owner names who writes. A writer knows that no other process of its own
	// name is alive: in HDFS it breaks the lock that such a one has left behind.
	Owner string
	// Shard is the part that this writer makes.
	Shard core.Shard
	// Replication and BlockSize, in bytes, are those of the files in HDFS. 0 is
	// the default of the file system.
	Replication int
	BlockSize   int64
}

// temp returns what a temporary name has of its writer: nothing, or ".0-of-3".
func (o Options) temp() string {
	if o.Shard.Count() == 1 {
		return ""
	}
	return "." + o.Shard.String()
}

// scheme is a kind of file system.
type scheme struct {
	// open returns a directory, which need not exist. It changes nothing.
	open func(target string, o Options) (Dir, error)
	// split returns the directory of something to read and its name in there.
	split func(target string) (dir, name string, err error)
}

// schemes are the file systems by the scheme of their URLs; "" is a plain path.
var schemes = map[string]scheme{
	"":     {openLocal, splitLocal},
	"file": {openLocal, splitLocal},
	"hdfs": {openHDFS, splitHDFS},
}

func schemeOf(target string) (scheme, error) {
	name, _, ok := strings.Cut(target, "://")
	if !ok {
		name = ""
	}
	s, ok := schemes[name]
	if !ok {
		return scheme{}, fmt.Errorf("%w %s://: files are at a path, file:// or %s, topics at kafka://", ErrScheme, name, HDFS)
	}
	return s, nil
}

// Open returns the directory of a path or URL, for reading.
func Open(target string) (Dir, error) { return OpenWith(target, Options{}) }

// OpenWith returns the directory of a path or URL. It changes nothing.
func OpenWith(target string, o Options) (Dir, error) {
	s, err := schemeOf(target)
	if err != nil {
		return nil, err
	}
	return s.open(target, o)
}

// localPath returns the path of a plain path or a file:// URL.
func localPath(target string) (string, error) {
	if !strings.HasPrefix(target, "file://") {
		return target, nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	if u.Host != "" && u.Host != "localhost" {
		return "", fmt.Errorf("%s names the host %s: write file:///path", target, u.Host)
	}
	return u.Path, nil
}

// WriteFile writes a single file of a path or URL: under a temporary name, made
// durable, then renamed.
func WriteFile(target string, write func(io.Writer) error) error {
	d, name, err := split(target)
	if err != nil {
		return err
	}
	return publishBy(d, name, write)
}

// publish writes a whole small file durably.
func publish(d Dir, name string, content []byte) error {
	return publishBy(d, name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func publishBy(d Dir, name string, write func(io.Writer) error) error {
	p, err := d.Create(name)
	if err != nil {
		return err
	}
	defer p.Abort()
	if err := write(p); err != nil {
		return err
	}
	if err := p.Finish(); err != nil {
		return err
	}
	return p.Publish()
}

// TryToWrite writes a little file into a directory, or into the first of its parents
// that is there, and removes it.
func TryToWrite(d Dir) error {
	for {
		_, err := fs.Stat(d.FS(), ".")
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		parent, name, err := split(d.URL())
		if err != nil {
			return err
		}
		if name == "." {
			break
		}
		d = parent
	}
	p, err := d.Create("check")
	if err != nil {
		return err
	}
	defer p.Abort()
	if _, err := io.WriteString(p, "gen check\n"); err != nil {
		return err
	}
	return p.Finish()
}

// list returns the names in a directory in order; none when it does not exist.
func list(d Dir) ([]string, error) {
	entries, err := fs.ReadDir(d.FS(), ".")
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("read %s: %w", d.URL(), err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}
