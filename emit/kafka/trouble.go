package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Trouble is an error that the user can mend: what it is in one line, and
// the remedy. It never holds a secret.
type Trouble struct {
	What   string
	Remedy string
	Err    error // nil when there is no other behind it
}

func (t *Trouble) Error() string { return t.What }
func (t *Trouble) Unwrap() error { return t.Err }

// Hint returns the remedy.
func (t *Trouble) Hint() string { return t.Remedy }

// Explain returns err as a Trouble when it comes from a login, from TLS or
// from the authorizer of the broker; any other error is returned as it is.
func (c *Config) Explain(err error) error {
	var known *Trouble
	if err == nil || errors.As(err, &known) {
		return err
	}
	for _, explain := range []func(error) (what, remedy string){c.rightsTrouble, c.loginTrouble, c.certificateTrouble, c.protocolTrouble} {
		if what, remedy := explain(err); what != "" {
			return &Trouble{strings.Join(c.Brokers, ",") + ": " + what, remedy, err}
		}
	}
	return err
}

func (c *Config) rightsTrouble(err error) (what, remedy string) {
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("user %s has %v", c.user(), refused), c.grant(refused.Missing)
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return fmt.Sprintf("user %s has no right to Write on the run's transactional-id, which begins with %s", c.user(), transactionalPrefix),
			c.grant([]Right{{"Write", "transactional-id", transactionalPrefix}}) + " --resource-pattern-type prefixed"
	case IsRefused(err):
		return fmt.Sprintf("user %s has not all the rights that it needs: %v", c.user(), err),
			c.aclCommand("--list --principal " + quote("User:"+c.user()))
	}
	return "", ""
}

func (c *Config) loginTrouble(err error) (what, remedy string) {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		what = fmt.Sprintf("the broker refused the login of user %s by %s", c.user(), c.Security.Mechanism)
		// The broker's own words stand behind the name of the error.
		if _, said, ok := strings.Cut(err.Error(), kerr.SaslAuthenticationFailed.Error()+": "); ok {
			what += ": " + said
		}
		remedy = "check username and password in sasl.jaas.config"
		if strings.HasPrefix(c.Security.Mechanism, "SCRAM") {
			remedy += fmt.Sprintf("; whether the broker has them for this mechanism: kafka-configs.sh --bootstrap-server %s --command-config admin.properties --describe --entity-type users --entity-name %s",
				strings.Join(c.Brokers, ","), quote(c.user()))
		}
		return what, remedy
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "the broker has no login by " + c.Security.Mechanism, "ask which sasl.mechanism it has; gen knows PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512"
	case errors.Is(err, kerr.IllegalSaslState):
		return "the broker has no login on this port", "use security.protocol=" + strings.TrimPrefix(c.Security.Protocol, "SASL_") + ", or the port of another listener"
	}
	return "", ""
}

func (c *Config) certificateTrouble(err error) (what, remedy string) {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	show := fmt.Sprintf("openssl s_client -connect %s -showcerts </dev/null", c.Brokers[0])
	switch {
	case errors.As(err, &authority):
		return fmt.Sprintf("the broker's certificate is signed by %s, which is not in the truststore", authority.Cert.Issuer),
			"ssl.truststore.location wants the CA's certificate, in PEM; what the broker sends: " + show
	case errors.As(err, &host):
		return "the broker's certificate is one for another name: " + host.Error(),
			"name the broker in the URL as its certificate does; ssl.endpoint.identification.algorithm= lets any name pass, also that of an impostor with a certificate of the same CA"
	case errors.As(err, &invalid):
		return "the broker's certificate is not valid: " + invalid.Error(), "look at its dates, and at this machine's clock: " + show + " | openssl x509 -noout -dates"
	}
	return "", ""
}

// protocolTrouble knows how a broker treats a client that speaks another
// protocol than it does. Most of these brokers only end the connection.
func (c *Config) protocolTrouble(err error) (what, remedy string) {
	var eof *kgo.ErrFirstReadEOF
	var header tls.RecordHeaderError
	var remote *net.OpError
	closed := errors.As(err, &eof)
	text := err.Error()
	secure := strings.HasSuffix(c.Security.Protocol, "SSL")
	switch {
	case errors.Is(err, kerr.InvalidTimestamp):
		return "the event time of these records is too far from the broker's clock: " + text, "--record-time wall, or the topic's message.timestamp.after.max.ms and before.max.ms"
	// franz-go has no error of its own for a TLS alert where a length was due.
	case !secure && (closed || strings.Contains(text, "tls alert record")):
		return "the broker seems to want TLS on this port", "use --kafka-config with security.protocol=SASL_SSL, or SSL if it wants no login"
	case errors.As(err, &header), secure && closed && strings.Contains(text, "after a dial"):
		return "the broker seems to have no TLS on this port", "use security.protocol=" + strings.TrimSuffix(c.Security.Protocol, "SSL") + "PLAINTEXT, or the port of another listener"
	case closed:
		return "the broker ended the connection at the first request: it seems to want a login", "use security.protocol=SASL_SSL, with sasl.mechanism and sasl.jaas.config"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return "the broker refused the TLS connection: " + remote.Err.Error(), "it may want a client certificate that its CA has signed: ssl.keystore.location, in PEM"
	}
	return "", ""
}
