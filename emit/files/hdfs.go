package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsDir is a directory in HDFS. One connection to the NameNode serves all
// who use it; it also keeps the leases of the files that are being written.
//
// # Why
//
// The library does less than is needed. It waits for an answer for ever, and
// takes the answer to a call that it has given up for that to the next one: see
// timedConn. It cannot go on with a block after a failure: a file is then written
// again from its beginning, see ErrAway. It reconnects at each ReadAt: see
// hdfsFile. It can neither recover a lease nor sync: what is closed is on as many
// DataNodes as dfs.namenode.replication.min says, in their memory or on their
// disks.
type hdfsDir struct {
	hdfsPlace
	client *hdfs.Client
	wanted Options // replication and block size filled in
	temps  atomic.Uint64
}

// The waits of a client of HDFS. An answer comes in milliseconds, or a NameNode
// collects garbage, or a disk is busy.
const (
	dialPatience   = 10 * time.Second
	answerPatience = 20 * time.Second
)

func openHDFS(target string, o Options) (Dir, error) {
	place, err := placeOf(target)
	if err != nil {
		return nil, err
	}
	d := &hdfsDir{hdfsPlace: place, wanted: o}
	if err := d.connect(); err != nil {
		return nil, err
	}
	info, err := d.client.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, d.trouble("open", d.path, err)
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file: a directory is wanted", d.URL())
	}
	return d, nil
}

func splitHDFS(target string) (dir, name string, err error) {
	authority, rest, _ := strings.Cut(strings.TrimPrefix(target, HDFS), "/")
	clean := path.Clean("/" + rest)
	if clean == "/" {
		return HDFS + authority + "/", ".", nil
	}
	return HDFS + authority + path.Dir(clean), path.Base(clean), nil
}

// connect reaches a NameNode and asks for the defaults of the file system.
func (d *hdfsDir) connect() (err error) {
	d.options.NamenodeDialFunc, d.options.DatanodeDialFunc = dialTimed, dialTimed
	if d.client, err = hdfs.NewClient(d.options); err != nil {
		return d.unreachable(err)
	}
	// The library keeps them, which it does only once: several at a time would
	// be a data race.
	defaults, err := d.client.ServerDefaults()
	var remote hdfs.Error
	switch {
	case errors.As(err, &remote):
		return fmt.Errorf("open %s: %w", d.URL(), remoteError(remote))
	case err != nil:
		return d.unreachable(err)
	}
	if d.wanted.Replication == 0 {
		d.wanted.Replication = defaults.Replication
	}
	if d.wanted.BlockSize == 0 {
		d.wanted.BlockSize = defaults.BlockSize
	}
	return nil
}

// errNoNameNode is how the library begins the error of a call for which it has
// no NameNode; the rest is the text of what the last one did.
const errNoNameNode = "no available namenodes: "

// unreachable says that no NameNode answers, and why.
func (d *hdfsDir) unreachable(err error) error {
	why := strings.TrimPrefix(err.Error(), errNoNameNode)
	hint := "is it up, and is this the port of its RPC, not of its page? hdfs getconf -confKey fs.defaultFS"
	switch {
	case strings.Contains(why, "no such host"):
		hint = "a nameservice is no host: its NameNodes are found in HADOOP_CONF_DIR/hdfs-site.xml"
	case strings.Contains(why, ".StandbyException"):
		why, hint = "none is active", standbyHint
	}
	return &hintError{
		&kindError{fmt.Errorf("no NameNode answers at %s: %s", strings.Join(d.options.Addresses, ", "), why), ErrAway}, hint,
	}
}

func (d *hdfsDir) URL() string { return HDFS + d.authority + d.path }

func (d *hdfsDir) FS() fs.FS { return hdfsFS{d} }

func (d *hdfsDir) join(name string) string { return path.Join(d.path, name) }

func (d *hdfsDir) Remove(name string) error {
	if err := d.client.Remove(d.join(name)); err != nil {
		return d.trouble("remove", d.join(name), err)
	}
	return nil
}

// Create takes a name that nobody had before, so that a writer whose lease was
// taken from it while it was stopped cannot publish what another writes.
func (d *hdfsDir) Create(name string) (Pending, error) {
	if err := d.client.MkdirAll(d.path, 0o755); err != nil {
		return nil, d.trouble("make", d.path, err)
	}
	f := &hdfsPending{dir: d, name: d.join(name)}
	f.temp = d.join(fmt.Sprintf(".%s%s.%s-%d.tmp", name, d.wanted.temp(), d.client.Name(), d.temps.Add(1)))
	var err error
	if f.file, err = d.create(f.temp); err != nil {
		return nil, d.trouble("create", f.name, err)
	}
	return f, nil
}

func (d *hdfsDir) create(name string) (*hdfs.FileWriter, error) {
	return d.client.CreateFile(name, d.wanted.Replication, d.wanted.BlockSize, 0o644)
}

// hdfsPending is a file that is being written.
type hdfsPending struct {
	dir        *hdfsDir
	file       *hdfs.FileWriter
	temp, name string
	size       int64
	closed     bool
	published  bool
}

// Write passes no empty slice on: the library would begin a block that has no
// bytes, and no file with such a block can be closed.
func (f *hdfsPending) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := f.file.Write(b)
	f.size += int64(n)
	if err != nil {
		return n, f.dir.trouble("write", f.name, err)
	}
	return n, nil
}

// Finish closes the file and looks at what the NameNode has of it.
func (f *hdfsPending) Finish() error {
	f.closed = true
	if err := f.close(); err != nil {
		return f.dir.trouble("close", f.name, err)
	}
	info, err := f.dir.client.Stat(f.temp)
	if err != nil {
		return f.dir.trouble("stat", f.temp, err)
	}
	if info.Size() != f.size {
		return &kindError{fmt.Errorf("%s has %d bytes after %d were written", f.temp, info.Size(), f.size), ErrAway}
	}
	return nil
}

// close waits until the last block has its least number of replicas, which the
// DataNodes report after they have acknowledged it.
func (f *hdfsPending) close() error {
	begin := time.Now()
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		err := f.file.Close()
		if !hdfs.IsErrReplicating(err) {
			return err
		}
		if time.Since(begin) > answerPatience {
			return fmt.Errorf("its last block is not on enough DataNodes after %s", answerPatience)
		}
		time.Sleep(pause)
	}
}

func (f *hdfsPending) Publish() error {
	if err := f.dir.client.Rename(f.temp, f.name); err != nil {
		return f.dir.trouble("rename", f.temp, err)
	}
	f.published = true
	return nil
}

// Abort removes the file first, so that the NameNode cannot complete it, and
// then ends the connection to the DataNode.
func (f *hdfsPending) Abort() {
	if f.published {
		return
	}
	_ = f.dir.client.Remove(f.temp) // else unlock does it
	if !f.closed {
		f.closed = true
		_ = f.file.Close() // it is gone, and says so
	}
}

// lockFile is kept open by whoever writes, or, with the name of a shard behind
// it, by that shard: the NameNode gives the lease of a file to one client at a
// time, and takes it away from one that it has not heard of for a minute.
const lockFile = "_gen.lock"

// ownerAttribute of the lock file names who holds it. The file itself can hold
// no name: what is written into an open file need not be readable.
const ownerAttribute = "user.gen.owner"

// owner names who writes, by the name of the directory that it knows: one that
// knows it by another name is another owner, and may be alive.
func (d *hdfsDir) owner() string { return d.wanted.Owner + ", into " + d.URL() }

// Lock creates the lock file. One that is there already was left behind by a
// process of the same owner, of whom the caller knows that it has ended, or
// its lease tells whether its owner lives.
func (d *hdfsDir) Lock(shard string) (func(), error) {
	if err := d.client.MkdirAll(d.path, 0o755); err != nil {
		return nil, d.trouble("make", d.path, err)
	}
	name := d.join(lockFile)
	if shard != "" {
		name = d.join(lockName(shard))
	}
	file, err := d.create(name)
	if errors.Is(err, fs.ErrExist) {
		if err := d.breakLock(name); err != nil {
			return nil, err
		}
		file, err = d.create(name)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s: %w", d.URL(), ErrLocked) // somebody was faster
	}
	if err != nil {
		return nil, d.trouble("lock", d.path, err)
	}
	// Without it, also in the moment before, the lock of a process that is killed
	// ends with its lease: that is all.
	_ = d.client.SetXAttr(name, ownerAttribute, d.owner())
	return func() { d.unlock(name, file) }, nil
}

// breakLock removes a lock file whose owner has ended.
func (d *hdfsDir) breakLock(name string) error {
	attributes, err := d.client.GetXAttrs(name, ownerAttribute)
	owner := attributes[ownerAttribute]
	if err != nil || d.wanted.Owner == "" || owner != d.owner() {
		file, err := d.client.Append(name) // asks for the lease
		var remote hdfs.Error
		switch {
		case errors.Is(err, fs.ErrNotExist): // its owner has just removed it
			return nil
		case errors.As(err, &remote) && isHeld(remote):
			return &hintError{fmt.Errorf("%s: %w%s", d.URL(), ErrLocked, by(owner)), lockHint}
		case err != nil:
			return d.trouble("lock", name, err)
		}
		_ = file.Close() // it is removed
	}
	if err := d.client.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.trouble("remove", name, err)
	}
	return nil
}

const lockHint = "wait for the other gen process or stop it; killed on another machine, or just as it began, it keeps its lock for a minute"

func by(owner string) string {
	if owner == "" {
		return ""
	}
	return ": " + owner
}

// isHeld tells whether the lease of a file is another client's, or is just being
// taken from one.
func isHeld(err hdfs.Error) bool {
	return strings.HasSuffix(err.Exception(), ".AlreadyBeingCreatedException") || strings.HasSuffix(err.Exception(), ".RecoveryInProgressException")
}

// unlock removes the temporary files that are left when HDFS was away, also
// those that it made without being able to say so, and the lock file, unless the
// lease was lost: it is another writer's then.
func (d *hdfsDir) unlock(name string, file *hdfs.FileWriter) {
	names, _ := list(d) // what stays is removed by the next run
	for _, n := range names {
		if strings.Contains(n, d.client.Name()) {
			_ = d.client.Remove(d.join(n))
		}
	}
	if file.Close() == nil {
		_ = d.client.Remove(name) // closed, it keeps nobody out
	}
}

// trouble returns an error of the library as one of this package: with the
// exceptions of a NameNode explained, and ErrAway when it is neither known nor
// an answer of one.
func (d *hdfsDir) trouble(op, name string, err error) error {
	if inner, ok := err.(*fs.PathError); ok { //nolint:errorlint // the library's own, not what is in it
		err = inner.Err
	}
	var remote hdfs.Error
	switch {
	case errors.As(err, &remote):
		err = remoteError(remote)
	case errors.Is(err, fs.ErrPermission):
		err = &hintError{fmt.Errorf("%w for user %s", err, d.client.User()), permissionHint}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrInvalid), errors.Is(err, syscall.ENOTEMPTY):
	case strings.HasPrefix(err.Error(), errNoNameNode):
		err = d.unreachable(err)
	default:
		err = &hintError{&kindError{err, ErrAway}, nodesHint}
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// timedConn is a connection on which the other side answers in time. After a
// failure it is closed: what comes late would be taken for the next answer.
type timedConn struct{ net.Conn }

func dialTimed(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialPatience}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &timedConn{conn}, nil
}

func (c *timedConn) Read(b []byte) (int, error) {
	_ = c.SetReadDeadline(time.Now().Add(answerPatience)) // Read says it too
	n, err := c.Conn.Read(b)
	return n, c.end(err)
}

func (c *timedConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(answerPatience)) // Write says it too
	n, err := c.Conn.Write(b)
	return n, c.end(err)
}

func (c *timedConn) end(err error) error {
	if err == nil {
		return nil
	}
	_ = c.Close() // err says more
	var late net.Error
	switch {
	case errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("%s has not answered for %s", c.RemoteAddr(), answerPatience)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s ended the connection", c.RemoteAddr())
	}
	return err
}
