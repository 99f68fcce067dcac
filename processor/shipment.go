package processor

import "slices"

// Shipment is one parcel of an order. Each of its words is the one said last,
// by the time it happened.
type Shipment struct {
	ID       string
	Order    uint64 // hash of the order id
	Status   string // as sent
	Tracking string
	// PromisedAt is when it should be there, Unix ms; 0 = nobody said.
	PromisedAt  int64
	ShippedAt   int64 // first known to be on its way; 0 = not yet
	DeliveredAt int64 // first known to have arrived; 0 = not yet
	Lines       []ShipmentLine

	// When each word was said.
	StatusSaid   int64
	TrackingSaid int64
	PromisedSaid int64
	LinesSaid    int64
}

// ShipmentLine is one item in a parcel. A parcel without lines holds all that
// was ordered.
type ShipmentLine struct {
	SKU      string
	Quantity int64
}

// transitMS is how long a parcel that nobody hears of again counts as on its
// way.
const transitMS = 30 * 24 * 3600_000

// Statuses that mean something here; any other means that the parcel is on its
// way.
const (
	statusDelivered = "delivered"
	statusCancelled = "cancelled"
)

var (
	notYetShipped = []string{"pending", "created", "label_created", "processing", "preparing"}
	notArriving   = []string{statusCancelled, "lost", "returned", "returned_to_sender"}
)

func (s *Shipment) encode(w *writer) {
	w.str(s.ID)
	w.u64(s.Order)
	w.str(s.Status)
	w.str(s.Tracking)
	for _, n := range [...]int64{s.PromisedAt, s.ShippedAt, s.DeliveredAt, s.StatusSaid, s.TrackingSaid, s.PromisedSaid, s.LinesSaid} {
		w.int(n)
	}
	w.uint(uint64(len(s.Lines)))
	for _, l := range s.Lines {
		w.str(l.SKU)
		w.int(l.Quantity)
	}
}

func (s *Shipment) decode(r *reader) {
	*s = Shipment{ID: r.str(), Order: r.u64(), Status: r.word(), Tracking: r.str()}
	for _, n := range [...]*int64{&s.PromisedAt, &s.ShippedAt, &s.DeliveredAt, &s.StatusSaid, &s.TrackingSaid, &s.PromisedSaid, &s.LinesSaid} {
		*n = r.int()
	}
	if n := r.count(2); n > 0 {
		s.Lines = make([]ShipmentLine, n)
		for i := range s.Lines {
			s.Lines[i] = ShipmentLine{r.str(), r.int()}
		}
	}
}

// shipment returns a parcel by its id, made when new.
func (a *AfterOrder) shipment(id string) *Shipment {
	if i := slices.IndexFunc(a.Shipments, func(s Shipment) bool { return s.ID == id }); i >= 0 {
		return &a.Shipments[i]
	}
	a.Shipments = room(a.Shipments, maxShipments, func(s *Shipment) int64 { return s.StatusSaid })
	a.Shipments = append(a.Shipments, Shipment{ID: clone(id)})
	return &a.Shipments[len(a.Shipments)-1]
}

// shipment returns a parcel of the customer, nil when it is not known.
func (c *Customer) shipment(id string) *Shipment {
	if c.After != nil {
		for i := range c.After.Shipments {
			if s := &c.After.Shipments[i]; s.ID == id {
				return s
			}
		}
	}
	return nil
}

// shipmentEvent applies what a carrier or a warehouse says of a parcel.
// changed says that it was news: the same told again, or told late by
// somebody else, is not.
func (c *Customer) shipmentEvent(m *Machine, e *Event) (changed bool) {
	props := properties(e.Properties)
	n := Shipment{
		Order: Hash(e.OrderID), Status: e.Status, StatusSaid: e.At,
		Tracking: props.id("tracking_id"), PromisedAt: props.instant("promised_at"),
	}
	if n.Tracking != "" {
		n.TrackingSaid = e.At
	}
	if n.PromisedAt != 0 {
		n.PromisedSaid = e.At
	}
	for i := range e.Products {
		p := &e.Products[i]
		n.Lines = append(n.Lines, ShipmentLine{clone(p.SKU), max(p.Quantity, 1)})
		n.LinesSaid = e.At
		m.watch(p.SKU) // its family is asked for while it is on its way
	}
	switch {
	case e.Status == statusDelivered:
		n.ShippedAt, n.DeliveredAt = e.At, e.At
	case !slices.Contains(notYetShipped, e.Status) && !slices.Contains(notArriving, e.Status):
		n.ShippedAt = e.At
	}
	return c.afterOrder().shipment(e.ShipmentID).merge(&n)
}

// merge adds what n says of the same parcel and reports whether what a
// customer would be told has changed.
func (s *Shipment) merge(n *Shipment) (changed bool) {
	late := n.StatusSaid < s.StatusSaid
	if n.Order != 0 {
		s.Order = n.Order
	}
	if newer(n.StatusSaid, n.Status, s.StatusSaid, s.Status) {
		changed = s.Status != n.Status
		s.Status, s.StatusSaid = intern([]byte(n.Status)), n.StatusSaid
	}
	if newer(n.TrackingSaid, n.Tracking, s.TrackingSaid, s.Tracking) {
		changed = changed || s.Tracking != n.Tracking
		s.Tracking, s.TrackingSaid = clone(n.Tracking), n.TrackingSaid
	}
	if newer(n.PromisedSaid, n.PromisedAt, s.PromisedSaid, s.PromisedAt) {
		changed = changed || s.PromisedAt != n.PromisedAt
		s.PromisedAt, s.PromisedSaid = n.PromisedAt, n.PromisedSaid
	}
	if n.LinesSaid > s.LinesSaid || n.LinesSaid == s.LinesSaid && linesBefore(s.Lines, n.Lines) {
		s.Lines, s.LinesSaid = slices.Clone(n.Lines), n.LinesSaid
	}
	s.ShippedAt = earliest(s.ShippedAt, n.ShippedAt)
	s.DeliveredAt = earliest(s.DeliveredAt, n.DeliveredAt)
	return changed && !late
}

// linesBefore orders two lists of lines that were said at the same time.
func linesBefore(a, b []ShipmentLine) bool {
	return slices.CompareFunc(a, b, func(x, y ShipmentLine) int {
		if x.SKU != y.SKU {
			if x.SKU < y.SKU {
				return -1
			}
			return 1
		}
		return int(x.Quantity - y.Quantity)
	}) < 0
}

// earliest returns the earlier of two times; 0 = none.
func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// onItsWay reports whether the parcel is, or has arrived less than after ms
// ago.
func (s *Shipment) onItsWay(now, after int64) bool {
	switch {
	case s.DeliveredAt != 0:
		return now-s.DeliveredAt < after
	case s.ShippedAt == 0 || slices.Contains(notArriving, s.Status):
		return false
	}
	return now-s.ShippedAt < transitMS
}

// arriving reports whether the item, or one of its family, is in a parcel on
// its way to the customer, or arrived less than after ms ago; gifts says that what
// was bought for somebody else counts.
func (c *Customer) arriving(m *Machine, sku, family string, after int64, gifts bool) bool {
	if c.After == nil {
		return false
	}
	for i := range c.After.Shipments {
		s := &c.After.Shipments[i]
		if !s.onItsWay(m.shop.Now, after) {
			continue
		}
		for _, l := range c.parcel(s) {
			if !gifts && c.order(s.Order).gave(l.SKU) {
				continue
			}
			if l.SKU == sku || family != "" && m.facts(l.SKU).Product.Family == family {
				return true
			}
		}
	}
	return false
}

// silenceEnds returns when the next silence after something bought, or on its
// way, ends; 0 = there is none.
func (c *Customer) silenceEnds(m *Machine) (at int64) {
	silent := m.rules.file.Policy.SilenceAfterPurchase.Milliseconds()
	ends := func(t int64) {
		if t > m.shop.Now {
			at = earliest(at, t)
		}
	}
	for i := range c.Orders {
		if o := &c.Orders[i]; o.Cancelled == 0 {
			ends(o.At + silent + 1)
			ends(o.Said + silent + 1) // of what came with a change
		}
	}
	if c.After != nil {
		for i := range c.After.Shipments {
			if s := &c.After.Shipments[i]; s.onItsWay(m.shop.Now, silent) {
				if s.DeliveredAt != 0 {
					ends(s.DeliveredAt + silent)
				} else {
					ends(s.ShippedAt + transitMS)
				}
			}
		}
	}
	return at
}

// parcel returns what is in a parcel: what was said, or else all that was
// ordered.
func (c *Customer) parcel(s *Shipment) []ShipmentLine {
	if len(s.Lines) > 0 {
		return s.Lines
	}
	o := c.order(s.Order)
	if o == nil {
		return nil
	}
	var all []ShipmentLine
	for i := range o.Lines {
		if n := o.left(&o.Lines[i]); n > 0 {
			all = append(all, ShipmentLine{o.Lines[i].SKU, n})
		}
	}
	return all
}
