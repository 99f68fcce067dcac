package processor

import (
	"onhand/processor/moments"
	"slices"
)

// Audiences: a membership is a state kept true, not a message. Who may be in is
// looked at whenever something changed that it can depend on.

// hold keeps an audience membership true: in while the gate agrees, out with
// the same commit in which it does not.
func (c *Customer) hold(m *Machine, i int) {
	o := &c.Occurrences[i]
	inForce := m.under(o.Rules)
	defer func() { m.rules = inForce }()
	mo := m.rules.moment(o)
	if mo == nil || mo.Mode == moments.Off {
		c.leaveAudience(m, i, SwitchedOff)
		return
	}
	if o.Expires <= m.shop.Now {
		c.leaveAudience(m, i, ExpiredReason)
		return
	}
	o.Due = o.Expires
	if !o.In && c.heldBack(mo) {
		return // looked at again when all is here
	}
	if mo.Per == "sku" && m.watch(o.Value).Facts.At == 0 {
		c.stake(m, o, true) // the item has been asked and answers at once
		return
	}
	main := ""
	if slices.Contains(mo.Lines, moments.LineComplete) {
		main = m.mainOf(o.Value)
	}
	if main != "" && m.watch(main).Facts.At == 0 {
		c.stakeWith(m, o, main)
		return
	}
	if in := c.interest(o.Value); in != nil && in.Quantity > 1 && mo.Per == "sku" {
		m.watch(o.Value).wants(m, in.Quantity)
	}
	if len(m.rules.counts) > 0 && mo.Per == "sku" && slices.Contains(m.rules.counts, mo.Name) {
		m.watch(o.Value).wants(m, availableCap)
	}
	v := c.gate(m, mo, o, false)
	o.Shut = false
	wait := v.outcome == Sent && !o.In && c.hasUnheard(m, o)
	if !wait {
		v, wait = c.quorum(m, mo, o, v)
	}
	if wait {
		c.stakeAll(m, o, main)
		return
	}
	if c.Platform != nil {
		v = c.leftAlone(o, v)
	}
	stake := o.In
	if v.outcome != Sent {
		_, refused := c.permitted(m, mo, o)
		o.Shut = refused != "" && !ofShop(refused)
	}
	// What a guard asks of an item changes with the item, as does what was bought by
	// another number, which may be taken back.
	p := &m.facts(o.Value).Product
	renamed := v.reason == Purchased && p.Was+p.Now != ""
	waits := !o.Shut && (v.reason.Step() == StepAvailable || ofShop(v.reason) || v.reason == BelowMinimum || v.reason == GuardFalse || v.reason == Drifted || renamed)
	switch {
	case v.outcome == Sent && !o.In:
		c.Count++
		o.N = c.Count
		d := c.record(m, mo, o, v)
		o.In, o.Said, stake = true, 0, true
		c.told(m, d, o)
	case v.outcome != Sent && o.In:
		c.withdraw(m, mo, o, v.reason)
		o.Said = v.reason.code()
		if v.reason == Purchased || v.reason == Declined || v.reason == Cancelled {
			c.stake(m, o, false)
			c.removeOccurrence(i)
			return
		}
		stake = waits
	case v.outcome != Sent:
		if o.Said == 0 {
			o.Said = v.reason.code()
			c.record(m, mo, o, verdict{outcome: Suppressed, reason: v.reason, dropped: v.dropped, stockAge: v.stockAge, facts: v.facts, household: v.household})
		}
		stake = waits
	}
	if v.reason == NoChannelInTime && o.Due > m.shop.Now+retryMS { // what waits may be gone by then
		o.Due = m.shop.Now + retryMS
		c.soon(o.Due)
	}
	if v.reason == RecentlyBought { // time alone may give it back
		if at := c.silenceEnds(m); at != 0 && at < o.Due {
			o.Due = at
			c.soon(at)
		}
	}
	if stake {
		c.stakeAll(m, o, main)
		return
	}
	c.stake(m, o, false)
}

// hasUnheard reports whether something was bought, lately enough to refuse an
// audience, of which nobody here knows yet what it is, and asks: the item may be
// a part of it, or one of its family.
func (c *Customer) hasUnheard(m *Machine, o *Occurrence) (unheard bool) {
	since := min(o.At-clockGraceMS, m.shop.Now-m.rules.file.Policy.SilenceAfterPurchase.Milliseconds())
	for i := range c.Orders {
		order := &c.Orders[i]
		for j := range order.Lines {
			l := &order.Lines[j]
			if l.heard || order.boughtAt(l.SKU) < since || !order.closes(l.SKU) {
				continue
			}
			wa := m.watch(l.SKU)
			if l.heard = wa.Facts.At != 0 || wa.Own != nil; !l.heard {
				wa.stake(m, c.ID, true)
				unheard = true
			}
		}
	}
	return unheard
}

// stakeAll lists a customer under the item of an audience and, if it is an
// accessory, under its main item.
func (c *Customer) stakeAll(m *Machine, o *Occurrence, main string) {
	if main != "" {
		c.stakeWith(m, o, main)
		return
	}
	c.stake(m, o, true)
}

func (c *Customer) stake(m *Machine, o *Occurrence, in bool) {
	if o.Staked == in && o.State == audienceState {
		return
	}
	o.Staked = in
	sku := m.listedUnder(o)
	if sku == noItem && in {
		m.watch(noItem)
	}
	if e := m.get(WatchKind, sku); e != nil {
		if in {
			e.(*Watch).stake(m, c.ID, true)
		} else {
			c.unlist(m, sku)
		}
	}
	if main := m.mainOf(o.Value); main != "" && !in {
		c.leaveMain(m, main)
	}
}

// stakeWith lists a customer under an accessory and under its main item: what
// is said of the one ends with the other.
func (c *Customer) stakeWith(m *Machine, o *Occurrence, main string) {
	c.stake(m, o, true)
	wa := m.watch(main)
	if !wa.Main { // the catalogue names it by an old number
		m.touch(wa)
		wa.Main = true
	}
	wa.stake(m, c.ID, true)
}

// isMain reports whether an item is what another is an accessory of, by the
// number that the catalogue says or by the one it has now.
func (m *Machine) isMain(sku, accessory string) bool {
	return m.facts(accessory).Product.AccessoryOf == sku || m.mainOf(accessory) == sku
}

// leaveMain takes a customer off the list of a main item when nothing depends
// on it any more.
func (c *Customer) leaveMain(m *Machine, main string) {
	if !slices.ContainsFunc(c.Occurrences, func(o Occurrence) bool {
		return o.Staked && (o.Value == main || m.mainOf(o.Value) == main)
	}) {
		m.watch(main).stake(m, c.ID, false)
	}
}

// ofShop reports whether a refusal holds for the whole shop, so that everybody
// with a stake is told when it ends.
func ofShop(r Reason) bool { return r == Stopped || r == Crisis }

// leaveAudience ends an audience occurrence for good.
func (c *Customer) leaveAudience(m *Machine, i int, why Reason) {
	o := &c.Occurrences[i]
	if o.In {
		c.withdraw(m, m.rules.moment(o), o, why)
		c.Platform.agrees(o)
	}
	c.leaveQuorum(m, o)
	c.stake(m, o, false)
	c.removeOccurrence(i)
}

// inAudience reports whether the customer is in an audience.
func (c *Customer) inAudience() bool {
	return slices.ContainsFunc(c.Occurrences, func(o Occurrence) bool { return o.In })
}

// factsChanged looks again at what depends on an item whose facts changed.
func (c *Customer) factsChanged(m *Machine, sku string) {
	wa, _ := m.get(WatchKind, sku).(*Watch)
	main := wa != nil && wa.Main // only then something is its accessory
	family, bought := m.facts(sku).Product.Family, c.newestOrder(Hash(sku)) != never
	if !bought {
		family = "" // nothing of it is kept silent
	}
	for i := len(c.Occurrences) - 1; i >= 0; i-- {
		if o := &c.Occurrences[i]; o.State == audienceState &&
			(o.Value == sku || sku == noItem || main && m.isMain(sku, o.Value) || family != "" && m.facts(o.Value).Product.Family == family ||
				bought && !o.In && o.Staked) { // it may have waited to hear what was bought
			c.hold(m, i)
		}
	}
	c.partsCame(m, sku)
	c.factsCame(m, sku)
	if in := c.interest(sku); in != nil {
		if in.Parked && in.Apart && m.facts(sku).Sellable && !c.awaits() {
			c.rejoinOne(m, in)
			c.unstake(m, sku)
		}
		c.affords(m, in)
		c.offerKnown(m, in)
	}
	c.wordCame(m, sku)
	c.recheckPending(m, sku)
	if wa != nil && wa.Facts.At != 0 && !main && sku != noItem {
		c.unlist(m, sku) // who asked for its first word only has it now
	}
}

// holdItem looks again at the audiences of an item, of which the customer wants
// something else now.
func (c *Customer) holdItem(m *Machine, sku string) {
	for i := range backwards(&c.Occurrences) {
		if o := &c.Occurrences[i]; o.State == audienceState && o.Value == sku {
			c.hold(m, i)
		}
	}
}

// unstake ends hearing of an item's changes, but for its audience.
func (c *Customer) unstake(m *Machine, sku string) {
	if !slices.ContainsFunc(c.Occurrences, func(o Occurrence) bool { return o.State == audienceState && o.Value == sku }) {
		c.stake(m, &Occurrence{Value: sku}, false)
	}
}

// recheck looks again at what an event may have taken a reason from, as with
// refused a permission, or, with permission, given one. Who is kept out of an
// audience for want of a permission stays out whatever is bought.
func (c *Customer) recheck(m *Machine, e *Event, permission, refused bool) {
	c.takeOutRefused(m)
	if permission || !c.recheckItems(m, e) {
		for i := len(c.Occurrences) - 1; i >= 0; i-- {
			o := &c.Occurrences[i]
			switch {
			case o.State == audienceState && (permission || !o.Shut):
				c.hold(m, i) // at most this one goes
			case permission && o.State == deferredState && (o.Said == ConsentPending.code() || o.Said == CaseOpen.code()):
				o.Due = m.shop.Now // what was missing may have arrived
				c.soon(o.Due)
			}
		}
	}
	if permission || refused {
		e = nil
	}
	c.recheckPendingBy(m, "", e)
}

// travelledTo asks again for what waits for the morning of another time zone: it
// may be day where the customer is now.
func (c *Customer) travelledTo(m *Machine) {
	for i := range c.Occurrences {
		if o := &c.Occurrences[i]; o.State == deferredState && o.Said == QuietHours.code() {
			o.Due = m.shop.Now
			c.soon(o.Due)
		}
	}
}

// recheckItems looks again only at the audiences of the items the event names,
// when nothing else can depend on it: no audience asks for more than its item,
// and none of the items has a family or accessories, or is the same as another
// to who has bought it: a variant, a bundle. What is taken out of an order by
// another report of it is not named.
func (c *Customer) recheckItems(m *Machine, e *Event) bool {
	switch e.Kind {
	case ProductAdded, ProductRemoved, CartUpdated, CartViewed, CheckoutStarted:
	case OrderCompleted:
		if o := c.order(Hash(e.OrderID)); o != nil && len(o.First) > 0 {
			return false
		}
	default:
		return false
	}
	if !m.rules.audiencesByItem {
		return false
	}
	alone := func(sku string) bool {
		wa, ok := m.get(WatchKind, sku).(*Watch)
		if !ok {
			return true
		}
		p := &wa.Facts.Product
		return p.Family == "" && !wa.Main && !wa.Stands && p.Parent == "" && p.Variants == "" && p.Parts == ""
	}
	if e.SKU != "" && !alone(e.SKU) {
		return false
	}
	for i := range e.Products {
		if !alone(e.Products[i].SKU) {
			return false
		}
	}
	for _, name := range m.rules.audiences {
		if e.SKU != "" {
			c.recheckItem(m, name, e.SKU)
		}
		for i := range e.Products {
			c.recheckItem(m, name, e.Products[i].SKU)
		}
	}
	return true
}

func (c *Customer) recheckItem(m *Machine, audience, sku string) {
	if i := c.occurrence(audience, sku); i >= 0 && c.Occurrences[i].State == audienceState && !c.Occurrences[i].Shut {
		c.hold(m, i)
	}
}
