package sim

import (
	"fmt"

	"onhand/processor"
)

// fact is one thing that happened in the shop, as the simulator and its Oracle
// speak of it. The oracle never sees what the processor makes of it.
type fact struct {
	kind     factKind
	id       string // message id
	customer string
	sku      string
	cart     string
	order    string
	offer    string
	n        int64 // units
	version  int64 // of a level
	at       int64 // when it happened, by the sender's clock
	accepted bool  // a sender heard that it is in the log

	whole  *processor.Event // nothing but this, in a world with the whole file
	hidden bool             // the processor is told something else
}

type factKind uint8

const (
	identified factKind = iota
	added               // to a cart
	removed             // all units of a line
	ordered
	cancelled // an order
	requested // to be told
	unrequested
	declined // an offer; of no customer: the shop says it
	claimed  // the same
	leveled  // stock of an item
	sold     // of an item, to nobody we know
)

var factNames = [...]string{"identified", "added", "removed", "ordered", "cancelled", "requested", "unrequested", "declined", "claimed", "leveled", "sold"}

func (k factKind) String() string { return factNames[k] }

func (f *fact) ofItem() bool { return f.customer == "" }

// key is the id of the entity the fact is about.
func (f *fact) key() string {
	if f.whole != nil {
		_, id := f.whole.Target()
		return id
	}
	if f.ofItem() {
		return f.sku
	}
	return f.customer
}

// partition returns to whose log a fact is said, of n.
func (f *fact) partition(n int) int {
	if f.whole != nil && f.whole.Kind.OfShop() {
		return 0
	}
	return partitionOf(f.key(), n)
}

// event is the fact as an inlet hands it over.
func (f *fact) event() *processor.Event {
	switch {
	case f.hidden:
		return &processor.Event{Kind: processor.ProductsSearched, Source: "shop", MessageID: f.id, UserID: "nobody", At: f.at, Stamp: f.at, Stamped: true}
	case f.whole != nil:
		return f.whole
	}
	e := &processor.Event{
		Source: "shop", MessageID: f.id, UserID: f.customer, SKU: f.sku, CartID: f.cart, OrderID: f.order,
		At: f.at, Stamp: f.at, Stamped: true,
	}
	switch f.kind {
	case identified:
		e.Kind, e.Traits = processor.Identify, fmt.Appendf(nil, `{"email":"%s@example.com","phone":"+3361234567","timezone":"Europe/Paris"}`, f.customer)
	case added:
		e.Kind, e.Quantity, e.HasQty, e.Price, e.HasPrice, e.Currency = processor.ProductAdded, f.n, true, 1999, true, "EUR"
	case removed:
		e.Kind = processor.ProductRemoved
	case ordered:
		e.Kind, e.SKU, e.Products = processor.OrderCompleted, "", []processor.Product{{SKU: f.sku, Quantity: f.n, Price: 1999}}
	case cancelled:
		e.Kind, e.SKU = processor.OrderCancelled, ""
	case requested:
		e.Kind = processor.BackInStockRequested
	case unrequested:
		e.Kind = processor.BackInStockCancelled
	case declined:
		e.Kind, e.SKU, e.OfferID = processor.OfferDeclined, "", f.offer
	case claimed:
		e.Kind, e.SKU, e.OfferID = processor.OfferClaimed, "", f.offer
	case leveled:
		e.Kind, e.Available, e.HasLevel, e.Version = processor.StockLevelReported, f.n, true, f.version
	case sold:
		e.Kind, e.Quantity, e.HasQty = processor.ItemSold, f.n, true
	}
	return e
}

func (f *fact) String() string {
	if e := f.whole; e != nil {
		return fmt.Sprintf("%s %s of %s at=%d", e.Kind, f.id, f.key(), f.at)
	}
	return fmt.Sprintf("%s %s%s%s%s%s%s n=%d at=%d", f.kind, f.id, name(" ", f.customer), name(" ", f.sku), name(" cart ", f.cart), name(" order ", f.order), name(" offer ", f.offer), f.n, f.at)
}

func name(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// rules are the moments of every world: windows of seconds, and nothing that
// depends on permissions or chance, so that the oracle can be exact.
const rules = `
version: 1
currency: EUR
policy:
  classes:
    marketing: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
    service:   {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}
  channels:
    email: {hand_over: 5m, cost: 0}
    push:  {hand_over: 10s, cost: 0}
    sms:   {hand_over: 30s, cost: 6}
    ads:   {hand_over: 1m, cost: 2, quiet_hours: never}
  silence_after_purchase: 0s
  one_at_a_time: 0s
  stock: {safety: 0, settle: 1s, hold: 15s, queue: first_come}
interest:
  requested: {from: Back In Stock Requested, strength: 100, lasts: 90d, queue: true}
moments:
  cart_abandoned:
    when: [Product Added]
    per: cart_id
    after: 20s
    lines: [unbought]
    stock: ignore
    class: service
    channels: [email]
    expires: 24h
  back_in_stock:
    when: sellable
    where: {interest: requested}
    per: sku
    stock: offer
    class: service
    channels: [email]
    expires: offer.ends_at
  texted:
    when: [Product Removed]
    per: sku
    after: 5s
    stock: ignore
    class: service
    channels: [sms]
    spend: 29
    expires: 24h
  retarget_ads:
    do: audience
    when: [Product Added]
    per: sku
    lines: [unbought]
    stock: sellable
    class: service
    channels: [ads]
    expires: 14d
`

// The same figures for the oracle, in ms.
const (
	abandonAfterMS = 20_000
	settleMS       = 1_000
	holdMS         = 15_000
	maxTexts       = 4       // that 29 pays for, at 6 each
	clockMarginMS  = 30_000  // two clocks of a world differ less
	holdMarginMS   = 1_000   // a hold ends so much later at its item
	clockGraceMS   = 600_000 // clocks of two systems may differ so much
	futureLimitMS  = 5_000   // a server's stamp may be so much ahead of the publisher
)
