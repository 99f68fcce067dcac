package segment

import (
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep arrays and objects may be nested in a call.
const maxDepth = 64

// scanner reads JSON (RFC 8259) in one pass, without building anything. The
// first fault stops it: bad says what is wrong at byte i, and every method
// returns at once from then on. It does not check UTF-8; the caller has.
type scanner struct {
	b   []byte
	i   int
	bad string
}

// form is the form of a JSON value.
type form uint8

const (
	formNone    form = iota // there is no value
	formText                // a string without escapes: its bytes are its text
	formEscaped             // a string with escapes
	formNumber
	formTrue
	formFalse
	formNull
	formObject
	formArray
)

// value is a view of one JSON value, quotes and brackets included.
type value struct {
	raw  []byte
	form form
}

func (s *scanner) fail(what string) {
	if s.bad == "" {
		s.bad = what
	}
}

func (s *scanner) space() {
	for s.i < len(s.b) && s.b[s.i] <= ' ' {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// open enters an object or array and reports whether it has a first element.
func (s *scanner) open(end byte) bool {
	s.i++
	s.space()
	if s.i < len(s.b) && s.b[s.i] == end {
		s.i++
		return false
	}
	return s.bad == ""
}

// more reports, after an element, whether another follows.
func (s *scanner) more(end byte) bool {
	if s.bad != "" {
		return false
	}
	s.space()
	if s.i < len(s.b) {
		switch s.b[s.i] {
		case ',':
			s.i++
			s.space()
			return true
		case end:
			s.i++
			return false
		}
	}
	s.fail("a comma or the end of the object or array is missing")
	return false
}

// key reads a key and its colon; the view is with its quotes.
func (s *scanner) key() value {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		s.fail("a key in quotes is missing")
		return value{}
	}
	k := s.text()
	s.space()
	if s.bad == "" && (s.i >= len(s.b) || s.b[s.i] != ':') {
		s.fail("the colon after a key is missing")
		return value{}
	}
	s.i++
	s.space()
	return k
}

// value reads any value, at most depth levels deep.
func (s *scanner) value(depth int) value {
	if s.bad != "" {
		return value{}
	}
	if s.i >= len(s.b) {
		s.fail("a value is missing")
		return value{}
	}
	start := s.i
	var f form
	switch c := s.b[s.i]; c {
	case '"':
		return s.text()
	case '{', '[':
		if depth == 0 {
			s.fail("nested deeper than 64 levels")
			return value{}
		}
		if c == '{' {
			f = formObject
			for ok := s.open('}'); ok; ok = s.more('}') {
				s.key()
				s.value(depth - 1)
			}
		} else {
			f = formArray
			for ok := s.open(']'); ok; ok = s.more(']') {
				s.value(depth - 1)
			}
		}
	case 't':
		f = formTrue
		s.word("true")
	case 'f':
		f = formFalse
		s.word("false")
	case 'n':
		f = formNull
		s.word("null")
	default:
		f = formNumber
		s.number()
	}
	if s.bad != "" {
		return value{}
	}
	return value{s.b[start:s.i], f}
}

func (s *scanner) word(w string) {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		s.fail("not a JSON value")
		return
	}
	s.i += len(w)
}

// plain holds the bytes that may stand in a string as they are and need no
// second look: all but the quote, the backslash and the control characters.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

func (s *scanner) text() value {
	b, start, f := s.b, s.i, formText
	i := start + 1
	for {
		for i < len(b) && plain[b[i]] {
			i++
		}
		s.i = i
		if i >= len(b) {
			s.fail("a string has no end")
			return value{}
		}
		switch b[i] {
		case '"':
			s.i = i + 1
			return value{b[start : i+1], f}
		case '\\':
			f = formEscaped
			i++
			if i >= len(b) {
				continue
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i++
				continue
			case 'u':
				if _, ok := hex4(b, i+1); ok {
					i += 5
					continue
				}
			}
			s.fail("a string has an escape that does not exist")
			return value{}
		default:
			s.fail("a string has a control character that is not escaped")
			return value{}
		}
	}
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (s *scanner) number() {
	if s.b[s.i] == '-' {
		s.i++
	}
	switch {
	case s.i < len(s.b) && s.b[s.i] == '0':
		s.i++
	case s.digits() == 0:
		s.fail("not a JSON value")
		return
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if s.digits() == 0 {
			s.fail("a number has no digits after its point")
			return
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if s.digits() == 0 {
			s.fail("a number has no digits after its e")
		}
	}
}

func (s *scanner) digits() int {
	start := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i - start
}

// end reports a fault when something but space follows.
func (s *scanner) end() {
	if s.bad == "" {
		if s.space(); s.i < len(s.b) {
			s.fail("something follows the end of the JSON")
		}
	}
}

// appendUnescaped appends the text of a string with escapes, given with its
// quotes. Half of a surrogate pair becomes U+FFFD; whole says there was none.
func appendUnescaped(dst, raw []byte) (text []byte, whole bool) {
	whole = true
	raw = raw[1 : len(raw)-1]
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw, i+1)
			i += 4
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if i+2 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
					low, _ = hex4(raw, i+3)
				}
				if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
					whole = false
				} else {
					i += 6
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, raw[i])
		}
	}
	return dst, whole
}
