package whole

import (
	"maps"
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
	l := newLinker()
	for _, e := range known {
		l.hear(e)
	}
	for _, v := range sorted(l.now) {
		if slices.Contains(ids, v) != slices.Contains(ids, l.now[v]) {
			ids = append(ids, v, l.now[v])
		}
	}
	return ids
}

// linker follows which visitors turned out to be whom. A device that is used
// says so once; an alias, each time; and either may be undone. A mail address is
// its owner's until they have another one. Who asks to be
// forgotten has no devices from then on, and what was undone is forgotten too.
type linker struct {
	ever map[string]string // by visitor
	now  map[string]string // by visitor
}

func newLinker() linker { return linker{map[string]string{}, map[string]string{}} }

// hear takes an event and returns the visitor it links, "" when it links none.
func (l *linker) hear(e *processor.Event) (visitor string) {
	switch {
	case e.Kind == processor.Alias:
		visitor = e.PreviousID
	case e.Kind == processor.Page && e.UserID != "" && l.ever[e.AnonymousID] == "":
		visitor = e.AnonymousID
	case e.Kind == processor.Identify:
		mail := mailOf(e)
		if mail == "" || l.now[mail] == e.UserID {
			break
		}
		maps.DeleteFunc(l.now, func(id, who string) bool { return who == e.UserID && isMail(id) })
		visitor = mail
	case e.Kind == processor.IdentityUnlinked:
		delete(l.now, e.PreviousID)
	case e.Kind == processor.CustomerErased:
		who := e.Customer()
		if l.now[who] != "" {
			who = l.now[who]
		}
		gone := func(_, to string) bool { return to == who }
		maps.DeleteFunc(l.ever, gone)
		maps.DeleteFunc(l.now, gone)
	}
	if visitor != "" {
		l.ever[visitor] = e.UserID
		l.now[visitor] = e.UserID
	}
	return visitor
}

// owners returns whose each event is: what a visitor did before a link or while
// it held stays with who they turned out to be.
func owners(known []*processor.Event) []string {
	l := newLinker()
	list := make([]string, len(known))
	for i, e := range known {
		if v := l.hear(e); v != "" {
			for j, who := range list[:i] {
				if who == v {
					list[j] = l.now[v]
				}
			}
		}
		if list[i] = e.Customer(); l.now[list[i]] != "" {
			list[i] = l.now[list[i]]
		}
	}
	return list
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
		address = address || e.Kind == processor.Identify && !besides(e)
		ground = ground || slices.Contains([]string{e.OrderID, e.ShipmentID, e.RewardID, e.SaleID}, d.Cause.Value)
	})
	if at := erased(d.Customer, o.known); !ground || !address && d.Action.Kind == "message" && d.Action.Channel != "onsite" {
		o.fault(d, "the customer was erased at %s, ground %v, address %v", clock(at), ground, address)
	}
}

// reachable reports whether a customer could be written to when something
// happened, by mail or on a phone.
func (o *oracle) reachable(e *processor.Event) bool {
	var events []*processor.Event
	known := false
	for _, x := range o.events {
		switch {
		case x.Customer() != e.UserID || x.At >= e.At:
			continue
		case x.Kind == processor.CustomerErased:
			events, known = nil, false
		case x.Kind == processor.Identify && !besides(x):
			known = true
		}
		events = append(events, x)
	}
	return known && (blocks(events, "email") == nil || blocks(events, "push") == nil)
}
