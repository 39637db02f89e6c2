package files

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strings"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"
	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
)

// HDFS begins the URL of a directory in HDFS.
const HDFS = "hdfs://"

// nameNodePort is where a NameNode listens when nothing says otherwise:
// dfs.namenode.rpc-address in hdfs-default.xml.
const nameNodePort = "8020"

// hdfsPlace is what a URL and Hadoop's configuration say of a directory.
type hdfsPlace struct {
	authority string // of the canonical URL: host:port, or a nameservice
	path      string // clean and absolute
	options   hdfs.ClientOptions
}

// placeOf reads hdfs://host:port/path, hdfs://nameservice/path or hdfs:///path,
// which is in the file system of fs.defaultFS. As Hadoop does, it takes the path
// literally: nothing in it is decoded. Who speaks is HADOOP_USER_NAME, or the
// user of the process; with Kerberos the owner of the ticket.
func placeOf(target string) (hdfsPlace, error) {
	authority, rest, _ := strings.Cut(strings.TrimPrefix(target, HDFS), "/")
	conf, err := loadConf()
	if err != nil {
		return hdfsPlace{}, err
	}
	if authority == "" {
		if authority, err = defaultAuthority(conf, target); err != nil {
			return hdfsPlace{}, err
		}
	}
	p := hdfsPlace{path: path.Clean("/" + rest)}
	p.options = hdfs.ClientOptionsFromConf(conf)
	if p.authority, p.options.Addresses, err = nameNodes(conf, authority); err != nil {
		return hdfsPlace{}, err
	}
	if err := checkProtection(conf, p.options.DataTransferProtection); err != nil {
		return hdfsPlace{}, err
	}
	if p.options.KerberosClient != nil {
		p.options.KerberosClient, err = ticket()
		return p, err
	}
	p.options.User, err = userName()
	return p, err
}

// loadConf reads core-site.xml and hdfs-site.xml of HADOOP_CONF_DIR, or of
// HADOOP_HOME. They may be missing when neither is set.
func loadConf() (hadoopconf.HadoopConf, error) {
	conf, err := hadoopconf.LoadFromEnvironment()
	dir := os.Getenv("HADOOP_CONF_DIR")
	if err != nil {
		return nil, fmt.Errorf("read the Hadoop configuration: %w", err)
	}
	if conf == nil && dir != "" {
		return nil, fmt.Errorf("HADOOP_CONF_DIR is %s, which has neither core-site.xml nor hdfs-site.xml", dir)
	}
	for key, value := range conf { // the library panics on one that is none
		if _, err := url.Parse(value); strings.Contains(key, "fs.default") && err != nil {
			return nil, fmt.Errorf("%s in core-site.xml is not a URL: %q", key, value)
		}
	}
	return conf, nil
}

// defaultAuthority returns the host or nameservice of fs.defaultFS.
func defaultAuthority(conf hadoopconf.HadoopConf, target string) (string, error) {
	for _, key := range []string{"fs.defaultFS", "fs.default.name"} {
		if rest, ok := strings.CutPrefix(conf[key], HDFS); ok {
			authority, _, _ := strings.Cut(rest, "/")
			return authority, nil
		}
	}
	return "", &hintError{
		fmt.Errorf("%w %s: it names no NameNode, and no fs.defaultFS does", ErrScheme, target),
		"hdfs://host:port/path, or set HADOOP_CONF_DIR to the folder of core-site.xml",
	}
}

// nameNodes returns the addresses behind an authority, in the order of the
// configuration: those of a nameservice, or the one that it is.
func nameNodes(conf hadoopconf.HadoopConf, authority string) (canonical string, addresses []string, err error) {
	if ids := conf["dfs.ha.namenodes."+authority]; ids != "" {
		for id := range strings.SplitSeq(ids, ",") {
			key := "dfs.namenode.rpc-address." + authority + "." + strings.TrimSpace(id)
			if conf[key] == "" {
				return "", nil, fmt.Errorf("hdfs-site.xml has no %s", key)
			}
			addresses = append(addresses, conf[key])
		}
		return authority, addresses, nil
	}
	if address := conf["dfs.namenode.rpc-address."+authority]; address != "" {
		return authority, []string{address}, nil
	}
	if _, _, err := net.SplitHostPort(authority); err == nil {
		return authority, []string{authority}, nil
	}
	if strings.ContainsAny(authority, "@:") && net.ParseIP(strings.Trim(authority, "[]")) == nil {
		return "", nil, fmt.Errorf("%w %s%s: want hdfs://host:port/path", ErrScheme, HDFS, authority)
	}
	authority = net.JoinHostPort(strings.Trim(authority, "[]"), nameNodePort)
	return authority, []string{authority}, nil
}

// checkProtection refuses what the library cannot read: its reader of packets
// that are signed or encrypted by SASL itself (digest_md5_integrity.go, Read, at
// v2.4.0) forgets what it had when it goes on to the next one. With
// dfs.encrypt.data.transfer SASL only agrees on the keys.
func checkProtection(conf hadoopconf.HadoopConf, protection string) error {
	if protection == "" || protection == hdfs.DataTransferProtectionAuthentication || strings.EqualFold(conf["dfs.encrypt.data.transfer"], "true") {
		return nil
	}
	return &hintError{
		fmt.Errorf("dfs.data.transfer.protection in hdfs-site.xml is %s: files cannot be read so", protection),
		"authentication can, and privacy with dfs.encrypt.data.transfer and its cipher suite AES/CTR/NoPadding",
	}
}

func userName() (string, error) {
	if name := os.Getenv("HADOOP_USER_NAME"); name != "" {
		return name, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", &hintError{err, "set HADOOP_USER_NAME"}
	}
	return u.Username, nil
}

// ticket returns who is logged in to Kerberos: the credentials that kinit left,
// found as MIT Kerberos finds them.
func ticket() (*krb.Client, error) {
	conf := os.Getenv("KRB5_CONFIG")
	if conf == "" {
		conf = "/etc/krb5.conf"
	}
	fail := func(err error) (*krb.Client, error) {
		return nil, &hintError{
			fmt.Errorf("the Hadoop configuration asks for Kerberos: %w", err),
			"kinit USER, with KRB5_CONFIG and KRB5CCNAME naming the files that it uses",
		}
	}
	settings, err := config.Load(conf)
	if err != nil {
		return fail(err)
	}
	name := os.Getenv("KRB5CCNAME")
	if kind, file, ok := strings.Cut(name, ":"); ok && kind != "FILE" {
		return fail(fmt.Errorf("KRB5CCNAME is %s; only files can be read", name))
	} else if ok {
		name = file
	}
	if name == "" {
		name = filepath.Join("/tmp", fmt.Sprintf("krb5cc_%d", os.Getuid()))
	}
	cache, err := credentials.LoadCCache(name)
	if err != nil {
		return fail(err)
	}
	client, err := krb.NewFromCCache(cache, settings)
	if err != nil {
		return fail(err)
	}
	return client, nil
}

// hintError is an error whose remedy is known.
type hintError struct {
	error
	hint string
}

func (e *hintError) Hint() string  { return e.hint }
func (e *hintError) Unwrap() error { return e.error }

// hadoopErrors says what an exception of a NameNode means, by the end of its
// name. Its first line says the rest.
var hadoopErrors = []struct {
	exception string
	is        error // nil: nothing that gen distinguishes
	hint      string
}{
	{"FileNotFoundException", os.ErrNotExist, ""},
	{"AccessControlException", os.ErrPermission, permissionHint},
	{"SafeModeException", ErrAway, "it leaves safe mode by itself when its DataNodes have come: hdfs dfsadmin -safemode get"},
	{"RetriableException", ErrAway, "the NameNode is starting: hdfs dfsadmin -safemode get"},
	{"StandbyException", ErrAway, standbyHint},
	{"NSQuotaExceededException", nil, quotaHint},
	{"DSQuotaExceededException", nil, quotaHint},
	{"QuotaByStorageTypeExceededException", nil, quotaHint},
}

const (
	permissionHint = "HADOOP_USER_NAME says who writes; hdfs dfs -ls -d shows who may"
	quotaHint      = "hdfs dfs -count -q shows the quota; a file that is being written counts a whole block: --block-size"
	standbyHint    = "hdfs haadmin -getAllServiceState shows which NameNode is active"
	nodesHint      = "is a DataNode up, and has it room? hdfs dfsadmin -report"
)

// errNoRoom is how a NameNode says that no DataNode takes a block: none is up,
// or none has room.
const errNoRoom = "could only be written to"

// remoteError returns what an exception of a NameNode means. Its message is a
// line, then the stack of the NameNode.
func remoteError(remote hdfs.Error) error {
	text, _, _ := strings.Cut(remote.Message(), "\n")
	err := errors.New(strings.TrimSpace(text))
	if text == "" {
		err = errors.New(remote.Exception())
	}
	if strings.Contains(text, errNoRoom) {
		return &hintError{&kindError{err, ErrAway}, nodesHint}
	}
	for _, e := range hadoopErrors {
		if strings.HasSuffix(remote.Exception(), "."+e.exception) {
			return &hintError{&kindError{err, e.is}, e.hint}
		}
	}
	return err
}

// kindError is an error that is also of a kind.
type kindError struct {
	error
	kind error
}

func (e *kindError) Unwrap() error        { return e.error }
func (e *kindError) Is(target error) bool { return e.kind != nil && target == e.kind }
