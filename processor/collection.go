package processor

// Collection is an order, or a part of it, that lies in a store for its customer
// to fetch. It lies there when it was laid ready after it was fetched last; told
// once more, or of what was fetched by then, that is no news, whichever of the
// two was heard first.
type Collection struct {
	Order   uint64 // hash of the order id
	Ready   int64  // when it was laid ready last; 0 = not said
	Fetched int64  // when it was fetched last; 0 = not said
}

// maxCollections bounds those that one customer holds; the oldest goes first.
const maxCollections = 64

func (x *Collection) said() int64 { return max(x.Ready, x.Fetched) }

// lies reports whether something is there to fetch.
func (x *Collection) lies() bool { return x.Ready > x.Fetched }

// collection returns what lies ready of an order, made when new.
func (a *AfterOrder) collection(order uint64) *Collection {
	for i := range a.Collections {
		if a.Collections[i].Order == order {
			return &a.Collections[i]
		}
	}
	a.Collections = room(a.Collections, maxCollections, (*Collection).said)
	a.Collections = append(a.Collections, Collection{Order: order})
	return &a.Collections[len(a.Collections)-1]
}

// collectionEvent applies what a store says of an order. changed says that it
// was news.
func (c *Customer) collectionEvent(e *Event) (changed bool) {
	x := c.afterOrder().collection(Hash(e.OrderID))
	lay := x.lies()
	n := Collection{Ready: e.At}
	if e.Kind == PickupCollected {
		n = Collection{Fetched: e.At}
	}
	x.merge(&n)
	return lay != x.lies()
}

func (x *Collection) merge(n *Collection) {
	x.Ready, x.Fetched = max(x.Ready, n.Ready), max(x.Fetched, n.Fetched)
}

func (x *Collection) encode(w *writer) {
	w.u64(x.Order)
	w.int(x.Ready)
	w.int(x.Fetched)
}

func (x *Collection) decode(r *reader) {
	x.Order, x.Ready, x.Fetched = r.u64(), r.int(), r.int()
}
