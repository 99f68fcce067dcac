package whole

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// worth is what every reward is issued for.
const worth = 1000

// issued returns the issue of a reward from before a time, of somebody who is to
// be remembered; nil when there is none.
func (d *drawer) issued(before int64) *processor.Event {
	var list []*processor.Event
	for i := range d.events {
		if e := &d.events[i]; e.Kind == processor.RewardIssued && e.At < before && !d.erased[e.UserID[1]-'0'] && d.known[e.UserID[1]-'0'] < e.At {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[d.aside.IntN(len(list))]
}

// orderOf returns an order of who a reward was issued to, from after that, which
// may be cancelled by now; nil when there is none.
func (d *drawer) orderOf(issue *processor.Event) *processor.Event {
	if len(d.orders) == 0 {
		return nil
	}
	if o := d.orders[d.aside.IntN(len(d.orders))]; o.UserID == issue.UserID && o.At > issue.At {
		return o
	}
	return nil
}

// spends: a part of a reward is used at a till, or with an order, of which the
// till may tell as well, or too late; or an order names the reward and says no
// more.
func (d *drawer) spends() {
	e := d.issued(d.now)
	if e == nil {
		return
	}
	part := 100 * (1 + d.aside.Int64N(6))
	use := processor.Event{Kind: processor.RewardRedeemed, UserID: e.UserID, RewardID: e.RewardID, Total: part, Location: "till"}
	if d.aside.IntN(2) == 0 {
		if d.aside.IntN(2) == 0 {
			use.UserID = "" // a till that knows the certificate only
		}
		if o := d.orderOf(e); o != nil && d.aside.IntN(2) == 0 {
			use.OrderID = o.OrderID
		}
		d.say(use)
		return
	}
	order := processor.Event{Kind: processor.OrderCompleted, UserID: e.UserID, OrderID: fmt.Sprint("o", len(d.events)), Total: 1999,
		Products: []processor.Product{{SKU: fmt.Sprint("s", d.aside.IntN(items)), Quantity: 1, Price: 1999}}}
	if d.aside.IntN(3) == 0 {
		order.RewardID = e.RewardID
	}
	if order.RewardID == "" || d.aside.IntN(2) == 0 {
		use.OrderID = order.OrderID
		d.say(use)
	}
	order = *d.say(order)
	d.orders = append(d.orders, &order)
	if use.OrderID != "" && d.aside.IntN(3) == 0 {
		use.UserID = ""
		d.say(use)
	}
}

// use is one use of a reward, by whoever tells of it.
type use struct {
	key        string // an order, or a till and the time
	order      string
	at, amount int64
	void       bool // its order was cancelled
}

// uses returns the uses of a reward that happened before a time, as far as is
// known, in their order.
func uses(id string, known []*processor.Event, before int64) (list []use) {
	for _, e := range known {
		if e.RewardID != id || e.Kind != processor.RewardRedeemed && e.Kind != processor.OrderCompleted || e.At >= before {
			continue
		}
		u := use{key: "order " + e.OrderID, order: e.OrderID, at: e.At}
		if e.OrderID == "" {
			u.key = fmt.Sprint(e.Location, " ", e.At)
		}
		if e.Kind == processor.RewardRedeemed {
			u.amount = e.Total
		}
		if i := slices.IndexFunc(list, func(x use) bool { return x.key == u.key }); i >= 0 {
			list[i].at, list[i].amount = min(list[i].at, u.at), max(list[i].amount, u.amount)
			continue
		}
		list = append(list, u)
	}
	for i := range list {
		if u := &list[i]; u.order != "" {
			u.void = voided(u.order, known)
		}
	}
	slices.SortFunc(list, func(a, b use) int { return int(a.at - b.at) })
	return list
}

// voided reports whether what was used with an order is given back: all of it is
// cancelled, at once or item by item, and no bank took the money back.
func voided(order string, known []*processor.Event) bool {
	placed, parted, whole := false, false, false
	for _, e := range known {
		if e.OrderID != order {
			continue
		}
		if chargedBack(e) {
			return false
		}
		cancelled := e.Kind == processor.OrderCancelled
		placed = placed || e.Kind == processor.OrderCompleted || e.Kind == processor.OrderUpdated
		parted = parted || cancelled && len(e.Products) > 0
		whole = whole || cancelled && len(e.Products) == 0
	}
	return whole || parted && placed && empty(order, known)
}

// empty reports whether nothing is left of an order.
func empty(order string, known []*processor.Event) bool {
	for _, units := range lines(order, known) {
		if units > 0 {
			return false
		}
	}
	return true
}

// remains returns what is left of a reward after some uses. An order that names
// no amount takes all that is left. over says that more was used than there was.
func remains(list []use) (left int64, over bool) {
	left = worth
	for _, u := range list {
		if !u.void {
			take := u.amount
			if take == 0 {
				take = max(left, 1)
			}
			over = over || take > left
			left = max(0, left-take)
		}
	}
	return left, over
}

// unvoided returns uses as if no order had been cancelled: that may be heard of
// later.
func unvoided(list []use) []use {
	for i := range list {
		list[i].void = false
	}
	return list
}

// mayBeUsedUp reports whether nothing is left of a reward if no order was
// cancelled.
func mayBeUsedUp(list []use) bool {
	left, _ := remains(unvoided(list))
	return left == 0
}

// leftOf returns what is left of a reward as far as is known.
func (o *oracle) leftOf(id string) int64 {
	left, _ := remains(uses(id, o.known, always))
	return left
}

const always = int64(1) << 62

// purse returns what is left of all rewards of a customer that can be used, by
// reward; not sure when one ends about now.
func (o *oracle) purse(d *Told) (list map[string]int64, sure bool) {
	list, sure = map[string]int64{}, true
	o.of(d.Customer, func(e *processor.Event) {
		if e.Kind != processor.RewardIssued {
			return
		}
		left := o.leftOf(e.RewardID)
		sure = sure && (e.ExpiresAt > d.At+o.slack || e.ExpiresAt <= d.At-o.slack)
		if left > 0 && e.ExpiresAt > d.At && !slices.ContainsFunc(o.known, func(x *processor.Event) bool { return x.Kind == processor.RewardExpired && x.RewardID == e.RewardID }) {
			list[e.RewardID] = left
		}
	})
	return list, sure
}

// counted: what a message says of a reward is so. Nothing calls one to mind that
// is used up; what confirms an order with which one was used says so.
func (o *oracle) counted(d *Told) {
	id, says := "", map[string]int64{}
	for _, x := range d.Action.Data {
		if says[x.Name] = x.Number; x.Name == "reward_id" {
			id = x.Text
		}
	}
	purse, sure := o.purse(d)
	left := o.leftOf(id)
	_, spoken := says["reward_left"]
	issued := slices.ContainsFunc(o.known, func(e *processor.Event) bool { return e.Kind == processor.RewardIssued && e.RewardID == id })
	switch {
	case d.Moment == "reward_reminder" && id != d.Cause.Value:
		o.fault(d, "it speaks of %q", id)
	case d.Moment == "order_confirmed" || d.Moment == liesReady || d.Moment == stillLies:
		o.thanked(d, id)
		sum := int64(0)
		for _, left := range purse {
			sum += left
		}
		if id != "" && issued && sure && says["rewards_balance"] != sum {
			o.fault(d, "the balance is %d, not %d", sum, says["rewards_balance"])
		}
	case id != "" && (sure || left == 0) && purse[id] == 0:
		o.fault(d, "the reward %s cannot be used", id)
	}
	if id != "" && spoken != issued {
		o.fault(d, "what is left of %s is said: %v, its issue is known: %v", id, spoken, issued)
	}
	if id != "" && issued && says["reward_left"] != left {
		o.fault(d, "%d is left of %s, not %d", left, id, says["reward_left"])
	}
}

// thanked: who used a reward with an order reads of it in what confirms the
// order, and nobody else.
func (o *oracle) thanked(d *Told, id string) {
	with := func(id string) bool {
		return slices.ContainsFunc(uses(id, o.known, always), func(u use) bool { return u.order == d.Cause.Value && !u.void })
	}
	if id != "" && !with(id) {
		o.fault(d, "%s was not used with it", id)
	}
	o.of(d.Customer, func(e *processor.Event) {
		if e.Kind == processor.RewardIssued && id == "" && with(e.RewardID) {
			o.fault(d, "%s was used with it, and nobody says thanks", e.RewardID)
		}
	})
}

// rested: nobody is reminded of a reward that a cancelled order gave back a week
// ago or less.
func (o *oracle) rested(d *Told) {
	for _, u := range uses(d.Cause.Value, o.known, always) {
		used, gave := false, false
		for i, e := range o.known {
			if used = used || e.OrderID == u.order && e.RewardID == d.Cause.Value; !used || e.OrderID != u.order {
				continue
			}
			gives := voided(u.order, o.known[:i+1])
			if gives && !gave && e.Kind == processor.OrderCancelled && e.At > d.At-7*day+o.slack {
				o.fault(d, "it was given back at %s", clock(e.At))
			}
			gave = gives
		}
	}
}

// reminds: of a reward of which something is left somebody thinks two weeks
// before it ends. What was used in part is not used up.
func (o *oracle) reminds(end int64) {
	for i, e := range o.events {
		due := e.ExpiresAt - 14*day
		if e.Kind != processor.RewardIssued || due > end-day || o.mayEnd(e, o.events[i:], due) {
			continue
		}
		if !slices.ContainsFunc(o.told, func(d Told) bool {
			return d.Moment == "reward_reminder" && d.Cause.Value == e.RewardID && d.At >= due-o.slack
		}) {
			left, _ := remains(uses(e.RewardID, o.events, due))
			o.faults = append(o.faults, fmt.Sprintf("reward_reminder: %d is left of %s of %s, and nobody thought of it at %s", left, e.RewardID, e.UserID, clock(due)))
		}
	}
}

// mayEnd reports whether a reward may be of no use at a time, or was meanwhile.
func (o *oracle) mayEnd(issue *processor.Event, since []*processor.Event, due int64) bool {
	now := int64(0)
	for i, e := range since {
		if now = max(now, e.At); now > due+o.slack+minute {
			return false
		}
		switch {
		case e.Kind == processor.RewardExpired && e.RewardID == issue.RewardID, e.Kind == processor.CustomerErased && e.Customer() == issue.UserID:
			return true
		case e.RewardID == issue.RewardID || e.Kind == processor.OrderCancelled:
			if mayBeUsedUp(uses(issue.RewardID, since[:i+1], always)) {
				return true
			}
		}
	}
	return false
}
