package kafka

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const plainLogin = `sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="gen" password="hunter2";`

func TestLoadPropertiesTunes(t *testing.T) {
	c := DefaultConfig(Target{Brokers: []string{"kafka1:9092"}, Topic: "ratings"})
	if err := c.LoadProperties(write(t, "client.properties", `
# Everything that changes neither login nor TLS, with white space at the ends.
bootstrap.servers=elsewhere:9092
client.id = load-a
compression.type=zstd\t
linger.ms=20\u0020\u0020
batch.size=262144
request.timeout.ms=5000
transaction.timeout.ms=12000
acks=all
enable.idempotence=True
`)); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(c.Client...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, o := range []struct {
		name      string
		got, want any
	}{
		{"brokers", fmt.Sprint(c.Brokers), "[kafka1:9092]"}, // the URL decides
		{"transaction.timeout.ms", c.TransactionTimeout, 12 * time.Second},
		{"client.id", client.OptValue(kgo.ClientID), "load-a"},
		{"linger.ms", client.OptValue(kgo.ProducerLinger), 20 * time.Millisecond},
		{"request.timeout.ms", client.OptValue(kgo.RequestTimeoutOverhead), 5 * time.Second},
		{"batch.size", client.OptValue(kgo.ProducerBatchMaxBytes), int32(262144)},
		{"compression.type", c.Compression, kgo.ZstdCompression()},
		{"security.protocol", c.Security, Security{Protocol: "PLAINTEXT", User: "ANONYMOUS"}},
	} {
		if o.got != o.want {
			t.Errorf("%s: %v, want %v", o.name, o.got, o.want)
		}
	}
}

// Each entry that is not taken is named by file, line and key, with a remedy;
// hunter2 is a secret in all of them.
func TestLoadPropertiesRefuses(t *testing.T) {
	ca := newAuthority(t)
	chain, key := ca.client("", nil)
	_, otherKey := ca.client("", nil)
	_, encrypted := ca.client("hunter2", nil)
	expired, expiredKey := ca.client("", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) })
	file := func(name, text string) string { return write(t, name, text) }
	legacy := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\naHVudGVyMg==\n-----END RSA PRIVATE KEY-----\n"
	cut := cutCiphertext(t, encrypted)

	const sasl = "security.protocol=SASL_PLAINTEXT\n"
	const ssl = "security.protocol=SSL\n"
	for _, c := range []struct{ name, text, what, hint string }{
		{"a misspelt key", "\nsasl.mechansim=PLAIN", ":2: gen does not know the key sasl.mechansim", "did you mean sasl.mechanism?"},
		{"a key of consumers", "group.id=x", ":1: gen does not know the key group.id", "take the line out; the keys that gen knows: acks batch.size "},
		{"a key that looks like one of ours", "ssl.truststore.pass=hunter2", "key ssl.truststore.pass", "did you mean ssl.truststore.password?"},
		{"a secret where a key was due", "acks=all\nhunter2", ":2: gen does not know the key in this line", "end that line with a backslash"},
		{"a key in PEM that was not continued", "ssl.keystore.key=-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGhunter2", ":2: gen does not know the key in this line", "end that line with a backslash"},
		{"a malformed escape", "client.id=a\n\nclient.id=\\uhunter2", `:3: \u wants four`, "write a backslash as"},
		{"acks", "acks=1", `:1: acks: "1": events are delivered exactly once, which wants all`, "take it out"},
		{"idempotence", "enable.idempotence=false", `enable.idempotence: "false": events are delivered exactly once`, "take it out"},
		{"compression", "compression.type=brotli", `"brotli": a topic takes gzip, lz4, none, snappy, zstd`, "mend the line"},
		{"no number", "linger.ms=fast", `linger.ms: "fast": want 0 to 60000 milliseconds`, "mend the line"},
		{"too small", "batch.size=0", `want 16384 to 104857600 bytes`, "mend the line"},
		{"a timeout that no transaction meets", "transaction.timeout.ms=10", `"10": want 1000 to 900000 milliseconds`, "mend the line"},
		{"a timeout that no broker takes", "transaction.timeout.ms=3600000", `want 1000 to 900000 milliseconds`, "mend the line"},
		{"no such protocol", "security.protocol=TLS", `:1: security.protocol: "TLS": want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL`, "SASL_SSL is"},

		{"a login without a mechanism: Java's is Kerberos", sasl + plainLogin, `sasl.mechanism: it is missing, which is GSSAPI for Java: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512`, "ask for"},
		{"another mechanism", sasl + "sasl.mechanism=OAUTHBEARER\n" + plainLogin, `:2: sasl.mechanism: "OAUTHBEARER": want PLAIN`, "ask for"},
		{"a login without user and password", sasl + "sasl.mechanism=PLAIN", `sasl.jaas.config: the login cannot be read`, `plain.PlainLoginModule required username="NAME"`},
		{"the module of another mechanism", sasl + "sasl.mechanism=SCRAM-SHA-256\n" + plainLogin, ":3: sasl.jaas.config", "scram.ScramLoginModule required"},
		{"a login that is not closed", sasl + "sasl.mechanism=PLAIN\n" + strings.TrimSuffix(plainLogin, ";"), "no semicolon", "plain.PlainLoginModule required"},

		{"a truststore of Java", ssl + "ssl.truststore.type=JKS\nssl.truststore.location=trust.jks\nssl.truststore.password=hunter2",
			":2: ssl.truststore.type: JKS: want PEM", "keytool -list -rfc -keystore trust.jks > trust.jks.pem; then ssl.truststore.type=PEM and ssl.truststore.location=trust.jks.pem"},
		{"a keystore of Java", ssl + "ssl.keystore.type=PKCS12\nssl.keystore.location=key.p12\nssl.keystore.password=hunter2",
			":2: ssl.keystore.type: PKCS12: want PEM", "openssl pkcs12 -in key.p12.p12 -nodes -out key.p12.pem; then ssl.keystore.type=PEM"},
		{"a truststore of Java that does not say so", ssl + "ssl.truststore.location=" + file("trust.jks", "\xfe\xed\xfe\xed hunter2"), "no PEM in it; Java keystores are not read", "keytool -list -rfc"},
		{"a password of a PEM store", ssl + "ssl.truststore.type=PEM\nssl.truststore.password=hunter2", ":3: ssl.truststore.password: a PEM store has no password", "take the line out"},
		{"no such truststore", ssl + "ssl.truststore.location=/nowhere/ca.pem", ":2: ssl.truststore.location: open /nowhere/ca.pem: no such file", "from where gen was started"},
		{"two truststores", ssl + "ssl.truststore.location=ca.pem\nssl.truststore.certificates=x", ":3: ssl.truststore.certificates: ssl.truststore.location is there too", "take out one"},
		{"a truststore with a key alone", ssl + "ssl.truststore.location=" + file("ca.pem", key), "no certificate in it", "openssl x509"},
		{"a damaged certificate", ssl + "ssl.truststore.location=" + file("ca.pem", pemText("CERTIFICATE", []byte("hunter2"))), "certificate 1: x509: malformed certificate", "openssl x509"},

		{"a keystore without a key", ssl + "ssl.keystore.location=" + file("key.pem", chain), "no private key in it", "openssl x509"},
		{"a key without its certificate", ssl + "ssl.keystore.key=hunter2", ":2: ssl.keystore.key: it goes with ssl.keystore.certificate.chain", "holds key and chain"},
		{"a certificate without its key", ssl + "ssl.keystore.certificate.chain=" + strings.ReplaceAll(chain, "\n", " "), "ssl.keystore.key: no PEM in it", "openssl x509"},
		{"a keystore with the key of another", ssl + "ssl.keystore.location=" + file("key.pem", chain+otherKey), "private key does not match", "first certificate"},
		{"a certificate that has expired", ssl + "ssl.keystore.location=" + file("key.pem", expired+expiredKey), "the certificate of CN=loader,O=test is valid from", "have it renewed"},
		{"an encrypted key without its password", ssl + "ssl.keystore.location=" + file("key.pem", chain+encrypted), "the private key is encrypted", "ssl.key.password decrypts it"},
		{"an encrypted key with another password", ssl + "ssl.key.password=ter2\nssl.keystore.location=" + file("key.pem", chain+encrypted), "ssl.key.password does not decrypt it", "openssl pkcs8"},
		{"an encrypted key that was cut", ssl + "ssl.key.password=hunter2\nssl.keystore.location=" + file("key.pem", chain+cut), "the private key is encrypted and damaged", "openssl pkcs8"},
		{"an encrypted key of the old form", ssl + "ssl.key.password=hunter2\nssl.keystore.location=" + file("key.pem", chain+legacy), "encrypted in the way before PKCS #8", "openssl pkcs8 -topk8"},
		{"another check of names", ssl + "ssl.endpoint.identification.algorithm=LDAPS", `"LDAPS": want https, or nothing`, "mend the line"},
	} {
		config, path := DefaultConfig(Target{}), file("client.properties", c.text)
		err := config.LoadProperties(path)
		var trouble *Trouble
		if !errors.As(err, &trouble) {
			t.Errorf("%s: %v, want a Trouble", c.name, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), path) || !strings.Contains(err.Error(), c.what) || !strings.Contains(trouble.Hint(), c.hint) {
			t.Errorf("%s: %v; hint: %s\n want %s; hint: %s", c.name, err, trouble.Hint(), c.what, c.hint)
		}
		if text := err.Error() + trouble.Hint(); regexp.MustCompile(`hunter|ter2|MIG|aHVu`).MatchString(strings.ReplaceAll(text, path, "")) {
			t.Errorf("%s: it tells a secret: %s", c.name, text)
		}
	}
}

// cutCiphertext takes the last byte from an encrypted key, so that it is no
// whole number of blocks.
func cutCiphertext(tb testing.TB, text string) string {
	tb.Helper()
	block, _ := pem.Decode([]byte(text))
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if _, err := asn1.Unmarshal(block.Bytes, &key); err != nil {
		tb.Fatal(err)
	}
	key.Data = key.Data[:len(key.Data)-1]
	der, err := asn1.Marshal(key)
	if err != nil {
		tb.Fatal(err)
	}
	return pemText(block.Type, der)
}

func TestLoadPropertiesWithoutAFile(t *testing.T) {
	for _, path := range []string{"/nowhere/client.properties", t.TempDir()} {
		config := DefaultConfig(Target{})
		err := config.LoadProperties(path)
		var failed *os.PathError
		var trouble *Trouble
		if !errors.As(err, &failed) || failed.Path != path || !errors.As(err, &trouble) {
			t.Errorf("LoadProperties(%s) = %v, want a Trouble that names the file", path, err)
		}
	}
}

// What stands in a line of its own in PEM may stand in a continued line.
func TestInlinePEM(t *testing.T) {
	ca := newAuthority(t)
	chain, key := ca.client("hunter2", nil)
	continued := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", " \\\n  ") }
	f := &clientFile{"client.properties", map[string]property{}}
	entries, _, err := parseProperties([]byte("ssl.truststore.certificates=" + continued(ca.pem()+ca.pem()) +
		"\nssl.keystore.certificate.chain=" + continued(chain) + "\nssl.keystore.key=" + continued(key) + "\nssl.key.password=hunter2\n"))
	if err != nil || len(entries) != 4 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, p := range entries {
		f.entries[p.key] = p
	}
	config, err := f.tls()
	if err != nil {
		t.Fatal(err)
	}
	want := x509.NewCertPool()
	want.AddCert(ca.certificate)
	if !config.RootCAs.Equal(want) || len(config.Certificates) != 1 || config.Certificates[0].Leaf.Subject.CommonName != "loader" {
		t.Errorf("tls = %d certificates, roots as wanted: %v", len(config.Certificates), config.RootCAs.Equal(want))
	}
}

// A key as openssl genpkey -aes256 writes it: PBES2 with PBKDF2 and SHA-256.
func TestKeyEncryptedByOpenSSL(t *testing.T) {
	b, err := os.ReadFile("testdata/openssl.key")
	if err != nil {
		t.Fatal(err)
	}
	der, err := privateKeyOf(string(b), "hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x509.ParsePKCS8PrivateKey(der); err != nil {
		t.Error(err)
	}
}
