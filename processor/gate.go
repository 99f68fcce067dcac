package processor

import (
	"onhand/processor/moments"
	"slices"
	"time"
)

// verdict is the gate's answer for one candidate.
type verdict struct {
	outcome  Outcome // Sent = it may go
	reason   Reason
	until    int64
	channel  string
	lines    []ActionLine
	total    int64
	dropped  []DroppedLine
	stockAge int64 // ms; -1 = no stock fact was used
	facts    uint64
	priceAt  int64 // of the oldest price told; 0 = none
	asked    bool  // for permission: the steps before it agreed
	score    int64
	factors  []Factor
	cart     string      // the cart that is restored
	lostTo   string      // id of the decision that was better, or said it already
	ahead    *Occurrence // the better one that is due as well; see arbitrate
}

// refuse makes v a refusal for a reason.
func (v verdict) refuse(o Outcome, r Reason) verdict {
	v.outcome, v.reason = o, r
	return v
}

// gate asks the five questions about a candidate, on the state of this
// instant: is it wanted, can it be had, may we, is this the time, is it the
// best thing to say. The first step that refuses gives the reason. release
// says that the candidate was decided before and now asks to go.
func (c *Customer) gate(m *Machine, mo *moments.Moment, o *Occurrence, release bool) verdict {
	v := verdict{outcome: Sent, stockAge: -1}
	channels := c.eligible(m, mo, o, &v)
	if v.outcome != Sent {
		return v
	}
	if r := c.timely(m, mo, o, &v, channels, release); r.outcome != Sent {
		return r
	}
	return c.best(m, mo, o, &v, release)
}

// eligible asks the first three questions, which do not depend on the hour. It
// returns the channels on which the customer may be told, or makes v a refusal.
func (c *Customer) eligible(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) []string {
	c.gateLines(m, mo, o, v)
	if v.outcome != Sent {
		return nil
	}
	if len(m.shop.Deployment.Stalled) > 0 && mo.Stock != moments.StockIgnore && m.cutOff(v.lines) {
		v.until = m.shop.Now + retryMS
		*v = v.refuse(Deferred, StockStale)
		return nil
	}
	if mo.If != nil {
		// Without an answer the careful reading is no.
		if ok, err := mo.If.Eval(&env{m: m, c: c, o: o, v: v}); err != nil || !ok {
			*v = v.refuse(Suppressed, GuardFalse)
			return nil
		}
	}
	if mo.Stock != moments.StockIgnore && m.behind(StockLevelReported.String()) {
		*v = v.refuse(Suppressed, StockStale)
		return nil
	}
	stale := m.stale(mo)
	if stale == PriceStale {
		v.until = m.shop.Now + staleRetryMS
		*v = v.refuse(Deferred, stale)
		return nil
	}
	v.asked = true
	channels, reason := c.permitted(m, mo, o)
	if reason == "" && stale == ConsentStale {
		v.until = m.shop.Now + staleRetryMS
		*v = v.refuse(Deferred, stale)
		return nil
	}
	if reason != "" {
		outcome := Suppressed
		if reason == Crisis {
			v.until = m.shop.Now + retryMS
		}
		if reason == ConsentPending || reason == Crisis || reason == CaseOpen {
			outcome = Deferred
		}
		*v = v.refuse(outcome, reason)
	}
	return channels
}

// gateLines works out which lines may be mentioned: what is wanted still, and
// can be had. When none is left the earliest reason among them is the answer.
func (c *Customer) gateLines(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) {
	var all []candidate
	oldest := m.shop.Now - cartMemoryMS
	switch mo.Per {
	case "cart_id":
		cart := c.findCart(o.Value)
		if cart != nil {
			all = c.cartCandidates(m, mo, cart, oldest)
		}
		if len(all) == 0 {
			*v = v.refuse(Suppressed, CartEmptied)
			return
		}
	case "sku":
		if crossSells(mo) {
			if all = c.accessoriesFor(m, o.Value, v); v.outcome != Sent {
				return
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
				if name, _ := in.strongest(m.shop.Now); name == "" {
					x.reason = Ended
				}
			}
		case mo.Stock == moments.StockOffer:
			x.reason = Ended
		}
		if x.reason == "" && slices.Contains(mo.Lines, moments.LineUnbought) {
			if bought, _ := c.purchasesOf(m, o.Value, o.At-clockGraceMS); bought > 0 {
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
			return // a message about the sale alone
		}
		all = append(all, candidate{line: ActionLine{SKU: sku, Quantity: 1}})
	case "family":
		for _, l := range c.familyLines(m, o.Value) {
			all = append(all, candidate{line: l})
		}
		if len(all) == 0 {
			*v = v.refuse(Suppressed, Ended)
			return
		}
	case "subscription_id":
		s := c.subscription(o.Value)
		if s == nil || s.Ended && o.Cause != SubscriptionEnded {
			*v = v.refuse(Suppressed, Ended)
			return
		}
		if s.SKU != "" {
			all = append(all, candidate{line: ActionLine{SKU: s.SKU, Quantity: 1}})
		}
	default:
		c.afterLines(m, mo, o, v)
		if v.outcome != Sent || len(mo.Lines) == 0 && mo.Stock == moments.StockIgnore {
			return
		}
		for _, l := range v.lines {
			all = append(all, candidate{line: l})
		}
		v.lines, v.total = nil, 0
	}
	if len(all) == 0 {
		return // a message about no item
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
			v.total += x.line.Price * x.line.Quantity
			continue
		}
		v.dropped = append(v.dropped, DroppedLine{x.line.SKU, x.reason})
		if mo.Per == "family" && x.reason.Step() == StepAvailable {
			if l, ok := c.replace(m, mo, x.line, v.lines); ok {
				v.lines = append(v.lines, l)
				v.total += l.Price * l.Quantity
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
	}
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

// permitted returns the channels of a moment on which the customer may be told
// and can be reached, or the reason there is none.
func (c *Customer) permitted(m *Machine, mo *moments.Moment, o *Occurrence) ([]string, Reason) {
	s := &m.shop
	if s.Stopped || slices.ContainsFunc(mo.Tags, func(t string) bool { return slices.Contains(s.Tags, t) }) {
		return nil, Stopped
	}
	if c.elsewhere(mo.Class.Name) {
		return nil, OwnedElsewhere
	}
	scope := o.Value
	var ok []string
	var consent, address Reason
	for _, ch := range mo.Channels {
		r := Reason("")
		if p := m.rules.file.Policy.Consent(mo.Class, ch); p != "" && p != "none" {
			r = c.Profile.permits(ch, p, scope)
		}
		if r == "" && mo.Consent != "" {
			r = c.Profile.permits(ch, mo.Consent, scope)
		}
		if r == "" && ch == adsChannel {
			r = c.Profile.advertised()
		}
		if r != "" {
			consent = stronger(consent, r)
			continue
		}
		if r = c.Profile.reachable(c, ch); r != "" {
			address = stronger(address, r)
			continue
		}
		ok = append(ok, ch)
	}
	switch {
	case len(ok) > 0 && mo.Class.Crisis && slices.ContainsFunc(s.Crises, func(t string) bool { return t == "" || slices.Contains(mo.Tags, t) }):
		return nil, Crisis
	case len(ok) > 0 && mo.Class.Name == "marketing" && c.caseOpen(m):
		return nil, CaseOpen
	case len(ok) > 0:
		return ok, ""
	case address != "":
		return nil, address
	case consent != "":
		return nil, consent
	}
	return nil, NoConsent
}

// stronger picks the reason that says most: a pending consent may still come,
// a withdrawn one was once there.
func stronger(a, b Reason) Reason {
	if a == "" || slices.Index(strength, b) > slices.Index(strength, a) {
		return b
	}
	return a
}

var strength = []Reason{NoConsent, NoAddress, AddressBlocked, ConsentWithdrawn, ConsentPending}

// timely asks whether this is the time, and picks the channel.
func (c *Customer) timely(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict, channels []string, release bool) verdict {
	now := m.shop.Now
	p := &m.rules.file.Policy
	if o.Expires != 0 && now > o.Expires {
		return v.refuse(Expired, ExpiredReason)
	}
	if mo.Do == moments.DoAudience {
		if c.crowded(o) && !release {
			return v.refuse(Deferred, NoChannelInTime)
		}
		v.channel = channels[0]
		return *v
	}
	if mo.Expires.At.Name == moments.OfferEnds && release {
		if in := c.interest(o.Value); in == nil || in.Offer != o.Offer || in.OfferUntil <= now {
			return v.refuse(Expired, OfferEnded)
		}
	}
	loc := c.Profile.location(m.shop.Now)
	var soonest int64
	unknownZone := false
	var open []string
	for _, ch := range channels {
		quiet := p.Quiet(mo.Class, ch)
		if len(quiet) == 0 {
			open = append(open, ch)
			continue
		}
		if loc == nil {
			unknownZone = true
			continue
		}
		local := time.UnixMilli(now).In(loc)
		end := quiet.End(local)
		switch {
		case end.IsZero():
		case !end.After(local):
			open = append(open, ch)
		default:
			if t := end.UnixMilli(); soonest == 0 || t < soonest {
				soonest = t
			}
		}
	}
	if len(open) == 0 {
		switch {
		case soonest != 0 && o.Expires != 0 && soonest > o.Expires:
			return v.refuse(Expired, ExpiredReason)
		case soonest != 0:
			r := v.refuse(Deferred, QuietHours)
			r.until = soonest
			return r
		case unknownZone:
			return v.refuse(Suppressed, TimezoneUnknown)
		}
		return v.refuse(Suppressed, QuietHours)
	}
	if mo.Class.Caps && !release {
		var free []string
		var until int64
		for _, ch := range open {
			if t := c.capped(m, mo.Class.Name, ch, now, nil); t == 0 {
				free = append(free, ch)
			} else if until == 0 || t < until {
				until = t
			}
		}
		if len(free) == 0 {
			if mo.Do == moments.DoMessage && mo.Class.Arbitration {
				// Who comes too late for the slot loses it, and waits for no other.
				r := c.rewardSaid(m, mo, o, v)
				if r.outcome == Sent {
					r = c.slotTaken(m, mo, o, v)
				}
				if r.outcome != Sent {
					r.score, r.factors = score(mo, &env{m: m, c: c, o: o, v: v})
					return r
				}
			}
			if o.Expires != 0 && until > o.Expires {
				return v.refuse(Suppressed, FrequencyCap)
			}
			r := v.refuse(Deferred, FrequencyCap)
			r.until = until
			return r
		}
		open = free
	}
	if mo.Again > 0 && !release && c.toldSince(o, now-mo.Again.Milliseconds()) {
		return v.refuse(Suppressed, TooSoon)
	}
	if dependsOnOrders(mo) && m.behind(OrderCompleted.String()) || m.endUnheard(mo) {
		r := v.refuse(Deferred, OrderSourceStale)
		r.until = now + staleRetryMS
		return r
	}
	if window := mo.Due.After.Milliseconds() + mo.Expires.After.Milliseconds(); window > 0 && mo.Expires.At.IsZero() && mo.Due.At.IsZero() &&
		mo.Fact == "" && o.Then == 0 && o.Position != 0 && now-o.At > window+clockGraceMS && !release {
		return v.refuse(Suppressed, LateEvent)
	}
	if o.Expires != 0 && !release {
		if open = m.inTime(open, o.Expires); len(open) == 0 {
			return v.refuse(Expired, NoChannelInTime)
		}
	}
	if !release && c.crowded(o) {
		r := v.refuse(Deferred, NoChannelInTime)
		if r.until = now + retryMS; o.Expires != 0 && r.until > o.Expires {
			r.outcome, r.until = Expired, 0
		}
		return r
	}
	v.channel = open[0]
	if slices.Contains(open, c.Profile.Prefers) && (m.shop.heldUntil(c.Profile.Prefers) == 0 || m.shop.heldUntil(open[0]) != 0) {
		v.channel = c.Profile.Prefers
	}
	return *v
}

// inTime returns the channels that can hand something over before a time, those
// that take it now first.
func (m *Machine) inTime(channels []string, expires int64) []string {
	late := func(ch string) bool {
		p := m.rules.file.Policy.Channel(ch)
		return p != nil && max(m.shop.Now, m.shop.heldUntil(ch))+p.HandOver.Milliseconds() > expires
	}
	if slices.ContainsFunc(channels, late) {
		channels = slices.DeleteFunc(slices.Clone(channels), late)
	}
	if len(m.shop.Held) == 0 {
		return channels
	}
	channels = slices.Clone(channels)
	held := func(ch string) bool { return m.shop.heldUntil(ch) != 0 }
	slices.SortStableFunc(channels, func(a, b string) int {
		switch {
		case held(a) == held(b):
			return 0
		case held(b):
			return -1
		}
		return 1
	})
	return channels
}

// staleRetryMS is how soon a candidate that waits for a source looks again.
const staleRetryMS = 60_000

// retryMS is how soon a candidate looks again that waits for the end of a
// crisis, or for more units than there are.
const retryMS = 10 * 60_000

// dependsOnOrders reports whether a moment would be wrong if an order were
// still on its way here.
func dependsOnOrders(mo *moments.Moment) bool {
	return slices.Contains(mo.Lines, moments.LineUnbought) || mo.Class.Name == "marketing"
}
