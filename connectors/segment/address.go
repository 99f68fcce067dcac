package segment

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"onhand/processor"
)

// A till, a call centre or an older system may know a customer by the telephone
// or by the mail address alone. Such an event is that of an anonymous id made of
// it, and who is identified with the address has that id for theirs: what was
// heard under it before belongs to them as well, and an address that two people
// have is nobody's from then on.
//
//	order, properties.phone, no id at all  -> anonymousId phone:PSEUDONYM
//	order, properties.email, no id at all  -> anonymousId email:PSEUDONYM
//	identify, userId, traits.phone, .email -> PhoneProperty, EmailProperty: the same ids;
//	                                          null of an address the user has no longer
//
// An event that names its customer in another way is told nothing by the address
// in it: a guest who mistypes it is not taken for whom it belongs to.
//
// The pseudonym is made with a key of the deployment (Options.AddressKey), so
// that whoever reads the log cannot find the address out by trying. A key that
// stands in a page (Options.Only) has no say in whose an address is.

// EmailProperty and PhoneProperty are the properties of an identify that hold
// the ids made of the addresses in its traits, null of one that is taken back.
const (
	EmailProperty = "context.email_id"
	PhoneProperty = "context.phone_id"
)

// PhoneID returns the id made of a telephone number, "" when it is none. A
// number as it is dialled at home is one of the country given, an ISO 3166-1
// code; without one it is another number than the same with its country.
func PhoneID(key []byte, number, country string) string {
	return addressID("phone:", key, wholeNumber(number, country))
}

// EmailID returns the id made of a mail address, "" when it is none. Capitals
// make no difference.
func EmailID(key []byte, address string) string {
	address = strings.ToLower(strings.TrimSpace(address))
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 || len(address) > 254 || strings.ContainsAny(address, " \t,;<>") {
		return ""
	}
	return addressID("email:", key, address)
}

// addressID makes the id of an address in its normal form.
func addressID(prefix string, key []byte, normal string) string {
	if normal == "" || len(key) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	if prefix != "phone:" {
		mac.Write([]byte(prefix)) // no number begins so
	}
	mac.Write([]byte(normal))
	return prefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:15])
}

// trusted reports whether the sender has a say in whose an address is.
func (p *Parser) trusted() bool { return len(p.o.AddressKey) > 0 && p.o.Only == nil }

// byAddress names who an event is about by the telephone it came with, else by
// the mail address, when nothing else does.
func (p *Parser) byAddress(e *processor.Event) {
	if !p.trusted() || e.Customer() != "" || e.Kind.OfItem() || e.Kind.OfShop() {
		return
	}
	if e.AnonymousID = p.phoneID(p.named("phone", p.call.context.phone)); e.AnonymousID == "" {
		e.AnonymousID = p.emailID(p.named("email", p.call.context.email))
	}
}

// named returns what a call says under a name: in its context's traits, else in
// its traits, else in its properties.
func (p *Parser) named(name string, ctx value) value {
	v := ctx
	if v.form == formNone {
		v = p.call.traits.member(name)
	}
	for i := range p.props {
		if v.form == formNone && string(p.props[i].key) == name {
			v = p.props[i].v
		}
	}
	return v
}

func (p *Parser) phoneID(v value) string {
	return PhoneID(p.o.AddressKey, string(p.inner(v)), p.o.Country)
}

func (p *Parser) emailID(v value) string {
	return EmailID(p.o.AddressKey, string(p.inner(v)))
}

// ownAddresses adds the ids made of the addresses a user is identified with.
func (p *Parser) ownAddresses(extras []extra) []extra {
	email, phone := p.call.traits.member("email"), p.call.traits.member("phone")
	for _, x := range [...]struct {
		key, id string
		v       value
	}{{EmailProperty, p.emailID(email), email}, {PhoneProperty, p.phoneID(phone), phone}} {
		switch {
		case x.id != "":
			extras = append(extras, extra{x.key, value{[]byte(`"` + x.id + `"`), formText}})
		case x.v.form == formNull:
			extras = append(extras, extra{x.key, x.v})
		}
	}
	return extras
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
