package shop

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// engine is a trivially correct decider for three moments: a cart left, an
// item that is back, an audience. It knows everything at once and looks at
// everything after every event. faults are planted mistakes, by name.
type engine struct {
	policy Policy
	fault  string
	emit   func(record string, at time.Time)

	now    int64
	people map[string]*person
	items  map[string]*stockOf
	skus   []string
	left   map[[2]string]int64 // (customer, cart) -> when it was touched last
	told   map[string]int64
	n      int
}

type stockOf struct {
	shelf   *shelf
	since   int64 // sellable since; 0 = not
	queue   []string
	offers  []held
	members map[string]string // customer -> decision that added them
}

type held struct {
	customer, id string
	until        int64
}

func newEngine(p Policy, fault string, emit func(string, time.Time)) *engine {
	return &engine{policy: p, fault: fault, emit: emit, people: map[string]*person{}, items: map[string]*stockOf{}, left: map[[2]string]int64{}, told: map[string]int64{}}
}

func (g *engine) item(sku string) *stockOf {
	it := g.items[sku]
	if it == nil {
		it = &stockOf{shelf: &shelf{sku: sku, levels: map[string]level{}, wants: map[string]*want{}}, members: map[string]string{}}
		g.items[sku] = it
		g.skus = append(g.skus, sku)
	}
	return it
}

func (g *engine) units(it *stockOf) int64 {
	if n := len(it.shelf.views); n > 0 {
		return it.shelf.views[n-1].lo - g.policy.Safety
	}
	return 0
}

func (g *engine) sellable(it *stockOf) bool {
	if g.fault == "does not wait for a level to settle" {
		return it.since > 0
	}
	return it.since > 0 && g.now >= it.since+g.policy.Settle.Milliseconds()
}

// apply takes one event at its time; tick lets time pass.
func (g *engine) apply(e Event) {
	g.tick(e.At)
	if e.Copy {
		return
	}
	n := note{g.now, &e}
	if e.Customer != "" {
		p := g.people[e.Customer]
		if p == nil {
			p = newPerson()
			g.people[e.Customer] = p
		}
		if e.Name != OrderCompleted || g.fault != "reminds of what was bought" {
			p.apply(n)
		}
	}
	settle := g.policy.Settle
	switch key := [2]string{e.Customer, e.Cart}; e.Name {
	case StockLevel:
		if g.policy.online(e.Location) {
			g.item(e.SKU).shelf.level(n, settle)
		}
	case ProductUpdated, PriceChanged:
		g.item(e.SKU).shelf.priced(e.Price)
	case ProductAdded, ProductRemoved:
		g.left[key] = g.now
		if it := g.item(e.Lines[0].SKU); e.Name == ProductAdded {
			g.join(it, e.Customer)
		} else {
			g.out(it, e.Customer, "ended")
		}
	case CheckoutFailed:
		delete(g.left, key)
	case OrderCompleted:
		for _, l := range e.Lines {
			it := g.item(l.SKU)
			it.shelf.sold(n, l.Quantity, settle)
			g.close(it, e.Customer)
			g.out(it, e.Customer, "purchased")
		}
	case OrderCancelled:
		for _, l := range e.Lines {
			g.item(l.SKU).shelf.cancelled(n, settle)
		}
	case Requested:
		it := g.item(e.SKU)
		holds := slices.ContainsFunc(it.offers, func(h held) bool { return h.customer == e.Customer })
		if !holds && !slices.Contains(it.queue, e.Customer) {
			it.queue = append(it.queue, e.Customer)
			if g.fault == "serves the last first" {
				slices.Reverse(it.queue)
			}
		}
	case RequestCancelled, OfferDeclined:
		g.close(g.item(e.SKU), e.Customer)
	case ConsentChanged:
		if c := e.Consents[0]; c.Purpose == purposeAds && !c.Granted {
			for _, sku := range g.skus {
				g.out(g.items[sku], e.Customer, "consent_withdrawn")
			}
		}
	}
	g.look()
}

func (g *engine) tick(at time.Time) {
	for to := at.UnixMilli(); g.now < to; {
		g.now = min(to, g.now+50)
		g.look()
	}
}

// look does everything that can be done now.
func (g *engine) look() {
	for _, sku := range g.skus {
		it := g.items[sku]
		switch ok := g.units(it) > 0; {
		case ok && it.since == 0:
			it.since = g.now
		case !ok && it.since > 0:
			it.since = 0
			for _, who := range sortedKeys(it.members) {
				g.out(it, who, "out_of_stock")
			}
		}
		it.offers = slices.DeleteFunc(it.offers, func(h held) bool { return h.until <= g.now })
		g.serve(it)
	}
	var due [][2]string
	for k, at := range g.left {
		if at+g.policy.Moments["cart_abandoned"].After.Milliseconds() <= g.now {
			due = append(due, k)
		}
	}
	sort.Slice(due, func(i, j int) bool { return strings.Join(due[i][:], "\x00") < strings.Join(due[j][:], "\x00") })
	for _, k := range due {
		delete(g.left, k)
		if g.fault != "forgets carts" {
			g.remind(k[0], k[1])
		}
	}
}

func (g *engine) serve(it *stockOf) {
	if g.fault == "forgets who waits" {
		return
	}
	for len(it.queue) > 0 && g.sellable(it) {
		open := int64(len(it.offers))
		if g.fault == "offers a unit twice" {
			open = max(0, open-2)
		}
		if g.units(it)-open <= 0 {
			return
		}
		who := it.queue[0]
		it.queue = it.queue[1:]
		p := g.people[who]
		cause := fmt.Sprintf(`{"offer":"restock","value":%s,"occurrence":%d}`, quote(it.shelf.sku), g.n)
		if !p.email || p.zone == "" || zoneOf(p.zone) == nil {
			g.record(who, "back_in_stock", "suppressed", `"reason":"no_address"`, cause, "")
			continue
		}
		until := g.now + g.policy.Hold.Milliseconds()
		id := fmt.Sprintf("%s~%d", it.shelf.sku, g.n)
		it.offers = append(it.offers, held{who, id, until})
		g.record(who, "back_in_stock", "sent", "", cause, fmt.Sprintf(
			`"kind":"message","channel":"email","class":"service","template":"back_in_stock","skus":[%s],"offer_id":%s,"hold_until":%q,"expires_at":%q`,
			quote(it.shelf.sku), quote(id), clock(until), clock(until)))
		if g.fault == "offers to one customer again" && len(it.offers) == 1 {
			it.queue = append([]string{who}, it.queue...)
		}
		if g.fault == "offers to nobody who asked" {
			for _, other := range sortedKeys(g.people) {
				if p := g.people[other]; !p.wants[it.shelf.sku] && p.email {
					it.queue = append(it.queue, other)
					break
				}
			}
		}
	}
}

// close ends a customer's place in the queue and the unit held.
func (g *engine) close(it *stockOf, who string) {
	it.queue = slices.DeleteFunc(it.queue, func(c string) bool { return c == who })
	it.offers = slices.DeleteFunc(it.offers, func(h held) bool { return h.customer == who })
}

func (g *engine) remind(who, cart string) {
	p, m := g.people[who], g.policy.Moments["cart_abandoned"]
	cause := fmt.Sprintf(`{"event":"Product Added","timer":"after","value":%s,"occurrence":%d}`, quote(cart), g.n)
	var skus []string
	var total int64
	reason := "cart_emptied"
	for _, l := range p.carts[cart] {
		switch it := g.item(l.SKU); {
		case p.bought[l.SKU] > 0:
			reason = "purchased"
		case !g.sellable(it) && g.fault != "reminds of what is sold out":
			reason = "out_of_stock"
		default:
			skus = append(skus, quote(l.SKU))
			total += it.shelf.low * l.Quantity
		}
	}
	expires := g.now + 10000
	switch consent := p.consents[[2]string{channelEmail, purposeMarketing}]; {
	case len(skus) == 0:
	case total < m.MinTotal:
		reason = "guard_false"
	case !p.email || zoneOf(p.zone) == nil:
		reason = "no_address"
	case !consent && g.fault != "does not ask for consent":
		reason = "no_consent"
	case g.told[who] > 0 && g.now-g.told[who] < m.Again.Milliseconds() && g.fault != "says it again and again":
		reason = "too_soon"
	default:
		reason = ""
	}
	if g.fault == "refuses everything" {
		reason = "no_consent"
	}
	if reason != "" {
		g.record(who, "cart_abandoned", "suppressed", fmt.Sprintf(`"reason":%q`, reason), cause, "")
		return
	}
	g.told[who] = g.now
	if g.fault == "sends what is of no use any more" {
		expires = g.now - 5000
	}
	action := fmt.Sprintf(`"kind":"message","channel":"email","class":"marketing","template":"cart_abandoned","skus":[%s],"cart_id":%s,"expires_at":%q`, strings.Join(skus, ","), quote(cart), clock(expires))
	g.record(who, "cart_abandoned", "sent", "", cause, action)
	switch g.fault {
	case "sends twice":
		g.record(who, "cart_abandoned", "sent", "", cause, action)
	case "ends a candidate twice":
		g.record(who, "cart_abandoned", "suppressed", `"reason":"holdout"`, cause, "")
	case "changes what it decided":
		g.n--
		g.record(who, "cart_abandoned", "sent", "", cause, action+`,"total":1`)
	}
}

func (g *engine) join(it *stockOf, who string) {
	p := g.people[who]
	if it.members[who] != "" || !g.sellable(it) || p.ever[it.shelf.sku] || !p.consents[[2]string{channelAds, purposeAds}] && g.fault != "shows ads to anybody" {
		return
	}
	it.members[who] = g.record(who, "retarget_ads", "sent", "", fmt.Sprintf(`{"value":%s}`, quote(it.shelf.sku)),
		fmt.Sprintf(`"kind":"audience_add","channel":"ads","class":"marketing","template":"retarget_ads","skus":[%s]`, quote(it.shelf.sku)))
}

func (g *engine) out(it *stockOf, who, reason string) {
	if id := it.members[who]; id != "" && g.fault != "leaves ads running" {
		delete(it.members, who)
		g.record(who, "retarget_ads", "retracted", fmt.Sprintf(`"reason":%q,"retracts":%q`, reason, id), fmt.Sprintf(`{"value":%s}`, quote(it.shelf.sku)), "")
	}
}

func (g *engine) record(who, moment, outcome, more, cause, action string) string {
	g.n++
	id := fmt.Sprintf("d%d", g.n)
	b := fmt.Sprintf(`{"id":%q,"at":%q,"customer":%s,"moment":%q,"cause":%s,"outcome":%q,"mode":"live"`, id, clock(g.now), quote(who), moment, cause, outcome)
	if more != "" {
		b += "," + more
	}
	if action != "" {
		b += fmt.Sprintf(`,"action":{"id":"a%d",%s}`, g.n, action)
	}
	g.emit(b+"}", time.UnixMilli(g.now))
	return id
}

func quote(s string) string { return string(appendString(nil, s)) }
