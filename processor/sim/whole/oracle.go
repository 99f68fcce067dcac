package whole

import (
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"onhand/processor"
)

// Told is a decision, and what was known when it was made.
type Told struct {
	processor.Decision
	Known  []*processor.Event // surely, in the order of time
	Maybe  []*processor.Event // perhaps: it was on its way
	Failed bool               // the action could not be handed over, or was withdrawn before
	Seed   string             // that the item has published; only where nothing fails
}

func (d *Told) String() string {
	s := fmt.Sprintf("%s %s %s #%d to %s at %s after %d events", d.Moment, d.Cause.Value, d.Outcome, d.Cause.N, d.Customer, clock(d.At), len(d.Known))
	if d.Reason != "" {
		s += ": " + string(d.Reason)
	}
	return s
}

// all returns everything that may have been known.
func (d *Told) all() []*processor.Event { return d.with(1<<len(d.Maybe) - 1) }

// with returns what is known when of what is on its way some have arrived: the
// bits of a number say which.
func (d *Told) with(some int) []*processor.Event {
	if some == 0 {
		return d.Known
	}
	list := slices.Clone(d.Known)
	for i, e := range d.Maybe {
		if some&(1<<i) != 0 {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *processor.Event) int { return int(a.At - b.At) })
	return list
}

// oracle asks its questions of events and decisions.
type oracle struct {
	rules  Rules
	events []*processor.Event
	told   []Told
	slack  int64 // what two clocks may differ by
	known  []*processor.Event
	owners []string                      // of what is known
	lives  map[string][]*processor.Event // by id: see of
	faults []string
}

func (o *oracle) fault(d *Told, format string, args ...any) {
	o.faults = append(o.faults, fmt.Sprintf(format, args...)+": "+d.String())
}

// maxMaybe is how much may be on its way when the oracle still has an opinion.
const maxMaybe = 6

// Judge asks all questions of what was decided, in its order, up to a time, and
// returns what is wrong. Clocks may differ by slack ms.
func Judge(rules Rules, events []*processor.Event, list []Told, end, slack int64) []string {
	o := &oracle{rules: rules, events: events, told: list, slack: slack}
	o.balanced(end)
	o.onceForOneCause()
	for i := range list {
		d := &list[i]
		if d.Outcome != processor.Sent && !refusal(d) || len(d.Maybe) > maxMaybe || ofStep(d) {
			continue
		}
		// Right is what is right in one of the ways in which it may have been.
		before := len(o.faults)
		for some := 1<<len(d.Maybe) - 1; some >= 0; some-- {
			was := len(o.faults)
			o.goBy(d.with(some))
			if refusal(d) {
				o.inOrder(d)
			} else {
				o.ask(d, list[:i])
			}
			if len(o.faults) == was {
				o.faults = o.faults[:before]
				break
			}
			if some > 0 {
				o.faults = o.faults[:was]
			}
		}
	}
	o.heldOut()
	o.comeDown()
	o.enough()
	o.stands()
	o.unfought()
	o.mustBeSaid()
	o.reminds(end)
	o.waits(end)
	o.withinBudget()
	o.sorry()
	return o.faults
}

// ask asks what holds for each decision that was sent.
func (o *oracle) ask(d *Told, before []Told) {
	if d.Mode == "shadow" || d.Moment == "price_drop" && !o.rules.PriceDrops {
		o.fault(d, "what is in shadow was sent")
		return
	}
	if d.Moment == "price_drop" {
		o.cheaper(d)
	}
	o.wanted(d)
	o.unrefused(d, before)
	o.remembered(d)
	o.available(d)
	o.oneVariant(d, before)
	o.ofSales(d)
	if d.Action.Kind == "message" {
		o.permitted(d)
		o.awake(d)
		o.capped(d, before)
	}
	o.withinStock(d, before)
	o.inLine(d, before)
	o.heard(d)
	o.open(d, before)
	o.usedUp(d)
	o.allowed(d)
	o.regrets(d, before)
	o.counted(d)
	o.fetched(d)
	if d.Moment == sizeAdvice {
		o.advised(d)
	}
}

// of calls f for what a person did, as far as it was known and is not to be
// forgotten, in its order.
func (o *oracle) of(id string, f func(e *processor.Event)) {
	life, asked := o.lives[id]
	if !asked {
		life = o.life(id)
		o.lives[id] = life
	}
	for _, e := range life {
		f(e)
	}
}

// life is what of calls f for.
func (o *oracle) life(id string) (life []*processor.Event) {
	ids := person(id, o.known)
	ends := map[string]int64{}
	for i, e := range o.known {
		if !slices.Contains(ids, o.owners[i]) {
			continue
		}
		end, asked := ends[e.Customer()]
		if !asked {
			end = erased(e.Customer(), o.known)
			ends[e.Customer()] = end
		}
		if e.At > end {
			life = append(life, e)
		}
	}
	return life
}

// goBy has the oracle judge by what is known.
func (o *oracle) goBy(known []*processor.Event) {
	o.known, o.owners = known, owners(known)
	o.lives = map[string][]*processor.Event{}
}

func has(e *processor.Event, sku string) (units int64) {
	for _, p := range e.Products {
		if p.SKU == sku {
			units += p.Quantity
		}
	}
	return units
}

const silence = 14 * day

// wanted: nothing is said of what was bought, redeemed or is on its way.
func (o *oracle) wanted(d *Told) {
	switch d.Moment {
	case "reward_reminder":
		o.rested(d)
	case "cart_abandoned", "cart_restored", "back_in_stock", "retarget_ads", "payment_failed":
		for _, sku := range skus(d) {
			o.unbought(d, sku)
		}
	}
	if d.Action.Class == "marketing" && d.Action.Kind == "message" {
		for _, sku := range skus(d) {
			o.silent(d, sku)
		}
	}
}

func skus(d *Told) (list []string) {
	for _, l := range d.Action.Lines {
		list = append(list, l.SKU)
	}
	if (d.Moment == "retarget_ads" || d.Moment == "back_in_stock") && !slices.Contains(list, d.Cause.Value) {
		list = append(list, d.Cause.Value)
	}
	return list
}

// unbought: since it was wanted last at least as many were bought as ever were
// wanted, for itself and as one of a product. No opinion when an order was
// cancelled.
func (o *oracle) unbought(d *Told, sku string) {
	wanted, bought, last, blurred := o.wishes(d.Customer, sku, sku)
	if blurred || bought < wanted {
		return
	}
	if slices.Contains(variants, sku) {
		ofProduct, had, _, unsure := o.wishes(d.Customer, product, sku)
		if unsure || had < ofProduct {
			return
		}
	}
	o.fault(d, "%d of %s were bought since it was wanted last, at %s", bought, sku, clock(last))
}

// wishes returns how often an item was wanted, or a product by who would take
// the item, how many were bought since, and when it was wanted last.
func (o *oracle) wishes(customer, of, sku string) (wanted, bought, last int64, blurred bool) {
	anyOf := slices.Clone(variants) // of them would do for every wish
	o.of(customer, func(e *processor.Event) {
		switch e.Kind {
		case processor.ProductAdded, processor.BackInStockRequested, processor.CheckoutFailed, processor.ProductAddedToWishlist,
			processor.CartUpdated, processor.CartViewed, processor.CheckoutStarted:
			if e.SKU == of && takes(e, sku) || has(e, of) > 0 {
				wanted, last, bought = wanted+max(1, e.Quantity, has(e, of)), e.At, 0
				anyOf = slices.DeleteFunc(anyOf, func(v string) bool { return !takes(e, v) })
			}
		case processor.OrderCompleted, processor.OrderUpdated:
			if !o.placed(e) {
				break
			}
			what := settled(e.OrderID, o.known)
			holds := lines(e.OrderID, what)
			would := []string{of}
			if of == product {
				would = append(would, anyOf...)
			}
			for _, v := range would {
				bought += holds[v]
				blurred = blurred || shrank(e.OrderID, v, what)
			}
		}
	})
	return wanted, bought, last, blurred
}

// silent: no marketing for what was bought lately, or is on its way. What was
// bought for somebody else does not say that there is enough of it at home.
func (o *oracle) silent(d *Told, sku string) {
	gifts := map[string]bool{} // orders
	o.of(d.Customer, func(e *processor.Event) {
		gifts[e.OrderID] = gifts[e.OrderID] || d.Moment == "replenishment" && slices.ContainsFunc(e.Products, func(p processor.Product) bool { return p.Gift })
		if o.placed(e) && e.At > d.At-silence && lines(e.OrderID, o.known)[sku] > 0 && !gifts[e.OrderID] {
			o.fault(d, "%s was bought at %s", sku, clock(e.At))
		}
	})
	for _, p := range o.parcels() {
		if p.sku == sku && p.state == "shipped" && !gifts[p.order] && p.at > d.At-30*day && slices.Contains(person(d.Customer, o.known), p.customer) {
			o.fault(d, "%s is on its way since %s", sku, clock(p.at))
		}
	}
}

type transit struct {
	customer, order, sku, state string
	at                          int64
}

// parcels returns what is shipped and what has arrived.
func (o *oracle) parcels() map[string]transit {
	list := map[string]transit{}
	for _, e := range o.known {
		switch {
		case e.Kind != processor.ShipmentUpdated || e.At <= erased(e.UserID, o.known):
		case e.Status == "shipped" || e.Status == "delivered":
			list[e.ShipmentID] = transit{e.UserID, e.OrderID, e.Products[0].SKU, e.Status, e.At}
		}
	}
	return list
}

// units returns the most that could be promised of an item: the last level
// less what is kept back and what was sold since.
func (o *oracle) units(sku string) int64 {
	if sku == product {
		most := int64(0)
		for _, v := range variants {
			most = max(most, o.units(v))
		}
		return most
	}
	return o.unitsAt(sku, warehouse)
}

// unitsAt is units in one location.
func (o *oracle) unitsAt(sku, location string) int64 {
	var level, at int64
	for _, e := range o.known {
		if e.Kind == processor.StockLevelReported && e.SKU == sku && e.Location == location {
			level, at = e.Available, e.At
		}
	}
	for _, e := range o.known {
		switch {
		case location != warehouse || e.At <= at:
		case e.Kind == processor.ItemSold && e.SKU == sku:
			level -= e.Quantity
		}
	}
	level -= o.orderedSince(sku, location, at)
	_, _, safety := family(int(sku[1] - '0'))
	return level - safety
}

// sale returns what was said of a sale last.
func (o *oracle) sale(id string) (last *processor.Event) {
	for _, e := range o.known {
		if (e.Kind == processor.SaleScheduled || e.Kind == processor.SaleCancelled) && e.SaleID == id {
			last = e
		}
	}
	return last
}

// available: what is said to be had can be had.
func (o *oracle) available(d *Told) {
	var list []string
	switch d.Moment {
	case "cart_abandoned", "cart_restored", "back_in_stock", "retarget_ads", "payment_failed", "replenishment":
		list = skus(d)
	case "sale_open":
		if s := o.sale(d.Cause.Value); s != nil {
			list = append(list, s.SKU)
		}
	}
	for _, sku := range list {
		if n, where := o.reach(d.Customer, sku); n <= 0 {
			o.fault(d, "%s has %d units (%s)", sku, n, where)
		}
		if !o.published(sku) {
			o.fault(d, "%s is not published", sku)
		}
		if s := o.sale(fmt.Sprint("sale", int(sku[1]-'0')/2)); s != nil && s.SKU == sku && s.Kind == processor.SaleScheduled && d.At < s.OpensAt-o.slack {
			o.fault(d, "%s is on sale from %s only", sku, clock(s.OpensAt))
		}
		o.unsold(d, sku)
	}
}

// ofSales: what is said of a sale is said in time, and not after it was
// cancelled.
func (o *oracle) ofSales(d *Told) {
	s := o.sale(d.Cause.Value)
	switch d.Moment {
	case "sale_open", "sale_reminder":
		switch {
		case s == nil || s.Kind == processor.SaleCancelled:
			o.fault(d, "there is no such sale any more")
		case d.Moment == "sale_open" && (d.At < s.OpensAt || d.At > s.OpensAt+10*minute):
			o.fault(d, "it opens at %s", clock(s.OpensAt))
		case d.Moment == "sale_reminder" && (d.At < s.OpensAt-hour || d.At > s.OpensAt):
			o.fault(d, "it opens at %s", clock(s.OpensAt))
		}
	}
}

// permitted: the last word on the purpose and channel is yes. To register for
// a sale or to ask for an item is a yes for it.
func (o *oracle) permitted(d *Told) {
	purpose := map[string]string{"sale_reminder": "sale_alert", "sale_open": "sale_alert", "sale_changed": "sale_alert"}[d.Moment]
	if d.Action.Class == "marketing" {
		purpose = "marketing"
	}
	if purpose == "" {
		return
	}
	if granted, at := o.granted(d, d.Action.Channel, purpose); !granted {
		o.fault(d, "%s by %s is not permitted since %s", purpose, d.Action.Channel, clock(at))
	}
}

// granted returns the last word on a purpose and channel of who a decision is
// about, and when it was said, whenever it was heard.
func (o *oracle) granted(d *Told, channel, purpose string) (granted bool, at int64) {
	o.of(d.Customer, func(e *processor.Event) {
		switch {
		case e.At < at: // there was a later word
		case e.Kind == processor.MessageUnsubscribed && e.Channel == channel && purpose == "marketing":
			granted, at = false, e.At
		case e.Kind == processor.ConsentChanged && e.Channel == channel && e.Purpose == purpose:
			granted, at = e.Granted, e.At
		case e.Kind == processor.SaleRegistered && purpose == "sale_alert" && e.SaleID == d.Cause.Value:
			granted, at = true, e.At
		}
	})
	return granted, at
}

// zoneOf returns the time zone of a customer.
func zoneOf(id string) *time.Location {
	loc, err := time.LoadLocation(zones[int(id[1]-'0')%len(zones)])
	if err != nil {
		return time.UTC
	}
	return loc
}

// awake: in the quiet hours only what was ordered, paid for or asked of us is
// said.
func (o *oracle) awake(d *Told) {
	if d.Action.Class == "transactional" || d.Customer[0] != 'c' {
		return
	}
	t := time.UnixMilli(d.At).In(zoneOf(d.Customer))
	h := t.Hour()
	quiet := h >= 21 || h < 8
	if d.Action.Channel == "sms" {
		quiet = h >= 20 || h < 10 || t.Weekday() == time.Sunday
	}
	if quiet && d.Action.Channel != "onsite" {
		o.fault(d, "it is %s there", t.Format("Mon 15:04"))
	}
}

// capped: at most so much marketing in so long, and so never two at a time.
func (o *oracle) capped(d *Told, before []Told) {
	if d.Action.Class != "marketing" {
		return
	}
	ids := person(d.Customer, o.known)
	lately, week := 0, 0
	for i := range before {
		b := &before[i]
		if b.Outcome != processor.Sent || b.Failed || b.Action.Class != "marketing" || b.Action.Kind != "message" || !slices.Contains(ids, b.Customer) {
			continue
		}
		if at := erased(b.Customer, o.known); at != 0 && b.At <= at+o.slack {
			continue
		}
		switch {
		case !o.rules.Daily && b.At > d.At-20*hour+o.slack, o.rules.Daily && d.Customer[0] == 'c' && sameDay(d, b):
			lately++
		}
		if b.At > d.At-7*day+o.slack {
			week++
		}
	}
	if lately >= 1 || week >= 3 {
		o.fault(d, "%d were sent within 20h or a day before, %d within 7d", lately, week)
	}
}

// sameDay reports whether two messages were sent on one day of their customer's
// calendar.
func sameDay(d, b *Told) bool {
	loc := zoneOf(d.Customer)
	return time.UnixMilli(d.At).In(loc).Format(time.DateOnly) == time.UnixMilli(b.At).In(loc).Format(time.DateOnly)
}

// heldOut: who is in the control group hears no marketing at all.
func (o *oracle) heldOut() {
	out := map[string]bool{}
	for i := range o.told {
		if d := &o.told[i]; d.Reason == processor.Holdout {
			out[d.Customer] = true
		}
	}
	for i := range o.told {
		if d := &o.told[i]; d.Outcome == processor.Sent && d.Action.Kind == "message" && d.Action.Class == "marketing" && out[d.Customer] {
			o.fault(d, "the customer is in the control group")
		}
	}
}

// withinStock: no more units of a place are promised at a time than there are.
func (o *oracle) withinStock(d *Told, before []Told) {
	if d.Action.OfferID == "" || d.Action.HoldUntil == 0 {
		return
	}
	sku, place := d.Cause.Value, liesIn(d)
	holders := map[string]bool{d.Customer: true}
	for i := range before {
		b := &before[i]
		if b.Outcome == processor.Sent && b.Action.OfferID == d.Action.OfferID {
			return // the unit was promised then, and this follows it
		}
		if b.Outcome == processor.Sent && b.Action.OfferID != "" && b.Cause.Value == sku && liesIn(b) == place && !b.Failed && b.Action.HoldUntil > d.At+o.slack && !o.over(b, before) {
			holders[b.Customer] = true
		}
	}
	if n := max(0, o.unitsAt(sku, place)); int64(len(holders)) > n*o.rules.Overbook {
		o.fault(d, "%d hold a unit of %s in %s, of which there are %d", len(holders), sku, place, n)
	}
	if s := o.openSale(sku, d.At); s != nil && int64(len(holders)) > max(0, s.Quantity-o.soldIn(s)) {
		o.fault(d, "%d hold a unit of %s in %s, of which %d of %d are sold in the sale", len(holders), sku, place, o.soldIn(s), s.Quantity)
	}
}

// liesIn returns where the unit lies that a message says is kept.
func liesIn(d *Told) string {
	for _, x := range d.Action.Data {
		if x.Name == "location" {
			return x.Text
		}
	}
	return warehouse
}

// over reports whether an offer may have ended early: bought, withdrawn, or of
// what is gone from its customer's cart, by what is said of the whole of it.
func (o *oracle) over(b *Told, all []Told) bool {
	sku := b.Cause.Value
	for _, e := range o.known {
		ends := false
		switch e.Kind {
		case processor.OrderCompleted, processor.OrderUpdated:
			ends = has(e, sku) > 0
		case processor.ProductRemoved:
			ends = e.SKU == sku
		case processor.CartUpdated, processor.CartViewed, processor.CheckoutStarted:
			ends = has(e, sku) == 0 && slices.Contains(person(b.Customer, o.known), e.Customer())
		case processor.CustomerErased:
			ends = true
		}
		if ends && !slices.Contains(b.Known, e) {
			return true
		}
	}
	return slices.ContainsFunc(all, func(x Told) bool { return x.Retracts == b.ID })
}
