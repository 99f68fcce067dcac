package whole

import (
	"slices"
	"strings"

	"onhand/processor"
)

// comeDown: an audience is a state kept true. Who may not be in it any more
// comes out at once.
func (o *oracle) comeDown() {
	for i := range o.told {
		d := &o.told[i]
		if d.Outcome != processor.Sent || d.Moment != "retarget_ads" || d.Failed || ofStep(d) {
			continue
		}
		until := int64(0) // when they came out
		if j := slices.IndexFunc(o.told, func(x Told) bool { return x.Retracts == d.ID }); j >= 0 {
			until = o.told[j].At
		}
		all := d.all()
		heard := int64(0) // when what happened earlier was told of
		for _, e := range o.events {
			heard = max(heard, e.At)
			if heard <= d.At || slices.Contains(all, e) || !o.forbids(e, d) {
				continue
			}
			late := until > heard+AtOnce && o.slack == 0
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
	if bordered(e) && e.SKU == d.Cause.Value || moves(e) && e.Customer() == d.Customer {
		o.goBy(o.events[:slices.Index(o.events, e)+1])
		in, _ := o.barred(d.Customer, d.Cause.Value)
		return in != ""
	}
	if o.soldOutBy(e, d.Cause.Value) {
		return true
	}
	switch e.Kind {
	case processor.CrisisDeclared:
		return slices.Contains(e.Tags, "")
	case processor.ProductUpdated:
		return e.SKU == d.Cause.Value && e.Published == processor.No && paged(e.SKU, o.events[:slices.Index(o.events, e)+1]) == e
	case processor.StockLevelReported:
		return e.SKU == d.Cause.Value && e.Location == warehouse && e.Available == 0 && !o.fetches(d.Customer)
	}
	return false
}

// fetches reports whether a customer ever accepted a store.
func (o *oracle) fetches(customer string) bool {
	return slices.ContainsFunc(o.events, func(e *processor.Event) bool { return e.Customer() == customer && len(e.Locations) > 0 })
}

// ofStep reports whether a decision is about what has to stand for an audience,
// not about a customer.
func ofStep(d *Told) bool { return strings.Contains(d.Customer, "\n") }

// enough: an audience holds nobody, or as many as the platform asks for. While
// it changes there may be fewer, for what clocks differ by.
func (o *oracle) enough() {
	if o.rules.Minimum == 0 || o.slack > 0 {
		return
	}
	in := map[string]map[string]bool{} // by item: decisions
	for i := range o.told {
		d := &o.told[i]
		if d.Moment != "retarget_ads" || ofStep(d) {
			continue
		}
		members := in[d.Cause.Value]
		if members == nil {
			members = map[string]bool{}
			in[d.Cause.Value] = members
		}
		switch d.Outcome {
		case processor.Sent:
			members[d.ID] = true
		case processor.Retracted:
			delete(members, d.Retracts)
		}
		settled := i+1 == len(o.told) || o.told[i+1].At > d.At+AtOnce
		if n := len(members); settled && n > 0 && n < o.rules.Minimum {
			o.fault(d, "%d are in the audience, the platform asks for %d", n, o.rules.Minimum)
		}
	}
}

// stands: who is put into an audience finds that all of it stands. Where things
// fail more may stand: what nobody knows of is set up again.
func (o *oracle) stands() {
	up := map[string][]*Told{} // by item: what was set up
	for i := range o.told {
		d := &o.told[i]
		sku := d.Cause.Value
		switch {
		case d.Moment != "retarget_ads" || ofStep(d) && d.Failed:
		case ofStep(d) && d.Outcome == processor.Sent:
			up[sku] = append(up[sku], d)
		case ofStep(d):
			up[sku] = slices.DeleteFunc(up[sku], func(was *Told) bool { return was.ID == d.Retracts })
		case d.Outcome == processor.Sent:
			var steps []string
			for _, was := range up[sku] {
				steps = append(steps, was.Action.Template)
			}
			missing := slices.ContainsFunc(o.rules.Steps, func(x string) bool { return !slices.Contains(steps, x) })
			if missing || o.slack == 0 && !slices.Equal(steps, o.rules.Steps) {
				o.fault(d, "%v stand, it needs %v", steps, o.rules.Steps)
			}
		}
	}
}

// cheaper: an item costs less than it did once.
func (o *oracle) cheaper(d *Told) {
	now, most := int64(0), int64(0)
	for _, e := range o.known {
		if (e.Kind == processor.PriceChanged || e.Kind == processor.ProductUpdated) && e.HasPrice && e.SKU == d.Cause.Value {
			now = e.Price
			most = max(most, now)
		}
	}
	if now*100 > most*92 {
		o.fault(d, "it costs %d, and never cost more than %d", now, most)
	}
}
