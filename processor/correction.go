package processor

import (
	"encoding/json"
	"onhand/processor/moments"
	"slices"
)

// A Correction says of a message that was sent what was learned too late to
// stop it, or that it should never have gone. It is a record of its own: the
// decision stands as it was made, with what was known then.
//
//	purchase ---- on its way ----> applied: raced, within graceMS, or late
//	        message sent
//
//	message let go -- taken back -- delivered all the same: too_late
//	message sent against what the state said: wrong, which never happens
//	something else stands on an ad platform than was sent: drift
type Correction struct {
	At       int64 // log time at which it was learned
	Customer string
	Decision string // id of the decision to send
	Moment   string
	Channel  string
	Kind     CorrectionKind
	Reason   Reason // the word the gate would have said
	LateMS   int64  // from the send, or when the platform took it, to when it was learned; 0 when wrong
}

// CorrectionKind says how a send came to be one that should not have been.
type CorrectionKind uint8

// The kinds of correction. Stored in commit records; never renumber.
const (
	Raced   CorrectionKind = iota + 1 // what forbade it had happened and was still on its way
	Late                              // the same, on its way for longer than graceMS
	TooLate                           // it was taken back and handed over all the same
	Wrong                             // the state forbade it: see audit
	Drift                             // something else stands on the platform: see Platform
)

var correctionNames = [...]string{"", "raced", "late", "too_late", "wrong", "drift"}

func (k CorrectionKind) String() string { return correctionNames[k] }

// graceMS is how long an event may take from its happening to the log.
const graceMS = 10 * 60_000

func (x *Correction) encode(w *writer) {
	w.int(x.At)
	w.str(x.Customer)
	w.str(x.Decision)
	w.str(x.Moment)
	w.str(x.Channel)
	w.u8(uint8(x.Kind))
	w.str(string(x.Reason))
	w.int(x.LateMS)
}

// ParseCorrection reads the body of a CorrectionOutput.
func ParseCorrection(body []byte) (Correction, error) {
	r := reader{b: body}
	x := Correction{r.int(), r.str(), r.str(), r.str(), r.str(), CorrectionKind(r.u8()), Reason(r.str()), r.int()}
	if x.Kind == 0 || x.Kind > Drift {
		r.fail()
	}
	return x, r.err
}

// MarshalJSON implements json.Marshaler.
func (x *Correction) MarshalJSON() ([]byte, error) {
	var customer any // null for what stands for an item
	if x.Customer != "" {
		customer = x.Customer
	}
	return json.Marshal(map[string]any{
		"at": Instant(x.At), "customer": customer, "decision": x.Decision, "moment": x.Moment, "channel": x.Channel,
		"correction": x.Kind.String(), "reason": x.Reason, "late_ms": x.LateMS,
	})
}

// correct puts out a correction of a message, at most one for each.
func (c *Customer) correct(m *Machine, k *Contact, kind CorrectionKind, why Reason, lateMS int64) {
	if k.Corrected {
		return
	}
	k.Corrected = true
	x := Correction{m.shop.Now, c.ID, k.ID, k.Moment, k.Channel, kind, why, lateMS}
	w := &m.body
	w.b = w.b[:0]
	x.encode(w)
	m.emit(CorrectionOutput)
	c.regret(m, k, &x)
}

// learned corrects a message that something forbade which had happened before
// it went, and arrives only now.
func (c *Customer) learned(m *Machine, k *Contact, why Reason, happened int64) {
	kind := Raced
	if m.shop.Now-happened > graceMS {
		kind = Late
	}
	c.correct(m, k, kind, why, m.shop.Now-k.At)
}

// tooLate looks for messages that an event would have stopped, had it come in
// time. Nearly always it is newer than the last message, and that is all that
// is asked.
func (c *Customer) tooLate(m *Machine, e *Event) {
	for i := len(c.Contacts) - 1; i >= 0 && e.At < c.Contacts[i].At; i-- {
		k := &c.Contacts[i]
		mo := m.rules.file.Moment(k.Moment)
		if k.Corrected || mo == nil {
			continue
		}
		if why := c.stops(m, mo, k, e); why != "" {
			c.learned(m, k, why, e.At)
		}
	}
}

// stops returns the word with which an event would have stopped a message, ""
// when it would not have.
func (c *Customer) stops(m *Machine, mo *moments.Moment, k *Contact, e *Event) Reason {
	about := func(per, value string) bool { return mo.Per == per && k.Value == value }
	switch e.Kind {
	case OrderCompleted, OrderUpdated:
		if c.boughtBefore(m, mo, k, e) {
			return Purchased
		}
	case OrderCancelled:
		if o := c.order(Hash(e.OrderID)); about("order_id", e.OrderID) && o != nil && o.cancelledAt() != 0 {
			return Cancelled
		}
	case ConsentChanged, MessageUnsubscribed, Identify:
		for _, purpose := range [...]string{m.rules.file.Policy.Consent(mo.Class, k.Channel), mo.Consent} {
			if purpose == "" {
				continue
			}
			if r, word := c.Profile.word(k.Channel, purpose, k.Value); r == ConsentWithdrawn && word.At < k.At { // what was taken back later is no mistake
				return ConsentWithdrawn
			}
		}
	case MessageComplained:
		if slices.Contains(c.Profile.Blocked, k.Channel) {
			return AddressBlocked
		}
	case RewardRedeemed, RewardExpired:
		if mo.Class.Name == "transactional" || !about("reward_id", e.RewardID) && !slices.Contains(k.SKUs, rewardKey(e.RewardID)) {
			break
		}
		if w := c.reward(e.RewardID); w != nil {
			then := *w // what was used later is no mistake, nor what was said to be over later
			then.Uses = slices.DeleteFunc(slices.Clone(w.Uses), func(u RewardUse) bool { return u.At >= k.At })
			if w.ExpiredAt >= k.At {
				then.ExpiredAt = 0
			}
			switch then.State(k.At) {
			case RewardUsed:
				return Redeemed
			case RewardPast:
				return ExpiredReason
			}
			return ""
		}
	case ProductRemoved, CartUpdated, CartViewed, CheckoutStarted:
		if cart := c.findCart(k.Value); mo.Per == "cart_id" && cart != nil && !slices.ContainsFunc(cart.Lines, func(l Line) bool { return slices.Contains(k.SKUs, l.hash) && l.held(k.At) }) {
			return CartEmptied
		}
	case ProductDismissed, BackInStockCancelled:
		if in := c.interest(k.Value); mo.Per == "sku" && (e.SKU == k.Value || e.SKU == "" && m.facts(k.Value).Product.Category == e.Category) && in != nil && !in.live() {
			return Declined
		}
	case SaleUnregistered:
		if about("sale_id", e.SaleID) && mo.Class.Name != "transactional" && !c.registered(e.SaleID) {
			return Declined
		}
	case SubscriptionStarted:
		if slices.Contains(mo.Lines, moments.LineUnsubscribed) && slices.Contains(k.SKUs, Hash(e.SKU)) && c.subscribed(m, e.SKU, "") {
			return Subscribed
		}
	}
	// What came before the quiet that went before the message was followed by
	// what begins it again.
	if mo.Due.At.IsZero() && e.At < k.At-mo.Due.After.Milliseconds() {
		return ""
	}
	if slices.Contains(m.rules.ends(e), mo) && !c.partly(m, mo, e) && slices.Contains(values(m, mo.Per, e, nil), k.Value) {
		return Ended
	}
	return ""
}

// cancelledBefore corrects the messages about orders that another id of the
// customer had cancelled before they went, as is learned with the link.
func (c *Customer) cancelledBefore(m *Machine, orders []uint64) {
	if len(orders) == 0 {
		return
	}
	for i := range c.Contacts {
		k := &c.Contacts[i]
		mo := m.rules.file.Moment(k.Moment)
		if mo == nil || mo.Per != "order_id" || slices.Contains(mo.When, OrderCancelled.String()) {
			continue
		}
		if id := Hash(k.Value); slices.Contains(orders, id) && c.order(id).cancelledAt() < k.At {
			c.learned(m, k, Cancelled, c.order(id).cancelledAt())
		}
	}
}

// boughtBefore reports whether an order bought something a message spoke of,
// which the message was not to mention then: it was not asked for again in
// between, or marketing is silent of what was bought.
func (c *Customer) boughtBefore(m *Machine, mo *moments.Moment, k *Contact, e *Event) bool {
	span, silence := int64(24*3600_000), int64(0)
	if mo.Class.Name == "marketing" {
		silence = m.rules.file.Policy.SilenceAfterPurchase.Milliseconds()
		span = max(span, silence)
	} else if !slices.Contains(mo.Lines, moments.LineUnbought) && mo.Stock != moments.StockOffer {
		return false
	}
	if e.At < k.At-span {
		return false
	}
	return slices.ContainsFunc(e.Products, func(p Product) bool {
		in := c.interest(p.SKU)
		again := in != nil && e.At < k.At-silence && slices.ContainsFunc(in.Wants, func(x Want) bool { return x.Said > e.At+clockGraceMS && x.Said <= k.At })
		return slices.Contains(k.SKUs, Hash(p.SKU)) && !again
	})
}

// Taken is a message that was taken back after it had been let go: its channel
// may deliver it all the same.
type Taken struct {
	At      int64
	Why     Reason
	Contact Contact
}

const (
	// maxTaken bounds the messages taken back that are remembered.
	maxTaken = 8
	// takenMemoryMS is how long the channel's answer is waited for.
	takenMemoryMS = 24 * 3600_000
)

func (x *Taken) encode(w *writer) {
	w.int(x.At)
	w.str(string(x.Why))
	x.Contact.encode(w)
}

func (x *Taken) decode(r *reader) {
	x.At, x.Why = r.int(), Reason(r.str())
	x.Contact.decode(r)
}

// takeBack remembers a message that is taken back while its channel has it.
func (c *Customer) takeBack(m *Machine, id string, why Reason) {
	k := c.contact(id)
	if k == nil {
		return
	}
	s := c.standing()
	s.Taken = slices.DeleteFunc(s.Taken, func(x Taken) bool { return m.shop.Now-x.At > takenMemoryMS })
	if len(s.Taken) >= maxTaken {
		s.Taken = slices.Delete(s.Taken, 0, 1)
	}
	s.Taken = append(s.Taken, Taken{m.shop.Now, why, *k})
}

// deliveredAfterAll takes the outcome of a message that had been taken back. When it
// was delivered it is a contact after all.
func (c *Customer) deliveredAfterAll(m *Machine, action string, attempt int, delivery Delivery, code string) {
	if c.Standing == nil {
		return
	}
	s := c.Standing
	i := slices.IndexFunc(s.Taken, func(x Taken) bool { return x.Contact.ID == action })
	if i < 0 {
		return
	}
	m.touch(c)
	x := s.Taken[i]
	s.Taken = slices.Delete(s.Taken, i, i+1)
	k := x.Contact
	d := Decision{Moment: k.Moment, Action: &Action{ID: k.ID, Channel: k.Channel}}
	c.delivery(m, &d, attempt, delivery, code)
	if delivery != Delivered && delivery != Unknown {
		return
	}
	j := len(c.Contacts)
	for j > 0 && c.Contacts[j-1].At > k.At {
		j--
	}
	c.Contacts = slices.Insert(c.Contacts, j, k)
	c.countPlace(m, &k)
	c.correct(m, &c.Contacts[j], TooLate, x.Why, x.At-k.At)
	c.ready(m)
}

// Mention is a message that spoke of an item, kept where the item's facts
// arrive, so that a sale that emptied the shelf before it went is noticed.
type Mention struct {
	At       int64
	Customer string
	Decision string
}

// What was said of an item is remembered for mentionMS, whoever else is told of it:
// a word that comes later than that corrects nothing. maxMentions bounds how many
// messages are.
const (
	mentionMS   = 24 * 3600_000
	maxMentions = 64
)

// mention notes that a message which depends on stock spoke of items.
func (m *Machine) mention(c *Customer, d *Decision) {
	for i := range d.Action.Lines {
		wa, ok := m.get(WatchKind, d.Action.Lines[i].SKU).(*Watch)
		if !ok {
			continue
		}
		m.touch(wa)
		old := 0
		for old < len(wa.Mentions) && (m.shop.Now-wa.Mentions[old].At > mentionMS || len(wa.Mentions)-old >= maxMentions) {
			old++
		}
		wa.Mentions = append(slices.Delete(wa.Mentions, 0, old), Mention{d.At, c.ID, d.ID})
	}
}

// soldOutBefore corrects the messages about an item that went after it was
// sold out and before that was known here.
func (wa *Watch) soldOutBefore(m *Machine, why Reason, happened int64) {
	for _, x := range wa.Mentions {
		c, ok := m.get(CustomerKind, x.Customer).(*Customer)
		if !ok || happened >= x.At || m.shop.Now-x.At > mentionMS {
			continue
		}
		if c.contact(x.Decision) != nil {
			m.touch(c)
			c.learned(m, c.contact(x.Decision), why, happened)
			c.ready(m)
		}
	}
	wa.Mentions = nil
}

// roseBefore corrects the messages of a lower price that went after the price
// had risen again and before that was known here.
func (wa *Watch) roseBefore(m *Machine, f *ItemFacts) {
	for _, x := range wa.Mentions {
		c, ok := m.get(CustomerKind, x.Customer).(*Customer)
		if !ok || f.PriceAt >= x.At || m.shop.Now-x.At > mentionMS {
			continue
		}
		k, in := c.contact(x.Decision), c.interest(wa.SKU)
		if k == nil || in == nil || in.PriceSeen == 0 || f.Price < in.PriceSeen {
			continue
		}
		if mo := m.rules.file.Moment(k.Moment); mo != nil && mo.Fact == moments.PriceDown {
			m.touch(c)
			c.learned(m, k, PriceRose, f.PriceAt)
			c.ready(m)
		}
	}
}

// saleOverBefore corrects the messages about a sale that went after it was
// cancelled and before that was known here. What tells of the change is right.
func (c *Customer) saleOverBefore(m *Machine, id string, happened int64) {
	for i := len(c.Contacts) - 1; i >= 0 && happened < c.Contacts[i].At; i-- {
		k := &c.Contacts[i]
		mo := m.rules.file.Moment(k.Moment)
		if k.Value == id && mo != nil && mo.Per == "sale_id" && mo.Class.Name != "transactional" && !slices.Contains(mo.When, SaleCancelled.String()) {
			c.learned(m, k, SaleOver, happened)
		}
	}
}

func (x *Mention) encode(w *writer) {
	w.int(x.At)
	w.str(x.Customer)
	w.str(x.Decision)
}
