package whole

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"onhand/processor"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	begin = int64(1_800_000_000_000) // Friday 2027-01-15 08:00 UTC
)

// Begin is when every world begins.
const Begin = begin

// AtOnce is how close to each other things happen that happen at once.
const AtOnce = second

// Copies is for how long a copy may come: what is older than two days is not
// surely known for one.
const Copies = 47 * hour

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("01-02T15:04:05.000") }

// The shop: few of everything, so that they meet.
const (
	customers = 6
	visitors  = 3
	items     = 6
	sales     = 3
)

// Shape is how much happens in a shop, and how.
type Shape struct {
	Events  int   // after everything is known
	Crowded bool  // things happen at once, some at a time
	Days    int64 // to look at it afterwards
}

// quietly is the shape of the worlds in which nothing fails.
var quietly = Shape{Events: 260, Days: 30}

// zones are those of the customers, in turn.
var zones = []string{"Europe/Paris", "America/New_York", "Asia/Tokyo"}

// shelves: two items of a family each. What phones keep back differs.
func family(sku int) (category, family string, safety int64) {
	switch sku / 2 {
	case 0:
		return "phones", "phones", 2
	case 1:
		return "health", "vitamins", 1
	}
	return "books", "novels", 1
}

// One product comes in variants; who asks for it wants any of them, or the one
// with a certain cover.
const product = "s6"

var variants = []string{"s4", "s5"}

// The web shop's location, and a store's.
const (
	warehouse = "lyon-dc"
	store     = "paris"
)

// Draw returns what happens in the shop of a seed, in the order in which it is
// told, which but for what is told late is that of time, and when it is over.
// Times are Unix ms; no two events have the same.
func Draw(seed uint64, shape Shape) (events []processor.Event, end int64) {
	// Each has dice of its own, so that what is added leaves the rest of a seed alone.
	dice := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	d := &drawer{
		rng: dice(2), aside: dice(5), ads: dice(8), counter: dice(9), words: dice(10),
		limits: dice(11), pages: dice(12), mails: dice(13), ranks: dice(14),
		ready: map[string]int64{}, now: begin, rules: RulesOf(seed),
	}
	d.people()
	if shape.Crowded {
		d.now += minute
	}
	for range shape.Events {
		was := d.now
		switch n := d.rng.IntN(10); {
		case shape.Crowded && d.rng.IntN(2) == 0:
			d.now += d.rng.Int64N(AtOnce - 1)
		case n < 5:
			d.now += 1 + d.rng.Int64N(20*minute)
		case n < 9:
			d.now += 1 + d.rng.Int64N(3*hour)
		default:
			d.now += 1 + d.rng.Int64N(12*hour)
		}
		d.rush(was)
		d.happen()
		d.more()
		d.platform()
		d.collects()
		d.says()
		d.page()
		d.ordersByMail()
		d.promotes()
	}
	end = d.peace(shape.Days)
	return d.events, end
}

type drawer struct {
	rng         *rand.Rand
	aside       *rand.Rand // for what happens more
	counter     *rand.Rand // for what is fetched
	words       *rand.Rand // for what is said of people
	ads         *rand.Rand // for what is reported of audiences
	limits      *rand.Rand // for sales of so many units
	pages       *rand.Rand // for pages that are told of late
	mails       *rand.Rand // for orders that name an address only
	ranks       *rand.Rand // for changes of a tier
	rules       Rules
	now         int64
	events      []processor.Event
	orders      []*processor.Event
	parcels     []parcel
	rewards     []string
	version     int64
	erased      [customers]bool
	known       [customers]int64 // since when
	linked      [visitors]bool
	moved       [customers]int   // how often their addresses changed
	readdressed [customers]int64 // when they told one last

	openings [sales]opening
	reported []processor.Event  // of audiences
	bought   []*processor.Event // phones and cases
	ready    map[string]int64   // orders that lay in a store before anybody told
}

type parcel struct {
	id, order, customer, sku string
	state                    int
}

var states = []string{"label_created", "shipped", "out_for_delivery", "delivered"}

func (d *drawer) say(e processor.Event) *processor.Event {
	d.now++
	e.Source, e.MessageID = "shop", fmt.Sprint("m", len(d.events))
	e.At, e.Stamp, e.Stamped, e.Currency = d.now, d.now, true, "EUR"
	d.events = append(d.events, e)
	return &d.events[len(d.events)-1]
}

func (d *drawer) customer() string { return fmt.Sprint("c", d.rng.IntN(customers)) }
func (d *drawer) sku() string      { return fmt.Sprint("s", d.rng.IntN(items)) }

// people makes the items and the customers known, with the permissions of most.
func (d *drawer) people() {
	for i := range items {
		category, family, _ := family(i)
		e := processor.Event{Kind: processor.ProductUpdated, SKU: fmt.Sprint("s", i), Category: category, Family: family, Price: 1999, HasPrice: true, Margin: 500}
		e.Properties = d.ofProduct(e.SKU)
		d.say(e)
		d.level(fmt.Sprint("s", i), d.rng.Int64N(8))
	}
	for i := range customers {
		d.identify(i)
	}
}

// ofProduct returns what makes an item a variant of the product, nil for
// others.
func (d *drawer) ofProduct(sku string) []byte {
	if !slices.Contains(variants, sku) {
		return nil
	}
	return fmt.Appendf(nil, `{"product_id":%q,"variant":{"cover":%q}}`, product, sku)
}

// address gives a customer's addresses.
func (d *drawer) address(i int) {
	id, n := fmt.Sprint("c", i), d.moved[i]
	d.readdressed[i] = d.now
	d.say(processor.Event{Kind: processor.Identify, UserID: id, Traits: fmt.Appendf(nil, `{"email":"%s.%d@example.com","push_token":"%s.%d","phone":"+336123%d%03d","timezone":"%s","tier":"%s"}`,
		id, n, id, n, i, n, zones[i%len(zones)], []string{"gold", "silver", ""}[i%3]),
		Properties: fmt.Appendf(nil, `{"context.email_id":%q}`, mailID(id, n))})
}

// identify makes a customer known, with most permissions.
func (d *drawer) identify(i int) {
	id := fmt.Sprint("c", i)
	d.known[i] = d.now
	d.address(i)
	for _, channel := range []string{"push", "email", "sms"} {
		for _, purpose := range []string{"marketing", "sale_alert"} {
			d.consent(id, channel, purpose, d.rng.IntN(5) > 0)
		}
	}
	d.consent(id, "ads", "ads", d.rng.IntN(5) > 0)
	d.consent(id, "push", "location", d.rng.IntN(5) > 0)
}

// forget erases a customer, or makes one known again who was erased. Nothing
// else happens at that time.
func (d *drawer) forget(i int) {
	d.now += minute
	if d.erased[i] = !d.erased[i]; d.erased[i] {
		if i < visitors {
			d.linked[i] = false
		}
		d.say(processor.Event{Kind: processor.CustomerErased, AnonymousID: fmt.Sprint("c", i)})
	} else {
		d.identify(i)
	}
	d.now += minute
}

func (d *drawer) consent(id, channel, purpose string, granted bool) {
	e := processor.Event{Kind: processor.ConsentChanged, UserID: id, Channel: channel, Purpose: purpose, Granted: granted}
	if granted && channel == "email" {
		e.Properties = []byte(`{"proof":"link"}`)
	}
	d.say(e)
}

func (d *drawer) level(sku string, n int64) {
	d.version++
	d.say(processor.Event{Kind: processor.StockLevelReported, SKU: sku, Location: warehouse, Available: n, HasLevel: true, Version: d.version, UpdatedAt: d.now})
}

// happen lets one thing happen.
func (d *drawer) happen() {
	c, sku := d.customer(), d.sku()
	if d.rng.IntN(4) == 0 {
		d.rarer(c, sku)
		return
	}
	switch n := d.rng.IntN(100); {
	case n < 24: // in a cart, perhaps before anyone knows whose
		e := processor.Event{Kind: processor.ProductAdded, UserID: c, SKU: sku, CartID: "cart-" + c, Quantity: 1, HasQty: true, Price: 1999, HasPrice: true}
		if v := d.rng.IntN(3 * visitors); v < visitors {
			e.UserID, e.AnonymousID, e.CartID = "", fmt.Sprint("v", v), fmt.Sprint("cart-v", v)
		}
		d.say(e)
	case n < 27:
		d.say(processor.Event{Kind: processor.ProductRemoved, UserID: c, SKU: sku, CartID: "cart-" + c})
	case n < 30:
		reason := []string{"payment", "out_of_stock"}[d.rng.IntN(2)]
		d.say(processor.Event{Kind: processor.CheckoutFailed, UserID: c, SKU: "", CartID: "cart-" + c, Reason: reason, Products: []processor.Product{{SKU: sku, Quantity: 1, Price: 1999}},
			Properties: fmt.Appendf(nil, `{"reason":%q}`, reason)})
	case n < 40:
		e := processor.Event{Kind: processor.OrderCompleted, UserID: c, OrderID: fmt.Sprint("o", len(d.events)), Total: 1999,
			Products: []processor.Product{{SKU: sku, Quantity: 1 + d.rng.Int64N(2), Price: 1999, Gift: d.yes(6)}}}
		if d.yes(6) {
			e.Location = store
		}
		e = *d.say(e)
		d.orders = append(d.orders, &e)
		if d.rng.IntN(2) == 0 {
			d.parcels = append(d.parcels, parcel{id: "p" + e.OrderID, order: e.OrderID, customer: c, sku: sku})
		}
	case n < 42:
		if len(d.orders) > 0 {
			o := d.orders[d.rng.IntN(len(d.orders))]
			d.say(processor.Event{Kind: processor.OrderCancelled, UserID: o.UserID, OrderID: o.OrderID})
		}
	case n < 54:
		d.level(sku, max(0, d.rng.Int64N(9)-2))
	case n < 62:
		e := processor.Event{Kind: processor.BackInStockRequested, UserID: c, SKU: sku, Channel: []string{"", "email", "push"}[d.rng.IntN(3)]}
		if slices.Contains(variants, sku) && d.rng.IntN(2) == 0 {
			if e.SKU = product; d.rng.IntN(3) == 0 {
				e.Properties = fmt.Appendf(nil, `{"variant":{"cover":%q}}`, sku)
			}
		}
		d.say(e)
	case n < 70:
		if len(d.parcels) > 0 {
			p := &d.parcels[d.rng.IntN(len(d.parcels))]
			p.state = min(p.state+1, len(states)-1)
			d.say(processor.Event{Kind: processor.ShipmentUpdated, UserID: p.customer, ShipmentID: p.id, OrderID: p.order, Status: states[p.state],
				Products: []processor.Product{{SKU: p.sku, Quantity: 1}}, Properties: fmt.Appendf(nil, `{"status":%q}`, states[p.state])})
		}
	case n < 75:
		id := fmt.Sprint("r", len(d.events), "-", c)
		d.rewards = append(d.rewards, id+" "+c)
		d.say(processor.Event{Kind: processor.RewardIssued, UserID: c, RewardID: id, Total: 1000, ExpiresAt: d.now + 14*day + d.rng.Int64N(8*day)})
	case n < 78:
		if len(d.rewards) > 0 {
			var id, who string
			_, _ = fmt.Sscan(d.rewards[d.rng.IntN(len(d.rewards))], &id, &who)
			if d.yes(3) {
				who = "" // a till that knows the certificate only
			}
			d.say(processor.Event{Kind: processor.RewardRedeemed, UserID: who, RewardID: id, Total: 1000, Location: "till"})
		}
	case n < 83:
		channel := []string{"push", "email", "sms"}[d.rng.IntN(3)]
		d.consent(c, channel, []string{"marketing", "sale_alert"}[d.rng.IntN(2)], d.rng.IntN(3) > 0)
	case n < 84:
		d.consent(c, "ads", "ads", d.rng.IntN(2) == 0)
	case n < 88:
		s := d.rng.IntN(sales)
		opens := d.now + hour + d.rng.Int64N(30*hour)
		d.announces(s, processor.Event{Kind: processor.SaleScheduled, SKU: fmt.Sprint("s", s*2), SaleID: fmt.Sprint("sale", s), OpensAt: opens, ClosesAt: opens + 2*day})
	case n < 90:
		s := d.rng.IntN(sales)
		d.openings[s] = opening{}
		d.say(processor.Event{Kind: processor.SaleCancelled, SKU: fmt.Sprint("s", s*2), SaleID: fmt.Sprint("sale", s)})
	case n < 92:
		d.forget(d.rng.IntN(customers))
	case n < 96:
		d.say(processor.Event{Kind: processor.SaleRegistered, UserID: c, SaleID: fmt.Sprint("sale", d.rng.IntN(sales))})
	case n < 98:
		d.say(processor.Event{Kind: processor.PriceChanged, SKU: sku, Price: 1000 + d.rng.Int64N(1500), HasPrice: true, Version: d.now, UpdatedAt: d.now})
	default:
		v := d.rng.IntN(visitors)
		d.linked[v] = true
		d.say(processor.Event{Kind: processor.Alias, PreviousID: fmt.Sprint("v", v), UserID: fmt.Sprint("c", v)})
	}
}
