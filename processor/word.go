package processor

import "slices"

// A candidate that waits for a word of the shop or of an item does not ask again
// and again whether it was said. The customer is listed where the word arrives,
// and looks again then:
//
//	too_few   under the item: there are enough, or none at all
//	crisis    under no item, where everybody hears of what holds for the whole shop,
//	          and that an item is of another category, which may be in no crisis
//	..._stale there, too: the source has caught up; see late.go
//
// A message that was decided and waits for its turn is listed in the same way. A
// candidate that is about what goes with its item asks every retryMS.

// listens reports whether a candidate deferred for a reason is brought back by a
// word.
func listens(r Reason) bool {
	return r == TooFew || r == Crisis || r == PriceStale || r == ConsentStale || r == OrderSourceStale
}

// listening is for which word a message waits that was decided.
type listening uint8

const (
	toNobody listening = iota
	toShop             // what holds for the whole shop, or a source
	toItem
)

// awaitWord lists the customer for the word that a message waits for that was
// decided, and returns when it is of no use any more.
func (c *Customer) awaitWord(m *Machine, p *Pending, v *verdict) (until int64) {
	to, sku := toShop, noItem
	if v.reason == TooFew {
		to, sku = toItem, p.Value
	}
	if until = m.shop.Now + retryMS; to == toItem && !slices.Contains(v.dropped, DroppedLine{p.Value, TooFew}) {
		return until // of what goes with the item there are too few
	}
	if p.Expires != 0 {
		until = p.Expires - 1 // it ends for what it waits for
	}
	if until <= m.shop.Now {
		return until
	}
	if was := p.Listens; was != to {
		p.Listens = to
		switch was {
		case toShop:
			c.unlist(m, noItem)
		case toItem:
			c.unlist(m, p.Value)
		}
	}
	wa := m.watch(sku)
	if in := c.interest(p.Value); in != nil && to == toItem {
		wa.wants(m, in.Quantity) // it may be more than when it was listed
	}
	wa.stake(m, c.ID, true)
	return until
}

// hears reports whether a message that was decided waits for what is said of an
// item, or with noItem of the whole shop.
func (p *Pending) hears(sku string) bool {
	return p.Listens == toShop && sku == noItem || p.Listens == toItem && sku == p.Value
}

// listen lists the customer for the word that a candidate waits for. It looks
// again by itself when it is of no use any more.
func (c *Customer) listen(m *Machine, o *Occurrence, v *verdict) {
	if o.Staked && o.Said != v.reason.code() {
		c.stop(m, o)
	}
	if !listens(v.reason) || v.reason == TooFew && !slices.Contains(v.dropped, DroppedLine{o.Value, TooFew}) {
		return // of what goes with the item there are too few
	}
	in := c.interest(o.Value)
	switch {
	case o.Expires != 0:
		v.until = o.Expires + 1
	case in != nil && in.ends() > m.shop.Now:
		v.until = in.ends()
	default:
		v.until = m.shop.Now + retryMS
	}
	sku := noItem
	if v.reason == TooFew {
		sku = o.Value
		m.watch(sku).wants(m, in.Quantity) // it may be more than when it was listed
	}
	if o.Staked {
		return
	}
	o.Staked = true
	m.watch(sku).stake(m, c.ID, true)
}

// stop ends listening for a candidate's word.
func (c *Customer) stop(m *Machine, o *Occurrence) {
	if sku := m.listedUnder(o); o.Staked && o.State == deferredState {
		o.Staked = false
		c.unlist(m, sku)
	}
}

// wordCame has those look again whose word it is that an item's facts, or with
// noItem what holds for the whole shop, have changed.
func (c *Customer) wordCame(m *Machine, sku string) {
	for i := range c.Occurrences {
		o := &c.Occurrences[i]
		if o.State == deferredState && o.Staked && m.listedUnder(o) == sku {
			o.Due = m.shop.Now
			c.soon(o.Due)
		}
	}
	heard := sku == noItem // what listened there may be gone since
	for i := range c.Pending {
		if p := &c.Pending[i]; p.hears(sku) {
			heard, p.Listens = true, toNobody
			if p.Due != 0 {
				p.Due = m.shop.Now
				c.soon(p.Due)
			}
		}
	}
	if heard {
		c.unlist(m, sku)
	}
}

// recategorized has those look again who wait for the end of a crisis to speak of
// an item: for what it is of now there may be none.
func (m *Machine) recategorized(sku string) {
	if wa, ok := m.get(WatchKind, noItem).(*Watch); !ok || wa.Stake.Len() == 0 {
		return
	}
	all := m.roster()
	r := all.Roster
	switch {
	case all.Fan && r.Moved == nil: // everybody looks again
	case len(r.Moved) == maxMoved:
		r.Moved = nil
	case !slices.Contains(r.Moved, sku):
		r.Moved = append(r.Moved, clone(sku))
	}
	all.Fan, all.Next = true, ""
	m.arm(all, m.shop.Now+1)
}

// recategorized has what is said of one of the items look again, where nothing
// else brings it word of that. Whoever waits for something else is left alone:
// what they would find depends on when they look.
func (c *Customer) recategorized(m *Machine, skus []string) {
	inForce := m.rules
	defer func() { m.rules = inForce }()
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		m.rules = inForce.of(o.Rules)
		mo := m.rules.moment(o)
		if waits := o.State == deferredState && o.Staked && o.Said == Crisis.code(); mo == nil || !waits && o.State != audienceState || m.listedUnder(o) != noItem {
			continue
		}
		v := verdict{outcome: Sent, stockAge: -1}
		if c.gateLines(m, mo, o, &v); !v.speaksOf(skus) {
			continue
		}
		if o.State == audienceState {
			m.rules = inForce
			c.hold(m, i)
			continue
		}
		o.Due = m.shop.Now
		c.soon(o.Due)
	}
	for i := range c.Pending {
		if p := &c.Pending[i]; p.hears(noItem) && p.Due != 0 {
			if d, err := p.decision(); err == nil && slices.ContainsFunc(d.Action.Lines, func(l ActionLine) bool { return slices.Contains(skus, l.SKU) }) {
				p.Due = m.shop.Now
				c.soon(p.Due)
			}
		}
	}
}

// speaksOf reports whether one of the items was among those that could be
// spoken of.
func (v *verdict) speaksOf(skus []string) bool {
	return slices.ContainsFunc(v.lines, func(l ActionLine) bool { return slices.Contains(skus, l.SKU) }) ||
		slices.ContainsFunc(v.dropped, func(l DroppedLine) bool { return slices.Contains(skus, l.SKU) })
}

// listedUnder returns the item under which a customer is listed for an
// occurrence, to be told of changes.
func (m *Machine) listedUnder(o *Occurrence) string {
	if o.State == deferredState {
		if o.Said != TooFew.code() {
			return noItem
		}
		return o.Value
	}
	if mo := m.rules.moment(o); mo != nil && mo.Per != "sku" {
		return noItem
	}
	return o.Value
}

// unlist takes the customer off the list of those who are told of an item, but
// for what else of theirs hangs on it.
func (c *Customer) unlist(m *Machine, sku string) {
	wa, ok := m.get(WatchKind, sku).(*Watch)
	if !ok || c.shows(sku) {
		return
	}
	if in := c.interest(sku); in != nil && (in.Parked || in.Queued && in.Dear) {
		return
	}
	if !slices.ContainsFunc(c.Occurrences, func(o Occurrence) bool { return o.Staked && m.listedUnder(&o) == sku }) &&
		!slices.ContainsFunc(c.Pending, func(p Pending) bool { return p.hears(sku) }) {
		wa.stake(m, c.ID, false)
	}
}
