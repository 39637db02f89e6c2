package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// properties is what a client.properties file says, apart from the truststore.
type properties struct{ protocol, mechanism, password, more string }

// text returns the file. The user is gen.
func (p properties) text(ca string) string {
	module := fullModules[loginModules[p.mechanism]]
	return fmt.Sprintf("security.protocol=%s\nssl.truststore.type=PEM\nssl.truststore.location=%s\nsasl.mechanism=%s\nsasl.jaas.config=%s required \\\r\n username=\"gen\" password=\"%s\";\n%s\n",
		p.protocol, ca, p.mechanism, module, p.password, p.more)
}

// secureCluster starts a fake broker and returns the configuration that
// reaches it with these properties.
func secureCluster(tb testing.TB, ca *authority, p properties, opts ...kfake.Opt) Config {
	tb.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	config := DefaultConfig(Target{Brokers: c.ListenAddrs(), Topic: "ratings"})
	config.Owner, config.Say = "test", tb.Logf
	if err := config.LoadProperties(write(tb, "client.properties", p.text(write(tb, "ca.pem", ca.pem())))); err != nil {
		tb.Fatal(err)
	}
	return config
}

// login makes a broker ask for a login that only user gen has.
func login(mechanism string) []kfake.Opt {
	return []kfake.Opt{kfake.EnableSASL(), kfake.Superuser(mechanism, "gen", "hunter2")}
}

func TestDeliverSecurely(t *testing.T) {
	ca := newAuthority(t)
	chain, key := ca.client("hunter2", nil)
	clients := x509.NewCertPool()
	clients.AddCert(ca.certificate)
	mutual := ca.broker(nil)
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, clients
	keystore := "ssl.keystore.type=PEM\nssl.key.password=hunter2\nssl.keystore.location=" + write(t, "key.pem", chain+key)
	otherName := ca.broker(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"kafka1"} })
	for _, c := range []struct {
		name   string
		p      properties
		broker []kfake.Opt
	}{
		{"PLAIN over TLS", properties{"SASL_SSL", "PLAIN", "hunter2", ""}, append(login("PLAIN"), kfake.TLS(ca.broker(nil)))},
		{"SCRAM-SHA-256 over TLS", properties{"SASL_SSL", "SCRAM-SHA-256", "hunter2", ""}, append(login("SCRAM-SHA-256"), kfake.TLS(ca.broker(nil)))},
		{"SCRAM-SHA-512 over TLS", properties{"SASL_SSL", "SCRAM-SHA-512", "hunter2", ""}, append(login("SCRAM-SHA-512"), kfake.TLS(ca.broker(nil)))},
		{"SCRAM-SHA-512 without TLS", properties{"SASL_PLAINTEXT", "SCRAM-SHA-512", "hunter2", ""}, login("SCRAM-SHA-512")},
		{"TLS without a login", properties{"SSL", "PLAIN", "unused", ""}, []kfake.Opt{kfake.TLS(ca.broker(nil))}},
		{"a client certificate", properties{"SSL", "PLAIN", "unused", keystore}, []kfake.Opt{kfake.TLS(mutual)}},
		{"any name", properties{"SSL", "PLAIN", "unused", "ssl.endpoint.identification.algorithm="}, []kfake.Opt{kfake.TLS(otherName)}},
		{"neither", properties{"PLAINTEXT", "PLAIN", "unused", ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, seq := secureCluster(t, ca, c.p, c.broker...), testSequence(t)
			if _, err := newDelivery(config, seq, 500).Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
			check(t, config, seq, 500)
		})
	}
}

func TestConnectionTroubles(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	secure := kfake.TLS(ca.broker(nil))
	otherName := kfake.TLS(ca.broker(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"kafka1"} }))
	expired := kfake.TLS(ca.broker(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }))
	mutual := ca.broker(nil)
	mutual.ClientAuth = tls.RequireAnyClientCert
	for _, c := range []struct {
		name       string
		p          properties
		broker     []kfake.Opt
		what, hint string
	}{
		{"TLS is missing", properties{"PLAINTEXT", "PLAIN", "x", ""}, []kfake.Opt{secure},
			"seems to want TLS on this port", "security.protocol=SASL_SSL"},
		{"TLS is missing before a login", properties{"SASL_PLAINTEXT", "PLAIN", "hunter2", ""}, append(login("PLAIN"), secure),
			"seems to want TLS on this port", "security.protocol=SASL_SSL"},
		{"another authority", properties{"SSL", "PLAIN", "x", ""}, []kfake.Opt{kfake.TLS(stranger.broker(nil))},
			"signed by CN=test CA, which is not in the truststore", "ssl.truststore.location"},
		{"another authority, any name", properties{"SSL", "PLAIN", "x", "ssl.endpoint.identification.algorithm="}, []kfake.Opt{kfake.TLS(stranger.broker(nil))},
			"signed by CN=test CA, which is not in the truststore", "ssl.truststore.location"},
		{"another name", properties{"SSL", "PLAIN", "x", ""}, []kfake.Opt{otherName},
			"is one for another name", "ssl.endpoint.identification.algorithm="},
		{"an expired certificate", properties{"SSL", "PLAIN", "x", ""}, []kfake.Opt{expired},
			"is not valid: x509: certificate has expired", "openssl x509 -noout -dates"},
		{"no client certificate", properties{"SSL", "PLAIN", "x", ""}, []kfake.Opt{kfake.TLS(mutual)},
			"refused the TLS connection: tls: certificate required", "ssl.keystore.location"},
	} {
		t.Run(c.name, func(t *testing.T) { wantTrouble(t, secureCluster(t, ca, c.p, c.broker...), c.what, c.hint) })
	}
}

// wantTrouble connects and wants a trouble, before the ten seconds after which
// the command gives up.
func wantTrouble(t *testing.T, config Config, what, hint string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := Connect(ctx, config, true)
	if err == nil {
		conn.Close()
	}
	var trouble *Trouble
	if err = config.Explain(err); !errors.As(err, &trouble) {
		t.Fatalf("%v, want a Trouble: %s", err, what)
	}
	if !strings.HasPrefix(err.Error(), config.Brokers[0]+": ") || !strings.Contains(err.Error(), what) || !strings.Contains(trouble.Hint(), hint) {
		t.Errorf("%v; hint: %s\nwant %s; hint: %s", err, trouble.Hint(), what, hint)
	}
	if strings.Contains(err.Error()+trouble.Hint(), "hunter2") {
		t.Errorf("it tells a secret: %v; hint: %s", err, trouble.Hint())
	}
	if again := config.Explain(err); again.Error() != err.Error() {
		t.Errorf("explained twice: %v", again)
	}
}

// kfake waits for the rest of the request that a TLS handshake looks like;
// Kafka ends the connection.
func TestBrokerWithoutTLS(t *testing.T) {
	for protocol, hint := range map[string]string{"SSL": "security.protocol=PLAINTEXT,", "SASL_SSL": "security.protocol=SASL_PLAINTEXT,"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
				_, _ = conn.Read(make([]byte, 4096)) // all of the handshake, or the end would be a reset
				conn.Close()
			}
		}()
		ca := newAuthority(t)
		config := secureCluster(t, ca, properties{protocol, "PLAIN", "hunter2", ""})
		config.Brokers = []string{listener.Addr().String()}
		wantTrouble(t, config, "seems to have no TLS on this port", hint)
	}
}

// kfake ends the connection where Kafka answers: these are Kafka's answers.
func TestAnswersOfKafka(t *testing.T) {
	config := DefaultConfig(Target{Brokers: []string{"kafka1:9092"}, Topic: "ratings"})
	said := fmt.Errorf("%w: Authentication failed due to invalid credentials", kerr.SaslAuthenticationFailed)
	alert := errors.New("invalid large response size 352518912 > limit 104857600; the first three bytes received appear to be a tls alert record for TLS v1.2; is this a plaintext connection speaking to a tls endpoint?")
	for _, c := range []struct {
		protocol   string
		err        error
		what, hint string
	}{
		{"SASL_SSL", said, "kafka1:9092: the broker refused the login of user gen by SCRAM-SHA-512: Authentication failed due to invalid credentials", "check username and password in sasl.jaas.config"},
		{"SASL_SSL", kerr.UnsupportedSaslMechanism, "the broker has no login by SCRAM-SHA-512", "gen knows PLAIN"},
		{"SASL_SSL", kerr.IllegalSaslState, "the broker has no login on this port", "security.protocol=SSL,"},
		{"PLAINTEXT", alert, "seems to want TLS on this port", "security.protocol=SASL_SSL, or SSL"},
		{"", alert, "seems to want TLS on this port", "use --kafka-config"}, // no file at all
		{"PLAINTEXT", kerr.TopicAuthorizationFailed, "user gen has not all the rights that it needs", "--list --principal User:gen"},
	} {
		config.Security = Security{c.protocol, "SCRAM-SHA-512", "gen"}
		var trouble *Trouble
		err := config.Explain(fmt.Errorf("somewhere: %w", c.err))
		if !errors.As(err, &trouble) || !strings.Contains(err.Error(), c.what) || !strings.Contains(trouble.Hint(), c.hint) {
			t.Errorf("%v: %v; hint: %s\nwant %s; hint: %s", c.err, err, trouble.Hint(), c.what, c.hint)
		}
	}
	var trouble *Trouble
	if err := config.Explain(context.Canceled); config.Explain(nil) != nil || !errors.Is(err, context.Canceled) || errors.As(err, &trouble) {
		t.Errorf("what is no trouble is explained: %v", err)
	}
}

// rights are those that a delivery and a reader need at least, and Create.
func rights() []kfake.ACL {
	allow := func(resource kmsg.ACLResourceType, name string, operations ...kmsg.ACLOperation) (acls []kfake.ACL) {
		for _, operation := range operations {
			pattern := kmsg.ACLResourcePatternTypeLiteral
			if resource == kmsg.ACLResourceTypeTransactionalId {
				pattern = kmsg.ACLResourcePatternTypePrefixed
			}
			acls = append(acls, kfake.ACL{Resource: resource, Name: name, Pattern: pattern, Operation: operation, Allow: true})
		}
		return acls
	}
	return slices.Concat(
		allow(kmsg.ACLResourceTypeTopic, "ratings", kmsg.ACLOperationWrite, kmsg.ACLOperationRead, kmsg.ACLOperationCreate),
		allow(kmsg.ACLResourceTypeTopic, "gen.cursors", kmsg.ACLOperationWrite, kmsg.ACLOperationRead, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationCreate),
		allow(kmsg.ACLResourceTypeTransactionalId, transactionalPrefix, kmsg.ACLOperationWrite))
}

func limited(acls []kfake.ACL) []kfake.Opt {
	return []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "x"), kfake.User("SCRAM-SHA-256", "gen", "hunter2", acls...)}
}

// Each right that is taken away is named, with the command that gives it.
func TestRights(t *testing.T) {
	ca, seq := newAuthority(t), testSequence(t)
	p := properties{"SASL_PLAINTEXT", "SCRAM-SHA-256", "hunter2", ""}
	all := rights()
	config := secureCluster(t, ca, p, limited(all)...)
	if _, err := newDelivery(config, seq, 500).Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, config, seq, 500)
	for i, right := range all {
		operation, name := operationName(right.Operation), right.Name
		if operation == "Read" && name == "ratings" {
			continue // a delivery does without it
		}
		resource := map[kmsg.ACLResourceType]string{kmsg.ACLResourceTypeTopic: "topic", kmsg.ACLResourceTypeTransactionalId: "transactional-id"}[right.Resource]
		t.Run(operation+" on "+resource+" "+name, func(t *testing.T) {
			config := secureCluster(t, ca, p, limited(slices.Delete(slices.Clone(all), i, i+1))...)
			_, err := newDelivery(config, seq, 500).Deliver(t.Context())
			var trouble *Trouble
			if err = config.Explain(err); !errors.As(err, &trouble) {
				t.Fatalf("%v, want a Trouble", err)
			}
			command := fmt.Sprintf("kafka-acls.sh --bootstrap-server %s --command-config admin.properties --add --allow-principal User:gen --operation %s --%s %s",
				config.Brokers[0], operation, resource, name)
			if !strings.Contains(err.Error(), "user gen has no right to "+operation+" on ") || !strings.Contains(err.Error(), name) || !strings.HasPrefix(trouble.Hint(), command) {
				t.Errorf("%v; hint: %s\nwant hint: %s", err, trouble.Hint(), command)
			}
		})
	}
}

// Without any right on a topic nobody is told even that it is there.
func TestNoRightAtAll(t *testing.T) {
	config := secureCluster(t, newAuthority(t), properties{"SASL_PLAINTEXT", "SCRAM-SHA-256", "hunter2", ""}, limited(nil)...)
	_, err := newDelivery(config, testSequence(t), 1).Deliver(t.Context())
	want := "user gen has no right to Write on topic ratings, nor to Write, Read, DescribeConfigs on topic gen.cursors"
	if err = config.Explain(err); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Deliver = %v, want %s", err, want)
	}
}

// One run needs no Read on the topic. Another one looks whether its own
// records stand there.
func TestRunsWithoutRead(t *testing.T) {
	seq := testSequence(t)
	acls := slices.DeleteFunc(rights(), func(right kfake.ACL) bool { return right.Name == "ratings" && right.Operation == kmsg.ACLOperationRead })
	config := secureCluster(t, newAuthority(t), properties{"SASL_PLAINTEXT", "SCRAM-SHA-256", "hunter2", ""}, limited(acls)...)
	if _, err := newDelivery(config, seq, 500).Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newDelivery(config, seq, 500)
	other.Run.Name = "other"
	_, err := other.Deliver(t.Context())
	want := "user gen has no right to Read on topic ratings"
	if err = config.Explain(err); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Deliver = %v, want %s", err, want)
	}
}

func TestRightsOfAReader(t *testing.T) {
	ca, seq := newAuthority(t), testSequence(t)
	p := properties{"SASL_PLAINTEXT", "SCRAM-SHA-256", "hunter2", ""}
	var acls []kfake.ACL
	for _, right := range rights() {
		if right.Operation != kmsg.ACLOperationRead {
			acls = append(acls, right)
		}
	}
	config := secureCluster(t, ca, p, append(limited(acls), kfake.SeedTopics(6, "ratings"), kfake.SeedTopics(16, "gen.cursors"))...)
	conn, err := Connect(t.Context(), config, false)
	if err == nil {
		conn.Close()
	}
	want := "user gen has no right to Read on topic ratings, nor to Read on topic gen.cursors"
	if err = config.Explain(err); err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Connect = %v, want %s", err, want)
	}
	if _, err := newDelivery(config, seq, 1).Deliver(t.Context()); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("Deliver = %v, want the broker's error behind it", err)
	}
}

// A right that is withdrawn while events are sent.
func TestRefusedRecord(t *testing.T) {
	var a acks
	a.done(&kgo.Record{Topic: "gen.cursors"}, fmt.Errorf("produce: %w", kerr.TopicAuthorizationFailed))
	a.done(&kgo.Record{Topic: "ratings"}, kerr.OperationNotAttempted)
	var refused *RefusedError
	if err := a.failure(); !errors.As(err, &refused) || refused.Error() != "no right to Write on topic gen.cursors" || !fatal(err) {
		t.Errorf("failure = %v, want the right that is missing, and the end", err)
	}
}

func TestTransactionalPrefix(t *testing.T) {
	if id := transactionalID("ratings", "seed-42", onlyShard); !strings.HasPrefix(id, transactionalPrefix) {
		t.Errorf("transactional id %s does not begin with %s, which the hint asks a right for", id, transactionalPrefix)
	}
}

func TestQuote(t *testing.T) {
	for word, want := range map[string]string{"User:gen": "User:gen", "CN=a, O=b": "'CN=a, O=b'", "it's": `'it'\''s'`, "*": "'*'"} {
		if got := quote(word); got != want {
			t.Errorf("quote(%s) = %s, want %s", word, got, want)
		}
	}
}
