package whole

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// key names a candidate.
func key(d *Told) string {
	return fmt.Sprint(d.Customer, " ", d.Moment, " ", d.Cause.Value, " #", d.Cause.N, " ", d.Cause.Timer)
}

// balanced: a candidate ends once. An audience is a state, not a candidate,
// and what is withdrawn was sent.
func (o *oracle) balanced(end int64) {
	sent, ids := map[string]bool{}, map[string]bool{}
	open, ended := map[string]*Told{}, map[string]*Told{}
	for i := range o.told {
		d := &o.told[i]
		if ids[d.ID] {
			o.fault(d, "the id was used before")
		}
		ids[d.ID] = true
		switch d.Outcome {
		case processor.Sent:
			sent[d.ID] = true
		case processor.Retracted:
			if !sent[d.Retracts] && !saidToBeIn(d) {
				o.fault(d, "withdraws what was not sent")
			}
			continue
		case processor.Deferred:
			open[key(d)] = d
			continue
		}
		delete(open, key(d))
		if before := ended[key(d)]; before != nil && d.Moment != "retarget_ads" {
			o.fault(d, "it had ended: %s", before)
		}
		ended[key(d)] = d
		if (d.Reason == "") != (d.Outcome == processor.Sent) {
			o.fault(d, "a reason belongs to what was not sent, and only there")
		}
	}
	for i := range o.told {
		if d := &o.told[i]; open[key(d)] == d && d.Until < end-day && d.Reason != processor.TooFew && !o.wentOn(d, o.told[i:]) {
			o.fault(d, "nothing became of it")
		}
	}
}

// wentOn reports whether what a visitor's candidate was about was decided under
// the name of who the visitor turned out to be.
func (o *oracle) wentOn(d *Told, after []Told) bool {
	l := newLinker()
	for _, e := range o.events {
		if v := l.hear(e); v != d.Customer || e.At < d.At {
			continue
		}
		if slices.ContainsFunc(after, func(x Told) bool {
			return x.Customer == e.UserID && x.Moment == d.Moment && x.Cause.Value == d.Cause.Value && x.Outcome != processor.Deferred && x.Outcome != processor.Retracted
		}) {
			return true
		}
	}
	return false
}

// onceForOneCause: orders, parcels' states, rewards and sales' registrations
// are told of once, whatever id the customer is known by.
func (o *oracle) onceForOneCause() {
	count := map[string]int64{}
	for i := range o.told {
		d := &o.told[i]
		if d.Outcome != processor.Sent {
			continue
		}
		k, most := d.Moment+" "+d.Cause.Value, int64(1)
		switch d.Moment {
		case "order_confirmed":
		case liesReady, stillLies:
			again := relaid(d.Cause.Value, d.all())
			for _, e := range d.all() {
				if e.Kind == processor.PickupCollected && e.OrderID == d.Cause.Value && e.At < again {
					most++ // and the rest of it lies ready
				}
			}
		case "reward_reminder":
			for _, u := range uses(d.Cause.Value, d.all(), always) {
				if u.void {
					most++ // it was given back
				}
			}
		case "sale_registered":
			k += fmt.Sprint(" ", d.Customer, erased(d.Customer, d.all()))
			for _, e := range d.all() {
				if e.Kind == processor.SaleUnregistered && e.SaleID == d.Cause.Value {
					most++ // and registers again
				}
			}
		case "shipment":
			most = o.states(d)
		default:
			continue
		}
		if count[k]++; count[k] > most {
			o.fault(d, "told %d times, there are %d causes", count[k], most)
		}
	}
}

// states returns how often a parcel came into a state that is told. What is
// delayed may be so again.
func (o *oracle) states(d *Told) (n int64) {
	last, seen := "", map[string]bool{}
	for _, e := range d.all() {
		if e.Kind == processor.CustomerErased && e.Customer() == d.Customer {
			last = "" // it is news again
		}
		if e.ShipmentID != d.Cause.Value {
			continue
		}
		switch e.Status {
		case "delayed":
			if e.Status != last || o.slack > 0 {
				n++
			}
		case "shipped", "out_for_delivery":
			if !seen[e.Status] || e.Status != last {
				n++
			}
		}
		last = e.Status
		seen[last] = true
	}
	return n
}
