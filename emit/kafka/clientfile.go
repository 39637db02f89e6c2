package kafka

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/xrash/smetrics"
)

// Security is how a client.properties file reaches the brokers. It holds no
// secret: messages tell it.
type Security struct {
	Protocol  string // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
	Mechanism string // of SASL
	User      string // that the broker's ACLs know, as far as the client can tell
}

// LoadProperties reads a Java client.properties file, which Kafka's own tools
// take too, into the configuration. The addresses stay as they are. It returns
// a Trouble for a file that cannot be read and for an entry that it does not
// take.
func (c *Config) LoadProperties(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return &Trouble{err.Error(), "it is a Java client.properties file, the one that Kafka's own tools take as --command-config", err}
	}
	entries, line, err := parseProperties(text)
	if err != nil {
		return &Trouble{What: fmt.Sprintf("%s:%d: %v", path, line, err), Remedy: `write a backslash as \\`}
	}
	f := &clientFile{path, map[string]property{}}
	for _, p := range entries {
		p.value = strings.TrimFunc(p.value, func(r rune) bool { return r <= ' ' }) // as Kafka does
		set, known := settings[p.key]
		if !known {
			return f.unknown(p)
		}
		f.entries[p.key] = p
		if set == nil {
			continue
		}
		if err := set(c, p.value); err != nil {
			return f.trouble(p.key, err.Error(), "")
		}
	}
	return f.secure(c)
}

// settings are the keys that a file may hold. A nil function stands for those
// of secure, which have to be read together.
var settings = map[string]func(c *Config, value string) error{
	"bootstrap.servers": func(*Config, string) error { return nil }, // the URL of the target decides
	"client.id": func(c *Config, value string) error {
		c.Client = append(c.Client, kgo.ClientID(value))
		return nil
	},
	"compression.type": func(c *Config, value string) error {
		codec, err := ParseCompression(value)
		if err != nil {
			return fmt.Errorf("%q: %w", value, err)
		}
		c.Compression = codec
		return nil
	},
	// Below Java's default the cursor record might not fit into a batch; above
	// 100 MiB no request does.
	"batch.size": number(16384, 100<<20, "bytes", func(c *Config, n int) { c.Client = append(c.Client, kgo.ProducerBatchMaxBytes(int32(n))) }),
	"linger.ms":  number(0, 60_000, "milliseconds", func(c *Config, n int) { c.Client = append(c.Client, kgo.ProducerLinger(milliseconds(n))) }),
	"request.timeout.ms": number(100, 900_000, "milliseconds", func(c *Config, n int) {
		c.Client = append(c.Client, kgo.RequestTimeoutOverhead(milliseconds(n)))
	}),
	// 900,000 is the transaction.max.timeout.ms of a broker that does not say
	// another.
	"transaction.timeout.ms": number(1000, 900_000, "milliseconds", func(c *Config, n int) { c.TransactionTimeout = milliseconds(n) }),

	// What gen does anyway may stand there.
	"acks":               fixed("events are delivered exactly once, which wants all", "all", "-1"),
	"enable.idempotence": fixed("events are delivered exactly once, which wants true", "true"),

	"security.protocol": nil, "sasl.mechanism": nil, "sasl.jaas.config": nil,
	"ssl.truststore.type": nil, "ssl.truststore.location": nil, "ssl.truststore.password": nil, "ssl.truststore.certificates": nil,
	"ssl.keystore.type": nil, "ssl.keystore.location": nil, "ssl.keystore.password": nil, "ssl.keystore.certificate.chain": nil,
	"ssl.keystore.key": nil, "ssl.key.password": nil, "ssl.endpoint.identification.algorithm": nil,
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func number(least, most int, unit string, set func(*Config, int)) func(*Config, string) error {
	return func(c *Config, value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q: want %d to %d %s", value, least, most, unit)
		}
		set(c, n)
		return nil
	}
}

func fixed(why string, values ...string) func(*Config, string) error {
	return func(_ *Config, value string) error {
		if !slices.Contains(values, strings.ToLower(value)) {
			return fmt.Errorf("%q: %s", value, why)
		}
		return nil
	}
}

// clientFile is a client.properties file while it is read.
type clientFile struct {
	path    string
	entries map[string]property
}

func (f *clientFile) get(key string) string { return f.entries[key].value }

// trouble names the file, the line and the key of what is wrong.
func (f *clientFile) trouble(key, what, remedy string) error {
	at := f.path
	if p, ok := f.entries[key]; ok {
		at = fmt.Sprintf("%s:%d", f.path, p.line)
	}
	if remedy == "" {
		remedy = "mend the line, or take it out for what gen does by itself"
	}
	return &Trouble{What: fmt.Sprintf("%s: %s: %s", at, key, what), Remedy: remedy}
}

// keyLike is what a key looks like. Anything else may be a part of a secret
// whose line was not continued.
var keyLike = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)+$`)

// unknown says that a key is not taken, and the nearest one that is.
func (f *clientFile) unknown(p property) error {
	keys := slices.Sorted(maps.Keys(settings))
	near, best := "", 0.9
	for _, key := range keys {
		if match := smetrics.JaroWinkler(p.key, key, 0.7, 4); match > best {
			near, best = key, match
		}
	}
	t := &Trouble{
		What:   fmt.Sprintf("%s:%d: gen does not know the key %s", f.path, p.line, p.key),
		Remedy: "take the line out; the keys that gen knows: " + strings.Join(keys, " "),
	}
	switch {
	case near != "":
		t.Remedy = "did you mean " + near + "?"
	case !keyLike.MatchString(p.key):
		t.What = fmt.Sprintf("%s:%d: gen does not know the key in this line", f.path, p.line)
		t.Remedy = `take it out; or if it belongs to the value before, end that line with a backslash`
	}
	return t
}

// secure reads the keys that say who talks to whom, and how the other side is
// known.
func (f *clientFile) secure(c *Config) error {
	c.Security = Security{Protocol: "PLAINTEXT", User: "ANONYMOUS"}
	if protocol := f.get("security.protocol"); protocol != "" {
		c.Security.Protocol = strings.ToUpper(protocol)
	}
	switch c.Security.Protocol {
	case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
	default:
		return f.trouble("security.protocol", fmt.Sprintf("%q: want PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", c.Security.Protocol),
			"SASL_SSL is a login over TLS; SSL is TLS without a login, or with a client certificate")
	}
	if strings.HasSuffix(c.Security.Protocol, "SSL") {
		config, err := f.tls()
		if err != nil {
			return err
		}
		if len(config.Certificates) > 0 {
			c.Security.User = config.Certificates[0].Leaf.Subject.String()
		}
		c.Client = append(c.Client, kgo.DialTLSConfig(config))
	}
	if strings.HasPrefix(c.Security.Protocol, "SASL") {
		mechanism, err := f.sasl(&c.Security)
		if err != nil {
			return err
		}
		c.Client = append(c.Client, kgo.SASL(mechanism))
	}
	return nil
}

// Mechanisms of SASL, and the login module that Java wants for each.
var loginModules = map[string]string{"PLAIN": "PlainLoginModule", "SCRAM-SHA-256": "ScramLoginModule", "SCRAM-SHA-512": "ScramLoginModule"}

func (f *clientFile) sasl(s *Security) (sasl.Mechanism, error) {
	s.Mechanism = "GSSAPI" // Java's default
	if mechanism := f.get("sasl.mechanism"); mechanism != "" {
		s.Mechanism = mechanism
	}
	module, ok := loginModules[s.Mechanism]
	if !ok {
		said := fmt.Sprintf("%q", s.Mechanism)
		if f.get("sasl.mechanism") == "" {
			said = "it is missing, which is GSSAPI for Java"
		}
		return nil, f.trouble("sasl.mechanism", said+": want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
			"ask for such a login, or reach the brokers with a client certificate: security.protocol=SSL")
	}
	user, password, err := parseLogin(f.get("sasl.jaas.config"), module)
	if err != nil {
		return nil, f.trouble("sasl.jaas.config", err.Error(),
			fmt.Sprintf(`sasl.jaas.config=%s required username="NAME" password="PASSWORD";`, fullModules[module]))
	}
	s.User = user
	switch s.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
}

var fullModules = map[string]string{
	"PlainLoginModule": "org.apache.kafka.common.security.plain.PlainLoginModule",
	"ScramLoginModule": "org.apache.kafka.common.security.scram.ScramLoginModule",
}
