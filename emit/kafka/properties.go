package kafka

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
)

// property is an entry of a Java properties file.
type property struct {
	key, value string
	line       int // its first, from 1 on
}

// errUnicodeEscape is returned for \u without four hexadecimal digits.
var errUnicodeEscape = errors.New(`\u wants four hexadecimal digits`)

// parseProperties reads what java.util.Properties.load reads from a stream of
// bytes: Latin-1, comments, continued lines, escapes. The entries stand in the
// order of the file. With an error comes the line that it is in.
//
// The library github.com/magiconair/properties v1.18.12 was tried: it has no
// line numbers, takes a continued line that ends in CR LF for two entries (so
// that the password of a sasl.jaas.config becomes a key) and breaks characters
// that Java writes as two \u escapes.
func parseProperties(text []byte) (entries []property, line int, err error) {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	var logical []byte
	begin := 0
	natural := bytes.Split(text, []byte("\n"))
	for i, part := range natural {
		part = bytes.TrimLeft(part, propertySpace)
		if len(logical) == 0 {
			if len(part) == 0 || part[0] == '#' || part[0] == '!' {
				continue
			}
			begin = i + 1
		}
		// The last of an odd number of backslashes continues the line.
		escapes := len(part) - len(bytes.TrimRight(part, `\`))
		logical = append(logical, part[:len(part)-escapes%2]...)
		if escapes%2 == 1 && i < len(natural)-1 || len(logical) == 0 {
			continue
		}
		p, err := parseProperty(logical)
		if err != nil {
			return nil, begin, err
		}
		p.line = begin
		entries, logical = append(entries, p), nil
	}
	return entries, 0, nil
}

// propertySpace is white space inside a line.
const propertySpace = " \t\f"

// parseProperty splits a logical line at the first =, : or white space that is
// not escaped.
func parseProperty(line []byte) (p property, err error) {
	end := 0
	for end < len(line) && !strings.ContainsRune(propertySpace+"=:", rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value := bytes.TrimLeft(line[end:], propertySpace)
	if len(value) > 0 && (value[0] == '=' || value[0] == ':') {
		value = bytes.TrimLeft(value[1:], propertySpace)
	}
	if p.key, err = unescapeProperty(line[:end]); err != nil {
		return p, err
	}
	p.value, err = unescapeProperty(value)
	return p, err
}

// unescapeProperty resolves escapes. A \u escape is a UTF-16 code unit.
func unescapeProperty(b []byte) (string, error) {
	units := make([]uint16, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c != '\\' || i+1 == len(b) {
			units = append(units, uint16(c))
			continue
		}
		i++
		switch b[i] {
		case 'u':
			digits := b[i+1 : min(i+5, len(b))]
			unit, err := strconv.ParseUint(string(digits), 16, 16)
			if err != nil || len(digits) < 4 {
				return "", errUnicodeEscape
			}
			units = append(units, uint16(unit))
			i += 4
		case 't':
			units = append(units, '\t')
		case 'n':
			units = append(units, '\n')
		case 'r':
			units = append(units, '\r')
		case 'f':
			units = append(units, '\f')
		default:
			units = append(units, uint16(b[i]))
		}
	}
	return string(utf16.Decode(units)), nil
}
