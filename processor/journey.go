package processor

import (
	"slices"
	"strings"
)

// Journey follows one need from a search that found nothing to the parcel that
// brings it. It holds the search alone; where it has come to is a function of
// what is known of the customer, and so of the set of events, whatever the order
// of their arrival. Most customers never searched in vain, and have none.
//
//	searched --> wanted --> in_cart --> ordered --> shipped --> delivered
//	    \___________________________________^  |        ^           |
//	       skipped: bought at once             v        |           v
//	                                       cancelled    +------ returned
//	                                                 bought again
type Journey struct {
	ID    string // of the journey, for good
	Query string // what was searched for
	SKU   string // the item searched for, "" = none was named
	At    int64  // when: the first time
	Stage uint8  // as of the last event, as counted in Shop.Journeys
}

// The stages of a journey. Stored; never renumber.
const (
	stageSearched = iota
	stageWanted
	stageInCart
	stageOrdered
	stageShipped
	stageDelivered
	stageReturned
	stageCancelled
	stages
)

// Stages are the stages of a journey, in their order.
var Stages = [stages]string{"searched", "wanted", "in_cart", "ordered", "shipped", "delivered", "returned", "cancelled"}

const (
	// maxJourneys bounds the journeys of one customer; the oldest goes first.
	maxJourneys = 16
	// maxQueryBytes bounds the words of a search that are kept.
	maxQueryBytes = 128
	// sameNeedMS is how long the same words are the same need, and how long
	// after a search what is wanted may be what was searched for.
	sameNeedMS = 30 * 24 * 3600_000
)

// Journeys is what one customer searched for and did not find.
type Journeys struct{ List []Journey }

func (x *Journeys) bytes() int {
	if x == nil {
		return 0
	}
	return 24 + 128*cap(x.List)
}

func (x *Journeys) encode(w *writer) {
	if x == nil {
		w.uint(0)
		return
	}
	w.uint(uint64(len(x.List)))
	for i := range x.List {
		j := &x.List[i]
		w.str(j.ID)
		w.str(j.Query)
		w.str(j.SKU)
		w.int(j.At)
		w.u8(j.Stage)
	}
}

func decodeJourneys(r *reader) *Journeys {
	n := r.count(5)
	if n == 0 {
		return nil
	}
	list := make([]Journey, n)
	for i := range list {
		list[i] = Journey{r.str(), r.str(), r.str(), r.int(), r.u8()}
	}
	return &Journeys{list}
}

// foundNothing reports whether a search had no result.
func foundNothing(props properties) bool { return props.str("results") == "0" }

// searched begins a journey with a search that found nothing. The same search
// again is the same need.
func (c *Customer) searched(m *Machine, e *Event) {
	props := properties(e.Properties)
	if !foundNothing(props) {
		return
	}
	j := Journey{Query: strings.ToLower(strings.TrimSpace(props.str("query"))), SKU: clone(e.SKU), At: e.At}
	if len(j.Query) > maxQueryBytes {
		j.Query = strings.ToValidUTF8(j.Query[:maxQueryBytes], "")
	}
	if j.Query == "" && j.SKU == "" {
		return
	}
	w := writer{}
	w.str(c.ID)
	w.str(j.Query)
	w.str(j.SKU)
	w.int(j.At)
	j.ID = shortID(w.b)
	c.addJourney(m, j)
}

// addJourney adds a journey, or what is known of one under another id.
func (c *Customer) addJourney(m *Machine, j Journey) {
	if c.Journeys == nil {
		c.Journeys = &Journeys{}
	}
	list := c.Journeys.List
	for i := range list {
		k := &list[i]
		if k.Query != j.Query || k.SKU != j.SKU || max(k.At, j.At)-min(k.At, j.At) >= sameNeedMS {
			continue
		}
		if j.At < k.At || j.At == k.At && j.ID < k.ID {
			k.ID, k.At = j.ID, j.At
		}
		return
	}
	if len(list) == maxJourneys {
		oldest := 0
		for i := range list {
			if list[i].At < list[oldest].At {
				oldest = i
			}
		}
		m.shop.Journeys[list[oldest].Stage]--
		list = slices.Delete(list, oldest, oldest+1)
	}
	j.Stage = stageSearched
	m.shop.Journeys[stageSearched]++
	c.Journeys.List = append(list, j)
}

// mayTravel reports whether an event can have moved a journey. Most are about one
// item, and where an item stands is asked of all the customer's orders and
// carts: that is worth it only for one that was searched for.
func (c *Customer) mayTravel(m *Machine, e *Event) bool {
	switch {
	case e.Kind == Page || e.Kind == Screen:
		return false
	case e.SKU == "" || e.OrderID != "" || len(e.Products) > 0 || e.Kind == ProductsSearched:
		return true
	}
	return slices.ContainsFunc(c.Journeys.List, func(j Journey) bool { return j.means(m, e.SKU) })
}

// travelled counts where the customer's journeys have come to.
func (c *Customer) travelled(m *Machine) {
	if c.Journeys == nil {
		return
	}
	for i := range c.Journeys.List {
		j := &c.Journeys.List[i]
		_, at := c.stage(m, j)
		m.shop.Journeys[j.Stage]--
		m.shop.Journeys[at]++
		j.Stage = at
	}
}

// leaveJourneys takes the customer's journeys out of the count: they are
// another id's from now on, or nobody's.
func (c *Customer) leaveJourneys(m *Machine) {
	if c.Journeys == nil {
		return
	}
	for i := range c.Journeys.List {
		m.shop.Journeys[c.Journeys.List[i].Stage]--
	}
}

// means reports whether an item is what a journey is about: the one that was
// named, a variant of it, or one whose title has every word searched for.
func (j *Journey) means(m *Machine, sku string) bool {
	p := &m.facts(sku).Product
	if j.SKU != "" {
		return sku == j.SKU || p.Parent == j.SKU
	}
	for word := range strings.FieldsSeq(j.Query) {
		if !hasWord(p.Title, word) {
			return false
		}
	}
	return p.Title != ""
}

// hasWord reports whether a word is in a text, in small letters or in capitals.
func hasWord(text, word string) bool {
	for w := range strings.FieldsSeq(text) {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// stage returns the item a journey has come to, "" while nobody knows it, and
// how far: with the latest order of it, in a cart, wanted, or searched for.
func (c *Customer) stage(m *Machine, j *Journey) (sku string, stage uint8) {
	var last *Order
	for i := range c.Orders {
		o := &c.Orders[i]
		if !o.Placed || o.At < j.At || last != nil && (o.At < last.At || o.At == last.At && o.ID < last.ID) {
			continue
		}
		for k := range o.Lines {
			if j.means(m, o.Lines[k].SKU) {
				last, sku, stage = o, o.Lines[k].SKU, c.orderStage(o, &o.Lines[k])
				break
			}
		}
	}
	since := j.At
	if last != nil {
		if stage != stageCancelled && stage != stageReturned {
			return sku, stage
		}
		since = last.At + 1 // what is wanted after that is wanted again
	}
	over := last != nil
	var first int64
	found := func(item string, at int64, s uint8) {
		if at < since || at >= j.At+sameNeedMS && !over || !j.means(m, item) {
			return
		}
		if last != nil || sku == "" || s > stage || s == stage && (at < first || at == first && item < sku) {
			sku, stage, first, last = item, s, at, nil
		}
	}
	for i := range c.Interests {
		if in := &c.Interests[i]; in.live() && in.Of == "" {
			found(in.SKU, max(in.Since, in.latest()), stageWanted)
		}
	}
	for i := range c.Carts {
		for k := range c.Carts[i].Lines {
			if l := &c.Carts[i].Lines[k]; l.quantity(0) > 0 {
				found(l.SKU, l.Changes[len(l.Changes)-1].at, stageInCart)
			}
		}
	}
	return sku, stage
}

// latest returns when an interest was last said, 0 when it was only hinted at.
func (in *Interest) latest() (at int64) {
	for i := range in.Wants {
		at = max(at, in.Wants[i].Said)
	}
	return at
}

// orderStage returns how far a line of an order has come.
func (c *Customer) orderStage(o *Order, l *OrderLine) uint8 {
	switch {
	case o.left(l) == 0:
		return stageCancelled
	case o.kept(l) == 0:
		return stageReturned
	case c.After == nil:
		return stageOrdered
	}
	stage := uint8(stageOrdered)
	for i := range c.After.Shipments {
		s := &c.After.Shipments[i]
		if s.Order != o.ID || !slices.ContainsFunc(c.parcel(s), func(x ShipmentLine) bool { return x.SKU == l.SKU }) {
			continue
		}
		switch {
		case s.DeliveredAt != 0:
			return stageDelivered
		case s.ShippedAt != 0:
			stage = stageShipped
		}
	}
	return stage
}

// JourneyView is one need, from a search that found nothing on.
type JourneyView struct {
	ID    string  `json:"journey_id"`
	Query string  `json:"query,omitempty"`
	SKU   string  `json:"sku,omitempty"` // the item it has come to
	Stage string  `json:"stage"`         // one of Stages
	Since Instant `json:"since"`
}

func (c *Customer) journeyViews(m *Machine) (list []JourneyView) {
	if c.Journeys == nil {
		return nil
	}
	for i := range c.Journeys.List {
		j := &c.Journeys.List[i]
		sku, stage := c.stage(m, j)
		if sku == "" {
			sku = j.SKU
		}
		list = append(list, JourneyView{j.ID, j.Query, sku, Stages[stage], Instant(j.At)})
	}
	return list
}
