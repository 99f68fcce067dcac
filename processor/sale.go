package processor

import (
	"onhand/processor/moments"
	"slices"
	"strings"
)

// Sale is an announced sale as one partition sees it: what was said of it, and
// the customers here who registered for it. The partition its id hashes to is
// its home. There the item's word arrives, and from there it goes to the
// partitions with registered customers.
//
//	Sale Scheduled -> Item --AnnounceSale--> Sale at home --TellSale--> Sale --> registered customers
//	                                               ^                     |
//	                         Sale Registered -> Customer: the first one's WatchSale
type Sale struct {
	*head
	ID       string
	Facts    SaleFacts
	Watchers []uint32 // at home: the other partitions told, ascending
	// Registered is this partition's customers who registered for the sale.
	Registered List
	// Fan says that a change is being told, to the customers from Next on; Told
	// is the event that made it, 0 when only what was true before is told.
	Fan  bool
	Told Kind
	Next string
}

// SaleFacts is what is true of a sale. Times are Unix ms, 0 = not told.
type SaleFacts struct {
	SKU       string
	OpensAt   int64
	ClosesAt  int64 // 0 = open until it is cancelled
	Quantity  int64 // units on sale, 0 = not told
	Limited   bool  // it was told, and may be none
	Cancelled bool
	Moved     bool // the opening was another one before
	edition
	Item uint64 // version of the item's facts that know of it
}

func (f *SaleFacts) encode(w *writer) {
	w.str(f.SKU)
	w.int(f.OpensAt)
	w.int(f.ClosesAt)
	w.int(f.Quantity)
	w.bool(f.Limited)
	w.bool(f.Cancelled)
	w.bool(f.Moved)
	w.int(f.Version)
	w.int(f.At)
	w.uint(f.Item)
}

func (f *SaleFacts) decode(r *reader) {
	*f = SaleFacts{r.str(), r.int(), r.int(), r.int(), r.bool(), r.bool(), r.bool(), edition{r.int(), r.int()}, r.uint()}
}

func (s *Sale) id() string { return s.ID }

func (s *Sale) bytes() int {
	return 240 + len(s.ID) + len(s.Facts.SKU) + 4*cap(s.Watchers) + s.Registered.bytes()
}

func (s *Sale) encode(w *writer) {
	w.str(s.ID)
	s.Facts.encode(w)
	w.uint(uint64(len(s.Watchers)))
	for _, p := range s.Watchers {
		w.uint(uint64(p))
	}
	s.Registered.encode(w)
	w.bool(s.Fan)
	w.u8(uint8(s.Told))
	w.str(s.Next)
}

func (s *Sale) decode(r *reader) {
	s.ID = r.str()
	s.Facts.decode(r)
	s.Watchers = make([]uint32, r.count(1))
	for i := range s.Watchers {
		s.Watchers[i] = uint32(r.uint())
	}
	s.Registered.decode(r)
	s.Fan = r.bool()
	s.Told = Kind(r.u8())
	s.Next = r.str()
}

// sale returns what is known here of a sale, nil when nothing is: nobody here
// registered for it, it was not scheduled yet, or the answer is on its way.
// Customers who registered are told by saleChanged when that changes.
func (m *Machine) sale(id string) *SaleFacts {
	if s, ok := m.get(SaleKind, id).(*Sale); ok && s.Facts.At != 0 {
		return &s.Facts
	}
	return nil
}

// saleHere returns the partition's view of a sale, ready to be changed. The
// first to ask makes the home tell this partition from now on.
func (m *Machine) saleHere(id string) *Sale {
	e, at := m.find(SaleKind, id, Hash(id))
	if e != nil {
		m.touch(e)
		return e.(*Sale)
	}
	s := m.create(SaleKind, at).(*Sale)
	s.ID = strings.Clone(id)
	if home := PartitionOf(Hash(id), m.partitions); home != m.partition {
		m.sendTo(home, &Message{Type: WatchSale, Ref: s.ID, From: int64(m.partition)})
	}
	return s
}

// announceSale passes what an event says of a sale on to the sale's home. The
// item has told its facts by then: who is told of the sale asks them whether it
// can be had.
func announceSale(m *Machine, it *Item, e *Event) {
	f := SaleFacts{Item: it.Facts.Version, SKU: e.SKU, OpensAt: e.OpensAt, ClosesAt: e.ClosesAt, Quantity: max(e.Quantity, 0), Limited: e.HasQty, Cancelled: e.Kind == SaleCancelled, edition: editionOf(e)}
	m.send(e.SaleID, &Message{Type: AnnounceSale, Ref: e.SaleID, Body: saleBody(e.Kind, &f)})
}

// saleBody is what messages say of a sale: the event that changed it, 0 when
// it is an answer, and the facts.
func saleBody(k Kind, f *SaleFacts) []byte {
	w := writer{}
	w.u8(uint8(k))
	f.encode(&w)
	return w.b
}

// saleMessage takes what an item or another partition says of a sale.
func (m *Machine) saleMessage(msg *Message) {
	s := m.saleHere(msg.Ref)
	if msg.Type == WatchSale {
		p := uint32(msg.From)
		if i, ok := slices.BinarySearch(s.Watchers, p); !ok {
			s.Watchers = slices.Insert(s.Watchers, i, p)
		}
		if s.Facts.At != 0 {
			m.sendTo(int(p), &Message{Type: TellSale, Ref: s.ID, Body: saleBody(0, &s.Facts)})
		}
		return
	}
	r := reader{b: msg.Body}
	kind := Kind(r.u8())
	var f SaleFacts
	f.decode(&r)
	if r.err != nil || s.Facts.At != 0 && f.older(s.Facts.edition) {
		return
	}
	if msg.Type == AnnounceSale {
		was := s.Facts
		if f.Cancelled {
			f.OpensAt, f.ClosesAt, f.Quantity, f.Limited = was.OpensAt, was.ClosesAt, was.Quantity, was.Limited
		}
		f.Moved = was.Moved || was.OpensAt != 0 && f.OpensAt != was.OpensAt
		same := f
		same.edition, same.Item = was.edition, was.Item
		s.Facts.edition = f.edition
		if same == was {
			return // told again
		}
	}
	s.Facts = f
	for _, p := range s.Watchers {
		m.sendTo(int(p), &Message{Type: TellSale, Ref: s.ID, Body: saleBody(kind, &f)})
	}
	if s.Registered.Len() > 0 {
		s.Fan, s.Next = true, ""
		if kind != 0 {
			s.Told = kind
		}
		s.tell(m)
	}
}

func (s *Sale) fire(m *Machine) { s.tell(m) }

// tell tells the next registered customers of the change. A change that comes
// meanwhile starts again from the first: each is told of the latest facts.
func (s *Sale) tell(m *Machine) {
	if !s.Fan {
		return
	}
	told := make([]string, 0, customersPerStep)
	more := false
	s.Registered.ascend(m, s.Next, func(customer, _ string) bool {
		if len(told) == customersPerStep {
			s.Next, more = customer, true
			return false
		}
		told = append(told, customer)
		return true
	})
	for _, id := range told {
		if c, ok := m.get(CustomerKind, id).(*Customer); ok {
			m.touch(c)
			if s.Facts.SKU != "" {
				m.watch(s.Facts.SKU).interested(m, id, true) // and whether it can be had
			}
			// Whether the old time was told is asked before the new one is.
			e := Event{Kind: s.Told, SaleID: s.ID, SKU: s.Facts.SKU, At: s.Facts.At}
			moved := s.Told != 0 && !s.Facts.Cancelled
			if moved {
				c.startOccurrences(m, &e)
			}
			c.saleChanged(m, s.ID)
			if s.Told != 0 && !moved {
				c.startOccurrences(m, &e)
			}
			c.ready(m)
		}
	}
	if s.Fan = more; more {
		m.arm(s, m.shop.Now+1)
	} else {
		s.Told = 0
	}
}

// registration is a customer's latest word on one sale.
type registration struct {
	ID   string
	At   int64
	Gone bool // unregistered
}

// maxRegistrations bounds the sales of one customer; the oldest word goes
// first, and with it the registration.
const maxRegistrations = 64

func encodeRegistrations(w *writer, list []registration) {
	w.uint(uint64(len(list)))
	for i := range list {
		w.str(list[i].ID)
		w.int(list[i].At)
		w.bool(list[i].Gone)
	}
}

func decodeRegistrations(r *reader) (list []registration) {
	n := r.count(3)
	if n == 0 {
		return nil
	}
	list = make([]registration, n)
	for i := range list {
		list[i] = registration{r.str(), r.int(), r.bool()}
	}
	return list
}

// registered reports whether the customer is registered for a sale.
func (c *Customer) registered(id string) bool {
	return slices.ContainsFunc(c.Sales, func(g registration) bool { return g.ID == id && !g.Gone })
}

// register applies Sale Registered and Sale Unregistered. It reports whether
// something changed, and whether something is no longer wanted.
func (c *Customer) register(m *Machine, e *Event) (changed, less bool) {
	if e.SaleID == "" {
		return false, false
	}
	gone := e.Kind == SaleUnregistered
	i := slices.IndexFunc(c.Sales, func(g registration) bool { return g.ID == e.SaleID })
	if i >= 0 && (e.At < c.Sales[i].At || c.Sales[i].Gone == gone) {
		return false, false
	}
	if i < 0 {
		if len(c.Sales) >= maxRegistrations {
			c.unregister(m, c.Sales[0].ID)
			c.Sales = slices.Delete(c.Sales, 0, 1)
		}
		c.Sales = append(c.Sales, registration{ID: clone(e.SaleID)})
		i = len(c.Sales) - 1
	}
	g := &c.Sales[i]
	g.At, g.Gone = e.At, gone
	if gone {
		c.unregister(m, g.ID)
		return true, true
	}
	s := m.saleHere(g.ID)
	s.Registered.put(m, s.head, c.ID, "")
	if s.Facts.SKU != "" {
		m.watch(s.Facts.SKU).interested(m, c.ID, true)
	}
	if p := m.rules.grantedBy(e.Kind); p != "" {
		c.Profile.setConsent(Consent{Channel: e.Channel, Purpose: p, Scope: g.ID, Granted: true, Confirmed: true, At: e.At})
	}
	return true, false
}

// saleRetryMS is how soon it is looked again whether an item's word on its sale
// has arrived, which came by way of another partition.
const saleRetryMS = 1000

// knowsSale reports whether the item's facts here are none from before the word
// on its sale.
func (wa *Watch) knowsSale(f *SaleFacts) bool {
	if wa.Own != nil {
		return wa.Own.Version >= f.Item
	}
	return wa.Facts.Version >= f.Item
}

// unregister takes the customer off the sale's list and ends what was going to
// be said of it.
func (c *Customer) unregister(m *Machine, id string) {
	s := m.saleHere(id)
	s.Registered.remove(m, c.ID)
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if mo := m.rules.moment(o); mo == nil || mo.Per != "sale_id" || o.Value != id {
			continue
		}
		c.finish(m, i, Declined)
	}
}

// saleChanged looks again at what depends on a sale whose facts changed: it
// was scheduled, moved or cancelled, or its facts have only now arrived here.
// It is called for each registered customer, who has been touched.
func (c *Customer) saleChanged(m *Machine, id string) {
	c.redateBy(m, true)
	f := m.sale(id)
	if f == nil || !f.Cancelled {
		return
	}
	c.saleOverBefore(m, id, f.At)
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if o.Value != id || o.State != deferredState && o.State != waitingState {
			continue
		}
		if mo := m.rules.moment(o); mo != nil && mo.Per == "sale_id" && !c.heldBack(mo) && c.saleWanted(m, mo, o) != "" {
			c.conclude(m, i, verdict{outcome: Suppressed, reason: c.saleWanted(m, mo, o), stockAge: -1})
		}
	}
	c.recheckPending(m, "")
}

// saleWanted returns why a candidate about a sale is of no use: the customer
// left the list, the sale is over, or all units of it are sold. What a change of
// the sale started is said even of one that is over, and that it is sold out of
// one that is.
func (c *Customer) saleWanted(m *Machine, mo *moments.Moment, o *Occurrence) Reason {
	if !c.registered(o.Value) {
		return Declined
	}
	f := m.sale(o.Value)
	switch {
	case ofChange(o) || f == nil:
		return ""
	case f.Cancelled || f.ClosesAt != 0 && f.ClosesAt <= m.shop.Now:
		return SaleOver
	case mo.Fact != moments.SoldOut && m.soldOut(f, o.Value):
		return OutOfStock
	}
	return ""
}

// ofChange reports whether a change of a sale started an occurrence.
func ofChange(o *Occurrence) bool { return o.Cause == SaleScheduled || o.Cause == SaleCancelled }

// asksItem reports whether what is to be said of a sale hangs on its item.
func (f *SaleFacts) asksItem(mo *moments.Moment, o *Occurrence) bool {
	return f.SKU != "" && (mo.Stock != moments.StockIgnore || f.Limited && !ofChange(o))
}

// saleItem returns the item a candidate about a sale speaks of, "" when it
// asks nothing of one, or the reason there is nothing to say.
func (c *Customer) saleItem(m *Machine, mo *moments.Moment, o *Occurrence) (sku string, why Reason) {
	if why = c.saleWanted(m, mo, o); why != "" || mo.Stock == moments.StockIgnore && len(mo.Lines) == 0 {
		return "", why
	}
	if f := m.sale(o.Value); f != nil {
		return f.SKU, ""
	}
	return "", NotYetOnSale
}
