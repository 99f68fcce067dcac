package whole

import (
	"slices"

	"onhand/processor"
)

// comeDown: an audience is a state kept true. Who may not be in it any more
// comes out at once.
func (o *oracle) comeDown() {
	for i := range o.told {
		d := &o.told[i]
		if d.Outcome != processor.Sent || d.Moment != "retarget_ads" || d.Failed {
			continue
		}
		until := int64(0) // when they came out
		if j := slices.IndexFunc(o.told, func(x Told) bool { return x.Retracts == d.ID }); j >= 0 {
			until = o.told[j].At
		}
		all := d.all()
		for _, e := range o.events {
			if e.At <= d.At || slices.Contains(all, e) || !o.forbids(e, d) {
				continue
			}
			late := until > e.At+AtOnce && o.slack == 0
			if until == 0 && e.Kind == processor.CustomerErased || o.slack == 0 && until == 0 || late {
				o.fault(d, "%s at %s, and the customer was in the audience till %s", e.Kind, clock(e.At), clock(until))
			}
			break
		}
	}
}

// forbids reports whether an event alone ends an audience.
func (o *oracle) forbids(e *processor.Event, d *Told) bool {
	if e.Customer() == d.Customer {
		switch e.Kind {
		case processor.CustomerErased, processor.MessageReceived:
			return true
		case processor.ConsentChanged:
			return e.Purpose == "ads" && !e.Granted
		}
	}
	switch e.Kind {
	case processor.CrisisDeclared:
		return slices.Contains(e.Tags, "")
	case processor.ProductUpdated:
		return e.SKU == d.Cause.Value && e.Published == processor.No
	case processor.StockLevelReported:
		return e.SKU == d.Cause.Value && e.Location == warehouse && e.Available == 0 && !o.fetches(d.Customer)
	}
	return false
}

// fetches reports whether a customer ever accepted a store.
func (o *oracle) fetches(customer string) bool {
	return slices.ContainsFunc(o.events, func(e *processor.Event) bool { return e.Customer() == customer && len(e.Locations) > 0 })
}
