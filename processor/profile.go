package processor

import (
	"onhand/processor/zone"
	"slices"
	"time"
)

// Profile is how a customer may be reached: the channels there are addresses
// for, what was permitted, and where on Earth the customer sleeps. Addresses
// themselves are no business of the core.
type Profile struct {
	Zone     string // IANA name the customer or the shop stated
	Device   string // zone of the latest device
	Tier     string
	Reach    []string // channels with an address, sorted
	Blocked  []string // channels with a bounce or complaint
	Prefers  string   // preferred channel
	Consents []Consent

	loc      *time.Location
	resolved bool
}

// Consent is the latest word on one purpose on one channel.
type Consent struct {
	Channel   string
	Purpose   string
	Scope     string // item the consent is for, "" = all
	Granted   bool
	Confirmed bool // on channels with double opt-in the grant counts only then
	Before    bool // was granted once before it was withdrawn
	At        int64
}

func (p *Profile) bytes() int {
	return len(p.Zone) + len(p.Device) + len(p.Tier) + 24*len(p.Reach) + 24*len(p.Blocked) + 80*cap(p.Consents)
}

func (p *Profile) encode(w *writer) {
	w.str(p.Zone)
	w.str(p.Device)
	w.str(p.Tier)
	writeStrings(w, p.Reach)
	writeStrings(w, p.Blocked)
	w.str(p.Prefers)
	w.uint(uint64(len(p.Consents)))
	for i := range p.Consents {
		c := &p.Consents[i]
		w.str(c.Channel)
		w.str(c.Purpose)
		w.str(c.Scope)
		w.bool(c.Granted)
		w.bool(c.Confirmed)
		w.bool(c.Before)
		w.int(c.At)
	}
}

func (p *Profile) decode(r *reader) {
	p.Zone, p.Device, p.Tier = r.str(), r.str(), r.str()
	p.Reach, p.Blocked, p.Prefers = readStrings(r), readStrings(r), r.str()
	p.Consents = make([]Consent, r.count(7))
	for i := range p.Consents {
		p.Consents[i] = Consent{intern(r.view()), intern(r.view()), r.str(), r.bool(), r.bool(), r.bool(), r.int()}
	}
	for i, s := range p.Reach {
		p.Reach[i] = intern([]byte(s))
	}
	for i, s := range p.Blocked {
		p.Blocked[i] = intern([]byte(s))
	}
}

// location returns the customer's time zone, nil when it is not known.
func (p *Profile) location() *time.Location {
	if !p.resolved {
		p.resolved = true
		p.loc = nil
		for _, name := range [...]string{p.Zone, p.Device} {
			if name == "" {
				continue
			}
			if loc, err := zone.Load(name); err == nil {
				p.loc = loc
				break
			}
		}
	}
	return p.loc
}

// observe learns from the context any event may carry: the device's zone and
// whether it can be pushed to.
func (p *Profile) observe(e *Event) {
	if len(e.Properties) == 0 {
		return
	}
	properties(e.Properties).each(func(key string, v properties) {
		switch key {
		case "context.timezone":
			if z := v.text(); z != "" && z != p.Device {
				p.Device, p.resolved = clone(z), false
			}
		case "context.device.token":
			if v.text() != "" {
				p.reach("push")
			}
		}
	})
}

func (p *Profile) reach(channel string) {
	if i, ok := slices.BinarySearch(p.Reach, channel); !ok {
		p.Reach = slices.Insert(p.Reach, i, clone(channel))
	}
}

// identify learns from traits.
func (p *Profile) identify(e *Event) {
	t := properties(e.Traits)
	if z := t.str("timezone"); z != "" && z != p.Zone {
		p.Zone, p.resolved = clone(z), false
	}
	if tier := t.str("tier"); tier != "" {
		p.Tier = clone(tier)
	}
	if c := t.str("preferred_channel"); c != "" {
		p.Prefers = clone(c)
	}
	if t.str("email") != "" {
		p.reach("email")
	}
	if t.str("phone") != "" {
		p.reach("sms")
		p.reach("whatsapp")
	}
	if t.str("push_token") != "" || t.str("device_token") != "" {
		p.reach("push")
	}
	// A consent in traits is what the shop has on record, confirmed by it.
	t.object("consent").each(func(channel string, v properties) {
		v.each(func(purpose string, granted properties) {
			if g, ok := granted.truth(); ok {
				p.setConsent(Consent{Channel: channel, Purpose: purpose, Granted: g, Confirmed: g, At: e.At})
			}
		})
	})
}

// consent applies Consent Changed.
func (p *Profile) consent(m *Machine, e *Event) {
	proof := len(e.Properties) > 0 && properties(e.Properties).has("proof")
	p.setConsent(Consent{
		Channel: e.Channel, Purpose: e.Purpose, Granted: e.Granted,
		Confirmed: e.Granted && (proof || !m.rules.doubleOptIn(e.Purpose, e.Channel)), At: e.At,
	})
}

// setConsent keeps the newest word; at the same instant the restrictive one.
func (p *Profile) setConsent(n Consent) {
	for i := range p.Consents {
		c := &p.Consents[i]
		if c.Channel != n.Channel || c.Purpose != n.Purpose || c.Scope != n.Scope {
			continue
		}
		if n.At < c.At || n.At == c.At && n.Granted && !c.Granted {
			return
		}
		c.Before = c.Before || c.Granted
		if c.Granted && c.Confirmed && n.Granted {
			n.Confirmed = true // asked again, still confirmed
		}
		c.Granted, c.Confirmed, c.At = n.Granted, n.Confirmed, n.At
		return
	}
	n.Channel, n.Purpose, n.Scope = intern([]byte(n.Channel)), intern([]byte(n.Purpose)), clone(n.Scope)
	p.Consents = append(p.Consents, n)
}

// permits asks for one purpose on one channel, for one item where the consent
// was given for it. "" = granted. The latest word on the channel counts; where
// there is none, the latest one for all channels.
func (p *Profile) permits(channel, purpose, scope string) Reason {
	var here, all *Consent
	for i := range p.Consents {
		c := &p.Consents[i]
		if c.Purpose != purpose || c.Scope != "" && c.Scope != scope {
			continue
		}
		switch c.Channel {
		case channel:
			here = c.later(here)
		case "":
			all = c.later(all)
		}
	}
	switch {
	case here == nil && all == nil:
		return NoConsent
	case here != nil && !here.Granted, here == nil && !all.Granted:
		return ConsentWithdrawn
	case here != nil && here.Confirmed, all != nil && all.Granted && all.Confirmed:
		return ""
	}
	return ConsentPending
}

// later returns the later of two words; at the same instant the restrictive
// one. d may be nil.
func (c *Consent) later(d *Consent) *Consent {
	if d == nil || c.At > d.At || c.At == d.At && !c.Granted {
		return c
	}
	return d
}

// block marks a channel the customer cannot or does not want to be reached on.
func (p *Profile) block(e *Event) {
	channel := e.Channel
	if channel == "" {
		channel = "email"
	}
	if e.Kind == MessageUnsubscribed {
		purpose := e.Purpose
		if purpose == "" {
			purpose = "marketing"
		}
		p.setConsent(Consent{Channel: channel, Purpose: purpose, At: e.At})
		return
	}
	if i, ok := slices.BinarySearch(p.Blocked, channel); !ok {
		p.Blocked = slices.Insert(p.Blocked, i, clone(channel))
	}
}

// reachable asks for an address on a channel. Channels that need none are
// always reachable by a known customer.
func (p *Profile) reachable(c *Customer, channel string) Reason {
	if slices.Contains(p.Blocked, channel) {
		return AddressBlocked
	}
	switch channel {
	case "email", "push", "sms", "whatsapp":
		if !slices.Contains(p.Reach, channel) {
			return NoAddress
		}
	case "ads", "social":
		if !c.Known {
			return NoAddress
		}
	}
	return ""
}
