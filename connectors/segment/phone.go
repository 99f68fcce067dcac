package segment

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"onhand/processor"
)

// A till, a call centre or an older system may know a customer by the telephone
// alone. Such an event is that of an anonymous id made of the number, and who is
// identified with the number is linked to that id as to a device of theirs: what
// is heard before belongs to them as well, and a number that two people have is
// nobody's from then on.
//
//	order, properties.phone, no userId    -> anonymousId phone:PSEUDONYM
//	identify, userId, traits.phone        -> the same anonymousId beside the userId
//
// The pseudonym is made with a key of the deployment (Options.PhoneKey), so that
// whoever reads the log cannot find the number out by trying. A key that stands
// in a page (Options.Only) has no say in whose a number is.

// phonePrefix begins the ids that are made of telephone numbers.
const phonePrefix = "phone:"

// fewestDigits is how many digits a number has at least: fewer are an extension
// or a mistake.
const fewestDigits = 7

// PhoneID returns the id made of a telephone number, "" when it is none. Spaces,
// dashes, dots and parentheses make no difference, nor does 00 for +. A number
// without a country is another one than the same with it.
func PhoneID(key []byte, number string) string {
	digits := make([]byte, 0, 24)
	for i := range len(number) {
		switch c := number[i]; {
		case c >= '0' && c <= '9', c == '+' && len(digits) == 0:
			digits = append(digits, c)
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/':
		default:
			return ""
		}
	}
	if len(digits) > 2 && digits[0] == '0' && digits[1] == '0' {
		digits = append([]byte{'+'}, digits[2:]...)
	}
	if len(digits) < fewestDigits || len(digits) > 24 || len(key) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(digits)
	return phonePrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:15])
}

// byPhone names who an event is about by the telephone it came with, when
// nothing else does.
func (p *Parser) byPhone(e *processor.Event) {
	if len(p.o.PhoneKey) == 0 || p.o.Only != nil || e.Customer() != "" || e.Kind.OfItem() || e.Kind.OfShop() {
		return
	}
	number := p.call.context.phone
	if number.form == formNone {
		number = p.call.traits.member("phone")
	}
	for i := range p.props {
		if number.form == formNone && string(p.props[i].key) == "phone" {
			number = p.props[i].v
		}
	}
	e.AnonymousID = PhoneID(p.o.PhoneKey, string(p.inner(number)))
}

// ownPhone links who is identified with a telephone to the id made of it: beside
// the id of the call where there is room, else by an event of its own.
func (p *Parser) ownPhone(dst []processor.Event, n int) []processor.Event {
	e := &dst[n]
	if len(p.o.PhoneKey) == 0 || p.o.Only != nil || e.Kind != processor.Identify || e.UserID == "" {
		return dst
	}
	id := PhoneID(p.o.PhoneKey, string(p.inner(p.call.traits.member("phone"))))
	switch {
	case id == "":
	case e.AnonymousID == "":
		e.AnonymousID = id
	default:
		dst = grow(dst)
		e, link := &dst[n], &dst[n+1]
		link.Kind, link.Source, link.UserID, link.AnonymousID = processor.Identify, e.Source, e.UserID, id
		link.Stamp, link.Stamped, link.At = e.Stamp, e.Stamped, e.At
		if e.MessageID != "" {
			if link.MessageID = p.numbered(e.MessageID, 1); len(link.MessageID) > processor.MaxIDBytes {
				p.fault(TooLarge, "messageId", "is too long to number the events of the call; at most 252 bytes")
			}
		}
	}
	return dst
}

// member returns a member of an object, formNone when there is none.
func (v value) member(name string) (found value) {
	if v.form != formObject {
		return found
	}
	s := scanner{b: v.raw}
	for ok := s.open('}'); ok; ok = s.more('}') {
		k := s.key()
		if x := s.value(maxDepth); k.form == formText && string(k.raw[1:len(k.raw)-1]) == name {
			found = x
		}
	}
	return found
}
