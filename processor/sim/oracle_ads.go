package sim

import (
	"fmt"
	"slices"
)

// audiences: in the end exactly those are in who put the item in a cart, did
// not buy it, and could. Nobody comes in who has bought, or for an item that
// was never there.
func (o *oracle) audiences() {
	for i := range o.w.items {
		sku := fmt.Sprint("s", i)
		left := o.left(sku)
		for c := range o.w.customers {
			o.audience(fmt.Sprint("c", c), sku, left)
		}
	}
}

func (o *oracle) audience(customer, sku string, left int64) {
	decided := map[uint64][]*said{}
	var last *said
	for _, s := range o.decisions("retarget_ads", customer) {
		if s.value == sku && s.outcome != "suppressed" {
			decided[s.position] = append(decided[s.position], s)
			last = s
		}
	}
	var ps purchases
	var wanted int64 // when it was put in a cart last
	triggers, ordersOfIt, dismissed := 0, 0, false
	bought := func() bool {
		n, _ := ps.of(sku, wanted-clockGraceMS)
		return n > 0
	}
	cleared := map[string]int64{} // by cart: what was put in up to here is out
	records := o.logs[o.home(customer)].records
	for i := range records {
		before := wanted != 0 && bought()
		for _, f := range records[i].facts {
			if f.customer != customer {
				continue
			}
			ps.apply(f)
			switch {
			case f.kind == cancelled || f.kind == ordered && f.sku == sku:
				ordersOfIt++
			case (f.kind == unrequested || f.kind == declined) && f.sku == sku:
				dismissed = true
			case f.kind == removed && f.sku == sku:
				cleared[f.cart] = max(cleared[f.cart], f.at)
			case f.kind == added && f.sku == sku && f.at > cleared[f.cart]:
				wanted = max(wanted, f.at)
				triggers++
			}
			before = before && bought()
		}
		for _, s := range decided[uint64(i)] {
			if s.outcome != "sent" {
				continue
			}
			if triggers == 0 || before {
				o.about(customer, sku, "nothing invented", "%v: customer %s put it in a cart %d times, bought: %v", s, customer, triggers, before)
			}
			home := o.home(sku)
			if _, known := o.origin(home, o.home(customer), uint64(i)); o.most(sku, 0, known) <= 0 {
				o.about(customer, sku, "nothing invented", "%v: there never was stock of %s", s, sku)
			}
		}
	}
	in := last != nil && last.outcome == "sent"
	switch {
	case in && left <= 0:
		o.about(customer, sku, "oracle", "%v: %s has %d units in the end and is still advertised", last, sku, left)
	case in && bought():
		o.about(customer, sku, "oracle", "%v: customer %s has bought it and still sees it advertised", last, customer)
	case !in && left > 0 && triggers > 0 && ordersOfIt == 0 && !dismissed && !slices.ContainsFunc(o.decisions("back_in_stock", customer), o.answered):
		o.about(customer, sku, "nothing lost", "customer %s wants %s, %d are left, and it is not advertised", customer, sku, left)
	}
}
