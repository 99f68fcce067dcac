package whole

import (
	"slices"

	"onhand/processor"
)

// mustBeSaid: an order is confirmed, a parcel announced and what lies ready in a
// store, to customers who can be written to.
func (o *oracle) mustBeSaid() {
	for _, e := range o.events {
		moment, value := "", ""
		switch {
		case e.Kind == processor.OrderCompleted:
			moment, value = "order_confirmed", e.OrderID
		case e.Kind == processor.PickupReady && o.rules.Fetching && o.untouched(e):
			moment, value = liesReady, e.OrderID
		case e.Kind == processor.ShipmentUpdated && e.Status == "shipped":
			moment, value = "shipment", e.ShipmentID
		default:
			continue
		}
		if o.reachable(e) && !o.overtaken(e) && !o.said(moment, value, e) {
			o.faults = append(o.faults, moment+" "+value+" was not said: "+e.Kind.String()+" of "+e.UserID+" at "+clock(e.At))
		}
	}
}

// untouched reports whether nothing was taken out of an order when something was
// heard of it.
func (o *oracle) untouched(e *processor.Event) bool {
	return !slices.ContainsFunc(o.events[:slices.Index(o.events, e)], func(x *processor.Event) bool {
		return x.OrderID == e.OrderID && x.Kind != processor.OrderCompleted && x.Kind != processor.RewardRedeemed && x.Kind != processor.ShipmentUpdated
	})
}

// said reports whether a moment was sent of something, at once when an event
// was known.
func (o *oracle) said(moment, value string, e *processor.Event) bool {
	for i := range o.told {
		d := &o.told[i]
		if d.Moment != moment || d.Cause.Value != value || d.Outcome != processor.Sent {
			continue
		}
		if slices.Contains(d.Maybe, e) || d.At <= e.At+o.slack && slices.Contains(d.Known, e) {
			return true
		}
	}
	return false
}

// overtaken reports whether something happened at once to the same order or
// parcel, so that it may have been heard of first.
func (o *oracle) overtaken(e *processor.Event) bool {
	return o.slack > 0 && slices.ContainsFunc(o.events, func(x *processor.Event) bool {
		return x.At > e.At && x.At < e.At+10*AtOnce && x.OrderID == e.OrderID && x.OrderID != ""
	})
}
