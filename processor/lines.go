package processor

import (
	"slices"

	"onhand/processor/moments"
)

// gateLines works out which lines may be mentioned: what is wanted still, and
// can be had. When none is left the earliest reason among them is the answer,
// and v keeps those that are wanted: the guard is asked of these before it is
// said that they cannot be had. asked is false while it is not known yet which
// lines there are.
func (c *Customer) gateLines(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) (asked bool) {
	var all []candidate
	oldest := m.shop.Now - cartMemoryMS
	switch mo.Per {
	case "cart_id":
		cart := c.findCart(o.Value)
		if cart != nil {
			all = c.cartCandidates(m, mo, cart, oldest)
		} else {
			all = c.failedCandidates(m, mo, o)
		}
		if len(all) == 0 {
			*v = v.refuse(Suppressed, CartEmptied)
			return true
		}
	case "sku":
		if crossSells(mo) {
			if all = c.accessoriesFor(m, o.Value, v); v.outcome != Sent {
				return false
			}
			break
		}
		x := candidate{line: ActionLine{SKU: o.Value, Quantity: 1}}
		in := c.interest(o.Value)
		if in != nil {
			x.line.Price = in.PriceSeen // unless a price is told
		}
		switch {
		case in != nil && (in.Bought != 0 || in.Declined):
			x.reason = in.over()
		case in != nil:
			x.line.Quantity = max(in.Quantity, 1)
			if mo.Fact != "" || mo.Stock == moments.StockOffer {
				if name, _ := in.strongest(m.shop.Now); name == "" && !in.toldFreely(m, o) {
					x.reason = Ended
				}
			}
		case mo.Stock == moments.StockOffer:
			x.reason = Ended
		}
		if x.reason == "" && slices.Contains(mo.Lines, moments.LineUnbought) {
			since := o.At - clockGraceMS
			bought, _ := c.purchasesOf(m, o.Value, since)
			by := uint64(0)
			if in == nil { // nothing else says that a chargeback ends the wish
				by, _ = c.broughtBy(m, o.Value, since)
			}
			if bought > 0 || by != 0 {
				x.reason = Purchased
			}
		}
		all = append(m.candidates[:0], x)
		m.candidates = all
		if restores(mo) {
			all = c.restore(m, mo, all, oldest, v)
		}
	case "sale_id":
		sku, why := c.saleItem(m, mo, o)
		if why != "" {
			*v = v.refuse(Suppressed, why)
		}
		if sku == "" {
			return true // a message about the sale alone
		}
		all = append(all, candidate{line: ActionLine{SKU: sku, Quantity: 1}})
	case "family":
		for _, l := range c.familyLines(m, o.Value) {
			all = append(all, candidate{line: l})
		}
		if len(all) == 0 {
			*v = v.refuse(Suppressed, Ended)
			return true
		}
	case "subscription_id":
		s := c.subscription(o.Value)
		if s == nil || s.Ended && o.Cause != SubscriptionEnded {
			*v = v.refuse(Suppressed, Ended)
			return true
		}
		if s.SKU != "" {
			all = append(all, candidate{line: ActionLine{SKU: s.SKU, Quantity: 1}})
		}
	default:
		c.afterLines(m, mo, o, v)
		if v.outcome != Sent || len(mo.Lines) == 0 && mo.Stock == moments.StockIgnore {
			return true
		}
		for _, l := range v.lines {
			all = append(all, candidate{line: l})
		}
		v.lines, v.total = nil, 0
	}
	if len(all) == 0 {
		return true // a message about no item
	}
	gifts := !slices.Contains(mo.Lines, moments.LineReplenishable) // what others were given is not what runs out here
	sellable := mo.Stock != moments.StockIgnore || slices.Contains(mo.Lines, moments.LineSellable)
	for i := range all {
		x := &all[i]
		f := m.facts(x.line.SKU)
		x.line.Title, x.line.URL, x.line.Image = f.Product.Title, f.Product.URL, f.Product.Image
		if f.Price != 0 && (x.line.Price == 0 || mo.Per == "sku" || f.PriceAt > x.priceAt) {
			x.line.Price, x.priceAt = f.Price, f.PriceAt
		}
		v.priceAt = earliest(v.priceAt, x.priceAt)
		if x.reason == "" && slices.Contains(mo.Lines, moments.LineUnsubscribed) && c.subscribed(m, x.line.SKU, f.Product.Family) {
			x.reason = Subscribed
		}
		if x.reason == "" && slices.Contains(mo.Lines, moments.LineReplenishable) && m.lasts(x.line.SKU) == 0 {
			x.reason = GuardFalse
		}
		if x.reason == "" && mo.Class.Name == "marketing" {
			silent := m.rules.file.Policy.SilenceAfterPurchase.Milliseconds()
			if silent > 0 && c.silencedBy(m, f, x.line.SKU, m.shop.Now-silent, gifts) || c.arriving(m, x.line.SKU, f.Product.Family, silent, gifts) {
				x.reason = RecentlyBought
			}
		}
		if sellable {
			if f.LevelAt != 0 {
				v.stockAge = max(v.stockAge, m.shop.Now-f.LevelAt)
				v.facts = max(v.facts, f.Version)
			}
			if x.reason == "" {
				x.reason = c.available(m, f, c.interest(x.line.SKU), mo)
			}
		}
	}
	if at := o.more().OfferAt; sellable && v.stockAge < 0 && o.Offer != 0 && at != 0 {
		v.stockAge = m.shop.Now - at
	}
	if len(m.shop.Tags)+len(m.shop.Crises) > 0 {
		for i := range all {
			if x := &all[i]; x.reason == "" {
				x.reason = m.tagged(mo, m.facts(x.line.SKU).Product.Category)
			}
		}
	}
	if slices.Contains(mo.Lines, moments.LineComplete) {
		// An accessory stays only while its main item stays too, or is owned.
		for i := range all {
			main := m.mainOf(all[i].line.SKU)
			if main == "" || all[i].reason != "" {
				continue
			}
			owned, returned := c.ownsAny(m, main)
			if owned {
				continue
			}
			if j := slices.IndexFunc(all, func(x candidate) bool { return x.line.SKU == main }); j >= 0 {
				all[i].reason = all[j].reason
			} else if returned {
				all[i].reason = Returned
			} else {
				all[i].reason = m.facts(main).why(m.shop.Now)
			}
		}
	}
	first := Reason("")
	if v.cart != "" && all[0].reason != "" {
		for i := range all { // without what is back there is nothing to restore
			all[i].reason = all[0].reason
		}
	}
	for i := range all {
		x := &all[i]
		if x.reason == "" {
			v.lines = append(v.lines, x.line)
			v.total = plus(v.total, x.line.Price, x.line.Quantity)
			continue
		}
		v.dropped = append(v.dropped, DroppedLine{x.line.SKU, x.reason})
		if mo.Per == "family" && x.reason.Step() == StepAvailable {
			if l, ok := c.replace(m, mo, x.line, v.lines); ok {
				v.lines = append(v.lines, l)
				v.total = plus(v.total, l.Price, l.Quantity)
			}
		}
		if first == "" || x.reason.Before(first) {
			first = x.reason
		}
	}
	if len(v.lines) == 0 {
		o := Suppressed
		if first == TooFew || first == NoUnit || first == Crisis {
			o, v.until = Deferred, m.shop.Now+retryMS
		}
		*v = v.refuse(o, first)
		for i := range all {
			if x := &all[i]; x.reason.Step() != StepWanted && mo.If != nil {
				v.lines = append(v.lines, x.line)
				v.total = plus(v.total, x.line.Price, x.line.Quantity)
			}
		}
	}
	return true
}

// maxWorth bounds what the lines of a message come to, in minor units: beyond
// it is no cart but a slip of the keyboard, which must not turn negative.
const maxWorth = 1_000_000_000_000_000_000

// plus adds so much for each of so many units to a sum, up to maxWorth.
func plus(sum, each, units int64) int64 {
	if each > 0 && units > maxWorth/each || each < 0 && units > maxWorth/-each {
		each, units = max(min(each, 1), -1), maxWorth
	}
	return max(min(sum+each*units, maxWorth), -maxWorth)
}

// tagged returns why an item of a category is not to be spoken of: a stop or a
// crisis whose tag is the category. "" = nothing is in the way.
func (m *Machine) tagged(mo *moments.Moment, category string) Reason {
	switch {
	case category == "":
	case slices.Contains(m.shop.Tags, category):
		return Stopped
	case mo.Class.Crisis && slices.Contains(m.shop.Crises, category):
		return Crisis
	}
	return ""
}

// available asks whether this customer can have the item now.
func (c *Customer) available(m *Machine, f *ItemFacts, in *Interest, mo *moments.Moment) Reason {
	if why := in.cannotHave(m, f); why != "" {
		// What can be ordered ahead can be bought, but it is not back.
		if ahead := why == OutOfStock && f.Ahead && mo.Fact != moments.Sellable; !ahead {
			return why
		}
	}
	if c.barred(m, f, in) && !in.fetches(f) {
		return NotOfferedHere
	}
	if in == nil || mo.Per != "sku" {
		return ""
	}
	if in.Quantity > 1 && f.Sellable && in.accepts(m, "") && f.Available < in.Quantity && f.Available < availableCap {
		return TooFew
	}
	if in.MaxPrice != 0 && f.Price > in.MaxPrice {
		return PriceAboveLimit
	}
	if mo.Fact == moments.PriceDown && in.PriceSeen != 0 && f.Price >= in.PriceSeen {
		return PriceRose
	}
	return ""
}

// accepts reports whether a customer with this interest, nil for none, takes
// the item from a place, "" = the web shop. Who named places accepts these.
func (in *Interest) accepts(m *Machine, place string) bool {
	if in == nil || len(in.Locations) == 0 {
		return place == ""
	}
	if place == "" {
		return slices.ContainsFunc(in.Locations, m.stockOf(in.SKU).IsOnline)
	}
	return slices.Contains(in.Locations, place)
}

// cannotHave returns why a customer with this interest, nil for none, cannot
// have the item now from any place they accept; "" = they can.
func (in *Interest) cannotHave(m *Machine, f *ItemFacts) Reason {
	if in != nil && in.Variant != "" && f.Product.Variants != "" {
		why := OutOfStock // no such variant
		for sku := range f.Product.variants(in.Variant) {
			if why = in.lacks(m, m.facts(sku)); why == "" {
				break
			}
		}
		return why
	}
	return in.lacks(m, f)
}

// lacks is cannotHave of an item that is not asked for by its attributes.
func (in *Interest) lacks(m *Machine, f *ItemFacts) Reason {
	why := f.why(m.shop.Now)
	web := in.accepts(m, "")
	if web && why == "" {
		return ""
	}
	if in == nil || len(in.Locations) == 0 || why == Unpublished || why == NotYetOnSale || why == SaleOver {
		return why
	}
	elsewhere := why == ""
	for _, p := range f.Places {
		if in.accepts(m, p.Location) {
			return ""
		}
		elsewhere = true
	}
	switch {
	case elsewhere:
		return NotOfferedHere
	case why == "":
		return OutOfStock
	}
	return why
}
