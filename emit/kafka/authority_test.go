package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/youmark/pkcs8"
)

// authority signs certificates of brokers and clients.
type authority struct {
	tb          testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{tb: tb, key: newKey(tb)}
	a.certificate = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	return a
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// sign signs a certificate for key, valid from yesterday on unless it says
// otherwise.
func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.tb.Helper()
	parent := a.certificate
	if parent == nil {
		parent = template
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Now().Add(-48 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, a.key)
	if err != nil {
		a.tb.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		a.tb.Fatal(err)
	}
	return certificate
}

// broker returns what a broker on 127.0.0.1 serves TLS with.
func (a *authority) broker(change func(*x509.Certificate)) *tls.Config {
	a.tb.Helper()
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "broker"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	if change != nil {
		change(template)
	}
	key := newKey(a.tb)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{a.sign(template, key).Raw}, PrivateKey: key}}}
}

// client returns the PEM of a client's certificate and of its key, in PKCS #8,
// encrypted when there is a password.
func (a *authority) client(password string, change func(*x509.Certificate)) (chain, key string) {
	a.tb.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "loader", Organization: []string{"test"}}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	private := newKey(a.tb)
	der, err := pkcs8.MarshalPrivateKey(private, []byte(password), nil)
	if err != nil {
		a.tb.Fatal(err)
	}
	kind := "PRIVATE KEY"
	if password != "" {
		kind = "ENCRYPTED PRIVATE KEY"
	}
	return pemText("CERTIFICATE", a.sign(template, private).Raw), pemText(kind, der)
}

func (a *authority) pem() string { return pemText("CERTIFICATE", a.certificate.Raw) }

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// write writes a file of the test and returns its path.
func write(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
