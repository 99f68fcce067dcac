package processor

import "strings"

// SealedPrefix begins a text that an inlet has sealed: only who has the
// customer's key can read it. Between the prefix and the first dot stands the
// name of the key. To the core it is a text like any other: one customer's
// address sealed twice is the same text, so another text is another address.
const SealedPrefix = "sealed:"

// MaxSealedBytes bounds Traits and Properties that are sealed: what was
// MaxPropertyBytes is up to that long then.
const MaxSealedBytes = 32 << 10

// Addresses are where a customer is reached, as sealed by the inlet; "" = not
// known. They are kept for the channels that are to be told; an address that
// came in clear is not kept.
type Addresses struct {
	Email, Phone string
	Push         string // of the device heard of last
}

// noteAddress notes an address told at a time and reports whether it is
// another one than the one known. Two that were sealed with different keys, as
// the ids of one person have them, cannot be told apart: that says nothing.
func noteAddress(known *uint64, since *int64, kept *string, text, normal string, at int64) (other bool) {
	if h := Hash(normal); h != *known && at >= *since {
		other = *known != 0 && sameKey(*kept, text)
		*known, *since = h, at
	} else if h != *known {
		return false
	}
	if *kept = ""; sealedText(text) {
		*kept = clone(text)
	}
	return other
}

// kept returns what is kept of the addresses, and keep keeps it.
func (p *Profile) kept() (a Addresses) {
	if p.Addresses != nil {
		a = *p.Addresses
	}
	return a
}

func (p *Profile) keep(a Addresses) {
	switch {
	case a == p.kept():
	case a == Addresses{}:
		p.Addresses = nil
	default:
		p.Addresses = &a
	}
}

// pushed notes a device that can be pushed to, by its token.
func (p *Profile) pushed(token string, at int64) {
	if token == "" {
		return
	}
	p.reach("push")
	p.unblock("push", at)
	kept := p.kept()
	if kept.Push != token {
		if kept.Push = ""; sealedText(token) {
			kept.Push = clone(token)
		}
		p.keep(kept)
	}
}

func sealedText(text string) bool { return strings.HasPrefix(text, SealedPrefix) }

// sameKey reports whether two texts were sealed with the key of one id, or one
// of them was not sealed.
func sameKey(a, b string) bool {
	if !sealedText(a) || !sealedText(b) {
		return true
	}
	a, _, _ = strings.Cut(a, ".")
	b, _, _ = strings.Cut(b, ".")
	return a == b
}

func (a *Addresses) bytes() int {
	if a == nil {
		return 0
	}
	return 48 + len(a.Email) + len(a.Phone) + len(a.Push)
}

func (a *Addresses) encode(w *writer) {
	w.bool(a != nil)
	if a != nil {
		w.str(a.Email)
		w.str(a.Phone)
		w.str(a.Push)
	}
}

func decodeAddresses(r *reader) *Addresses {
	if !r.bool() {
		return nil
	}
	return &Addresses{r.str(), r.str(), r.str()}
}

// Addresses returns where a customer is reached. keptBy is the id to ask for
// instead, when another one keeps what this one has.
func (m *Machine) Addresses(id string) (a Addresses, keptBy string) {
	e, ok := m.get(CustomerKind, id).(*Customer)
	switch {
	case !ok:
	case e.forwards():
		keptBy = e.Identity.Forward
	case e.Profile.Addresses != nil:
		a = *e.Profile.Addresses
	}
	return a, keptBy
}
