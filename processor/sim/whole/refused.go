package whole

import (
	"bytes"
	"fmt"
	"slices"

	"onhand/processor"
)

// unrefused: nothing is said that the customer does not want to hear, by what
// was said of items, offers, sales, addresses and conversations.
func (o *oracle) unrefused(d *Told, before []Told) {
	switch d.Moment {
	case "back_in_stock", "cart_restored":
		o.undeclined(d, before)
		o.onTheirTerms(d)
	case "sale_reminder", "sale_open":
		var last *processor.Event
		o.of(d.Customer, func(e *processor.Event) {
			if e.SaleID == d.Cause.Value && (e.Kind == processor.SaleRegistered || e.Kind == processor.SaleUnregistered) {
				last = e
			}
		})
		if last != nil && last.Kind == processor.SaleUnregistered {
			o.fault(d, "the customer is not registered for it since %s", clock(last.At))
		}
	case "reward_reminder":
		for _, e := range o.known {
			if e.Kind == processor.RewardExpired && e.RewardID == d.Cause.Value {
				o.fault(d, "the reward expired at %s", clock(e.At))
			}
		}
	case "replenishment", "device_reorder":
		o.unsubscribed(d)
	case "cart_abandoned":
		o.inCart(d)
	}
	if d.Action.Kind == "message" {
		o.unblocked(d)
	}
	if d.Action.Class == "marketing" && d.Action.Kind == "message" {
		o.undisturbed(d)
	}
}

// wish reports whether an event says that an item is wanted, or a product that
// it is one of.
func wish(e *processor.Event, sku string) bool {
	of := e.SKU == sku || e.SKU == product && slices.Contains(variants, sku)
	switch e.Kind {
	case processor.ProductAdded, processor.BackInStockRequested, processor.ProductAddedToWishlist:
		return of
	case processor.CheckoutFailed, processor.CheckoutStarted, processor.CartUpdated, processor.CartViewed:
		return has(e, sku) > 0
	}
	return false
}

// undeclined: it was wanted after the last time it was not. What was put into a
// cart is wanted as long as it lies there.
func (o *oracle) undeclined(d *Told, before []Told) {
	sku := d.Cause.Value
	offers := map[string]int64{} // when they were told
	for i := range before {
		if b := &before[i]; b.Customer == d.Customer && b.Outcome == processor.Sent && b.Cause.Value == sku {
			offers[b.Action.OfferID] = b.At
		}
	}
	var refused *processor.Event
	o.of(d.Customer, func(e *processor.Event) {
		switch {
		case wish(e, sku):
			refused = nil
		case e.Kind == processor.ProductDismissed && e.SKU == sku,
			e.Kind == processor.BackInStockCancelled && e.SKU == sku && d.Moment == "back_in_stock",
			e.Kind == processor.OfferDeclined && offers[e.OfferID] != 0 && offers[e.OfferID] <= e.At:
			refused = e
		}
	})
	if refused != nil {
		o.fault(d, "%s at %s, and nothing since", refused.Kind, clock(refused.At))
	}
}

// onTheirTerms: not above the price that was asked for, nor where the customer
// does not come, nor after the time.
func (o *oracle) onTheirTerms(d *Told) {
	sku, asked, dear, late := d.Cause.Value, 0, 0, 0
	price := int64(0)
	for _, e := range o.known {
		if (e.Kind == processor.PriceChanged || e.Kind == processor.ProductUpdated) && e.HasPrice && e.SKU == sku {
			price = e.Price
		}
	}
	o.of(d.Customer, func(e *processor.Event) {
		if wish(e, sku) {
			asked++
			if e.MaxPrice != 0 && e.MaxPrice < price {
				dear++
			}
			if e.ExpiresAt != 0 && e.ExpiresAt < d.At-o.slack {
				late++
			}
		}
	})
	switch {
	case asked == 0:
	case dear == asked:
		o.fault(d, "it costs %d, more than was asked for", price)
	case late == asked:
		o.fault(d, "it was to be told by an earlier time only")
	}
}

// unsubscribed: what comes by itself is not to be ordered.
func (o *oracle) unsubscribed(d *Told) {
	comes := map[string]*processor.Event{}
	o.of(d.Customer, func(e *processor.Event) {
		switch e.Kind {
		case processor.SubscriptionStarted, processor.SubscriptionChanged, processor.SubscriptionRenewed, processor.SubscriptionEnded:
			comes[e.SKU] = e
		}
	})
	for _, sku := range skus(d) {
		for _, other := range []string{"s2", "s3"} {
			_, family1, _ := family(int(sku[1] - '0'))
			_, family2, _ := family(int(other[1] - '0'))
			if e := comes[other]; e != nil && e.Kind != processor.SubscriptionEnded && family1 == family2 {
				o.fault(d, "%s comes by itself since %s", other, clock(e.At))
			}
		}
	}
}

// inCart: a cart is reminded of with what lies in it.
func (o *oracle) inCart(d *Told) {
	units := map[string]int64{}
	o.of(d.Customer, func(e *processor.Event) {
		switch {
		case e.CartID != d.Cause.Value:
		case e.Kind == processor.ProductAdded:
			units[e.SKU] += e.Quantity
		case e.Kind == processor.ProductRemoved:
			delete(units, e.SKU)
		case e.Kind == processor.CartUpdated || e.Kind == processor.CartViewed || e.Kind == processor.CheckoutStarted:
			clear(units)
			for _, p := range e.Products {
				units[p.SKU] = p.Quantity
			}
		}
	})
	for _, l := range d.Action.Lines {
		if l.Quantity > units[l.SKU] {
			o.fault(d, "%d of %s lie in the cart, not %d", units[l.SKU], l.SKU, l.Quantity)
		}
	}
}

// unblocked: nothing goes to an address of which the last word was that nothing
// arrives, or that it is spam.
func (o *oracle) unblocked(d *Told) {
	var events []*processor.Event
	o.of(d.Customer, func(e *processor.Event) { events = append(events, e) })
	if e := blocks(events, d.Action.Channel); e != nil {
		o.fault(d, "%s on %s at %s", e.Kind, e.Channel, clock(e.At))
	}
}

// blocks returns the event that blocks a channel, nil when none does. Another
// address is not blocked, nor one that was confirmed since, nor a device that
// was heard of again. The first address known may be the one that was meant.
func blocks(events []*processor.Event, channel string) (last *processor.Event) {
	var traits []byte
	for _, e := range events {
		switch {
		case besides(e): // and is written to as before
		case e.Kind == processor.Identify:
			if channel == "push" || traits != nil && !bytes.Equal(e.Traits, traits) {
				last = nil
			}
			traits = e.Traits
		case (e.Kind == processor.MessageBounced || e.Kind == processor.MessageComplained) && e.Channel == channel:
			last = e
		case confirms(e) && e.Channel == channel:
			last = nil
		}
	}
	return last
}

// confirms reports whether an event confirms an address: somebody followed the
// link that was sent there.
func confirms(e *processor.Event) bool {
	return e.Kind == processor.ConsentChanged && e.Granted && len(e.Properties) > 0
}

// undisturbed: no marketing while a conversation is open, nor of what is in a
// crisis.
func (o *oracle) undisturbed(d *Told) {
	open := map[string]*processor.Event{}
	o.of(d.Customer, func(e *processor.Event) {
		if e.Kind == processor.MessageReceived || e.Kind == processor.MessageAnswered {
			id, _, _ := bytes.Cut(e.Properties, []byte(","))
			open[string(bytes.TrimSuffix(id, []byte("}")))] = e
		}
	})
	for _, id := range sorted(open) {
		if e := open[id]; e.Kind == processor.MessageReceived && e.At > d.At-30*day+o.slack {
			o.fault(d, "the customer waits for an answer since %s", clock(e.At))
		}
	}
	crisis := map[string]bool{}
	for _, e := range o.known {
		for _, tag := range e.Tags {
			crisis[tag] = e.Kind == processor.CrisisDeclared
		}
	}
	for _, sku := range skus(d) {
		if category, _, _ := family(int(sku[1] - '0')); crisis[category] {
			o.fault(d, "there is a crisis of %s", category)
		}
	}
	if crisis[""] {
		o.fault(d, "there is a crisis")
	}
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// accepts returns the stores in which a customer would fetch an item, by what
// was ever asked for, and whether the web shop will do.
func (o *oracle) accepts(customer, sku string) (stores []string, online bool) {
	o.of(customer, func(e *processor.Event) {
		switch {
		case !wish(e, sku):
		case len(e.Locations) == 0:
			online = true
		default:
			for _, l := range e.Locations {
				if l == warehouse {
					online = true
				} else if !slices.Contains(stores, l) {
					stores = append(stores, l)
				}
			}
		}
	})
	return stores, online
}

// reach returns the most units of an item that a customer could be promised.
func (o *oracle) reach(customer, sku string) (units int64, where string) {
	stores, online := o.accepts(customer, sku)
	if online || len(stores) == 0 {
		units = o.units(sku)
	}
	for _, l := range stores {
		units = max(units, o.unitsAt(sku, l))
	}
	return units, fmt.Sprint("online ", online, ", ", stores)
}
