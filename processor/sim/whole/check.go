package whole

import (
	"fmt"
	"slices"
	"strings"

	"onhand/processor"
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
	list, faults := play(events, end, 1+int(seed%16), plant)
	faults = append(faults, Judge(pointers(events), list, end, 0)...)
	if plant == None {
		other, more := play(events, end, 16-int(seed%16), plant)
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

// alone are the moments about one customer's own things, to which an ad that
// ends with a purchase belongs. What several wait for, or what competes with
// such, may go to another when messages are told in another order.
var alone = []string{"order_confirmed", "shipment", "sale_registered", "sale_reminder", "sale_open", "sale_changed", "replenishment"}

// differ compares what was decided on two numbers of partitions.
func differ(a, b []Told) (faults []string) {
	count := map[string]int{}
	add := func(list []Told, n int) {
		for i := range list {
			if d := &list[i]; slices.Contains(alone, d.Moment) || d.Outcome == processor.Retracted && d.Reason == processor.RecentlyBought {
				count[fmt.Sprint(d.Moment, " ", d.Cause.Value, " ", d.Outcome, " to ", d.Customer, " at ", clock(d.At), " ", d.Reason)] += n
			}
		}
	}
	add(a, 1)
	add(b, -1)
	for s, n := range count {
		if n != 0 {
			faults = append(faults, fmt.Sprintf("decided %+d times more on one number of partitions than on another: %s", n, s))
		}
	}
	return faults
}
