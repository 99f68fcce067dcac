package processor

// owners is the customers of a partition who have an item that is used up, and a
// date that hangs on when that will be: they look again when the catalogue or the
// file says that it lasts for longer, or less long. Nobody else is in such a
// list, and an item that nobody waits to run out of has none. They are told in
// steps, apart from those with a Stake: that an item is sold out moves no date.
type owners struct {
	Customers List
	Telling   bool // those from Next on are being told
	Next      string
}

func (o *owners) bytes() int {
	if o == nil {
		return 0
	}
	return 80 + o.Customers.bytes()
}

func (o *owners) encode(w *writer) {
	if w.bool(o != nil); o == nil {
		return
	}
	o.Customers.encode(w)
	w.bool(o.Telling)
	w.str(o.Next)
}

func decodeOwners(r *reader) *owners {
	if !r.bool() {
		return nil
	}
	o := &owners{}
	o.Customers.decode(r)
	o.Telling, o.Next = r.bool(), r.str()
	return o
}

// own lists a customer to be told how long the item lasts, or takes it off.
func (wa *Watch) own(m *Machine, customer string, in bool) {
	if wa.Owners == nil {
		if !in {
			return
		}
		m.touch(wa)
		wa.Owners = &owners{}
	}
	list := &wa.Owners.Customers
	if _, ok := list.get(m, customer); ok == in {
		return
	}
	m.touch(wa)
	if in {
		list.put(m, wa.head, customer, "")
	} else {
		list.remove(m, customer)
	}
	if n := list.Len(); wa.Stake.Len() == 0 && (n == 0 || n == 1 && in) {
		wa.onRoster(m, in)
	}
	if list.Len() == 0 {
		wa.Owners = nil
	}
}

// lastsOtherwise reports whether an item may last for another time than before,
// or be ordered in another time, by the catalogue, by the part of the file that
// holds for it, or by what stands for it.
func (p *ProductFacts) lastsOtherwise(was *ProductFacts) bool {
	return p.Lasts != was.Lasts || p.Family != was.Family || p.Category != was.Category || p.Brand != was.Brand ||
		p.Substitutes != was.Substitutes || p.Now != was.Now || p.Was != was.Was
}

// callOwners begins to tell the owners.
func (wa *Watch) callOwners(m *Machine) {
	if wa.Owners != nil {
		m.touch(wa)
		wa.Owners.Telling, wa.Owners.Next = true, ""
		wa.tellOwners(m)
	}
}

// tellOwners tells the next owners. Who has no such date any more leaves the list.
func (wa *Watch) tellOwners(m *Machine) {
	o := wa.Owners
	if o == nil || !o.Telling {
		return
	}
	ids := make([]string, 0, min(o.Customers.Len(), customersPerStep))
	o.Telling = false
	o.Customers.ascend(m, o.Next, func(customer, _ string) bool {
		if len(ids) == customersPerStep {
			o.Next, o.Telling = customer, true
			return false
		}
		ids = append(ids, customer)
		return true
	})
	for _, id := range ids {
		c, ok := m.get(CustomerKind, id).(*Customer)
		if !ok || !c.usesUp(m) {
			wa.own(m, id, false)
			continue
		}
		m.touch(c)
		c.redate(m)
		c.ready(m)
	}
	if wa.Owners != nil && wa.Owners.Telling {
		m.arm(wa, m.shop.Now+1)
	}
}

// usesUp reports whether anything of the customer is due when something is used up.
func (c *Customer) usesUp(m *Machine) bool {
	for i := range c.Occurrences {
		if m.rules.usedUp[c.Occurrences[i].Moment] {
			return true
		}
	}
	return false
}

// owning lists the customer as an owner of all that was bought and kept: an item
// may join the family whose date is asked for.
func (c *Customer) owning(m *Machine) {
	for i := range c.Orders {
		order := &c.Orders[i]
		for j := range order.Lines {
			if l := &order.Lines[j]; order.kept(l) > 0 && !l.Gift {
				m.watch(l.SKU).own(m, c.ID, true)
			}
		}
	}
}

// disown takes the customer off these lists, and off that of the item of an
// occurrence that has ended, unless something else is due when it is used up.
func (c *Customer) disown(m *Machine, o *Occurrence) {
	if len(m.rules.usedUp) == 0 || !m.rules.usedUp[o.Moment] || c.usesUp(m) {
		return
	}
	leave := func(sku string) {
		if wa, ok := m.get(WatchKind, sku).(*Watch); ok {
			wa.own(m, c.ID, false)
		}
	}
	leave(o.Value)
	for i := range c.Orders {
		for j := range c.Orders[i].Lines {
			leave(c.Orders[i].Lines[j].SKU)
		}
	}
}
