package segment

import (
	"strings"

	"onhand/processor"
)

// Whoever reads a key in a page can name any customer with it. So an address
// said with it could have their messages, and the codes in them, sent to somebody
// else, a word on what they permit could undo a refusal of theirs, and a stranger
// in a household would have its caps used up:
//
//	traits: consent, tier, household, addresses and tokens        -> refused
//	properties: context.*, the names of what is read elsewhere    -> refused
//	context.consent: a refusal                                    -> heard
//	context.consent: Advertising allowed; context.device.token    -> passed over
//
// What libraries attach to every call is passed over and not refused, since the
// rest of the call is true. A key that may send Consent Changed may say all of
// it, but for properties: context.email_id and context.phone_id, which would join
// two ids.

// public reports whether the sender's key stands where anybody can read it, and
// is not trusted with what customers permit.
func (p *Parser) public() bool { return p.o.Only != nil && !p.o.Only.Has(processor.ConsentChanged) }

// publicTraits refuses the traits that a page may not tell.
func (p *Parser) publicTraits() {
	if p.call.traits.form != formObject {
		return
	}
	s := scanner{b: p.call.traits.raw}
	for ok := s.open('}'); ok; ok = s.more('}') {
		switch name := string(p.keyText(s.key())); name {
		case "consent", "tier", "household", "email", "phone", "device_token", "push_token":
			p.fault(Forbidden, "traits."+name, "not with this write key, which stands in pages and apps where anybody can read it; send it from a server")
		}
		s.value(maxDepth)
	}
}

// publicExtras takes what a page may not say out of what came besides the
// properties. Whose an address is none of them says.
func (p *Parser) publicExtras() {
	for i := range p.props {
		name := string(p.props[i].key)
		if name == EmailProperty || name == PhoneProperty || p.public() && strings.HasPrefix(name, "context.") {
			p.fault(Forbidden, "properties."+name, "not with this write key, which stands in pages and apps where anybody can read it; send it from a server")
		}
	}
	if !p.public() {
		return
	}
	ctx := &p.call.context
	ctx.token = value{}
	if p.allowsAds(ctx.consent) {
		ctx.consent = value{}
	}
}

// allowsAds reports whether preferences say anything but no to advertising.
func (p *Parser) allowsAds(preferences value) bool {
	if preferences.form != formObject {
		return false
	}
	s := scanner{b: preferences.raw}
	for ok := s.open('}'); ok; ok = s.more('}') {
		name := string(p.keyText(s.key()))
		if v := s.value(maxDepth); strings.EqualFold(name, "advertising") && string(v.raw) != "false" {
			return true
		}
	}
	return false
}
