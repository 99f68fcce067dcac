package processor

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// properties is a JSON value as an inlet kept it: looked into in place, since
// few of its keys are ever asked for. Inlets let only valid JSON in; of
// anything else it finds nothing.
type properties []byte

func (p properties) object(key string) properties {
	var found properties
	p.each(func(k string, v properties) {
		if k == key {
			found = v
		}
	})
	if len(found) == 0 || found[0] != '{' {
		return nil
	}
	return found
}

func (p properties) get(key string) properties {
	var found properties
	p.each(func(k string, v properties) {
		if k == key {
			found = v
		}
	})
	return found
}

func (p properties) has(key string) bool {
	v := p.get(key)
	return len(v) > 0 && string(v) != "null" && string(v) != `""`
}

// null reports whether a member is there and null.
func (p properties) null(key string) bool { return string(p.get(key)) == "null" }

// str returns a string member, or a number's or boolean's own text; "" when
// there is none.
func (p properties) str(key string) string { return p.get(key).text() }

// id is str of a member that names something; "" when it is longer than an id
// may be.
func (p properties) id(key string) string {
	if s := p.str(key); len(s) <= MaxIDBytes {
		return s
	}
	return ""
}

func (p properties) text() string {
	switch {
	case len(p) == 0 || p[0] == '{' || p[0] == '[' || string(p) == "null":
		return ""
	case p[0] == '"':
		if len(p) < 2 {
			return ""
		}
		s := p[1 : len(p)-1]
		if bytes.IndexByte(s, '\\') < 0 {
			return string(s)
		}
		u, err := unquoteJSON(p)
		if err != nil {
			return ""
		}
		return u
	}
	return string(p)
}

// truth returns a boolean; also of the strings and numbers people send for one.
func (p properties) truth() (value, ok bool) {
	switch strings.ToLower(p.text()) {
	case "true", "1", "yes", "granted":
		return true, true
	case "false", "0", "no", "denied", "withdrawn":
		return false, true
	}
	return false, false
}

// each calls fn for the members of an object, in their order.
func (p properties) each(fn func(key string, value properties)) {
	b := skipSpace(p)
	if len(b) == 0 || b[0] != '{' {
		return
	}
	b = skipSpace(b[1:])
	for len(b) > 0 && b[0] == '"' {
		key, rest := value(b)
		rest = skipSpace(rest)
		if len(rest) == 0 || rest[0] != ':' {
			return
		}
		v, rest := value(skipSpace(rest[1:]))
		if len(v) == 0 {
			return
		}
		fn(key.text(), v)
		rest = skipSpace(rest)
		if len(rest) == 0 || rest[0] != ',' {
			return
		}
		b = skipSpace(rest[1:])
	}
}

// value splits the first JSON value off b.
func value(b properties) (v, rest properties) {
	if len(b) == 0 {
		return nil, nil
	}
	switch b[0] {
	case '"':
		for i := 1; i < len(b); i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				return b[:i+1], b[i+1:]
			}
		}
		return nil, nil
	case '{', '[':
		depth := 0
		for i := 0; i < len(b); i++ {
			switch b[i] {
			case '"':
				_, rest := value(b[i:])
				if rest == nil {
					return nil, nil
				}
				i = len(b) - len(rest) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return b[:i+1], b[i+1:]
				}
			}
		}
		return nil, nil
	}
	i := 0
	for i < len(b) && !strings.ContainsRune(",]} \t\r\n", rune(b[i])) {
		i++
	}
	return b[:i], b[i:]
}

func skipSpace(b properties) properties {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

// unquoteJSON undoes the escapes of a JSON string.
func unquoteJSON(b []byte) (s string, err error) {
	err = json.Unmarshal(b, &s)
	return s, err
}

// scaled returns a decimal number times ten to the digits, at most 6.
func (p properties) scaled(key string, digits int) (n int64, ok bool) {
	whole, part, _ := strings.Cut(p.str(key), ".")
	n, err := strconv.ParseInt(whole+(part + "000000")[:digits], 10, 64)
	return n, err == nil && whole != "" && len(whole) < 12
}

// instant returns a time in Unix ms: of RFC 3339 with its zone, or of a number
// of seconds or, from 1e11 on, milliseconds; 0 when there is none.
func (p properties) instant(key string) int64 {
	s := p.str(key)
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return max(0, t.UnixMilli())
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n < 0 || n >= 1e14:
		return 0
	case n < 1e11:
		return n * 1000
	}
	return n
}
