package whole

import (
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
	case Erasures:
		return e.Kind == processor.CustomerErased
	case Transit:
		return e.Kind == processor.ShipmentUpdated
	}
	return false
}

// Check plays the weeks of a seed on 1 to 16 partitions, with a mistake if one
// is planted, judges them, and compares them with those on as many others. The
// error says what is wrong.
func Check(seed uint64, plant Plant) error {
	events, end := Draw(seed, quietly)
	rules := RulesOf(seed)
	text := rules.Text
	if plant == Minimums {
		text = moments.Full()
	}
	list, faults := play(text, events, end, 1+int(seed%16), plant)
	faults = append(faults, Judge(rules, pointers(events), list, end, 0)...)
	if plant == None {
		other, more := play(text, events, end, 16-int(seed%16), plant)
		faults = append(faults, more...)
		faults = append(faults, differ(list, other)...)
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	n := len(faults)
	return fmt.Errorf("seed %d with the whole file: %d faults; to see it again: onhand sim --seed %d\n  %s", seed, n, seed, strings.Join(faults[:min(n, maxShown)], "\n  "))
}

func pointers(events []processor.Event) (list []*processor.Event) {
	for i := range events {
		list = append(list, &events[i])
	}
	return list
}

const maxShown = 10

// differ compares what was decided on two numbers of partitions, which is all
// the same but for what follows a tie; see tied.
func differ(a, b []Told) (faults []string) {
	count := map[string]int{}
	line := func(d *Told) string {
		return fmt.Sprint(clock(d.At), " ", d.Moment, " ", d.Cause.Value, " ", d.Outcome, " to ", d.Customer, " ", d.Reason)
	}
	for i := range a {
		count[line(&a[i])]++
	}
	for i := range b {
		count[line(&b[i])]--
	}
	first := int64(0)
	for _, list := range [][]Told{a, b} {
		for i := range list {
			if d := &list[i]; count[line(d)] != 0 && (first == 0 || d.At < first) {
				first = d.At
			}
		}
	}
	if first != 0 && (tied(a, first) || emptied(a, b, first)) {
		return nil
	}
	for s, n := range count {
		if n != 0 {
			faults = append(faults, fmt.Sprintf("decided %+d times more on one number of partitions than on another: %s", n, s))
		}
	}
	return faults
}

// tied reports whether messages of two entities met in one millisecond, so that
// what was decided hangs on which one came first, and no order is promised.
// Either a customer was to be asked again just when an item served others, and
// may be in time for it or not; or two items had a unit for one customer, who
// is told of one of them.
func tied(list []Told, at int64) bool {
	items := map[string]string{}
	for i := range list {
		d := &list[i]
		if d.Outcome == processor.Deferred && d.Until == at {
			return true
		}
		if d.At == at && (d.Moment == "back_in_stock" || d.Moment == "cart_restored") {
			if sku, ok := items[d.Customer]; ok && sku != d.Cause.Value {
				return true
			}
			items[d.Customer] = d.Cause.Value
		}
	}
	return false
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
