package processor

import "testing"

// What is noted of the first report must not depend on whether the order was
// written and read between two reports: a report without products is none.
func TestFirstReportOfAnOrderIsTheSameWhenReadBack(t *testing.T) {
	units := orderUnits(orderLines([]Product{{SKU: "phone", Quantity: 1}, {SKU: "case", Quantity: 1}}))
	order := func() *Order {
		o := &Order{ID: 7, At: 1000, Said: 1000, Placed: true, Lines: orderLines([]Product{{SKU: "phone", Quantity: 1}})}
		o.first(orderUnits(nil), 500) // another id heard of it before, and of nothing in it
		return o
	}
	kept, back := order(), &Order{}
	w := writer{}
	kept.encode(&w)
	back.decode(&reader{b: w.b})
	for _, o := range []*Order{kept, back} {
		o.first(units, 2000)
		if len(o.First) != 1 || o.First[0].SKU != "phone" || o.FirstAt != 1000 {
			t.Errorf("reported first: %v at %d, not the telephone at 1000", o.First, o.FirstAt)
		}
	}
}
