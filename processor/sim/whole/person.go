package whole

import (
	"slices"

	"onhand/processor"
)

// person returns the ids that are one person as far as is known. Who asks to be
// forgotten is under all of them, and they are strangers from then on.
func person(id string, known []*processor.Event) []string {
	ids := []string{id}
	for i, e := range slices.Backward(known) {
		if e.Kind == processor.CustomerErased && slices.Contains(person(e.Customer(), known[:i]), id) {
			known = known[i:]
			break
		}
	}
	for grew := true; grew; {
		grew = false
		for _, e := range known {
			if e.Kind != processor.Alias {
				continue
			}
			a, b := slices.Contains(ids, e.PreviousID), slices.Contains(ids, e.UserID)
			if a != b {
				ids, grew = append(ids, e.PreviousID, e.UserID), true
			}
		}
	}
	return ids
}

// erased returns when an id was erased last, 0 = never.
func erased(id string, known []*processor.Event) int64 {
	for i, e := range slices.Backward(known) {
		if e.Kind == processor.CustomerErased && slices.Contains(person(e.Customer(), known[:i]), id) {
			return e.At
		}
	}
	return 0
}

// remembered: what is said has a ground that is not to be forgotten, and goes to
// an address that was given since.
func (o *oracle) remembered(d *Told) {
	address, ground := false, d.Moment != "order_confirmed" && d.Moment != "shipment" && d.Moment != "reward_reminder" && d.Moment != "sale_registered"
	o.of(d.Customer, func(e *processor.Event) {
		address = address || e.Kind == processor.Identify
		ground = ground || slices.Contains([]string{e.OrderID, e.ShipmentID, e.RewardID, e.SaleID}, d.Cause.Value)
	})
	if at := erased(d.Customer, o.known); !ground || !address && d.Action.Kind == "message" && d.Action.Channel != "onsite" {
		o.fault(d, "the customer was erased at %s, ground %v, address %v", clock(at), ground, address)
	}
}

// comeDown: who is erased stays in no audience.
func (o *oracle) comeDown() {
	for i := range o.told {
		d := &o.told[i]
		if d.Outcome != processor.Sent || d.Moment != "retarget_ads" || d.Failed {
			continue
		}
		all := d.all()
		after := slices.ContainsFunc(o.events, func(e *processor.Event) bool {
			return e.Kind == processor.CustomerErased && e.Customer() == d.Customer && e.At > d.At && !slices.Contains(all, e)
		})
		if after && !slices.ContainsFunc(o.told, func(x Told) bool { return x.Retracts == d.ID }) {
			o.fault(d, "the customer was erased, and is in the audience still")
		}
	}
}

// reachable reports whether a customer could be written to when something
// happened.
func (o *oracle) reachable(e *processor.Event) (known bool) {
	for _, x := range o.events {
		if x.Customer() == e.UserID && x.At < e.At && (x.Kind == processor.Identify || x.Kind == processor.CustomerErased) {
			known = x.Kind == processor.Identify
		}
	}
	return known
}
