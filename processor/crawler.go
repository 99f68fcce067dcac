package processor

// ByMachine says that nobody looked: a crawler, a page fetched before anybody
// wants it, or a browser without a screen. It counts for the kinds that Visits
// names, and is only carried for the others.
const ByMachine = "machine"

// Visits reports whether events of the kind tell what a visitor looks at or puts
// into a cart, as a machine that walks through a shop does too. An order is an
// order, whoever placed it, and a form is mostly filled in by somebody.
func (k Kind) Visits() bool {
	switch k {
	case Page, Screen, ProductsSearched, ProductViewed, ProductAdded, ProductAddedToWishlist, CartViewed, CartUpdated, CheckoutStarted, StoreSearched:
		return true
	}
	return false
}

// byMachine reports whether the event is the visit of a machine.
func (e *Event) byMachine() bool { return e.By == ByMachine && e.Kind.Visits() }

// crawled applies the visit of a machine, which is nobody's wish: it changes no
// cart and no interest, starts nothing and ends nothing. What the call said of
// the customer besides, as a refusal, holds.
func (c *Customer) crawled(m *Machine, e *Event, learned, refused bool) {
	if learned || refused {
		c.recheck(m, e, learned, refused)
	}
	if learned {
		c.rejoin(m)
	}
	c.ready(m)
}
