package whole

import (
	"cmp"
	"fmt"
	"slices"

	"onhand/processor"
)

// The file says nothing of what is fetched from a store. In some worlds it does:
// it lies ready, and it has lain there for most of a day.
const (
	liesReady = "lies_ready"
	stillLies = "still_lies"

	fetching = "  lies_ready: {when: Pickup Ready, per: order_id, class: transactional, expires: 24h}\n" +
		"  still_lies: {when: Pickup Ready, per: order_id, after: 20h, until: [Pickup Collected, Order Cancelled], class: service, expires: 3d}\n"
	lies = 20 * hour
)

// collects: what somebody ordered lies ready in a store, or they fetched it, of
// which the store may tell an hour later, or before it tells that it lay there.
func (d *drawer) collects() {
	if len(d.orders) == 0 || d.counter.IntN(4) > 0 {
		return
	}
	o := d.orders[max(0, len(d.orders)-1-d.counter.IntN(6))]
	if i := int(o.UserID[1] - '0'); d.erased[i] || o.At < d.known[i] {
		return // it is not to be remembered
	}
	told := func(kind processor.Kind) bool {
		return slices.ContainsFunc(d.events, func(x processor.Event) bool { return x.Kind == kind && x.OrderID == o.OrderID })
	}
	ready := processor.Event{Kind: processor.PickupReady, UserID: o.UserID, OrderID: o.OrderID, Location: store}
	collected := ready
	collected.Kind = processor.PickupCollected
	lay := d.ready[o.OrderID] // since when
	switch {
	case lay == 0 && d.counter.IntN(5) == 0: // the store tells later
		d.ready[o.OrderID] = d.now - d.counter.Int64N(min(hour, d.now-o.At)+1)
		d.say(collected)
	case lay == 0:
		d.ready[o.OrderID] = d.say(ready).At
	case !told(ready.Kind):
		d.late(d.now+1-lay, ready)
	case !told(collected.Kind) && d.counter.IntN(6) == 0: // another system tells of it, too
		d.say(ready)
	default:
		d.late(d.counter.Int64N(2)*d.counter.Int64N(min(hour, d.now-lay)+1), collected)
	}
}

// fetched: what is said to lie in a store does, and is not reminded of before it
// has lain there for a while.
func (o *oracle) fetched(d *Told) {
	if d.Moment != liesReady && d.Moment != stillLies {
		return
	}
	ready := int64(0)
	again := relaid(d.Cause.Value, o.known)
	for _, e := range o.known {
		switch {
		case e.OrderID != d.Cause.Value:
		case e.Kind == processor.PickupReady:
			ready = cmp.Or(ready, e.At) // another system says so later
		case e.Kind == processor.PickupCollected && e.At >= again:
			o.fault(d, "it was fetched at %s", clock(e.At))
		case e.Kind == processor.OrderCancelled && len(e.Products) == 0:
			o.fault(d, "it was cancelled at %s", clock(e.At))
		}
	}
	if ready == 0 || d.Moment == stillLies && d.At < ready+lies-o.slack {
		o.fault(d, "it lies there since %s", clock(ready))
	}
	holds := lines(d.Cause.Value, o.known)
	for _, l := range d.Action.Lines {
		if l.Quantity > holds[l.SKU] {
			o.fault(d, "%d of %s were ordered", holds[l.SKU], l.SKU)
		}
	}
}

// relaid returns when an order was laid ready last. What was fetched before that
// was a part of it, and the rest is news.
func relaid(order string, events []*processor.Event) (at int64) {
	for _, e := range events {
		if e.Kind == processor.PickupReady && e.OrderID == order {
			at = max(at, e.At)
		}
	}
	return at
}

// waits: who has not fetched what lies ready is told of that, or it is on record
// why not.
func (o *oracle) waits(end int64) {
	for i, e := range o.events {
		if e.Kind != processor.PickupReady || !o.rules.Fetching || e.At > end-2*day || !o.untouched(e) {
			continue
		}
		due := e.At + lies
		if slices.ContainsFunc(o.events[i+1:], func(x *processor.Event) bool {
			return x.At < due+o.slack+minute && (x.OrderID == e.OrderID || x.Kind == processor.CustomerErased && x.Customer() == e.UserID)
		}) {
			continue
		}
		if !slices.ContainsFunc(o.told, func(d Told) bool { return d.Moment == stillLies && d.Cause.Value == e.OrderID && d.At >= due-o.slack }) {
			o.faults = append(o.faults, fmt.Sprintf("%s %s: it lies there since %s, and nobody thought of it", stillLies, e.OrderID, clock(e.At)))
		}
	}
}
