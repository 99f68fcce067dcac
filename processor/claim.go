package processor

// Claims is which ids made of an address are this customer's. An inlet makes
// them of the mail address and the telephone number a user is identified with,
// before these are sealed; an event that names an address alone is that of its
// id. Such an id is an anonymous one: who claims it keeps it, as they keep a
// device, and one that a second person claims is nobody's from then on. Other
// than a device it is let go: who is identified with another address has the
// earlier one no longer, and whoever gets it next is not taken for them. So it is
// with {email: null}.
//
//	identify -> Customer: another one than before?
//	   |-- DetachIdentity --> the earlier id: what comes from now on is its own
//	   '-- ClaimAddress ----> the new id: a forward from now on; what it knows comes here
type Claims struct {
	Email, Phone claim
}

type claim struct {
	ID     string // "" = none
	At     int64  // of the identify that told it
	Unsure bool   // the id may be another one's since; see doubt
}

// The properties of an identify with the ids; see connectors/segment.
const (
	emailIDProperty = "context.email_id"
	phoneIDProperty = "context.phone_id"
)

// claimAddresses notes the addresses a user is identified with, by their ids.
func (c *Customer) claimAddresses(m *Machine, e *Event) {
	if how, _ := e.provenance(); how != Explicit || e.UserID == "" || len(e.Properties) == 0 {
		return
	}
	p := properties(e.Properties)
	email, phone := p.get(emailIDProperty), p.get(phoneIDProperty)
	if len(email) == 0 && len(phone) == 0 {
		return
	}
	if c.Claims == nil {
		c.Claims = &Claims{}
	}
	was := *c.Claims
	c.claim(m, &c.Claims.Email, email, e.At)
	c.claim(m, &c.Claims.Phone, phone, e.At)
	c.waitsAs(m, was)
}

// waitsAs tells the items in whose line the customer stands who waits, if the
// addresses are others than they were.
func (c *Customer) waitsAs(m *Machine, was Claims) {
	if was.Email.ID == c.Claims.Email.ID && was.Phone.ID == c.Claims.Phone.ID {
		return
	}
	for i := range c.Interests {
		if in := &c.Interests[i]; in.Queued && in.Offer == 0 {
			c.requeue(m, in)
		}
	}
}

// claim notes one address; said is its id, null = the user has none any more.
func (c *Customer) claim(m *Machine, k *claim, said properties, at int64) {
	id := said.text()
	if len(said) == 0 || len(id) > MaxIDBytes || id == c.ID || at < k.At {
		return
	}
	if k.At = at; k.ID == id && !k.Unsure {
		return
	}
	if k.ID != "" && k.ID != id {
		let := Message{Type: DetachIdentity, Customer: k.ID, Ref: c.ID}
		if k.Unsure {
			let.Tier = ifKept
		}
		m.send(k.ID, &let)
		if l := c.Identity.link(k.ID); l != nil {
			l.Undone = true // whoever has it next keeps it when this one is erased
		}
	}
	k.ID, k.Unsure = clone(id), false
	if id == "" {
		return
	}
	if l := c.Identity.link(id); l != nil {
		l.Undone = false
	}
	m.send(id, &Message{Type: ClaimAddress, Customer: id, Ref: c.ID})
}

// doubt notes that a link was undone: which of two ids has an address now is
// known when one of them is identified with it again.
func (x *Claims) doubt() {
	if x != nil {
		x.Email.Unsure, x.Phone.Unsure = true, true
	}
}

// claimed answers a customer who was identified with the address this id is
// made of. Where nothing was heard of it, as of most, there is nothing to hand
// over and nothing to wait for.
func (c *Customer) claimed(m *Machine, msg *Message) {
	if c.Identity == nil && c.Last == 0 {
		c.Identity = &Identity{Forward: clone(msg.Ref), Device: true}
		return
	}
	c.asked(m, &Message{Type: LinkIdentity, Customer: c.ID, Ref: msg.Ref, SKU: c.ID, Park: true})
}

// mergeClaims keeps the later address of each kind. The id of the other one is
// still passed on, by way of the id that was identified with it, which keeps its
// claim: it lets go of it when the customer is erased. It is done before the wishes
// are made one: the other's places are known by its addresses.
func (c *Customer) mergeClaims(m *Machine, b *Claims) {
	if b == nil {
		return
	}
	if c.Claims == nil {
		c.Claims = &Claims{}
	}
	x, was := c.Claims, *c.Claims
	if b.Email.At > x.Email.At {
		x.Email = b.Email
	}
	if b.Phone.At > x.Phone.At {
		x.Phone = b.Phone
	}
	c.waitsAs(m, was)
}

// forget lets the ids go of a customer who is erased, but for what is another
// one's by now.
func (x *Claims) forget(m *Machine, customer string, at int64) {
	if x == nil {
		return
	}
	for _, k := range [...]*claim{&x.Email, &x.Phone} {
		if k.ID != "" {
			m.send(k.ID, &Message{Type: ForgetIdentity, Customer: k.ID, Ref: customer, At: at, Park: true})
		}
	}
}

func (x *Claims) bytes() int {
	if x == nil {
		return 0
	}
	return 64 + len(x.Email.ID) + len(x.Phone.ID)
}

func (x *Claims) encode(w *writer) {
	w.bool(x != nil)
	if x == nil {
		return
	}
	for _, k := range [...]*claim{&x.Email, &x.Phone} {
		w.str(k.ID)
		w.int(k.At)
		w.bool(k.Unsure)
	}
}

func decodeClaims(r *reader) *Claims {
	if !r.bool() {
		return nil
	}
	return &Claims{claim{r.str(), r.int(), r.bool()}, claim{r.str(), r.int(), r.bool()}}
}
