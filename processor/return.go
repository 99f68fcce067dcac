package processor

// returnEvent applies goods that came back, also when that is heard of before
// their order. They are bought still, so that the wish for them does not
// return, but no longer owned.
func (c *Customer) returnEvent(m *Machine, e *Event) (changed bool) {
	o := c.orderToChange(m, Hash(e.OrderID), e.At)
	if o == nil {
		return false // too long ago to matter
	}
	for i := range e.Products {
		p := &e.Products[i]
		o.less(p.SKU).Back += max(p.Quantity, 1)
		m.watch(p.SKU)
	}
	o.settle()
	return true
}

// owns reports whether the customer has the item, and whether it was bought
// and all of it has come back.
func (c *Customer) owns(sku string) (owned, returned bool) {
	h := Hash(sku)
	if c.newestOrder(h) == never {
		return false, false
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		for j := range o.Lines {
			l := &o.Lines[j]
			if l.hash != h || l.SKU != sku || o.left(l) == 0 || l.Gift {
				continue
			}
			if o.kept(l) > 0 {
				return true, false
			}
			returned = true
		}
	}
	return false, returned
}
