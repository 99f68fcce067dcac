package whole

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"onhand/processor"
	"onhand/processor/moments"
)

// Plant is a mistake to be found: what the processor is not told of, while the
// oracle knows it. To the oracle that is a processor that takes no notice.
type Plant string

// The mistakes that can be planted.
const (
	None          Plant = ""
	Purchases     Plant = "orders end nothing"
	SoldOut       Plant = "an item that is gone is still said to be there"
	Withdrawals   Plant = "a permission taken back is still used"
	Redemptions   Plant = "a reward is told of though it was used"
	Cancellations Plant = "a cancelled sale still opens"
	Moves         Plant = "a sale that was moved opens at its old time"
	Transit       Plant = "a parcel on its way is forgotten"
	Erasures      Plant = "who asks to be forgotten is not"
	Bounces       Plant = "an address that is blocked is written to"
	Letters       Plant = "who waits for an answer hears marketing"
	Pages         Plant = "an item without a page is said to be there"
	Crises        Plant = "a crisis stops nothing"
	Carts         Plant = "what a cart holds is taken for what it held"
	PublicSales   Plant = "what others bought is offered"
	Minimums      Plant = "an audience may be as small as it likes, and needs nothing to stand"
	Changes       Plant = "an order holds what it held at first"
	Places        Plant = "who asked first is told last"
	Sources       Plant = "a source that is behind is relied on"
	Budgets       Plant = "a budget has no end"
	Hours         Plant = "a store never closes"
	Chargebacks   Plant = "who has the bank take the money back has only cancelled"
	Borders       Plant = "everything is sold everywhere"
	Regrets       Plant = "nobody is sorry"
	Parts         Plant = "who uses a part of a reward has used all of it"
	Collections   Plant = "what was fetched still lies there"
	Words         Plant = "nobody's word is their own"
	Accessories   Plant = "a case is for nothing"
	Substitutes   Plant = "a kettle is like no other"
	Sets          Plant = "a set consists of nothing"
	Renames       Plant = "a number is for ever"
	Households    Plant = "everybody lives alone"
	Quantities    Plant = "a sale has no end"
	Hearsay       Plant = "what is told of a page last is the last that happened to it"
	Mails         Plant = "a mail address is nobody's"
	Ranks         Plant = "a tier is for ever"
	Drifts        Plant = "what is changed on a platform is changed back"
)

// Hides reports whether the processor is not told of an event.
func (p Plant) Hides(e *processor.Event) bool {
	switch p {
	case Purchases:
		return e.Kind == processor.OrderCompleted
	case SoldOut:
		return e.Kind == processor.StockLevelReported && e.Available <= 1
	case Withdrawals:
		return e.Kind == processor.ConsentChanged && !e.Granted
	case Redemptions:
		return e.Kind == processor.RewardRedeemed
	case Cancellations:
		return e.Kind == processor.SaleCancelled
	case Moves:
		return e.Kind == processor.SaleScheduled && e.At > begin+5*day
	case Bounces:
		return e.Kind == processor.MessageBounced || e.Kind == processor.MessageComplained
	case Letters:
		return e.Kind == processor.MessageReceived
	case Pages:
		return e.Kind == processor.ProductUpdated && e.Published == processor.No
	case Crises:
		return e.Kind == processor.CrisisDeclared
	case Carts:
		return e.Kind == processor.CartUpdated
	case PublicSales:
		return e.Kind == processor.ItemSold
	case Changes:
		return e.Kind == processor.OrderUpdated
	case Places:
		return e.Kind == processor.BackInStockRequested && e.UserID == "c0"
	case Ranks:
		return ofTier(e)
	case Collections:
		return e.Kind == processor.PickupCollected
	case Sources:
		return e.Kind == processor.SourceReported
	case Accessories:
		return e.AccessoryOf != ""
	case Substitutes:
		return e.Kind == processor.ProductUpdated && e.SKU == kettle
	case Sets:
		return e.Kind == processor.ProductUpdated && e.SKU == teaSet
	case Renames:
		return e.Kind == processor.ProductUpdated && e.SKU == lamp && len(e.Properties) > 0
	case Borders:
		return bordered(e)
	case Households:
		return lives(e)
	case Drifts:
		return e.Kind == processor.AudienceReported
	case Erasures:
		return e.Kind == processor.CustomerErased
	case Transit:
		return e.Kind == processor.ShipmentUpdated
	}
	return false
}

// blurs returns an event as the processor is told of it.
func (p Plant) blurs(e *processor.Event) *processor.Event {
	x := *e
	switch {
	case p == Chargebacks && chargedBack(e):
		x.Reason = ""
	case p == Parts && e.Kind == processor.RewardRedeemed:
		x.Total = worth
	case p == Mails && mailOf(e) != "":
		x.Properties = nil
	case p == Hearsay && e.Kind == processor.ProductUpdated && !e.HasPrice: // see page
		x.At += 6 * hour
	case p == Quantities && e.Kind == processor.SaleScheduled:
		x.Quantity, x.HasQty = 0, false
	case p == Words && ofSize(e):
		x.Properties = nil
	default:
		return e
	}
	return &x
}

// Check plays the weeks of a seed on 1 to 16 partitions, with a mistake if one
// is planted, judges them, and compares them with those on as many others. The
// error says what is wrong.
func Check(seed uint64, plant Plant) error {
	events, end := Draw(seed, quietly)
	rules := RulesOf(seed)
	text := rules.Text
	switch plant {
	case Minimums:
		text = moments.Shipped()
	case Budgets:
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("units: 2}"), []byte("units: 20}")), []byte("spend: 13"), []byte("spend: 130"))
	case Regrets:
		text = bytes.ReplaceAll(text, []byte(sorryLive), []byte(sorryOff))
	case Hours:
		text = bytes.ReplaceAll(text, []byte("09:00-19:00"), []byte("00:00-24:00"))
	}
	w := play(text, events, end, 1+int(seed%16), plant)
	faults := append(w.faults, Judge(rules, pointers(events), w.told, end, 0)...)
	o := &oracle{rules: rules, events: pointers(events), told: w.told}
	o.drifts(w.drifts)
	faults = append(faults, o.faults...)
	if plant == None {
		faults = append(faults, w.differs(play(text, events, end, 16-int(seed%16), plant))...)
	}
	return breaks(seed, "the whole file", faults)
}

// breaks returns what is wrong in the world of a seed as an error, nil when
// nothing is.
func breaks(seed uint64, with string, faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	n := len(faults)
	return fmt.Errorf("seed %d with %s: %d faults; to see it again: onhand sim --seed %d\n  %s", seed, with, n, seed, strings.Join(faults[:min(n, maxShown)], "\n  "))
}

func pointers(events []processor.Event) (list []*processor.Event) {
	for i := range events {
		list = append(list, &events[i])
	}
	return list
}

const maxShown = 10

// differs returns what went wrong in another world of the same events, and what
// was decided in one of both only.
func (w *world) differs(other *world) []string {
	return append(other.faults, differ(w.told, other.told)...)
}

// differ compares what was decided on two numbers of partitions, which is all
// the same, to the second, but for a flicker, see flickered, and for what follows
// a tie; see tied.
func differ(a, b []Told) (faults []string) {
	line := func(d *Told) string {
		s := fmt.Sprint(d.Moment, " ", d.Cause.Value, " ", d.Outcome, " to ", d.Customer, " ", d.Reason)
		if ofStep(d) && d.Action != nil {
			s += " of " + d.Action.Template
		}
		return s
	}
	there := map[string][]*Told{}
	for i := range b {
		there[line(&b[i])] = append(there[line(&b[i])], &b[i])
	}
	var here []*Told
	for i := range a {
		same := there[line(&a[i])]
		j := slices.IndexFunc(same, func(d *Told) bool { return max(d.At-a[i].At, a[i].At-d.At) < second })
		if j < 0 {
			here = append(here, &a[i])
			continue
		}
		there[line(&a[i])] = slices.Delete(same, j, j+1)
	}
	first := int64(0)
	note := func(d *Told, where string) {
		if first == 0 || d.At < first {
			first = d.At
		}
		faults = append(faults, fmt.Sprint("decided on ", where, " number of partitions only: ", clock(d.At), " ", line(d)))
	}
	var elsewhere []*Told
	for _, list := range there {
		elsewhere = append(elsewhere, list...)
	}
	for _, d := range here {
		if !flickered(d, here, a, b) {
			note(d, "one")
		}
	}
	for _, d := range elsewhere {
		if !flickered(d, elsewhere, b, a) {
			note(d, "the other")
		}
	}
	if first != 0 && (tied(a, b, first) || emptied(a, b, first) || unheard(a, first) || interrupted(a, first)) {
		return nil
	}
	return faults
}

// tied reports whether messages of two entities met in one millisecond, so that
// what was decided hangs on which one came first, and no order is promised.
// Either a customer was to be asked again just when an item served others, and
// may be in time for it or not; or two items had a unit for one customer, who
// is told of one of them, here of the one and there of the other; or people of a
// household waited for the same place under its cap, which one of them gets.
func tied(a, b []Told, at int64) bool {
	items := map[string]string{}
	for _, list := range [][]Told{a, b} {
		for i := range list {
			d := &list[i]
			if d.Outcome == processor.Deferred && d.Until == at || d.At == at && contended(list, d) {
				return true
			}
			if d.At == at && (d.Moment == "back_in_stock" || d.Moment == "cart_restored") {
				if sku, ok := items[d.Customer]; ok && sku != d.Cause.Value {
					return true
				}
				items[d.Customer] = d.Cause.Value
			}
		}
	}
	return false
}

// unheard reports whether an item was ordered in the millisecond, of which nobody
// may know yet where its customer lives of which family it is, or got another
// number, to which all who wait for it come in any order.
func unheard(list []Told, at int64) bool {
	i := slices.IndexFunc(list, func(d Told) bool { return d.At >= at })
	return i >= 0 && slices.ContainsFunc(list[i].Known, func(e *processor.Event) bool {
		return e.At == at && (e.Kind == processor.OrderCompleted || e.Kind == processor.OrderUpdated || e.Kind == processor.ProductUpdated && e.SKU == lamp)
	})
}

// interrupted reports whether an item's offer reached a customer in the very
// millisecond in which the customer gave or took back a permission: it is asked
// before that word or after it.
func interrupted(list []Told, at int64) bool {
	return slices.ContainsFunc(list, func(d Told) bool {
		return d.At == at && (d.Moment == "back_in_stock" || d.Moment == "cart_restored") &&
			slices.ContainsFunc(d.Known, func(e *processor.Event) bool {
				return e.Kind == processor.ConsentChanged && e.At == at && e.UserID == d.Customer
			})
	})
}

// emptied reports whether a member came out of an audience at a time that had
// become too small just when something else ended the permission, the item
// being gone say. The member comes out; which of the two is said hangs on which
// came first.
func emptied(a, b []Told, at int64) bool {
	out := func(list []Told) map[string]processor.Reason {
		why := map[string]processor.Reason{}
		for i := range list {
			if d := &list[i]; d.At == at && d.Outcome == processor.Retracted && !ofStep(d) {
				why[d.Moment+" "+d.Cause.Value+" "+d.Customer] = d.Reason
			}
		}
		return why
	}
	here, there := out(a), out(b)
	for who, why := range here {
		other, ok := there[who]
		if ok && why != other && (why == processor.BelowMinimum || other == processor.BelowMinimum) {
			return true
		}
	}
	return false
}

// flickered reports whether a decision is half of a pair that came to nothing
// within one millisecond, in an audience that one customer left just when another
// came: somebody was told to be in and at once that there are too few, or a step
// was taken down and at once set up again. Each customer says for itself that it
// comes or goes, and these words reach the audience in any order: who comes
// before the other has gone makes it large enough for an instant, who comes after
// it has gone finds nobody there. Only is what one list has and the other has not.
func flickered(d *Told, only []*Told, list, other []Told) bool {
	var last *Told
	for i := range list {
		x := &list[i]
		if x.Moment != d.Moment || x.Cause.Value != d.Cause.Value || x.Customer != d.Customer {
			continue
		}
		if ofStep(d) && d.Action != nil && x.Action != nil && x.Action.Template != d.Action.Template {
			continue // another step of the same audience
		}
		if last != nil && (last == d || x == d) && slices.Contains(only, last) && slices.Contains(only, x) && undone(last, x) &&
			(left(list, x) && left(other, x) || ofStep(x) && changed(x)) {
			return true
		}
		last = x
	}
	return false
}

// undone reports whether the second of two decisions takes back the first, at once.
func undone(first, then *Told) bool {
	if first.At != then.At {
		return false
	}
	if ofStep(first) && ofStep(then) {
		return first.Outcome == processor.Retracted && first.Reason == processor.Ended && then.Outcome == processor.Sent && first.Action.Template == then.Action.Template ||
			first.Outcome == processor.Sent && then.Retracts == first.ID
	}
	return first.Outcome == processor.Sent && then.Outcome == processor.Retracted && then.Reason == processor.BelowMinimum && then.Retracts == first.ID
}

// changed reports whether the item of a decision changed in its millisecond, so
// that of those who wait for its audience one may come when another goes.
func changed(d *Told) bool {
	return slices.ContainsFunc(d.Known, func(e *processor.Event) bool {
		return e.At == d.At && e.Kind == processor.ProductUpdated && e.SKU == d.Cause.Value
	})
}

// left reports whether somebody else left the audience of a decision in its
// millisecond, for a reason of their own.
func left(list []Told, d *Told) bool {
	return slices.ContainsFunc(list, func(x Told) bool {
		return x.At == d.At && x.Moment == d.Moment && x.Cause.Value == d.Cause.Value && x.Customer != d.Customer &&
			x.Outcome == processor.Retracted && !ofStep(&x) && x.Reason != processor.BelowMinimum
	})
}
