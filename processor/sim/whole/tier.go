package whole

import (
	"bytes"
	"fmt"

	"onhand/processor"
)

// Where tiers order the queues, customers change theirs from time to time, often
// while they wait.

// tiers are those of the file, best first, one that it does not know, and none.
var tiers = []string{`"gold"`, `"silver"`, `"bronze"`, "null"}

// promotes says that somebody is in another tier now, or again in the same one.
func (d *drawer) promotes() {
	if d.rules.Queue != "tiers" || d.ranks.IntN(5) > 0 {
		return
	}
	i := d.ranks.IntN(customers)
	if d.erased[i] {
		return
	}
	for range 1 + d.ranks.IntN(2) {
		d.say(processor.Event{Kind: processor.Identify, UserID: fmt.Sprint("c", i), Traits: fmt.Appendf(nil, `{"tier":%s}`, tiers[d.ranks.IntN(len(tiers))])})
	}
}

// ofTier reports whether an event is a word on somebody's tier, and nothing else.
func ofTier(e *processor.Event) bool {
	return e.Kind == processor.Identify && bytes.HasPrefix(e.Traits, []byte(`{"tier":`))
}

// tierOf returns the place of a customer's tier at a time, best first: what was
// said of it last. False when something was said shortly before.
func (o *oracle) tierOf(id string, at int64) (tier int, settled bool) {
	said, place := int64(0), 2
	for _, e := range o.known {
		if e.Kind == processor.CustomerErased && e.Customer() == id && e.At <= at {
			said, place = e.At, 2
		}
		if e.Kind != processor.Identify || e.Customer() != id || e.At > at || e.At < said || !bytes.Contains(e.Traits, []byte(`"tier":`)) {
			continue
		}
		said, place = e.At, 2
		for i, t := range []string{`"tier":"gold"`, `"tier":"silver"`} {
			if bytes.Contains(e.Traits, []byte(t)) {
				place = i
			}
		}
	}
	return place, said < at-minute
}

// ranks: in a queue that tiers order everybody stands by the tier they have now,
// and of one tier by when they asked. Everything is told by then.
func (w *world) ranks() {
	o := oracle{known: w.known}
	for i := range items {
		sku := fmt.Sprint("s", i)
		v, _ := w.machines[processor.PartitionOf(processor.Hash(sku), len(w.machines))].ItemView(sku)
		tier, since, before := 0, processor.Instant(0), ""
		for _, x := range v.Queue {
			if len(x.Stores) > 0 {
				continue // in lines of their own
			}
			t, _ := o.tierOf(x.Customer, w.now)
			if t < tier || t == tier && x.Since < since {
				w.fault("after event %d %s of tier %d stands behind %s of tier %d for %s", len(w.known), x.Customer, t, before, tier, sku)
			}
			tier, since, before = t, x.Since, x.Customer
		}
	}
}
