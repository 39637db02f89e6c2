package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/youmark/pkcs8"
)

// tls reads the keys ssl.*. Stores are PEM: other formats are refused with the
// command that converts them.
func (f *clientFile) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	store, key, err := f.store("ssl.truststore", "ssl.truststore.certificates")
	if err != nil {
		return nil, err
	}
	if key != "" {
		authorities, err := certificates(store)
		if err != nil {
			return nil, f.badStore(key, err)
		}
		config.RootCAs = x509.NewCertPool()
		for _, authority := range authorities {
			config.RootCAs.AddCert(authority)
		}
	}
	if config.Certificates, err = f.clientCertificate(); err != nil {
		return nil, err
	}
	const identification = "ssl.endpoint.identification.algorithm"
	switch algorithm := f.get(identification); {
	case strings.EqualFold(algorithm, "https"):
	case algorithm != "":
		return nil, f.trouble(identification, fmt.Sprintf("%q: want https, or nothing to let any name pass", algorithm), "")
	case f.entries[identification].line > 0:
		anyName(config)
	}
	return config, nil
}

// anyName lets a broker's certificate name any host. An authority must still
// have signed it.
func anyName(config *tls.Config) {
	config.InsecureSkipVerify = true
	config.VerifyConnection = func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: config.RootCAs, Intermediates: x509.NewCertPool()}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}
}

// clientCertificate returns the certificate by which the broker knows the
// client, if the file has one.
func (f *clientFile) clientCertificate() ([]tls.Certificate, error) {
	const inlineChain, inlineKey = "ssl.keystore.certificate.chain", "ssl.keystore.key"
	chain, key, err := f.store("ssl.keystore", inlineChain)
	switch {
	case err != nil:
		return nil, err
	case key != inlineChain && f.get(inlineKey) != "":
		return nil, f.trouble(inlineKey, "it goes with "+inlineChain, "a file that ssl.keystore.location names holds key and chain; without a file both stand here")
	case key == "":
		return nil, nil
	}
	private, privateKey := chain, key // a file holds both
	if key == inlineChain {
		private, privateKey = f.get(inlineKey), inlineKey
	}
	leaf, err := certificates(chain)
	if err != nil {
		return nil, f.badStore(key, err)
	}
	der, err := privateKeyOf(private, f.get("ssl.key.password"))
	if err != nil {
		return nil, f.badStore(privateKey, err)
	}
	var chainPEM []byte
	for _, certificate := range leaf {
		chainPEM = append(chainPEM, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})...)
	}
	pair, err := tls.X509KeyPair(chainPEM, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		return nil, f.trouble(privateKey, err.Error(), "the key must be that of the first certificate of the chain")
	}
	if now := time.Now(); now.After(leaf[0].NotAfter) || now.Before(leaf[0].NotBefore) {
		return nil, f.trouble(key, fmt.Sprintf("the certificate of %s is valid from %s to %s only", leaf[0].Subject, leaf[0].NotBefore.Format(time.DateTime), leaf[0].NotAfter.Format(time.DateTime)),
			"have it renewed by the authority that signed it")
	}
	return []tls.Certificate{pair}, nil
}

// store returns the text of a PEM store and the key that gave it, "" when
// there is none: NAME.location, a file, or inline.
func (f *clientFile) store(name, inline string) (text, key string, err error) {
	location := f.get(name + ".location")
	if kind := f.get(name + ".type"); kind != "" && !strings.EqualFold(kind, "PEM") {
		return "", "", f.trouble(name+".type", kind+": want PEM", convert(name, location))
	}
	switch text = f.get(inline); {
	case f.get(name+".password") != "":
		return "", "", f.trouble(name+".password", "a PEM store has no password", "take the line out; ssl.key.password is that of an encrypted key")
	case text != "" && location != "":
		return "", "", f.trouble(inline, name+".location is there too", "take out one of the two")
	case text != "":
		return text, inline, nil
	case location == "":
		return "", "", nil
	}
	b, err := os.ReadFile(location)
	if err != nil {
		return "", "", f.trouble(name+".location", err.Error(), "a relative path is one from where gen was started")
	}
	return string(b), name + ".location", nil
}

// convert returns the way from a Java keystore to PEM.
func convert(store, location string) string {
	if location == "" {
		location = "STORE"
	}
	command := "keytool -list -rfc -keystore %[1]s > %[1]s.pem"
	if store == "ssl.keystore" {
		command = "keytool -importkeystore -srckeystore %[1]s -destkeystore %[1]s.p12 -deststoretype PKCS12 && openssl pkcs12 -in %[1]s.p12 -nodes -out %[1]s.pem"
	}
	return fmt.Sprintf(command+"; then %[2]s.type=PEM and %[2]s.location=%[1]s.pem", location, store)
}

// Errors of PEM stores.
var (
	errNoPEM     = errors.New("no PEM in it; Java keystores are not read")
	errEncrypted = errors.New("the private key is encrypted")
)

// badStore says what is wrong with the store that a key gives.
func (f *clientFile) badStore(key string, err error) error {
	name := "ssl.truststore"
	if strings.HasPrefix(key, "ssl.keystore") {
		name = "ssl.keystore"
	}
	location, remedy := f.get(name+".location"), "openssl x509 -noout -text shows what a certificate holds"
	switch {
	case errors.Is(err, errNoPEM) && location != "":
		remedy = convert(name, location)
	case errors.Is(err, errEncrypted):
		remedy = "ssl.key.password decrypts it, if it is PKCS #8 with PBES2: openssl pkcs8 -topk8 -in KEY writes that"
	}
	what := err.Error()
	if location != "" {
		what = location + ": " + what
	}
	return f.trouble(key, what, remedy)
}

// pemEdge finds the lines around a PEM block. In a property, where lines are
// continued, they have become one.
var pemEdge = regexp.MustCompile(`\s*(-----(?:BEGIN|END) [A-Z0-9 ]+-----)\s*`)

// pemBlocks returns the blocks whose type ends in kind.
func pemBlocks(text, kind string) (blocks []*pem.Block, err error) {
	some := false
	block, rest := pem.Decode([]byte(pemEdge.ReplaceAllString(text, "\n$1\n")))
	for ; block != nil; block, rest = pem.Decode(rest) {
		some = true
		if strings.HasSuffix(block.Type, kind) {
			blocks = append(blocks, block)
		}
	}
	switch {
	case !some:
		return nil, errNoPEM
	case len(blocks) == 0:
		return nil, fmt.Errorf("no %s in it", strings.ToLower(kind))
	}
	return blocks, nil
}

func certificates(text string) ([]*x509.Certificate, error) {
	blocks, err := pemBlocks(text, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	list := make([]*x509.Certificate, len(blocks))
	for i, block := range blocks {
		if list[i], err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	return list, nil
}

// privateKeyOf returns the private key in a text, decrypted.
func privateKeyOf(text, password string) (der []byte, err error) {
	blocks, err := pemBlocks(text, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	block := blocks[0]
	if block.Type != "ENCRYPTED PRIVATE KEY" {
		if block.Headers["DEK-Info"] != "" {
			return nil, fmt.Errorf("%w in the way before PKCS #8", errEncrypted)
		}
		return block.Bytes, nil
	}
	if password == "" {
		return nil, errEncrypted
	}
	// The library panics at a ciphertext that was cut.
	defer func() {
		if recover() != nil {
			der, err = nil, fmt.Errorf("%w and damaged", errEncrypted)
		}
	}()
	key, err := pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password))
	if err != nil {
		return nil, fmt.Errorf("%w and ssl.key.password does not decrypt it: %w", errEncrypted, err)
	}
	return x509.MarshalPKCS8PrivateKey(key)
}
