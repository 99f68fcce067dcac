package processor

import (
	"encoding/binary"
	"slices"
	"time"

	"onhand/processor/moments"
)

// The read models: what the API, the console and scenarios are told of a
// customer or an item. They are made on demand, from the state between two
// steps, by the goroutine that owns the machine; making one changes nothing.

// Instant is a time in Unix ms, written in JSON as the decisions write it. The
// zero Instant is no time.
type Instant int64

// MarshalJSON implements json.Marshaler.
func (t Instant) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return time.UnixMilli(int64(t)).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// CustomerView is all that is known of one customer. Amounts are in minor
// units.
type CustomerView struct {
	ID          string           `json:"id"`
	ErasedAt    Instant          `json:"erased_at,omitzero"` // nothing of before is known any more
	KeptBy      string           `json:"kept_by,omitempty"`  // the id that keeps what this one has; the rest is empty then
	Linked      []string         `json:"linked,omitempty"`   // other ids of the same person
	Known       bool             `json:"known"`              // a user, not only a visitor
	Timezone    string           `json:"timezone,omitempty"`
	Tier        string           `json:"tier,omitempty"`
	Channels    []string         `json:"channels"` // with an address
	Blocked     []string         `json:"blocked,omitempty"`
	Prefers     string           `json:"preferred_channel,omitempty"`
	Consents    []ConsentView    `json:"consents"`
	Carts       []CartView       `json:"carts"`
	Orders      []OrderView      `json:"orders"`
	Interests   []InterestView   `json:"interests"`
	Occurrences []OccurrenceView `json:"occurrences"`
	Pending     []PendingView    `json:"pending"`
	Contacts    []ContactView    `json:"contacts"`
	AfterOrderView
	Position  uint64      `json:"position"`            // in the partition's log
	AsOf      Instant     `json:"as_of"`               // log time
	Cases     []CaseView  `json:"cases,omitempty"`     // conversations that are open
	Elsewhere []string    `json:"elsewhere,omitempty"` // classes another system sends
	Shown     []ShownView `json:"shown,omitempty"`     // messages that stand on the site

	Journeys []JourneyView `json:"journeys,omitempty"` // from searches that found nothing

	Attributes []AttributeView `json:"attributes,omitempty"` // the traits the moments look at
	Dismissed  []string        `json:"dismissed,omitempty"`  // categories of no interest
	Platform   []ReportView    `json:"platform,omitempty"`   // what ad platforms were said to hold

	Pressure map[string]PressureView `json:"pressure,omitempty"` // by class, and "all"

	Household *HouseholdView `json:"household,omitempty"`
}

// ConsentView is the latest word on one purpose on one channel.
type ConsentView struct {
	Channel string  `json:"channel,omitempty"` // none: all
	Purpose string  `json:"purpose"`
	SKU     string  `json:"sku,omitempty"` // only for this item
	State   string  `json:"state"`         // granted, pending, withdrawn
	Since   Instant `json:"since"`
	Proof   string  `json:"proof,omitempty"`
}

// CaseView is a conversation that holds marketing.
type CaseView struct {
	ConversationID string  `json:"conversation_id"`
	Since          Instant `json:"since"`
}

// CartView is one cart. Lines that were taken out are not there.
type CartView struct {
	ID        string     `json:"cart_id"`
	UpdatedAt Instant    `json:"updated_at,omitzero"`
	Lines     []LineView `json:"lines"`
}

// LineView is one item in a cart or an order.
type LineView struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Price    int64  `json:"price,omitempty"`

	Cancelled int64 `json:"cancelled,omitempty"` // units, of an order
	Returned  int64 `json:"returned,omitempty"`
	Gift      bool  `json:"gift,omitempty"` // for somebody else
}

// OrderView is one order that still matters.
type OrderView struct {
	At          Instant    `json:"at"`
	CancelledAt Instant    `json:"cancelled_at,omitzero"`
	Disputed    bool       `json:"charged_back,omitempty"`
	Lines       []LineView `json:"lines"`
}

// InterestView is one item a customer wants, or wanted.
type InterestView struct {
	SKU       string  `json:"sku"`
	State     string  `json:"state"`          // live, bought, declined, ended
	Name      string  `json:"name,omitempty"` // of the strongest
	Strength  uint8   `json:"strength,omitempty"`
	Since     Instant `json:"since"`
	PriceSeen int64   `json:"price_seen,omitempty"`
	MaxPrice  int64   `json:"max_price,omitempty"`
	Quantity  int64   `json:"quantity"`
	// Queue is the place in the item's queue as this side knows it: waiting,
	// parked, offered, held, claimed, "" for none. The number is the item's to tell; see
	// Machine.QueuePlace.
	Queue     string   `json:"queue,omitempty"`
	OfferID   string   `json:"offer_id,omitempty"`
	HoldUntil Instant  `json:"hold_until,omitzero"`
	Locations []string `json:"locations,omitempty"`
	Sellable  bool     `json:"sellable"`     // as last told here
	Of        string   `json:"of,omitempty"` // the product any variant of which is wanted
	// Until is when the wish ends unless it is shown again, Wants what it was read
	// from, each by its name in the moments file.
	Until Instant    `json:"until,omitzero"`
	Wants []WantView `json:"wants,omitempty"`
}

// WantView is one source of an interest. What the customer said is explicit,
// what was read from their looking around is implicit.
type WantView struct {
	Name       string  `json:"name"`
	Strength   uint8   `json:"strength"`
	Provenance string  `json:"provenance"`
	Since      Instant `json:"since"`
	Until      Instant `json:"until"`
}

// OccurrenceView is a moment that has begun and is not decided yet.
type OccurrenceView struct {
	Moment    string  `json:"moment"`
	Value     string  `json:"value,omitempty"`
	State     string  `json:"state"` // window, deferred, waiting, in, out
	DueAt     Instant `json:"due_at,omitzero"`
	ExpiresAt Instant `json:"expires_at,omitzero"`
	Reason    Reason  `json:"reason,omitempty"` // last one said
	Then      int     `json:"then,omitempty"`   // which message after the first
}

// ShownView is a message that stands on the site until it expires or is taken
// down.
type ShownView struct {
	Action    string  `json:"action"`
	Moment    string  `json:"moment"`
	Value     string  `json:"value"`
	ExpiresAt Instant `json:"expires_at,omitzero"`
}

// PendingView is an action that was decided and has no outcome yet.
type PendingView struct {
	ActionID  string  `json:"action_id"`
	Moment    string  `json:"moment"`
	Value     string  `json:"value,omitempty"`
	Attempt   int     `json:"attempt"`
	Waiting   bool    `json:"waiting"` // an attempt's outcome is not known
	DueAt     Instant `json:"due_at,omitzero"`
	ExpiresAt Instant `json:"expires_at,omitzero"`
}

// ContactView is one message that was sent.
type ContactView struct {
	ID      string  `json:"id"` // of the decision
	At      Instant `json:"at"`
	Moment  string  `json:"moment"`
	Value   string  `json:"value,omitempty"`
	Class   string  `json:"class"`
	Channel string  `json:"channel"`
}

// ItemView is all that is known of one SKU.
type ItemView struct {
	SKU        string       `json:"sku"`
	Sellable   bool         `json:"sellable"`
	Why        Reason       `json:"why,omitempty"`   // when not sellable
	Ahead      bool         `json:"ahead,omitempty"` // orders are taken though there is none
	SettlesAt  Instant      `json:"settles_at,omitzero"`
	Expected   int64        `json:"expected"`         // units that may be promised: levels less later sales less safety
	LevelAt    Instant      `json:"level_at"`         // of the oldest level used
	Levels     []LevelView  `json:"levels"`           // as reported
	Places     []PlaceUnits `json:"places,omitempty"` // of the stores, what may be promised there
	Price      int64        `json:"price,omitempty"`  // minor units
	OpensAt    Instant      `json:"opens_at,omitzero"`
	ClosesAt   Instant      `json:"closes_at,omitzero"`
	Sales      []SaleView   `json:"sales,omitempty"` // those of so many units
	Published  *bool        `json:"published,omitempty"`
	RenamedTo  string       `json:"renamed_to,omitempty"` // the number it has now
	Title      string       `json:"title,omitempty"`
	Category   string       `json:"category,omitempty"`
	Brand      string       `json:"brand,omitempty"`
	Family     string       `json:"family,omitempty"`
	OpenOffers int64        `json:"open_offers"`            // units in offers, answered or not
	Seed       string       `json:"lottery_seed,omitempty"` // a rank is xxhash64(seed/customer), the lowest goes first
	Waiting    int          `json:"waiting"`
	Parked     int          `json:"parked"`
	Offers     []OfferView  `json:"offers"` // the first ones
	Queue      []PlaceView  `json:"queue"`  // the head
	Position   uint64       `json:"position"`
	AsOf       Instant      `json:"as_of"`
}

// SaleView is an announced sale of so many units of an item.
type SaleView struct {
	ID       string  `json:"sale_id"`
	OpensAt  Instant `json:"opens_at"`
	ClosesAt Instant `json:"closes_at,omitzero"`
	Quantity int64   `json:"quantity"`
	Sold     int64   `json:"sold"` // while it was open
}

// LevelView is the last stock level of one location.
type LevelView struct {
	Location  string  `json:"location,omitempty"`
	Available *int64  `json:"available"`          // null: reported without a number
	Sellable  *bool   `json:"sellable,omitempty"` // the source's own word
	Safety    *int64  `json:"safety,omitempty"`
	Version   int64   `json:"version,omitempty"`
	At        Instant `json:"at"`
	Online    bool    `json:"online"` // serves the web shop
}

// PlaceUnits is what may be promised in one store.
type PlaceUnits struct {
	Location  string `json:"location"`
	Available int64  `json:"available"`
}

// OfferView is a unit held for one customer.
type OfferView struct {
	ID       string  `json:"offer_id"`
	Customer string  `json:"customer"`
	Quantity int64   `json:"quantity"`
	Until    Instant `json:"hold_until,omitzero"` // not there yet: not answered
	Store    string  `json:"location,omitempty"`  // where the unit lies; none: the web shop
}

// PlaceView is one customer waiting for the item.
type PlaceView struct {
	Place    int     `json:"place"` // from 1
	Customer string  `json:"customer"`
	Since    Instant `json:"since"`
	Quantity int64   `json:"quantity"`
	// Stores are those where the customer takes it, the place is that in the line
	// of the first one; none: the web shop.
	Stores []string `json:"locations,omitempty"`
}

// viewRows bounds the offers and places shown of an item; their numbers are
// told in full.
const viewRows = 20

// CustomerView returns what is known of a customer, false when nothing is.
func (m *Machine) CustomerView(id string) (CustomerView, bool) {
	e := m.get(CustomerKind, id)
	if e == nil {
		return CustomerView{}, false
	}
	c := e.(*Customer)
	p := &c.Profile
	v := CustomerView{
		ID: c.ID, Known: c.Known, Tier: p.Tier.Value, Channels: slices.Clone(p.Reach), Blocked: slices.Clone(p.Blocked), Prefers: p.Prefers.Value,
		Consents: []ConsentView{}, Carts: []CartView{}, Orders: []OrderView{}, Interests: []InterestView{},
		Occurrences: []OccurrenceView{}, Pending: []PendingView{}, Contacts: []ContactView{},
		Position: m.shop.Position, AsOf: Instant(m.shop.Now),
	}
	if v.Channels == nil {
		v.Channels = []string{}
	}
	if c.forwards() {
		v.KeptBy = c.Identity.Forward
	}
	if c.Identity != nil {
		v.Linked, v.ErasedAt = c.Identity.linked(), Instant(c.Identity.ErasedAt)
	}
	if loc := p.location(m.shop.Now); loc != nil {
		v.Timezone = loc.String()
	}
	for i := range p.Consents {
		v.Consents = append(v.Consents, p.Consents[i].view())
	}
	c.Standing.view(m.shop.Now, &v)
	for i := range c.Carts {
		v.Carts = append(v.Carts, c.Carts[i].view(m.shop.Now))
	}
	for i := range c.Orders {
		o := &c.Orders[i]
		x := OrderView{At: Instant(o.At), CancelledAt: Instant(o.Cancelled), Disputed: o.Disputed, Lines: []LineView{}}
		for j := range o.Lines {
			l := &o.Lines[j]
			x.Lines = append(x.Lines, LineView{SKU: l.SKU, Quantity: l.Quantity, Price: l.Price, Cancelled: l.gone, Returned: l.back, Gift: l.Gift})
		}
		v.Orders = append(v.Orders, x)
	}
	v.AfterOrderView = c.After.view(m.shop.Now)
	v.Journeys = c.journeyViews(m)
	v.Attributes, v.Dismissed = c.Traits.view()
	v.Platform = c.Platform.view()
	for i := range c.Interests {
		v.Interests = append(v.Interests, c.Interests[i].view(m))
	}
	for i := range c.Occurrences {
		v.Occurrences = append(v.Occurrences, c.Occurrences[i].view())
	}
	for i := range c.Pending {
		x := &c.Pending[i]
		v.Pending = append(v.Pending, PendingView{x.ID, x.Moment, x.Value, x.Attempt, x.Waiting, Instant(x.Due), Instant(x.Expires)})
	}
	for i := range c.Contacts {
		x := &c.Contacts[i]
		v.Contacts = append(v.Contacts, ContactView{x.ID, Instant(x.At), x.Moment, x.Value, x.Class, x.Channel})
	}
	v.Pressure = c.pressure(m.shop.Now)
	v.Household = c.Member.view()
	return v, true
}

func (c *Consent) view() ConsentView {
	v := ConsentView{c.Channel, c.Purpose, c.Scope, "withdrawn", Instant(c.At), c.Proof}
	switch {
	case c.Granted && c.Confirmed:
		v.State = "granted"
	case c.Granted:
		v.State = "pending"
	}
	return v
}

func (c *Cart) view(now int64) CartView {
	v := CartView{ID: c.ID, UpdatedAt: Instant(c.At), Lines: []LineView{}}
	for i := range c.Lines {
		l := &c.Lines[i]
		if n := l.quantity(now - cartMemoryMS); n > 0 {
			v.Lines = append(v.Lines, LineView{SKU: l.SKU, Quantity: n, Price: l.Price})
		}
	}
	return v
}

func (in *Interest) view(m *Machine) InterestView {
	v := InterestView{
		SKU: in.SKU, State: "live", Since: Instant(in.Since), PriceSeen: in.PriceSeen, MaxPrice: in.MaxPrice, Quantity: in.Quantity,
		Locations: slices.Clone(in.Locations), Sellable: m.facts(in.SKU).Sellable, Of: in.Of,
	}
	v.Name, v.Strength = in.strongest(m.shop.Now)
	v.Until = Instant(in.ends())
	for i := range in.Wants {
		x := &in.Wants[i]
		w := WantView{x.Name, x.Strength, "implicit", Instant(x.Since), Instant(x.Until)}
		if x.Said != 0 {
			w.Provenance = "explicit"
		}
		v.Wants = append(v.Wants, w)
	}
	switch {
	case in.Bought != 0:
		v.State = "bought"
	case in.Declined:
		v.State = "declined"
	case v.Name == "":
		v.State = "ended"
	}
	switch {
	case in.Offer != 0 && in.Claimed:
		v.Queue, v.OfferID, v.HoldUntil = "claimed", OfferID(in.SKU, in.Offer), Instant(in.OfferUntil)
	case in.Offer != 0 && in.OfferUntil > m.shop.Now:
		v.Queue, v.OfferID, v.HoldUntil = "held", OfferID(in.SKU, in.Offer), Instant(in.OfferUntil)
	case in.Offer != 0:
		v.Queue, v.OfferID = "offered", OfferID(in.SKU, in.Offer)
	case in.Parked:
		v.Queue = "parked"
	case in.Queued:
		v.Queue = "waiting"
	}
	return v
}

func (o *Occurrence) view() OccurrenceView {
	v := OccurrenceView{Moment: o.Moment, Value: o.Value, DueAt: Instant(o.Due), ExpiresAt: Instant(o.Expires), Reason: o.Said.reason(), Then: int(o.Then)}
	switch o.State {
	case windowState:
		v.State = "window"
	case deferredState:
		v.State = "deferred"
	case waitingState:
		v.State = "waiting"
	case openState:
		v.State = "open"
	case audienceState:
		v.State, v.Reason = "out", o.Said.reason()
		if o.In {
			v.State = "in"
		}
	}
	return v
}

// ItemView returns what is known of an item, false when nothing is.
func (m *Machine) ItemView(sku string) (ItemView, bool) {
	e := m.get(ItemKind, sku)
	if e == nil {
		return ItemView{}, false
	}
	it := *e.(*Item) // expected forgets lines: on a copy
	it.Sold = slices.Clone(it.Sold)
	units, levelAt := it.expected(m)
	f := &it.Facts
	v := ItemView{
		SKU: it.SKU, Sellable: f.Sellable, Why: f.Why, Ahead: f.Ahead, Expected: units, LevelAt: Instant(levelAt),
		Levels: []LevelView{}, Price: it.Price, OpensAt: Instant(f.OpensAt), ClosesAt: Instant(f.ClosesAt), Published: it.Published.view(),
		RenamedTo: it.Product.Now, Title: it.Product.Title, Category: it.Product.Category, Brand: it.Product.Brand, Family: it.Product.Family,
		OpenOffers: it.Queue.Open, Waiting: it.Queue.waiting(), Seed: it.Queue.Seed, Parked: it.Queue.Parked.Len(),
		Offers: []OfferView{}, Queue: []PlaceView{}, Position: m.shop.Position, AsOf: Instant(m.shop.Now),
	}
	if it.SettleAt > m.shop.Now {
		v.SettlesAt = Instant(it.SettleAt)
	}
	for i := range it.Windows {
		if x := &it.Windows[i]; x.Limited {
			v.Sales = append(v.Sales, SaleView{x.Sale, Instant(x.OpensAt), Instant(x.ClosesAt), x.Quantity, x.Sold})
		}
	}
	stock := m.rules.stock(&it)
	for i := range it.Levels {
		l := &it.Levels[i]
		v.Levels = append(v.Levels, l.view(stock))
		if !stock.IsOnline(l.Location) {
			v.Places = append(v.Places, PlaceUnits{l.Location, it.inStore(m, l)})
		}
	}
	it.Queue.Offers.ascend(m, "", func(key, value string) bool {
		o := parseOffer(value)
		n := int64(binary.BigEndian.Uint64([]byte(key)))
		v.Offers = append(v.Offers, OfferView{OfferID(it.SKU, n), o.key[9:], o.quantity, Instant(o.until), o.store})
		return len(v.Offers) < viewRows
	})
	place := 0
	see := func(_ string, e entry) bool {
		if place++; len(v.Queue) < viewRows {
			v.Queue = append(v.Queue, PlaceView{place, e.customer, Instant(e.since), e.quantity, e.stores})
		}
		return len(v.Queue) < viewRows
	}
	it.Queue.ascend(m, "", see)
	if p := it.Queue.Pickup; p != nil {
		for _, h := range p.Held {
			v.OpenOffers += h.Units
		}
		p.Waiting.ascend(m, "", func(key, value string) bool {
			e := parseEntry(key, value)
			if place = p.place(m, key) - 1; e.web {
				return true
			}
			return see(key, e)
		})
	}
	return v, true
}

func (l *Level) view(stock *moments.Stock) LevelView {
	v := LevelView{Location: l.Location, Sellable: l.Sellable.view(), Version: l.Version, At: Instant(l.At), Online: stock.IsOnline(l.Location)}
	if l.Known {
		n := l.Available
		v.Available = &n
	}
	if l.Safety >= 0 {
		n := l.Safety
		v.Safety = &n
	}
	return v
}

func (f Flag) view() *bool {
	if f == Unset {
		return nil
	}
	yes := f == Yes
	return &yes
}

// QueuePlace returns the place of a customer in an item's queue, from 1, false
// when the customer does not wait there. tier and since are those of the
// customer's interest: they make the rank.
func (m *Machine) QueuePlace(sku, customer string, tier uint8, since Instant) (int, bool) {
	e := m.get(ItemKind, sku)
	if e == nil {
		return 0, false
	}
	q := &e.(*Item).Queue
	key := q.key(m, int64(tier), int64(since), customer)
	if _, ok := q.Waiting.get(m, key); ok {
		return q.Waiting.index(m, key) + 1, true
	}
	if q.Pickup != nil {
		if n := q.Pickup.place(m, key); n > 0 {
			return n, true
		}
	}
	return 0, false
}

// InterestedView is one customer's interest in an item, seen from the item.
type InterestedView struct {
	Customer string `json:"customer"`
	InterestView
}

// Interested returns the live interests in an item of this partition's
// customers, by customer id from the first that is not below from, at most n.
// next is where to go on, "" at the end. The other partitions know theirs.
func (m *Machine) Interested(sku, from string, n int) (list []InterestedView, next string) {
	e := m.get(WatchKind, sku)
	if e == nil {
		return nil, ""
	}
	// The customers are read after the list: reading may thaw, not change.
	var ids []string
	e.(*Watch).Interested.ascend(m, from, func(id, _ string) bool {
		if len(ids) == n {
			next = id
			return false
		}
		ids = append(ids, id)
		return true
	})
	for _, id := range ids {
		c, ok := m.get(CustomerKind, id).(*Customer)
		if !ok {
			continue
		}
		if in := c.interest(sku); in != nil {
			if name, _ := in.strongest(m.shop.Now); name != "" {
				list = append(list, InterestedView{id, in.view(m)})
			}
		}
	}
	return list, next
}
