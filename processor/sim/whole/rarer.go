package whole

import (
	"fmt"

	"onhand/processor"
)

// maxGuess bounds the numbers of offers that are answered: nobody here knows
// which were made, so that most answers are to none, or to somebody else's.
const maxGuess = 12

// rarer lets something happen that happens more rarely.
func (d *drawer) rarer(c, sku string) {
	draws := []func(c, sku string){d.seen, d.seen, d.basket, d.basket, d.unwanted, d.answers, d.afterOrder, d.afterOrder, d.changes, d.changes, d.changes, d.talks, d.refuses,
		d.link, d.elsewhere, d.reports, d.reports, d.monthly, d.asksMore, d.asksMore, d.asksMore, d.catalogue, d.catalogue, d.search}
	draws[d.rng.IntN(len(draws))](c, sku)
}

func (d *drawer) yes(in int) bool { return d.rng.IntN(in) == 0 }

// seen: looked at, wished for, or not any more.
func (d *drawer) seen(c, sku string) {
	switch d.rng.IntN(4) {
	case 0:
		for range 1 + d.rng.IntN(3) {
			d.say(processor.Event{Kind: processor.ProductViewed, UserID: c, SKU: sku, Price: 1999, HasPrice: true})
		}
	case 1, 2:
		d.say(processor.Event{Kind: processor.ProductAddedToWishlist, UserID: c, SKU: sku})
	default:
		d.say(processor.Event{Kind: processor.ProductRemovedFromWishlist, UserID: c, SKU: sku})
	}
}

// basket: a shop that tells what is in a cart, not what changed.
func (d *drawer) basket(c, _ string) {
	e := processor.Event{Kind: []processor.Kind{processor.CartUpdated, processor.CartViewed, processor.CheckoutStarted}[d.rng.IntN(3)], UserID: c, CartID: "cart-" + c}
	for range d.rng.IntN(4) {
		if sku := d.sku(); has(&e, sku) == 0 {
			e.Products = append(e.Products, processor.Product{SKU: sku, Quantity: 1 + d.rng.Int64N(2), Price: 1999})
		}
	}
	if e.Kind != processor.CartUpdated && len(e.Products) == 0 {
		return
	}
	e.UpdatedAt = d.now + 1
	d.say(e)
}

// unwanted: said not to be wanted.
func (d *drawer) unwanted(c, sku string) {
	switch d.rng.IntN(4) {
	case 0:
		d.say(processor.Event{Kind: processor.ProductDismissed, UserID: c, Category: "books"})
	case 1:
		d.say(processor.Event{Kind: processor.ProductDismissed, UserID: c, SKU: sku})
	default:
		if d.yes(4) {
			sku = product
		}
		d.say(processor.Event{Kind: processor.BackInStockCancelled, UserID: c, SKU: sku})
	}
}

// answers: yes or no to an offer, from the customer or from the shop.
func (d *drawer) answers(c, sku string) {
	e := processor.Event{Kind: processor.OfferDeclined, UserID: c, OfferID: fmt.Sprint(sku, "~", 1+d.rng.IntN(maxGuess))}
	if d.yes(3) {
		e.Kind = processor.OfferClaimed
	}
	if d.yes(3) {
		e.UserID = ""
	}
	d.say(e)
}

// afterOrder: what becomes of an order besides a cancellation.
func (d *drawer) afterOrder(string, string) {
	if len(d.orders) == 0 {
		return
	}
	o := d.orders[d.rng.IntN(len(d.orders))]
	e := processor.Event{UserID: o.UserID, OrderID: o.OrderID}
	switch d.rng.IntN(4) {
	case 0, 1:
		e.Kind, e.Products = processor.ReturnReceived, []processor.Product{{SKU: o.Products[0].SKU, Quantity: 1}}
	case 2:
		e.Kind, e.Products = processor.OrderRefunded, []processor.Product{{SKU: o.Products[0].SKU, Quantity: 1}}
	default:
		if len(d.parcels) > 0 {
			p := d.parcels[d.rng.IntN(len(d.parcels))]
			d.say(processor.Event{Kind: processor.ShipmentUpdated, UserID: p.customer, ShipmentID: p.id, OrderID: p.order, Status: "delayed",
				Products: []processor.Product{{SKU: p.sku, Quantity: 1}}, Properties: []byte(`{"status":"delayed"}`)})
		}
		return
	}
	d.say(e)
}

// talks: somebody writes, complains, is answered.
func (d *drawer) talks(c, _ string) {
	switch n := d.rng.IntN(2); d.rng.IntN(3) {
	case 0:
		d.talk(c, n, processor.MessageReceived, `,"sentiment":"negative"`)
	case 1:
		d.talk(c, n, processor.MessageReceived, "")
	default:
		d.talk(c, n, processor.MessageAnswered, "")
	}
}

func (d *drawer) talk(c string, n int, kind processor.Kind, more string) {
	d.say(processor.Event{Kind: kind, UserID: c, Channel: "email", Properties: fmt.Appendf(nil, `{"conversation_id":"talk-%s-%d"%s}`, c, n, more)})
}

// refuses: a message comes back, or is not wanted.
func (d *drawer) refuses(c, _ string) {
	kind := []processor.Kind{processor.MessageBounced, processor.MessageComplained, processor.MessageUnsubscribed}[d.rng.IntN(3)]
	d.say(processor.Event{Kind: kind, UserID: c, Channel: []string{"push", "email", "sms"}[d.rng.IntN(3)]})
	if i := int(c[1] - '0'); d.yes(2) { // and gives the address again, or another one
		d.now += minute
		d.moved[i] += d.rng.IntN(2)
		d.address(i)
	}
}

// link: a device that somebody uses, or a link that was wrong. Nothing else
// happens at that time.
func (d *drawer) link(string, string) {
	v := d.rng.IntN(visitors)
	if !d.linked[v] {
		d.linked[v] = true
		d.say(processor.Event{Kind: processor.Page, UserID: fmt.Sprint("c", v), AnonymousID: fmt.Sprint("v", v)})
		return
	}
	d.linked[v] = false
	d.now += minute
	d.say(processor.Event{Kind: processor.IdentityUnlinked, PreviousID: fmt.Sprint("v", v), UserID: fmt.Sprint("c", v)})
	d.now += minute
}

// elsewhere: said by systems that speak of no customer.
func (d *drawer) elsewhere(c, sku string) {
	switch d.rng.IntN(4) {
	case 0:
		d.say(processor.Event{Kind: processor.ItemSold, SKU: sku, OrderID: fmt.Sprint("p", len(d.events)), Quantity: 1, HasQty: true})
	case 1:
		d.say(processor.Event{Kind: processor.SaleUnregistered, UserID: c, SaleID: fmt.Sprint("sale", d.rng.IntN(sales))})
	case 2:
		if len(d.rewards) > 0 {
			var id, who string
			_, _ = fmt.Sscan(d.rewards[d.rng.IntN(len(d.rewards))], &id, &who)
			d.say(processor.Event{Kind: processor.RewardExpired, UserID: who, RewardID: id})
		}
	default:
		// A crisis goes by tags; the shipped file has none.
		d.say(processor.Event{Kind: []processor.Kind{processor.CrisisDeclared, processor.CrisisEnded}[d.rng.IntN(2)], Tags: []string{[]string{"phones", ""}[d.rng.IntN(2)]}})
	}
}

// monthly: what comes by itself, and devices that say what is left.
func (d *drawer) monthly(c, sku string) {
	if d.yes(3) {
		d.say(processor.Event{Kind: processor.DeviceReported, UserID: c, SKU: sku, Properties: fmt.Appendf(nil, `{"device_id":"dev-%s","level":%d,"capacity":30}`, c, d.rng.IntN(30))})
		return
	}
	sku = fmt.Sprint("s", 2+d.rng.IntN(2))
	kind := []processor.Kind{processor.SubscriptionStarted, processor.SubscriptionChanged, processor.SubscriptionRenewed, processor.SubscriptionEnded}[d.rng.IntN(4)]
	d.say(processor.Event{Kind: kind, UserID: c, SKU: sku, Properties: fmt.Appendf(nil, `{"subscription_id":"sub-%s-%s","every":"30d"}`, c, sku)})
}

// asksMore: asks to be told, on terms.
func (d *drawer) asksMore(c, sku string) {
	e := processor.Event{Kind: processor.BackInStockRequested, UserID: c, SKU: sku}
	switch d.rng.IntN(4) {
	case 0:
		e.Quantity, e.HasQty = 2, true
	case 1:
		e.MaxPrice = 1000 + d.rng.Int64N(1500)
	case 2:
		e.ExpiresAt = d.now + d.rng.Int64N(5*day)
	default:
		e.Locations = []string{store}
		if d.yes(2) {
			e.Locations = append(e.Locations, warehouse)
		}
	}
	d.say(e)
}

// catalogue: what is known of an item changes, or a store counts its shelf.
func (d *drawer) catalogue(_, sku string) {
	i := int(sku[1] - '0')
	category, family, _ := family(i)
	e := processor.Event{Kind: processor.ProductUpdated, SKU: sku, Category: category, Family: family, Price: 1999, HasPrice: true, Margin: 500}
	switch d.rng.IntN(4) {
	case 0:
		e.Published = processor.No
	case 1:
		e.Published = processor.Yes
	default:
		d.version++
		d.say(processor.Event{Kind: processor.StockLevelReported, SKU: sku, Location: store, Available: d.rng.Int64N(4), HasLevel: true, Version: d.version, UpdatedAt: d.now})
		return
	}
	if p := d.ofProduct(sku); p != nil {
		e.Properties = p
	}
	d.say(e)
}

// search: finds nothing, or a store.
func (d *drawer) search(c, sku string) {
	switch d.rng.IntN(3) {
	case 0:
		d.say(processor.Event{Kind: processor.ProductsSearched, UserID: c, Properties: fmt.Appendf(nil, `{"query":"what %s is","results":0}`, sku)})
	case 1:
		d.say(processor.Event{Kind: processor.ProductsSearched, UserID: c, SKU: sku, Properties: []byte(`{"results":"0"}`)})
	default:
		d.say(processor.Event{Kind: processor.StoreSearched, UserID: c, SKU: sku, Properties: fmt.Appendf(nil, `{"store_id":"paris","latitude":48.85,"longitude":2.35,"opens_at":%d}`, d.now+8*hour)})
	}
}

// peace: every crisis ends, who complained is answered, and the sources have
// caught up and do not fall behind again for so many days, so that nothing waits
// for that.
func (d *drawer) peace(days int64) (end int64) {
	d.now += hour
	d.allReport()
	d.say(processor.Event{Kind: processor.CrisisEnded, Tags: []string{"phones", ""}})
	for i := range customers {
		for n := range 2 {
			d.now += minute
			d.talk(fmt.Sprint("c", i), n, processor.MessageAnswered, "")
		}
	}
	for end = d.now + days*day; d.rules.Late != 0 && d.now+d.rules.Late < end; {
		d.now += d.rules.Late - hour
		d.allReport()
	}
	return end
}

// allReport: every source says that it has told all.
func (d *drawer) allReport() {
	if d.rules.Late == 0 {
		return
	}
	for _, name := range sources {
		d.say(processor.Event{Kind: processor.SourceReported, ItemSource: name, CompleteTo: d.now})
	}
}
