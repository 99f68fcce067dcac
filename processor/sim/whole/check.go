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

func (p Plant) hides(e *processor.Event) bool {
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
// is planted, and judges them. The error says what is wrong.
func Check(seed uint64, plant Plant) error {
	events, end := draw(seed)
	list, faults := play(events, end, 1+int(seed%16), plant)
	faults = append(faults, judge(events, list, end)...)
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	n := len(faults)
	return fmt.Errorf("seed %d with the whole file: %d faults; to see it again: onhand sim --seed %d\n  %s", seed, n, seed, strings.Join(faults[:min(n, maxShown)], "\n  "))
}

const maxShown = 10
