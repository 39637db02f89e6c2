package kafka

import (
	"errors"
	"fmt"
	"strings"
)

// errLogin is wrapped by every error of parseLogin. None quotes the text: any
// part of it may be the password.
var errLogin = errors.New("the login cannot be read")

// parseLogin reads the user and the password from a sasl.jaas.config,
//
//	org.apache.kafka.common.security.scram.ScramLoginModule required username="gen" password="secret";
//
// with the quotes and escapes of java.io.StreamTokenizer, by which Kafka's
// JaasConfig reads it. module is the wanted login module, without its package.
func parseLogin(text, module string) (user, password string, err error) {
	tokens, err := jaasTokens(text)
	if err != nil {
		return "", "", err
	}
	example := fmt.Sprintf("want %s required username=... password=...;", module)
	if len(tokens) < 3 || !strings.HasSuffix("."+tokens[0].text, "."+module) || !controlFlag(tokens[1]) {
		return "", "", fmt.Errorf("%w: %s", errLogin, example)
	}
	if last := tokens[len(tokens)-1]; last != (jaasToken{";", false}) {
		return "", "", fmt.Errorf("%w: no semicolon at its end", errLogin)
	}
	options := tokens[2 : len(tokens)-1]
	for ; len(options) >= 3 && options[1] == (jaasToken{"=", false}) && !options[2].punctuation(); options = options[3:] {
		switch options[0].text {
		case "username":
			user = options[2].text
		case "password":
			password = options[2].text
		default:
			return "", "", fmt.Errorf("%w: an option is neither username nor password", errLogin)
		}
	}
	switch {
	case len(options) > 0:
		return "", "", fmt.Errorf("%w: an option is not of the form name=\"value\"; %s", errLogin, example)
	case user == "" || password == "":
		return "", "", fmt.Errorf("%w: no username or no password in it", errLogin)
	}
	return user, password, nil
}

type jaasToken struct {
	text   string
	quoted bool
}

func (t jaasToken) punctuation() bool { return !t.quoted && (t.text == "=" || t.text == ";") }

func controlFlag(t jaasToken) bool {
	switch strings.ToLower(t.text) {
	case "required", "requisite", "sufficient", "optional":
		return true
	}
	return false
}

func jaasTokens(s string) ([]jaasToken, error) {
	var tokens []jaasToken
	for s = strings.TrimLeft(s, " \t\r\n\f"); s != ""; s = strings.TrimLeft(s, " \t\r\n\f") {
		switch s[0] {
		case '=', ';':
			tokens, s = append(tokens, jaasToken{s[:1], false}), s[1:]
		case '"', '\'':
			text, rest, ok := unquote(s)
			if !ok {
				return nil, fmt.Errorf("%w: a quote is not closed", errLogin)
			}
			tokens, s = append(tokens, jaasToken{text, true}), rest
		default:
			end := strings.IndexAny(s, " \t\r\n\f=;\"'")
			if end < 0 {
				end = len(s)
			}
			tokens, s = append(tokens, jaasToken{s[:end], false}), s[end:]
		}
	}
	return tokens, nil
}

// unquote reads the string that s begins with, up to its closing quote, with
// the escapes of C.
func unquote(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == s[0]:
			return b.String(), s[i+1:], true
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(s):
			i++
			if s[i] < '0' || s[i] > '7' {
				b.WriteByte(unescape(s[i]))
				continue
			}
			octal := octalDigits(s[i:])
			code := 0
			for _, digit := range octal {
				code = code*8 + int(digit-'0')
			}
			b.WriteRune(rune(code))
			i += len(octal) - 1
		}
	}
	return "", "", false
}

// octalDigits returns the digits of the octal escape that s begins with: at
// most three, and at most 377.
func octalDigits(s string) string {
	most := 2
	if s[0] <= '3' {
		most = 3
	}
	end := 1
	for end < min(most, len(s)) && s[end] >= '0' && s[end] <= '7' {
		end++
	}
	return s[:end]
}

func unescape(c byte) byte {
	if i := strings.IndexByte("abfnrtv", c); i >= 0 {
		return "\a\b\f\n\r\t\v"[i]
	}
	return c
}
