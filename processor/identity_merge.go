package processor

import (
	"cmp"
	"slices"

	"onhand/processor/moments"
)

// The keeper's side of a link: what another id has becomes part of it. Of two
// words on the same thing the more careful one holds: a consent is withdrawn
// when either was, what one was told counts for both, the earlier place in a
// queue is kept and the later one given up.

// merge takes over what another id has.
func (c *Customer) merge(m *Machine, b *Customer) {
	// The numbers of the other's occurrences follow this one's, so that they
	// and what was said in them still belong together.
	shift := c.Count
	c.Count += b.Count
	c.Known = c.Known || b.Known
	c.Profile.merge(&b.Profile)
	for i := range b.Carts {
		c.cart(b.Carts[i].ID).merge(&b.Carts[i])
	}
	var cancelled []uint64 // as only one of the two knew
	for i := range b.Orders {
		o := c.order(b.Orders[i].ID)
		if o != nil && (o.cancelledAt() == 0) != (b.Orders[i].cancelledAt() == 0) {
			cancelled = append(cancelled, o.ID)
		}
		c.mergeOrder(m, &b.Orders[i])
	}
	for _, id := range b.OrderIDs {
		if !c.ordered(m, id) {
			c.noteOrder(m, id)
		}
	}
	c.itemsBought = nil
	if b.After != nil {
		c.mergeAfter(m, b.After)
	}
	if b.Whereabouts != nil && (c.Whereabouts == nil || b.Whereabouts.At > c.Whereabouts.At) {
		c.Whereabouts = b.Whereabouts
	}
	c.hide()
	if b.Standing != nil {
		c.standing().merge(b.Standing)
	}
	c.mergeShown(m, b.Standing, shift)
	c.mergeModels(b.Models)
	c.mergePlatform(b)
	c.mergeTraits(b.Traits)
	c.mergeClaims(m, b.Claims)
	c.mergeMember(m, b.Member)
	c.mergePixels(b.Pixels)
	c.Sights = append(c.Sights, b.Sights...)
	slices.SortStableFunc(c.Sights, func(a, b sight) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key)) })
	c.Sights = c.Sights[max(0, len(c.Sights)-maxSights):]
	c.mergeContacts(m, b.Contacts, shift)
	for i := range b.Pending {
		p := b.Pending[i]
		p.N += shift
		c.Pending = append(c.Pending, p)
		c.soon(p.Due)
	}
	c.mergeNumbers(m, b)
	for i := range c.Interests {
		c.settleInterest(m, &c.Interests[i], c.Interests[i].began()-clockGraceMS)
	}
	for i := range b.Interests {
		c.settleInterest(m, &b.Interests[i], b.Interests[i].began()-clockGraceMS)
		c.mergeInterest(m, &b.Interests[i])
	}
	c.retier(m, b.ID)
	for i := range c.Interests {
		// Each id may have followed the catalogue when it said something else.
		if in := &c.Interests[i]; in.Of != "" && c.circular(in.Of, in.SKU) {
			in.isOf("")
		}
	}
	c.mergeSales(m, b.Sales)
	if b.Journeys != nil {
		for _, j := range b.Journeys.List {
			c.addJourney(m, j)
		}
	}
	c.travelled(m)
	for i := range b.Occurrences {
		o := b.Occurrences[i]
		o.N += shift
		c.mergeOccurrence(m, o)
	}
	c.mergeDismissed(m)
	c.endTold(m)
	c.thinPending(m)
	c.cancelledBefore(m, cancelled)
	c.mergeLinks(m, b)
	c.watchAll(m, b)
}

// watchAll has the items of another id watched here. What is not known of them
// yet is waited for: a gate that does not know what can be had says no.
func (c *Customer) watchAll(m *Machine, b *Customer) {
	x := c.identity()
	watch := func(sku string) {
		if m.watch(sku).Facts.At == 0 && !slices.Contains(x.Missing, sku) {
			x.Missing = append(x.Missing, sku)
		}
	}
	for i := range b.Carts {
		for j := range b.Carts[i].Lines {
			watch(b.Carts[i].Lines[j].SKU)
		}
	}
	for i := range b.Interests {
		watch(b.Interests[i].SKU)
	}
	for i := range b.Orders {
		for j := range b.Orders[i].Lines {
			watch(b.Orders[i].Lines[j].SKU)
		}
	}
	for i := range b.Occurrences {
		if o := &b.Occurrences[i]; m.rules.perItem(o.Moment) {
			watch(o.Value)
			m.watch(o.Value).interested(m, c.ID, true)
		}
	}
	for i := range b.Pending {
		if d, err := ParseDecision(b.Pending[i].Decision); err == nil {
			for j := range d.Action.Lines {
				watch(d.Action.Lines[j].SKU)
			}
		}
	}
}

// mergeLinks takes over who belongs to the other id, and what waits for it.
func (c *Customer) mergeLinks(m *Machine, b *Customer) {
	x, y := c.identity(), b.Identity
	if y == nil {
		return
	}
	for _, l := range y.Links {
		switch k := x.link(l.ID); {
		case l.ID == c.ID:
			// It kept this id once, until that was undone. What went there is back.
			x.Forward, x.Device, x.Own = "", false, false
		case l.State == linkRefused:
		case k == nil:
			if x.addLink(l) && l.State == linkAsked {
				c.askFor(m, &l)
			}
		case l.State == linkJoined:
			k.State = linkJoined
		}
	}
	x.Asked = append(x.Asked, y.Asked...)
	x.Held = append(x.Held, y.Held...)
	x.Parts = append(x.Parts, y.Parts...)
	x.Dropped = append(x.Dropped, y.Dropped...)
}

// merge keeps the more restrictive word on each purpose, and every address.
func (p *Profile) merge(q *Profile) {
	p.Zone.merge(q.Zone)
	p.Tier.merge(q.Tier)
	p.Prefers.merge(q.Prefers)
	if q.DeviceAt > p.DeviceAt {
		p.Device, p.DeviceAt = q.Device, q.DeviceAt
	}
	if q.HomeAt > p.HomeAt {
		p.Home, p.HomeAt, p.Country = q.Home, q.HomeAt, q.Country
	}
	kept, others := p.kept(), q.kept()
	mergeAddress(&p.Email, &p.EmailAt, &kept.Email, q.Email, q.EmailAt, others.Email)
	mergeAddress(&p.Phone, &p.PhoneAt, &kept.Phone, q.Phone, q.PhoneAt, others.Phone)
	kept.Push = cmp.Or(kept.Push, others.Push)
	p.keep(kept)
	p.BlockedAt = max(p.BlockedAt, q.BlockedAt)
	for _, channel := range q.Reach {
		p.reach(channel)
	}
	if p.Email == 0 {
		p.outOfReach("email")
	}
	if p.Phone == 0 {
		p.outOfReach("sms")
		p.outOfReach("whatsapp")
	}
	for _, channel := range q.Blocked {
		p.blockChannel(channel)
	}
	for _, d := range q.Consents {
		i := slices.IndexFunc(p.Consents, func(k Consent) bool {
			return k.Channel == d.Channel && k.Purpose == d.Purpose && k.Scope == d.Scope
		})
		if i < 0 {
			p.addConsent(d)
			continue
		}
		k := &p.Consents[i]
		if k.Granted && !d.Granted || k.Confirmed && !d.Confirmed {
			k.Proof = d.Proof
		}
		k.Before = k.Before || d.Before || k.Granted || d.Granted
		k.Granted, k.Confirmed = k.Granted && d.Granted, k.Confirmed && d.Confirmed
		k.At = max(k.At, d.At)
	}
}

// mergeAddress takes over what the other id said of an address: one that is not
// known here, or that there is none any more. What was said later holds of a word
// and one that takes it back.
func mergeAddress(known *uint64, at *int64, kept *string, other uint64, otherAt int64, otherKept string) {
	if otherAt >= *at && (*known == 0 || other == 0) {
		*known, *at, *kept = other, otherAt, otherKept
	}
}

// merge keeps every open case, every class another system owns, and what may
// still arrive though it was taken back.
func (s *Standing) merge(t *Standing) {
	for _, y := range t.Cases {
		i := slices.IndexFunc(s.Cases, func(x Case) bool { return x.ID == y.ID })
		if i < 0 {
			s.Cases = append(room(s.Cases, maxCases, func(x *Case) int64 { return x.latest() }), y)
			continue
		}
		x := &s.Cases[i]
		x.Opened, x.Closed, x.Until = max(x.Opened, y.Opened), max(x.Closed, y.Closed), max(x.Until, y.Until)
	}
	for _, class := range t.Elsewhere {
		if !slices.Contains(s.Elsewhere, class) {
			s.Elsewhere = append(s.Elsewhere, class)
		}
	}
	for _, y := range t.Taken {
		s.Taken = append(room(s.Taken, maxTaken, func(x *Taken) int64 { return x.At }), y)
	}
}

// mergeModels keeps the latest word of each model.
func (c *Customer) mergeModels(b *Models) {
	if b == nil {
		return
	}
	if c.Models == nil {
		c.Models = &Models{}
	}
	for _, y := range b.Scores {
		i := slices.IndexFunc(c.Models.Scores, func(x ModelScore) bool { return x.Name == y.Name })
		switch {
		case i < 0 && len(c.Models.Scores) < maxScores:
			c.Models.Scores = append(c.Models.Scores, y)
		case i >= 0 && y.At > c.Models.Scores[i].At:
			c.Models.Scores[i] = y
		}
	}
}

// merge makes two carts with one id what they would be had all their events
// come to one customer. A cart without an id of its own is not the same one
// under another id: what is in either is kept.
func (c *Cart) merge(b *Cart) {
	same := c.ID != "default"
	for i := range c.Lines {
		if l := &c.Lines[i]; same && !slices.ContainsFunc(b.Lines, func(k Line) bool { return k.SKU == l.SKU }) {
			l.clear(b.StateAt)
		}
	}
	for i := range b.Lines {
		k := &b.Lines[i]
		n := len(c.Lines)
		l := c.line(k.SKU)
		if l == nil {
			continue
		}
		if same && len(c.Lines) > n {
			l.clear(c.StateAt) // a later report of the whole cart does not have it
		}
		if c.At < b.At && k.Price != 0 || l.Price == 0 {
			l.Price = k.Price
		}
		if same {
			l.clear(k.Cleared)
		}
		for _, x := range k.Changes {
			if x.at > l.Cleared && !slices.Contains(l.Changes, x) {
				l.change(x.at, x.n)
			}
		}
		l.Cleared = max(l.Cleared, k.Cleared)
	}
	c.At, c.StateAt = max(c.At, b.At), max(c.StateAt, b.StateAt)
}

// mergeOrder takes over an order, or what was heard of one known here. It tells the
// items of which fewer units stand by what both know than either had told them, and
// notes those of which none does.
func (c *Customer) mergeOrder(m *Machine, b *Order) {
	o := c.order(b.ID)
	if o == nil {
		c.Orders = room(c.Orders, maxOrders, func(o *Order) int64 { return o.At })
		c.Orders = add(c.Orders, *b)
		return
	}
	var had []OrderUnits
	for _, x := range [...]*Order{o, b} {
		for i := range x.Lines {
			l := &x.Lines[i]
			if n := x.units(l.SKU); n > 0 {
				had = append(had, OrderUnits{l.SKU, l.hash, n})
			}
		}
	}
	if b.Placed && o.Placed {
		if b.First != nil {
			o.first(b.First, b.FirstAt)
		}
		o.first(orderUnits(b.Lines), b.Said)
	} else if b.Placed {
		o.First, o.FirstAt = b.First, b.FirstAt
	}
	if b.Placed && (!o.Placed || b.Updated && !o.Updated || b.Updated == o.Updated && b.Said > o.Said) {
		o.Lines, o.Said, o.Updated = b.Lines, b.Said, b.Updated
	}
	if b.Placed && (!o.Placed || b.At < o.At) {
		o.At = b.At
	}
	o.Placed, o.Confirmed, o.Short = o.Placed || b.Placed, o.Confirmed || b.Confirmed, o.Short || b.Short
	o.Changes = max(o.Changes, b.Changes)
	o.Cancelled = earliest(o.Cancelled, b.Cancelled)
	o.Disputed = o.Disputed || b.Disputed
	for i := range b.Less {
		y := &b.Less[i]
		x := o.less(y.SKU)
		x.Gone, x.Last, x.Short, x.Back = max(x.Gone, y.Gone), max(x.Last, y.Last), max(x.Short, y.Short), max(x.Back, y.Back)
		x.Charged = x.Charged || y.Charged
	}
	o.settle()
	for _, l := range had {
		n := o.units(l.SKU)
		if n < l.Quantity {
			m.send(l.SKU, &Message{Type: KeepSold, SKU: l.SKU, Customer: c.ID, Ref: orderRef(o.ID), Quantity: n})
		}
		if n == 0 {
			c.identity().Dropped = append(c.identity().Dropped, dropped{o.ID, l.SKU})
		}
	}
}

// mergeContacts counts what the other id was told as told to this one.
func (c *Customer) mergeContacts(m *Machine, list []Contact, shift int64) {
	for _, k := range list {
		k.N += shift
		c.Contacts = append(c.Contacts, k)
	}
	slices.SortStableFunc(c.Contacts, func(a, b Contact) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	if len(c.Contacts) > maxContacts {
		last := c.Contacts[len(c.Contacts)-1]
		c.Contacts = c.Contacts[:len(c.Contacts)-1]
		c.roomForContact(m)
		c.Contacts = append(c.Contacts, last)
	}
}

// mergeSales takes over the latest word on each sale.
func (c *Customer) mergeSales(m *Machine, list []registration) {
	for _, g := range list {
		i := slices.IndexFunc(c.Sales, func(k registration) bool { return k.ID == g.ID })
		switch {
		case i < 0 && len(c.Sales) < maxRegistrations:
			c.Sales = append(c.Sales, g)
		case i >= 0 && g.At > c.Sales[i].At:
			c.Sales[i] = g
		default:
			continue
		}
		s := m.saleHere(g.ID)
		if g.Gone {
			s.Registered.remove(m, c.ID)
			continue
		}
		s.Registered.put(m, s.head, c.ID, "")
		if s.Facts.SKU != "" {
			m.watch(s.Facts.SKU)
		}
	}
}

// mergeOccurrence takes over a moment that has begun. Of two about the same
// one goes on; a candidate that has formed ends with a record.
func (c *Customer) mergeOccurrence(m *Machine, o Occurrence) {
	i := slices.IndexFunc(c.Occurrences, func(k Occurrence) bool {
		return k.Moment == o.Moment && k.Value == o.Value && (k.Then == 0) == (o.Then == 0)
	})
	if i >= 0 {
		k := &c.Occurrences[i]
		switch {
		case o.State == audienceState:
			k.Expires, k.Due = max(k.Expires, o.Expires), max(k.Due, o.Due)
			return
		case o.State == openState:
			c.finish(m, i, Combined) // people work on the other one
		case k.State == windowState && o.State == windowState:
			if k.At = max(k.At, o.At); k.Due != 0 && o.Due > k.Due {
				k.Due = o.Due
			}
			return
		case o.State == windowState:
			return // what happened since is read when the candidate is gated again
		case k.State == windowState:
			if k.Then == 0 {
				c.giveBack(m, k, true)
			}
			c.removeOccurrence(i)
		default:
			mo, why := m.rules.moment(&o), Combined
			if namesOne(mo) {
				why = DuplicateCause
			}
			c.record(m, mo, &o, verdict{outcome: Suppressed, reason: why, stockAge: -1})
			if o.Coded {
				c.returnCode(m, o.Moment, o.Rules)
			}
			return
		}
	}
	if len(c.Occurrences) >= maxOccurrences {
		c.dropOccurrence(m)
	}
	c.putOccurrence(o)
	c.soon(o.Due)
}

// namesOne reports whether the values of a moment name one and the same thing
// under whichever id it is heard of.
func namesOne(mo *moments.Moment) bool {
	if mo == nil {
		return false
	}
	switch mo.Per {
	case "order_id", "shipment_id", "sale_id", "reward_id", "subscription_id":
		return true
	}
	return false
}

// endTold ends what waits under one id though the other was told of it since.
func (c *Customer) endTold(m *Machine) {
	for i := len(c.Occurrences) - 1; i >= 0; i-- {
		o := &c.Occurrences[i]
		if o.State != deferredState || o.Then != 0 || !namesOne(m.rules.moment(o)) {
			continue
		}
		if slices.ContainsFunc(c.Contacts, func(k Contact) bool {
			return k.Moment == o.Moment && k.Value == o.Value && k.N != o.N && k.At >= o.At
		}) {
			c.conclude(m, i, verdict{outcome: Suppressed, reason: DuplicateCause, stockAge: -1})
		}
	}
}
