package processor

import (
	"fmt"
	"testing"
)

// aCustomer is one with a history of the middling kind.
func aCustomer() *Customer {
	c := &Customer{head: &head{kind: CustomerKind, due: 1_800_000_000_000}, ID: "c-0001234", Known: true, Last: 1_800_000_000_000}
	c.head.live = c
	c.Profile.Zone.Value = "Europe/Paris"
	c.Profile.Reach = []string{"email"}
	c.Profile.Consents = []Consent{{Channel: "email", Purpose: "marketing", Granted: true, Confirmed: true, At: 1}}
	cart := Cart{ID: "c1", At: 5}
	for i := range 5 {
		sku := fmt.Sprintf("SKU-%05d", i)
		now := int64(1_800_000_000_000 + i)
		cart.Lines = append(cart.Lines, Line{SKU: sku, hash: Hash(sku), Price: 1999, Changes: []change{{now, 1}}})
		in := interestIn(sku, Hash(sku), now)
		in.Wants, in.PriceSeen, in.Quantity = []Want{{"cart", 60, 1, now, now + 1e9, now}}, 1999, 1
		c.Interests = append(c.Interests, in)
		c.Occurrences = append(c.Occurrences, Occurrence{Moment: "retarget_ads", Value: sku, N: int64(i), State: audienceState, Cause: ProductAdded, Due: now + 1e9, Position: 100_000, At: now, Expires: now + 1e9, Shut: true})
	}
	c.Carts = []Cart{cart}
	for i := range 2 {
		c.Orders = append(c.Orders, Order{ID: uint64(i), At: 1_800_000_000_000, Placed: true, Lines: []OrderLine{{SKU: "SKU-00001", hash: Hash("SKU-00001"), Quantity: 1}}})
	}
	c.OrderIDs = []uint64{1, 2}
	return c
}

// What it costs to come back to a customer, and to put one away again.
func BenchmarkThaw(b *testing.B) {
	c := aCustomer()
	w := writer{}
	c.head.write(&w)
	b.ReportAllocs()
	b.ReportMetric(float64(len(w.b)), "bytes")
	m := &Machine{}
	for b.Loop() {
		h := m.newEntity(CustomerKind, 1)
		h.read(&m.reader, w.b)
		m.spare.keep(h.live, 1000, 1<<20)
	}
}

func BenchmarkFreeze(b *testing.B) {
	c := aCustomer()
	w := writer{}
	b.ReportAllocs()
	for b.Loop() {
		w.b = w.b[:0]
		c.head.write(&w)
	}
}
