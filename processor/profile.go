package processor

import (
	"onhand/processor/zone"
	"slices"
	"strings"
	"time"
)

// Profile is how a customer may be reached: the channels there are addresses
// for, what was permitted, and where on Earth the customer sleeps. Addresses
// themselves are no business of the core; of the mail address and the telephone
// number it keeps a hash, to see that there is another one, and what it cannot
// read for who can.
type Profile struct {
	Zone     Stated // IANA name the customer or the shop stated
	Device   string // zone of the latest device
	Tier     Stated
	Reach    []string // channels with an address, sorted
	Blocked  []string // channels with a bounce or complaint
	Prefers  Stated   // preferred channel
	Consents []Consent

	Home      string // zone of the address
	HomeAt    int64  // when that address was told
	Country   string // of that address, ISO 3166-1; "" = not known
	DeviceAt  int64  // when Device was seen last
	Email     uint64 // hash of the mail address, 0 = not known
	EmailAt   int64  // since when
	Phone     uint64
	PhoneAt   int64
	BlockedAt int64      // time of the latest bounce or complaint
	Addresses *Addresses // nil when none was sealed

	loc  *time.Location
	zone string // name of loc
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
	Proof     string // what the sender gave as proof, at most maxProof bytes
}

// Limits of one profile.
const (
	maxProof    = 200 // bytes of the proof kept of a consent; of a longer one the beginning
	maxConsents = 256 // see addConsent
	maxBlocked  = 32  // channels; a word on a further one changes nothing
)

func (p *Profile) bytes() int {
	return len(p.Zone.Value) + len(p.Device) + len(p.Home) + len(p.Tier.Value) + len(p.Prefers.Value) + 24*len(p.Reach) + 24*len(p.Blocked) + 96*cap(p.Consents) + p.Addresses.bytes()
}

func (p *Profile) encode(w *writer) {
	encodeStated(w, &p.Zone, &p.Tier, &p.Prefers)
	w.str(p.Device)
	writeStrings(w, p.Reach)
	writeStrings(w, p.Blocked)
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
		w.str(c.Proof)
	}
	w.str(p.Home)
	w.int(p.HomeAt)
	w.int(p.DeviceAt)
	w.uint(p.Email)
	w.int(p.EmailAt)
	w.uint(p.Phone)
	w.int(p.PhoneAt)
	w.int(p.BlockedAt)
	p.Addresses.encode(w)
	w.str(p.Country)
}

func (p *Profile) decode(r *reader) {
	decodeStated(r, &p.Zone, &p.Tier, &p.Prefers)
	p.Device, p.Reach, p.Blocked = r.str(), readStrings(r), readStrings(r)
	p.Consents = resize(p.Consents, r.count(8))
	for i := range p.Consents {
		c := &p.Consents[i]
		c.Channel, c.Purpose, c.Scope = r.word(), r.word(), r.str()
		c.Granted, c.Confirmed, c.Before, c.At, c.Proof = r.bool(), r.bool(), r.bool(), r.int(), r.str()
	}
	p.Home, p.HomeAt, p.DeviceAt = r.word(), r.int(), r.int()
	p.Email, p.EmailAt, p.Phone, p.PhoneAt, p.BlockedAt = r.uint(), r.int(), r.uint(), r.int(), r.int()
	p.Addresses = decodeAddresses(r)
	p.Country = r.word()
}

// deviceZoneMS is how long the zone of a device that was not seen again goes
// before that of the address.
const deviceZoneMS = 30 * 24 * 3600_000

// location returns the customer's time zone at a time, nil when it is not
// known: the one stated, else that of a device seen lately, else that of the
// address, else that of an older device.
func (p *Profile) location(now int64) *time.Location {
	for _, name := range [...]string{p.Zone.Value, p.recentDevice(now), p.Home, p.Device} {
		if name == "" {
			continue
		}
		if p.loc != nil && p.zone == name {
			return p.loc
		}
		if loc, err := zone.Load(name); err == nil {
			p.loc, p.zone = loc, name
			return loc
		}
	}
	return nil
}

func (p *Profile) recentDevice(now int64) string {
	if now-p.DeviceAt > deviceZoneMS {
		return ""
	}
	return p.Device
}

// observe learns from what any event may carry: the device's zone, whether it
// can be pushed to, where an order goes, what data may be used for. It reports
// whether more may be said now, as when a zone was learned of a customer who had
// none, and whether less may be, as when a use was refused.
func (p *Profile) observe(e *Event, now int64) (more, less bool) {
	if len(e.Properties) == 0 {
		return false, false
	}
	learned, moved, allowed := false, false, false
	properties(e.Properties).each(func(key string, v properties) {
		switch key {
		case "context.timezone":
			if z := v.text(); z != "" && len(z) <= MaxIDBytes && e.At >= p.DeviceAt {
				if z != p.Device {
					learned = learned || p.location(now) == nil
					p.Device = intern([]byte(z))
				}
				p.DeviceAt = e.At
			}
		case "context.consent.categoryPreferences":
			allowed, less = p.dataUse(v, e.At)
		case "context.device.token":
			p.pushed(v.text(), e.At)
		case "shipping_address":
			if e.gift() {
				return // somebody else lives there
			}
			moved = p.lives(v, e.At, now) || moved
		}
	})
	return moved || learned && p.location(now) != nil || allowed, less
}

// lives learns the zone of an address, an object with country and state, and the
// country. It reports whether the customer had none, or lives in another country.
func (p *Profile) lives(address properties, at, now int64) bool {
	country := address.str("country")
	if country == "" || at < p.HomeAt {
		return false
	}
	region := address.str("state")
	if region == "" {
		region = address.str("region")
	}
	unknown := p.location(now) == nil
	was := p.Country
	p.Home, p.HomeAt, p.Country = zone.Of(country, region), at, intern([]byte(countryCode(country)))
	return unknown && p.Home != "" || p.Country != was
}

func (p *Profile) reach(channel string) {
	if i, ok := slices.BinarySearch(p.Reach, channel); !ok {
		p.Reach = slices.Insert(p.Reach, i, clone(channel))
	}
}

// outOfReach notes that a channel has no address any more.
func (p *Profile) outOfReach(channel string) {
	if i, ok := slices.BinarySearch(p.Reach, channel); ok {
		p.Reach = slices.Delete(p.Reach, i, i+1)
	}
}

// takenBack reports whether an address said at a time was taken back later:
// none is known since then.
func takenBack(known uint64, since, at int64) bool { return known == 0 && at < since }

// identify learns from traits.
func (p *Profile) identify(e *Event, now int64) {
	t := properties(e.Traits)
	how, _ := e.provenance()
	hear := func(field *Stated, trait string) {
		if v := t.id(trait); v != "" || how == Explicit && t.get(trait) != nil && !t.has(trait) {
			field.hear(v, e.At, how)
		}
	}
	hear(&p.Zone, "timezone")
	hear(&p.Tier, "tier")
	hear(&p.Prefers, "preferred_channel")
	if how != Explicit {
		return
	}
	p.lives(t.object("address"), e.At, now)
	kept := p.kept()
	if email := t.str("email"); email != "" && !takenBack(p.Email, p.EmailAt, e.At) {
		p.reach("email")
		if noteAddress(&p.Email, &p.EmailAt, &kept.Email, email, strings.ToLower(strings.TrimSpace(email)), e.At) {
			p.unblock("email", e.At)
		}
	}
	if phone := t.str("phone"); phone != "" && !takenBack(p.Phone, p.PhoneAt, e.At) {
		p.reach("sms")
		p.reach("whatsapp")
		if noteAddress(&p.Phone, &p.PhoneAt, &kept.Phone, phone, phone, e.At) {
			p.unblock("sms", e.At)
			p.unblock("whatsapp", e.At)
		}
	}
	if t.null("email") && e.At >= p.EmailAt {
		p.Email, p.EmailAt, kept.Email = 0, e.At, ""
		p.outOfReach("email")
	}
	if t.null("phone") && e.At >= p.PhoneAt {
		p.Phone, p.PhoneAt, kept.Phone = 0, e.At, ""
		p.outOfReach("sms")
		p.outOfReach("whatsapp")
	}
	p.keep(kept)
	p.pushed(t.str("device_token"), e.At)
	p.pushed(t.str("push_token"), e.At)
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
	proof := properties(e.Properties).str("proof")
	if proof == "" && properties(e.Properties).has("proof") {
		proof = string(properties(e.Properties).get("proof")) // an object of the sender's own
	}
	p.setConsent(Consent{
		Channel: e.Channel, Purpose: e.Purpose, Granted: e.Granted,
		Confirmed: e.Granted && (proof != "" || !m.rules.doubleOptIn(e.Purpose, e.Channel)), At: e.At,
		Proof: strings.ToValidUTF8(proof[:min(len(proof), maxProof)], ""),
	})
	if e.Granted && proof != "" {
		p.unblock(e.Channel, e.At) // who confirms is reached
	}
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
		if n.Proof == "" && n.Granted && c.Granted {
			n.Proof = c.Proof
		}
		c.Granted, c.Confirmed, c.At, c.Proof = n.Granted, n.Confirmed, n.At, clone(n.Proof)
		return
	}
	n.Channel, n.Purpose, n.Scope, n.Proof = intern([]byte(n.Channel)), intern([]byte(n.Purpose)), clone(n.Scope), clone(n.Proof)
	p.addConsent(n)
}

// addConsent adds the first word on a purpose and channel. Beyond the limit the
// oldest grant goes, one for a single item first: without it less is permitted,
// never more. Where all that is kept are refusals, those stay.
func (p *Profile) addConsent(n Consent) {
	if len(p.Consents) >= maxConsents {
		drop := -1
		for i := range p.Consents {
			k := &p.Consents[i]
			if !k.Granted {
				continue
			}
			if drop >= 0 {
				d := &p.Consents[drop]
				if (k.Scope == "") != (d.Scope == "") && k.Scope == "" || (k.Scope == "") == (d.Scope == "") && k.At >= d.At {
					continue
				}
			}
			drop = i
		}
		if drop < 0 {
			return
		}
		p.Consents = slices.Delete(p.Consents, drop, drop+1)
	}
	p.Consents = append(p.Consents, n)
}

// blockChannel notes a channel the customer is not to be reached on.
func (p *Profile) blockChannel(channel string) {
	if i, ok := slices.BinarySearch(p.Blocked, channel); !ok && len(p.Blocked) < maxBlocked {
		p.Blocked = slices.Insert(p.Blocked, i, clone(channel))
	}
}

// permits asks for one purpose on one channel, for one item where the consent
// was given for it. "" = granted. The latest word on the channel counts; where
// there is none, the latest one for all channels.
func (p *Profile) permits(channel, purpose, scope string) Reason {
	r, _ := p.word(channel, purpose, scope)
	return r
}

// word is permits with the word that decided, nil when there is none.
func (p *Profile) word(channel, purpose, scope string) (Reason, *Consent) {
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
		return NoConsent, nil
	case here != nil && !here.Granted:
		return ConsentWithdrawn, here
	case here == nil && !all.Granted:
		return ConsentWithdrawn, all
	case here != nil && here.Confirmed:
		return "", here
	case all != nil && all.Granted && all.Confirmed:
		return "", all
	case here != nil:
		return ConsentPending, here
	}
	return ConsentPending, all
}

// later returns the later of two words; at the same instant the restrictive
// one. d may be nil.
func (c *Consent) later(d *Consent) *Consent {
	if d == nil || c.At > d.At || c.At == d.At && !c.Granted {
		return c
	}
	return d
}

// transient are the reasons of a bounce that says nothing of the address.
var transient = []string{"soft", "transient", "deferred", "mailbox_full", "greylisted"}

// block applies a bounce, a complaint or an unsubscription: it marks a channel
// the customer cannot or does not want to be reached on. contact is the message
// that was answered so, nil when it is not known.
func (p *Profile) block(m *Machine, e *Event, contact *Contact) {
	channel := e.Channel
	if channel == "" && contact != nil {
		channel = contact.Channel
	}
	if channel == "" {
		channel = "email"
	}
	if e.Kind == MessageUnsubscribed {
		p.unsubscribe(m, e, channel, contact)
		return
	}
	if e.Kind == MessageBounced && slices.Contains(transient, e.Reason) || e.At < p.addressAt(channel) {
		return
	}
	p.BlockedAt = max(p.BlockedAt, e.At)
	p.blockChannel(channel)
}

// unblock lifts the block of a channel: there is another address, or the old
// one was confirmed since.
func (p *Profile) unblock(channel string, at int64) {
	if i, ok := slices.BinarySearch(p.Blocked, channel); ok && at > p.BlockedAt {
		p.Blocked = slices.Delete(p.Blocked, i, i+1)
	}
}

// addressAt returns since when the address on a channel is the one known.
func (p *Profile) addressAt(channel string) int64 {
	switch channel {
	case "email":
		return p.EmailAt
	case "sms", "whatsapp":
		return p.PhoneAt
	}
	return 0
}

// unsubscribe withdraws what the event names, else what the message was sent
// under, else marketing.
func (p *Profile) unsubscribe(m *Machine, e *Event, channel string, contact *Contact) {
	withdraw := func(purpose string) {
		if purpose != "" && purpose != "none" {
			p.setConsent(Consent{Channel: channel, Purpose: purpose, At: e.At})
		}
	}
	if e.Purpose != "" {
		withdraw(e.Purpose)
		return
	}
	if contact != nil {
		if mo := m.rules.file.Moment(contact.Moment); mo != nil && mo.Consent != "" {
			withdraw(mo.Consent)
			if mo.Class.Name != "marketing" {
				return
			}
		}
	}
	withdraw("marketing")
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
