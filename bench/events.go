package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"onhand/processor"
)

// Mix is the share of each kind of event, in percent.
type Mix struct {
	Viewed, Added, Removed, Ordered, Level int
}

// Ordinary is the mix of all rows that name no other.
var Ordinary = Mix{Viewed: 60, Added: 20, Removed: 5, Ordered: 8, Level: 7}

// skew of customers and items: the hottest of a million customers has 6 % of
// all events.
const skew = 0.99

// Population is who and what there is in the shop: ids, and the partitions
// they live in.
type Population struct {
	Customers, Items int
	Partitions       int

	customers, items []string
	customerPart     []uint16
	itemPart         []uint16
}

// NewPopulation names the customers and items of a shop.
func NewPopulation(customers, items, partitions int) *Population {
	p := &Population{Customers: customers, Items: items, Partitions: partitions}
	p.customers, p.customerPart = ids("c-%07d", customers, partitions)
	p.items, p.itemPart = ids("SKU-%06d", items, partitions)
	return p
}

// ids returns n ids, all views into one text, and their partitions.
func ids(format string, n, partitions int) ([]string, []uint16) {
	var text []byte
	for i := range n {
		text = fmt.Appendf(text, format, i)
	}
	all, size := string(text), len(text)/n
	names, parts := make([]string, n), make([]uint16, n)
	for i := range n {
		names[i] = all[i*size : (i+1)*size]
		parts[i] = uint16(processor.PartitionOf(processor.Hash(names[i]), partitions))
	}
	return names, parts
}

// price of an item, minor units.
func price(item int) int64 { return 999 + int64(item*37%20_000) }

// Generator draws the events of a population, always the same ones for a seed
// but for their times. It is used by one goroutine.
type Generator struct {
	crowd
	rng   *rand.PCG
	kinds [100]processor.Kind

	event   processor.Event
	product [1]processor.Product
	n       uint64
	names   string // message ids made in advance
}

// crowd draws who does something and with what.
type crowd struct {
	pop       *Population
	customers zipf
	items     zipf
	who, what scatter
}

// customer and item return the number of one, drawn by a random number.
func (c *crowd) customer(r uint64) int { return c.who.of(c.customers.draw(r)) }
func (c *crowd) item(r uint64) int     { return c.what.of(c.items.draw(r)) }

// NewGenerator returns a generator of a mix.
func NewGenerator(pop *Population, mix Mix, seed uint64) *Generator {
	rng := rand.NewPCG(seed, 0x6f6e68616e64)
	r := rand.New(rng)
	g := &Generator{rng: rng, crowd: crowd{
		pop: pop, customers: newZipf(pop.Customers, skew), items: newZipf(pop.Items, skew),
		who: newScatter(pop.Customers, r), what: newScatter(pop.Items, r),
	}}
	i := 0
	for _, k := range []struct {
		kind    processor.Kind
		percent int
	}{
		{processor.ProductViewed, mix.Viewed}, {processor.ProductAdded, mix.Added}, {processor.ProductRemoved, mix.Removed},
		{processor.OrderCompleted, mix.Ordered}, {processor.StockLevelReported, mix.Level},
	} {
		for range k.percent {
			g.kinds[i] = k.kind
			i++
		}
	}
	return g
}

const (
	idSize  = 20
	idBlock = 1024
)

// id returns a message id nobody had before: 20 characters.
func (g *Generator) id() string {
	if g.names == "" {
		text := make([]byte, 0, idSize*idBlock)
		for i := range uint64(idBlock) {
			text = append(text, "m-000000000000000000"...)
			digits := strconv.AppendUint(nil, g.n+i, 10)
			copy(text[len(text)-len(digits):], digits)
		}
		g.names = string(text)
	}
	id := g.names[:idSize]
	g.names = g.names[idSize:]
	g.n++
	return id
}

// Next draws the next event, happened at a time (Unix ms), and the partition
// it belongs to. The event is valid until the next call.
func (g *Generator) Next(at int64) (*processor.Event, int) {
	r := g.rng.Uint64()
	kind := g.kinds[(r&0xffff)*100>>16]
	sku := g.item(r)
	e := &g.event
	*e = processor.Event{Kind: kind, MessageID: g.id(), Stamp: at, Stamped: true, At: at, SKU: g.pop.items[sku], Source: "shop"}
	if kind == processor.StockLevelReported {
		// Plenty nearly always; one report in 512 says that all are gone.
		e.Location, e.HasLevel, e.Version = "lyon-dc", true, int64(g.n)
		if r = g.rng.Uint64(); r&511 != 0 {
			e.Available = 10_000 + int64(r>>56)
		}
		return e, int(g.pop.itemPart[sku])
	}
	c := g.customer(g.rng.Uint64())
	e.UserID = g.pop.customers[c]
	switch kind {
	case processor.ProductViewed:
		e.Price, e.HasPrice, e.Currency = price(sku), true, "EUR"
	case processor.ProductAdded:
		e.CartID, e.Price, e.HasPrice, e.Currency, e.Quantity, e.HasQty = "cart", price(sku), true, "EUR", 1, true
	case processor.ProductRemoved:
		e.CartID, e.Quantity, e.HasQty = "cart", 1, true
	case processor.OrderCompleted:
		e.OrderID, e.CartID, e.Currency, e.Total = e.MessageID, "cart", "EUR", price(sku)
		g.product[0] = processor.Product{SKU: e.SKU, Quantity: 1, Price: price(sku)}
		e.SKU, e.Products = "", g.product[:]
	}
	return e, int(g.pop.customerPart[c])
}

// Identify makes the event by which a customer becomes known. Three in ten
// permit marketing by email, one in ten ads.
func (g *Generator) Identify(i int, at int64) (*processor.Event, int) {
	e := identify(g.pop.customers[i], at)
	e.Traits = traits[i%10]
	g.event = *e
	return &g.event, int(g.pop.customerPart[i])
}

var traits = func() (all [10][]byte) {
	for i := range all {
		all[i] = fmt.Appendf(nil, `{"email":"somebody@example.com","timezone":"Europe/Paris","consent":{"email":{"marketing":%t},"ads":{"ads":%t}}}`, i < 3, i == 0)
	}
	return all
}()

func identify(customer string, at int64) *processor.Event {
	return &processor.Event{Kind: processor.Identify, MessageID: "i-" + customer, UserID: customer, Stamp: at, Stamped: true, At: at, Source: "shop"}
}

// level makes a stock level. version grows.
func level(sku string, units, version, at int64) *processor.Event {
	return &processor.Event{
		Kind: processor.StockLevelReported, MessageID: fmt.Sprint("l-", sku, "-", version), SKU: sku, Location: "lyon-dc",
		Available: units, HasLevel: true, Version: version, Stamp: at, Stamped: true, At: at, Source: "shop",
	}
}

// request makes a customer wait for an item.
func request(customer, sku string, at int64) *processor.Event {
	return &processor.Event{
		Kind: processor.BackInStockRequested, MessageID: "r-" + customer + sku, UserID: customer, SKU: sku,
		Stamp: at, Stamped: true, At: at, Source: "shop",
	}
}

// added makes a customer put an item into the cart.
func added(id, customer, sku string, at int64) *processor.Event {
	return &processor.Event{
		Kind: processor.ProductAdded, MessageID: id, UserID: customer, SKU: sku, CartID: "cart", Price: 1999, HasPrice: true,
		Currency: "EUR", Quantity: 1, HasQty: true, Stamp: at, Stamped: true, At: at, Source: "shop",
	}
}

// partitionOf returns the partition of an event.
func partitionOf(e *processor.Event, partitions int) int {
	kind, id := e.Target()
	if kind == processor.ShopKind {
		return 0
	}
	return processor.PartitionOf(processor.Hash(id), partitions)
}
