package processor

import (
	"cmp"
	"fmt"
	"onhand/processor/moments"
	"slices"
	"strings"
	"time"
)

// A date of the rules moves with its data: a sale that is moved moves its
// reminders, a purchase moves the day something runs out. What is due at a date
// is looked up when the data changes (redate), and once more when it is due.

// What a date may be besides a time in Unix ms.
const (
	dateUnknown = 0  // nobody has said it yet: what is due then waits
	dateOver    = -1 // what it belongs to has ended
)

// told is what the event that began an occurrence said and its gate asks for:
// when the store opens and closes, how full the device is, which item was
// looked for, and where.
type told struct {
	At              int64 // when it happened
	Opens, Closes   int64
	Level, Capacity int64
	Channel         string
	SKU             string   // the item looked for in stores
	Here            position // where the customer was
	Properties      string   // of those guards look at, a JSON object; "" when they look at none
	Lines           string   // of a checkout that failed, encoded, when nothing else was heard of its cart
}

// maxToldLines bounds the bytes kept of the lines of a checkout that failed.
const maxToldLines = 8 << 10

// withLines returns what was told with the lines of an event, as many as there is
// room for.
func (t *told) withLines(m *Machine, e *Event) *told {
	n := told{}
	if t != nil {
		n = *t
	}
	w, room, size := writer{}, 0, 0
	for room < len(e.Products) {
		if size += len(e.Products[room].SKU) + lineBytes; size > maxToldLines {
			m.dead("limit", fmt.Sprintf("%d lines of a checkout that failed in a cart nobody heard of: %d of them are kept", len(e.Products), room), m.current)
			break
		}
		room++
	}
	w.uint(uint64(room))
	for i := range room {
		p := &e.Products[i]
		w.str(p.SKU)
		w.int(max(p.Quantity, 1))
		w.int(p.Price)
		m.watch(p.SKU) // whether it can be had is asked when the window ends
	}
	n.Lines = string(w.b)
	return &n
}

// lines returns those lines.
func (t *told) lines() (all []ActionLine) {
	if t == nil || t.Lines == "" {
		return nil
	}
	r := reader{b: []byte(t.Lines)}
	for range r.count(3) {
		all = append(all, ActionLine{SKU: r.str(), Quantity: r.int(), Price: r.int()})
	}
	return all
}

// lineBytes is the most that one of them takes besides its number: the length of
// that, how many and the price.
const lineBytes = 2 + 10 + 10

func (t *told) bytes() int {
	if t == nil {
		return 0
	}
	return 150 + len(t.Channel) + len(t.SKU) + len(t.Properties) + len(t.Lines)
}

func (t *told) encode(w *writer) {
	w.bool(t != nil)
	if t == nil {
		return
	}
	for _, n := range [...]int64{t.At, t.Opens, t.Closes, t.Level, t.Capacity, t.Here.Lat, t.Here.Lon} {
		w.int(n)
	}
	w.str(t.Channel)
	w.str(t.SKU)
	w.str(t.Properties)
	w.str(t.Lines)
}

func decodeTold(r *reader) *told {
	if !r.bool() {
		return nil
	}
	return &told{
		At: r.int(), Opens: r.int(), Closes: r.int(), Level: r.int(), Capacity: r.int(),
		Here: position{r.int(), r.int()}, Channel: intern(r.view()), SKU: intern(r.view()),
		Properties: r.str(), Lines: r.str(),
	}
}

// toldBy returns what an event says that the gate will ask for, nil when
// nothing.
func (c *Customer) toldBy(m *Machine, e *Event) *told {
	t := told{}
	props := properties(e.Properties)
	switch e.Kind {
	case StoreSearched, StoreVisited:
		t.Opens, t.Closes = c.clock(m, e, props, "opens_at"), c.clock(m, e, props, "closes_at")
		if store := m.rules.file.Policy.Store(e.Location); store != nil {
			at := time.UnixMilli(e.At)
			t.Opens, t.Closes = cmp.Or(t.Opens, millis(store.Opens(at))), cmp.Or(t.Closes, millis(store.Closes(at)))
		}
		if !c.hidden() {
			t.Here = positionIn(props)
		}
	case DeviceReported:
		level, ok := props.scaled("level", 3)
		if !ok || level < 0 {
			break // what cannot be read changes nothing
		}
		t.Level, t.Capacity = level, 100_000 // percent
		if capacity, ok := props.scaled("capacity", 3); ok && capacity > 0 {
			t.Capacity = capacity
		}
	case MessageReceived:
		t.Channel = intern([]byte(e.Channel))
	}
	if e.SKU != "" {
		t.SKU = clone(e.SKU)
		m.watch(t.SKU)
	}
	if t == (told{}) {
		return nil
	}
	t.At = e.At
	return &t
}

// clock reads when a store opens or closes next: a time, or the hour of every
// day by the customer's clock, as 09:00.
func (c *Customer) clock(m *Machine, e *Event, props properties, key string) int64 {
	if at := props.instant(key); at != 0 {
		return at
	}
	hour, err := time.Parse("15:04", props.str(key))
	loc := c.Profile.location(m.shop.Now)
	if err != nil || loc == nil {
		return 0
	}
	at := time.UnixMilli(e.At).In(loc)
	for day := range 2 {
		next := time.Date(at.Year(), at.Month(), at.Day()+day, hour.Hour(), hour.Minute(), 0, 0, loc)
		if next.After(at) {
			return next.UnixMilli()
		}
	}
	return 0
}

// date returns when a moving date is for an occurrence: dateUnknown, dateOver,
// or Unix ms.
func (c *Customer) date(m *Machine, mo *moments.Moment, d moments.Date, o *Occurrence) int64 {
	at := c.dateOf(m, mo, d.Name, o)
	if at <= 0 {
		return at
	}
	at += d.Offset.Milliseconds()
	if d.Lead != 0 {
		sku := o.Value
		if mo.Per == "family" {
			sku, _ = c.lastOfFamily(m, o.Value)
		}
		at += int64(d.Lead) * m.stockOf(sku).LeadTime.Milliseconds()
	}
	return max(at, 1)
}

func (c *Customer) dateOf(m *Machine, mo *moments.Moment, name string, o *Occurrence) int64 {
	switch name {
	case moments.OfferEnds:
		if in := c.interest(o.Value); in != nil && o.Offer != 0 && in.Offer == o.Offer {
			return in.OfferUntil
		}
	case moments.SaleOpens, moments.SaleCloses:
		return c.saleDate(m, mo, name, o)
	case moments.RewardExpires:
		switch w := c.reward(o.Value); w.State(m.shop.Now) {
		case RewardUnknown:
			return dateUnknown
		case RewardValid:
			return w.ExpiresAt
		}
	case moments.SubscriptionNext:
		if s := c.subscription(o.Value); s != nil && !s.Ended {
			return s.NextAt
		}
	case moments.ShipmentPromised:
		if s := c.shipment(o.Value); s != nil && s.DeliveredAt == 0 {
			return s.PromisedAt
		}
	case moments.ItemRunsOut:
		return c.runsOut(m, mo, o)
	case moments.StoreOpens, moments.StoreCloses:
		if o.Told == nil {
			break
		}
		if name == moments.StoreOpens {
			return o.Told.Opens
		}
		return o.Told.Closes
	case moments.CaseWarn, moments.CaseDue:
		if o.Told == nil {
			break
		}
		ch := m.rules.file.Policy.Channel(o.Told.Channel)
		if ch == nil || ch.Reply == 0 {
			break // nobody promised when
		}
		reply := ch.Reply.Milliseconds()
		if name == moments.CaseWarn {
			reply = reply * 8 / 10
		}
		return o.Told.At + reply
	}
	return dateOver
}

// saleDate returns when the sale an occurrence is about opens or closes: the
// one it names, or that of its item.
func (c *Customer) saleDate(m *Machine, mo *moments.Moment, name string, o *Occurrence) int64 {
	opens, closes := int64(0), int64(0)
	if mo.Per == "sale_id" {
		f := m.sale(o.Value)
		switch {
		case f == nil:
			return dateUnknown
		case f.Cancelled:
			return dateOver
		}
		opens, closes = f.OpensAt, f.ClosesAt
	} else {
		f := m.watch(o.Value).Facts
		opens, closes = f.OpensAt, f.ClosesAt
	}
	if name == moments.SaleOpens {
		return opens
	}
	return closes
}

// dated brings the due time of an occurrence up to date with what its date has
// moved to. It reports whether its time has come; when it has not, the
// occurrence waits on, or has ended with what it was about.
func (c *Customer) dated(m *Machine, i int, mo *moments.Moment) bool {
	o := &c.Occurrences[i]
	if mo.Per == "family" && strings.HasPrefix(o.Value, unknownFamily) {
		return false
	}
	if t := o.Told; t != nil && t.SKU != "" && mo.Per == "customer" && o.State == windowState {
		if wa := m.watch(t.SKU); wa.Facts.At == 0 {
			wa.stake(m, c.ID, true)
			o.Due = 0
			return false // the item has been asked and answers at once
		}
	}
	if mo.Per == "reward_id" && o.State == windowState {
		if w := c.reward(o.Value); w != nil && w.IssuedAt != 0 && !w.Heard {
			o.Due = 0
			return false // its ledger has been asked: somebody else may have used it
		}
	}
	if !mo.Due.At.IsZero() {
		at := c.date(m, mo, mo.Due.At, o)
		if at == dateOver && c.heldBack(mo) {
			at = dateUnknown // the other id may bring what it is about
		}
		switch {
		case at == dateOver:
			c.over(m, i, mo)
			return false
		case at == dateUnknown && o.State == windowState, at > m.shop.Now:
			o.Due = at
			c.soon(at)
			return false
		case o.State == windowState:
			o.Due = at
		}
	}
	if end := mo.Expires.At; !end.IsZero() && (o.Then != 0 || end.Name != moments.OfferEnds) {
		at := c.date(m, mo, end, o)
		if at == dateUnknown && o.State == windowState && mo.Due.At.IsZero() {
			o.Due = 0
			return false
		}
		o.Expires = max(0, at)
	}
	if mo.Per == "sale_id" && o.State == windowState {
		if f := m.sale(o.Value); f != nil && f.asksItem(mo, o) {
			switch wa := m.watch(f.SKU); {
			case wa.Facts.At == 0:
				wa.stake(m, c.ID, true)
				o.Due = 0
				return false // asked just now, by who registered after the opening
			case !wa.knowsSale(f):
				o.Due = m.shop.Now + saleRetryMS
				c.soon(o.Due)
				return false
			}
		}
	}
	if o.State == windowState && o.Due == 0 {
		o.Due = m.shop.Now // what was missing has come
	}
	return true
}

// over ends an occurrence that was about something which has ended.
func (c *Customer) over(m *Machine, i int, mo *moments.Moment) {
	if o := c.Occurrences[i]; o.State == windowState {
		c.removeOccurrence(i) // no candidate has formed
		c.disown(m, &o)
		return
	}
	v := verdict{outcome: Suppressed, reason: Ended, stockAge: -1}
	switch owner, _, _ := strings.Cut(mo.Due.At.Name, "."); owner {
	case "offer":
		v.outcome, v.reason = Expired, OfferEnded
	case "sale":
		v.reason = SaleOver
	case "reward":
		v.reason = Redeemed
		if c.reward(c.Occurrences[i].Value).State(m.shop.Now) == RewardPast {
			v.outcome, v.reason = Expired, ExpiredReason
		}
	}
	c.conclude(m, i, v)
}

// redate looks again at what waits for a date: its data may have moved.
func (c *Customer) redate(m *Machine) { c.redateBy(m, false) }

// redateBy is redate; with items that it is the facts of one that came, or of a
// sale, which rewards, parcels and subscriptions do not hang on. When facts are heard of for
// the first time depends on who lives in the partition. While something of
// another id is on its way all but what is owed is left until that is here.
func (c *Customer) redateBy(m *Machine, items bool) {
	if len(m.rules.dated) == 0 {
		return
	}
	for i := range backwards(&c.Occurrences) {
		o := &c.Occurrences[i]
		if !m.rules.dated[o.Moment] || o.State != windowState && o.State != deferredState {
			continue
		}
		mo := m.rules.moment(o)
		if mo == nil || mo.Due.At.IsZero() && o.Due != 0 || items && (mo.Per == "reward_id" || mo.Per == "shipment_id" || mo.Per == "subscription_id") || c.heldBack(mo) {
			continue
		}
		was := o.State
		if !c.dated(m, i, mo) {
			continue
		}
		if was == windowState {
			c.occur(m, i)
		} else if o = &c.Occurrences[i]; o.Expires != 0 && o.Due > o.Expires {
			o.Due = o.Expires + 1 // it is of no use after that, which has moved
			c.soon(o.Due)
		}
	}
}

// outsideHours returns why an event does not count for a moment that asks for
// an hour of the customer's day; "" = it does.
func (c *Customer) outsideHours(m *Machine, mo *moments.Moment, at int64) Reason {
	if len(mo.Hours) == 0 {
		return ""
	}
	loc := c.Profile.location(m.shop.Now)
	if loc == nil {
		return TimezoneUnknown
	}
	local := time.UnixMilli(at).In(loc)
	if !mo.In(local.Weekday(), local.Hour()*60+local.Minute()) {
		return OutsideHours
	}
	return ""
}

// asks reports whether the guard or a score of a moment, or of what follows it,
// asks for something below a name.
func asks(mo *moments.Moment, name string) bool {
	has := func(g *moments.Guard, f *moments.Factors) bool {
		if g != nil && strings.Contains(g.Text, name) {
			return true
		}
		for _, op := range [...]*moments.Operand{&f.Propensity, &f.Context, &f.Value, &f.Lever} {
			if strings.HasPrefix(op.Name, name) {
				return true
			}
		}
		return false
	}
	for i := range mo.Then {
		if has(mo.Then[i].If, &mo.Then[i].Score) {
			return true
		}
	}
	return has(mo.If, &mo.Score)
}

// dates are the dates of a moment and of what follows it, but for the end of
// the offer it opens.
func dates(mo *moments.Moment) (list []string) {
	add := func(d moments.Date) {
		if !d.IsZero() && !slices.Contains(list, d.Name) {
			list = append(list, d.Name)
		}
	}
	add(mo.Due.At)
	if mo.Expires.At.Name != moments.OfferEnds {
		add(mo.Expires.At)
	}
	for i := range mo.Then {
		add(mo.Then[i].Due.At)
		add(mo.Then[i].Expires.At)
	}
	return list
}

// movers returns the customer's events that may move a date. A sale tells of
// itself; see saleChanged.
func movers(date string) []Kind {
	orders := []Kind{OrderCompleted, OrderUpdated, OrderCancelled, OrderRefunded, ReturnReceived}
	switch date {
	case moments.OfferEnds:
		return append(orders, OfferDeclined, BackInStockCancelled, ProductDismissed)
	case moments.ItemRunsOut:
		return orders
	case moments.RewardExpires:
		return append(orders, RewardIssued, RewardRedeemed, RewardExpired)
	case moments.SubscriptionNext:
		return []Kind{SubscriptionStarted, SubscriptionChanged, SubscriptionRenewed, SubscriptionEnded}
	case moments.ShipmentPromised:
		return []Kind{ShipmentUpdated}
	}
	return nil
}
