package segment

import (
	"slices"
	"unsafe"

	"onhand/processor"
)

// How the parser reads single values: texts are views into the call, or into
// the arena where they had escapes.

// keyText returns the text of a key just read.
func (p *Parser) keyText(k value) []byte {
	switch k.form {
	case formText:
		return k.raw[1 : len(k.raw)-1]
	case formEscaped:
		text, _ := p.unescape(k.raw)
		return text
	}
	return nil
}

func (p *Parser) unescape(raw []byte) ([]byte, bool) {
	p.reserve(len(raw))
	start := len(p.arena)
	var whole bool
	p.arena, whole = appendUnescaped(p.arena, raw)
	return p.arena[start:len(p.arena):len(p.arena)], whole
}

// reserve makes room for n bytes in the arena. A full arena is left to those
// who hold views into it.
func (p *Parser) reserve(n int) {
	if cap(p.arena)-len(p.arena) < n {
		p.arena = make([]byte, 0, max(n, 2*cap(p.arena)))
	}
}

// text views bytes as a string.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// suspect marks bytes that may be part of a control character.
var suspect = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' || c == 0x7f || c == 0xc2
	}
	return t
}()

// id reads an id or a word: a text, or a whole number whose digits are kept as
// they are. null and "" are no id.
func (p *Parser) id(v value) (id string, fault string) {
	var b []byte
	switch v.form {
	case formNone, formNull:
		return "", ""
	case formText:
		b = v.raw[1 : len(v.raw)-1]
	case formEscaped:
		whole := false
		if b, whole = p.unescape(v.raw); !whole {
			return "", "has half of a surrogate pair; send whole characters"
		}
	case formNumber:
		if slices.ContainsFunc(v.raw, func(c byte) bool { return c|0x20 == 'e' || c == '.' }) {
			return "", "must be a text or a whole number"
		}
		b = v.raw
	default:
		return "", "must be a text or a whole number"
	}
	if len(b) > processor.MaxIDBytes {
		return "", "is longer than 256 bytes"
	}
	for i, c := range b {
		if suspect[c] && (c != 0xc2 || b[i+1] < 0xa0) {
			return "", "has a control character"
		}
	}
	return text(b), ""
}

// must reads an id of the call itself.
func (p *Parser) must(v value, field string) string {
	id, why := p.id(v)
	if why != "" {
		p.fault(Invalid, field, why)
	}
	return id
}

// time reads a time of the call itself.
func (p *Parser) time(v value, field string) (ms int64, ok bool) {
	if v.form == formNone || v.form == formNull {
		return 0, false
	}
	ms, why := p.instant(v)
	if why != "" {
		p.fault(Invalid, field, why)
	}
	return ms, why == ""
}

// inner returns the text of a text or number.
func (p *Parser) inner(v value) []byte {
	switch v.form {
	case formText:
		return v.raw[1 : len(v.raw)-1]
	case formNumber:
		return v.raw
	case formEscaped:
		b, _ := p.unescape(v.raw)
		return b
	}
	return nil
}

func (p *Parser) instant(v value) (int64, string) { return instant(p.inner(v)) }
