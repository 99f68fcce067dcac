package whole

import (
	"fmt"
	"slices"

	"onhand/processor"
)

// lateness is from when on the file calls what is heard of late.
const lateness = 10 * minute

// hearsLate: a till says hours later that a reward was used, or a letter is opened
// that takes a permission back. Meanwhile something may have been said.
func (d *drawer) hearsLate() {
	ago := lateness + minute + d.aside.Int64N(2*day)
	if d.aside.IntN(2) == 0 {
		c := d.aside.IntN(customers)
		if ago /= 6; !d.erased[c] && d.known[c] < d.now-ago {
			d.late(ago, processor.Event{Kind: processor.ConsentChanged, UserID: fmt.Sprint("c", c), Channel: []string{"push", "email"}[d.aside.IntN(2)], Purpose: "marketing"})
		}
		return
	}
	e := d.issued(d.now - ago)
	if e == nil {
		return
	}
	who, amount := e.UserID, int64(worth)
	if d.aside.IntN(2) == 0 {
		who = "" // a till that knows the certificate only
	}
	if d.aside.IntN(2) == 0 {
		amount /= 2
	}
	d.late(ago, processor.Event{Kind: processor.RewardRedeemed, UserID: who, RewardID: e.RewardID, Total: amount, Location: "till"})
}

// late says what happened a while ago.
func (d *drawer) late(ago int64, e processor.Event) {
	x := d.say(e)
	x.At -= ago
	x.Stamp = x.At
}

// apology is the moment of the file that speaks of an earlier one.
const apology = "apology"

// regrets: an apology is for a message that this customer was sent, and for
// something that happened before it went and was heard of after.
func (o *oracle) regrets(d *Told, before []Told) {
	if d.Moment != apology {
		return
	}
	id := ""
	for _, x := range d.Action.Data {
		if x.Name == "corrects" {
			id = x.Text
		}
	}
	i := slices.IndexFunc(before, func(b Told) bool { return b.ID == id && b.Outcome == processor.Sent })
	if i < 0 {
		o.fault(d, "nothing called %q was sent", id)
		return
	}
	was := &before[i]
	switch {
	case !o.rules.Apologies:
		o.fault(d, "nobody is to apologise")
	case !slices.Contains(person(d.Customer, o.known), was.Customer), was.Moment == apology, was.Action.Class == "transactional":
		o.fault(d, "there is nothing to be sorry for in %s", was)
	case slices.ContainsFunc(before, func(x Told) bool { return x.Retracts == id }): // and was delivered all the same
	case !slices.ContainsFunc(o.known, func(e *processor.Event) bool { return !slices.Contains(was.Known, e) && o.belies(e, was) }):
		o.fault(d, "all that spoke against %s was heard in time", was)
	}
	if j := slices.IndexFunc(before, func(b Told) bool {
		return b.Moment == apology && b.Outcome == processor.Sent && !b.Failed && b.Customer == d.Customer && b.At > max(d.At-30*day+o.slack, erased(d.Customer, o.known))
	}); j >= 0 {
		o.fault(d, "they were told on %s", clock(before[j].At))
	}
}

// belies reports whether an event says that a message should not have gone: the
// permission was taken back before, the reward used up, or the page taken down.
func (o *oracle) belies(e *processor.Event, was *Told) bool {
	if e.At > was.At+o.slack {
		return false
	}
	switch e.Kind {
	case processor.RewardRedeemed:
		spoken := e.RewardID == was.Cause.Value || slices.ContainsFunc(was.Action.Data, func(x processor.Datum) bool { return x.Text == e.RewardID })
		return spoken && mayBeUsedUp(uses(e.RewardID, o.known, was.At+o.slack))
	case processor.PickupCollected:
		return was.Moment == stillLies && e.OrderID == was.Cause.Value
	case processor.ConsentChanged:
		return !e.Granted && e.Channel == was.Action.Channel
	case processor.ProductUpdated: // the page was taken down before it was spoken of
		var by []*processor.Event
		for _, x := range o.known {
			if x.At <= was.At+o.slack {
				by = append(by, x)
			}
		}
		return e.Published == processor.No && slices.Contains(skus(was), e.SKU) && paged(e.SKU, by) == e
	}
	return o.slack > 0
}

// sorry: each message of which is heard too late that it should not have gone is
// apologised for, or it is on record why not.
func (o *oracle) sorry() {
	if !o.rules.Apologies || o.slack > 0 {
		return
	}
	for i := range o.told {
		d := &o.told[i]
		if d.Outcome != processor.Sent || d.Failed || d.Action.Kind != "message" || erased(d.Customer, o.events) > d.At {
			continue
		}
		now := begin
		for j, e := range o.events {
			if now = max(now, e.At); e.At >= d.At || now < max(d.At, e.At+lateness+minute) || slices.Contains(d.Known, e) || !o.untrue(e, d, o.events[:j+1]) {
				continue
			}
			if !slices.ContainsFunc(o.told[i:], func(x Told) bool {
				return x.Moment == apology && x.Customer == d.Customer && x.At >= now && x.Outcome != processor.Deferred
			}) {
				o.fault(d, "%s of %s was heard at %s, and nobody was sorry", e.Kind, clock(e.At), clock(now))
			}
			break // it is said once
		}
	}
}

// untrue reports whether an event surely says that a message should not have
// gone: it is the last word on a permission of marketing, or the reward was used up
// when it was called to mind.
func (o *oracle) untrue(e *processor.Event, d *Told, known []*processor.Event) bool {
	if e.Kind == processor.RewardRedeemed {
		list := uses(e.RewardID, known, d.At)
		left, _ := remains(list)
		return d.Moment == "reward_reminder" && d.Cause.Value == e.RewardID && left == 0 && !slices.ContainsFunc(list, func(u use) bool { return u.void })
	}
	if e.Granted || d.Action.Class != "marketing" || d.Action.Channel != e.Channel || d.Customer != e.UserID {
		return false
	}
	o.goBy(known)
	granted, at := o.granted(d, e.Channel, e.Purpose)
	return !granted && at == e.At
}
