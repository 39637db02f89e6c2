package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gen/emit/encode"
)

// confDir makes a folder of Hadoop's configuration the one that is used.
func confDir(t *testing.T, core, hdfs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, properties := range map[string]map[string]string{"core-site.xml": core, "hdfs-site.xml": hdfs} {
		var b strings.Builder
		b.WriteString("<configuration>\n")
		for key, value := range properties {
			fmt.Fprintf(&b, "<property><name>%s</name><value>%s</value></property>\n", key, value)
		}
		b.WriteString("</configuration>\n")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HADOOP_CONF_DIR", dir)
	t.Setenv("HADOOP_HOME", "")
	t.Setenv("HADOOP_USER_NAME", "tester")
}

func TestPlaces(t *testing.T) {
	confDir(t, map[string]string{"fs.defaultFS": "hdfs://cluster"}, map[string]string{
		"dfs.nameservices":                     "cluster,single,broken",
		"dfs.ha.namenodes.cluster":             "nn2, nn1",
		"dfs.namenode.rpc-address.cluster.nn1": "one:9000",
		"dfs.namenode.rpc-address.cluster.nn2": "two:9000",
		"dfs.namenode.rpc-address.single":      "three:9000",
		"dfs.ha.namenodes.broken":              "nn1",
	})
	for _, c := range []struct {
		target, url, addresses string // url "": it is refused
	}{
		{"hdfs://nn:9000/data/x", "hdfs://nn:9000/data/x", "nn:9000"},
		{"hdfs://nn:9000", "hdfs://nn:9000/", "nn:9000"},
		{"hdfs://nn:9000/a/../b//c/", "hdfs://nn:9000/b/c", "nn:9000"},
		// The port that a NameNode has when nobody says another.
		{"hdfs://nn/x", "hdfs://nn:8020/x", "nn:8020"},
		{"hdfs://[::1]/x", "hdfs://[::1]:8020/x", "[::1]:8020"},
		// A path is taken literally, as Hadoop takes it.
		{"hdfs://nn/a%20b?c", "hdfs://nn:8020/a%20b?c", "nn:8020"},
		// Both NameNodes, in the order of the configuration.
		{"hdfs://cluster/x", "hdfs://cluster/x", "two:9000 one:9000"},
		{"hdfs://single/x", "hdfs://single/x", "three:9000"},
		// fs.defaultFS.
		{"hdfs:///x", "hdfs://cluster/x", "two:9000 one:9000"},
		{"hdfs://broken/x", "", "hdfs-site.xml has no dfs.namenode.rpc-address.broken.nn1"},
		{"hdfs://user@nn/x", "", "want hdfs://host:port/path"},
		{"hdfs://a:b:c/x", "", "want hdfs://host:port/path"},
	} {
		p, err := placeOf(c.target)
		if c.url == "" {
			if err == nil || !strings.Contains(err.Error(), c.addresses) {
				t.Errorf("placeOf(%s): %v, want an error with %q", c.target, err, c.addresses)
			}
			continue
		}
		if url, addresses := HDFS+p.authority+p.path, strings.Join(p.options.Addresses, " "); err != nil || url != c.url || addresses != c.addresses {
			t.Errorf("placeOf(%s) = %s, %s, %v, want %s, %s", c.target, url, addresses, err, c.url, c.addresses)
		}
		if p.options.User != "tester" {
			t.Errorf("placeOf(%s): user %q", c.target, p.options.User)
		}
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	const protection, encrypt = "dfs.data.transfer.protection", "dfs.encrypt.data.transfer"
	for _, c := range []struct {
		core, hdfs map[string]string
		want       string // "": it is accepted
	}{
		{nil, nil, "no fs.defaultFS does"},
		{map[string]string{"fs.defaultFS": "file:///"}, nil, "no fs.defaultFS does"},
		{map[string]string{"fs.defaultFS": "hdfs://%zz"}, nil, "is not a URL"}, // the library panics
		{map[string]string{"fs.defaultFS": "hdfs://nn", "hadoop.security.authentication": "kerberos"}, nil, "asks for Kerberos"},
		{map[string]string{"fs.defaultFS": "hdfs://nn"}, map[string]string{protection: "integrity"}, "is integrity: files cannot be read so"},
		{map[string]string{"fs.defaultFS": "hdfs://nn"}, map[string]string{protection: "authentication,privacy"}, "is privacy: files cannot be read so"},
		{map[string]string{"fs.defaultFS": "hdfs://nn"}, map[string]string{protection: "authentication"}, ""},
		{map[string]string{"fs.defaultFS": "hdfs://nn"}, map[string]string{protection: "privacy", encrypt: "true"}, ""},
	} {
		confDir(t, c.core, c.hdfs)
		t.Setenv("KRB5_CONFIG", filepath.Join(t.TempDir(), "nothing"))
		_, err := placeOf("hdfs:///x")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("placeOf with %v, %v: %v, want an error with %q", c.core, c.hdfs, err, c.want)
		}
	}
	t.Setenv("HADOOP_CONF_DIR", t.TempDir())
	if _, err := placeOf("hdfs://nn/x"); err == nil || !strings.Contains(err.Error(), "neither core-site.xml nor") {
		t.Errorf("placeOf with an empty HADOOP_CONF_DIR: %v", err)
	}
}

// exception is what the library makes of an exception of a NameNode.
type exception struct{ class, message string }

func (e exception) Method() string    { return "create" }
func (e exception) Desc() string      { return "ERROR_APPLICATION" }
func (e exception) Exception() string { return e.class }
func (e exception) Message() string   { return e.message }
func (e exception) Error() string {
	return "create call failed with ERROR_APPLICATION (" + e.class + ")"
}

func TestExceptions(t *testing.T) {
	const server = "org.apache.hadoop.hdfs.server.namenode."
	for _, c := range []struct {
		class, message string
		is             error
	}{
		{server + "SafeModeException", "Cannot create file/x. Name node is in safe mode.\n\tat org.apache", ErrAway},
		{"org.apache.hadoop.security.AccessControlException", "Permission denied: user=x, access=WRITE", fs.ErrPermission},
		{"java.io.FileNotFoundException", "File does not exist: /x", fs.ErrNotExist},
		{"org.apache.hadoop.hdfs.protocol.DSQuotaExceededException", "The DiskSpace quota of /q is exceeded", nil},
		{"java.io.IOException", "File /x could only be written to 0 of the 1 minReplication nodes.", ErrAway},
		{"org.apache.hadoop.ipc.StandbyException", "Operation category READ is not supported in state standby", ErrAway},
		{"java.io.IOException", "something else", nil},
		{"java.lang.NullPointerException", "", nil},
	} {
		err := remoteError(exception{c.class, c.message})
		for _, kind := range []error{ErrAway, fs.ErrPermission, fs.ErrNotExist} {
			if got, want := errors.Is(err, kind), errors.Is(c.is, kind); got != want {
				t.Errorf("%s is %v: %v, want %v", c.class, kind, got, want)
			}
		}
		if want, _, _ := strings.Cut(c.message, "\n"); err.Error() != want && want != "" || err.Error() == "" {
			t.Errorf("%s: %q, want %q", c.class, err, want)
		}
	}
}

// A NameNode that does not answer is given up, and what it says later is not
// taken for the answer to the next question.
func TestAConnectionEndsWithItsFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		c := &timedConn{here}
		begin := time.Now()
		if _, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "has not answered for 20s") {
			t.Errorf("Read without an answer: %v", err)
		}
		if took := time.Since(begin); took != answerPatience {
			t.Errorf("Read gave up after %s, want %s", took, answerPatience)
		}
		if _, err := there.Write([]byte("late")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the other side may still write: %v", err)
		}
		here, there = net.Pipe()
		c = &timedConn{here}
		_ = there.Close()
		// The end of a connection is not the end of a file.
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("Read of an ended connection: %v, want an error that is not io.EOF", err)
		}
	})
}

// unwell is a directory that is away for some time: no file can be finished
// until then.
type unwell struct {
	Dir
	until time.Time
}

func (d unwell) Create(name string) (Pending, error) {
	p, err := d.Dir.Create(name)
	return unwellFile{p, d.until}, err
}

type unwellFile struct {
	Pending
	until time.Time
}

func (f unwellFile) Finish() error {
	if time.Now().Before(f.until) {
		return fmt.Errorf("finish: %w", ErrAway)
	}
	return f.Pending.Finish()
}

// What fails because the file system is away is done again, in whole; not for
// ever, and the events count once.
func TestAStepIsDoneAgain(t *testing.T) {
	seq := testSequence(t)
	format := encode.Format{Name: "jsonl", Compress: "none"}
	for away, want := range map[time.Duration]error{0: nil, 15 * time.Second: nil, time.Hour: ErrAway} {
		base := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			d := unwell{openTemp(t, base), time.Now().Add(away)}
			j := newJob(seq, d, format, "100", 0, 300)
			told := new(atomic.Int64)
			j.Away = func(error) { told.Add(1) }
			if err := publishJSON(d.Dir, MetaFile, j.Meta); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			_, err := j.Run(t.Context())
			if !errors.Is(err, want) {
				t.Errorf("away for %s: %v, want %v", away, err, want)
			}
			if took := time.Since(begin); took > patience+5*time.Second {
				t.Errorf("away for %s: gave up after %s", away, took)
			}
			if want == nil && (j.Events.Load() != 300 || (away > 0) != (told.Load() > 0)) {
				t.Errorf("away for %s: %d events, told %d times", away, j.Events.Load(), told.Load())
			}
		})
	}
}

// What goes well for long has another patience; what hangs has not.
func TestPatienceBeginsAnew(t *testing.T) {
	for _, c := range []struct {
		tries []time.Duration // how long each takes; all but the last fail
		want  error
	}{
		{[]time.Duration{5 * time.Second, 35 * time.Second, time.Second}, nil},
		{[]time.Duration{5 * time.Second, 35 * time.Second, 35 * time.Second, time.Second}, nil},
		{[]time.Duration{5 * time.Second, 25 * time.Second, time.Second}, ErrAway},
	} {
		synctest.Test(t, func(t *testing.T) {
			left := c.tries
			err := new(Job).again(t.Context(), func() error {
				time.Sleep(left[0])
				if left = left[1:]; len(left) > 0 {
					return ErrAway
				}
				return nil
			})
			if !errors.Is(err, c.want) {
				t.Errorf("tries of %v: %v, want %v", c.tries, err, c.want)
			}
		})
	}
}

// Stopping does not wait for a file system that is away.
func TestAStopEndsTheWaiting(t *testing.T) {
	seq := testSequence(t)
	base := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := unwell{openTemp(t, base), time.Now().Add(time.Hour)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := newJob(seq, d, encode.Format{Name: "jsonl", Compress: "none"}, "100", 0, 300).Run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("Run = %v after %s, want the context's error after 1s", err, time.Since(begin))
		}
	})
}

func TestSplitHDFS(t *testing.T) {
	for target, want := range map[string][]string{
		"hdfs://nn:1/a/b":  {"hdfs://nn:1/a", "b"},
		"hdfs://nn:1/a/b/": {"hdfs://nn:1/a", "b"},
		"hdfs://nn:1/a":    {"hdfs://nn:1/", "a"},
		"hdfs://nn:1/":     {"hdfs://nn:1/", "."},
		"hdfs://nn:1":      {"hdfs://nn:1/", "."},
		"hdfs:///a/b":      {"hdfs:///a", "b"},
	} {
		if dir, name, err := splitHDFS(target); err != nil || !slices.Equal([]string{dir, name}, want) {
			t.Errorf("splitHDFS(%s) = %s, %s, %v, want %v", target, dir, name, err, want)
		}
	}
}
