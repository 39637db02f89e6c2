package kafka

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseProperties(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"the three separators", "a=1\nb:2\nc 3\n", "1 a=1, 2 b=2, 3 c=3"},
		{"white space around them", "  a \t= 1\n\fb :2\nc\t\t3", "1 a=1, 2 b=2, 3 c=3"},
		{"only the first separates", "a==1\nb=x=y:z\nc  =  = 3", "1 a==1, 2 b=x=y:z, 3 c== 3"},
		{"no value", "a\nb=\nc:", "1 a=, 2 b=, 3 c="},
		{"comments and blank lines", "# a=1\n! b=2\n\n \t\n  # c\nd=4", "6 d=4"},
		{"a comment is not continued", "# a \\\nb=2", "2 b=2"},
		{"no comment behind a value", "a=1 # one", "1 a=1 # one"},
		{"continued lines", "a=1\\\n   2\\\n\t3\nb=4", "1 a=123, 4 b=4"},
		{"continued lines of Windows", "a=1\\\r\n  2\r\nb=3\r\n", "1 a=12, 3 b=3"},
		{"line ends of old Macs", "a=1\rb=\\\r2", "1 a=1, 2 b=2"},
		{"a continued line may look like a comment", "a=1\\\n#2", "1 a=1#2"},
		{"a blank line ends a continued one", "a=1\\\n\nb=2", "1 a=1, 3 b=2"},
		{"two backslashes are one", "a=1\\\\\nb=2", `1 a=1\, 2 b=2`},
		{"the file ends in a backslash", "a=1\\", "1 a=1"},
		{"a continued key", "ab\\\n  c=1", "1 abc=1"},
		{"escapes", `a\ b\=\:=\t\n\r\f\\\q\"`, "1 a b=:=\t\n\r\f\\q\""},
		{"unicode", `a=\u00e9\u20AC\uD83D\uDE00`, "1 a=é€😀"},
		{"bytes are Latin-1, as for Java", "a=\xe9", "1 a=é"},
		{"no expansion", "a=${b}\nb=1", "1 a=${b}, 2 b=1"},
		{"trailing white space stays", "a=1 \t", "1 a=1 \t"},
	} {
		entries, _, err := parseProperties([]byte(c.text))
		if got := entriesText(entries); err != nil || got != c.want {
			t.Errorf("%s: parseProperties(%q) = %q, %v, want %q", c.name, c.text, got, err, c.want)
		}
	}
}

func entriesText(entries []property) string {
	var texts []string
	for _, p := range entries {
		texts = append(texts, fmt.Sprintf("%d %s=%s", p.line, p.key, p.value))
	}
	return strings.Join(texts, ", ")
}

func TestMalformedEscape(t *testing.T) {
	for _, text := range []string{"\na=\\u12", "\na=\\uzzzz", "\na\\u00=1", "\na=\\u 123"} {
		if _, line, err := parseProperties([]byte(text)); err == nil || line != 2 {
			t.Errorf("parseProperties(%q) = line %d, %v, want an error in line 2", text, line, err)
		}
	}
}

// FuzzProperties writes a pair as java.util.Properties.store does and reads it
// back, behind whatever else may stand in a file.
func FuzzProperties(f *testing.F) {
	f.Add("# comment", "sasl.mechanism", "PLAIN")
	f.Add("a=1\\\r\n 2", "k e=y:", " value \\ # !")
	f.Add(`a=\u00e9`, "😀", "\n\r\t\f")
	f.Add("a=\\", "!", "=")
	f.Fuzz(func(t *testing.T, before, key, value string) {
		if !utf8.ValidString(key) || !utf8.ValidString(value) || key == "" {
			return // no Java string
		}
		text := before + "\n\n" + stored(key) + "=" + stored(value) + "\n"
		entries, _, err := parseProperties([]byte(text))
		if err != nil {
			return // of what stands before
		}
		last := entries[len(entries)-1]
		if last.key != key || last.value != value {
			t.Errorf("parseProperties(%q) ends in %q=%q, want %q=%q", text, last.key, last.value, key, value)
		}
	})
}

// stored escapes everything that means something in a properties file.
func stored(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case r < ' ' || r > '~':
			fmt.Fprintf(&b, `\u%04x`, r)
		case r >= 'a' && r <= 'z': // means something else behind a backslash
			b.WriteRune(r)
		default:
			b.WriteString(`\` + string(r))
		}
	}
	return b.String()
}

func TestParseLogin(t *testing.T) {
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required "
	for _, c := range []struct{ name, text, user, password string }{
		{"as in the manual", scram + `username="gen" password="hunter2";`, "gen", "hunter2"},
		{"the other order, single quotes", scram + `password='hunter2' username='gen';`, "gen", "hunter2"},
		{"white space", " " + scram + "\n username = \"gen\"\tpassword= \"hunter2\" ; ", "gen", "hunter2"},
		{"without quotes", scram + `username=gen password=hunter2;`, "gen", "hunter2"},
		{"separators in quotes", scram + `username="g=e;n" password="a b;c='d'";`, "g=e;n", "a b;c='d'"},
		{"escaped quotes", scram + `username="g\"n" password='a\'b\\c';`, `g"n`, `a'b\c`},
		{"escapes of C", scram + `username="a\tb" password="\101\7\477\n\q";`, "a\tb", "A\a'7\nq"},
		{"beyond ASCII", scram + `username="gén" password="пароль";`, "gén", "пароль"},
		{"another package, another flag", `shaded.ScramLoginModule SUFFICIENT username="gen" password="hunter2";`, "gen", "hunter2"},
		{"the last of two counts", scram + `username="a" username="gen" password="hunter2";`, "gen", "hunter2"},
	} {
		user, password, err := parseLogin(c.text, "ScramLoginModule")
		if err != nil || user != c.user || password != c.password {
			t.Errorf("%s: parseLogin(%s) = %q, %q, %v, want %q, %q", c.name, c.text, user, password, err, c.user, c.password)
		}
	}
}

// No error quotes any part of the text.
func TestParseLoginRefuses(t *testing.T) {
	const scram = "org.apache.kafka.common.security.scram.ScramLoginModule required "
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "want ScramLoginModule required"},
		{"a password alone", "hunter2", "want ScramLoginModule required"},
		{"another module", `org.apache.kafka.common.security.plain.PlainLoginModule required username="gen" password="hunter2";`, "want ScramLoginModule required"},
		{"a module that ends alike", `MyScramLoginModule required username="gen" password="hunter2";`, "want ScramLoginModule required"},
		{"no control flag", `ScramLoginModule username="gen" password="hunter2";`, "want ScramLoginModule required"},
		{"no semicolon", scram + `username="gen" password="hunter2"`, "no semicolon"},
		{"a quoted semicolon", scram + `username="gen" password="hunter2" ";"`, "no semicolon"},
		{"an open quote", scram + `username="gen" password="hunter2;`, "a quote is not closed"},
		{"an escape at the end", scram + `username="gen" password="hunter2\`, "a quote is not closed"},
		{"a quote inside", scram + `username="gen" password="hun"ter2";`, "a quote is not closed"},
		{"quotes inside", scram + `username="gen" password="hun"ter2"";`, "not of the form"},
		{"no value", scram + `username="gen" password=;`, "not of the form"},
		{"two modules", scram + `username="gen" password="hunter2"; ` + scram + `username="gen" password="hunter2";`, "not of the form"},
		{"no password", scram + `username="gen";`, "no password"},
		{"an empty password", scram + `username="gen" password="";`, "no password"},
		{"another option", scram + `username="gen" password="hunter2" tokenauth="true";`, "neither username nor password"},
	} {
		_, _, err := parseLogin(c.text, "ScramLoginModule")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: parseLogin(%s) = %v, want %q", c.name, c.text, err, c.want)
		} else if strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: parseLogin tells the password: %v", c.name, err)
		}
	}
}
