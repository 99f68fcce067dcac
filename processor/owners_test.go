package processor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const ownersRules = `
version: 1
currency: EUR
policy:
  classes: {marketing: {channels: [email], consent: none, caps: false, quiet_hours: false, arbitration: false, holdout: false, crisis: false}}
interest: {}
moments:
  reorder: {when: Order Completed, per: family, at: item.runs_out_at - 5d, stock: ignore, expires: item.runs_out_at + 7d}
`

// Everybody who waits for an item to be used up hears that it lasts less long, so
// many in a step, and is on no list any more when that is over.
func TestManyOwnersAreToldInSteps(t *testing.T) {
	const day, people = 24 * 3600_000, 3 * customersPerStep
	s := newShopOf(t, 1)
	s.apply(0, AppendControl(nil, &Control{Type: Activate, Text: []byte(ownersRules)}))
	s.said(Event{Kind: ProductUpdated, SKU: "tea", Family: "teas", Lasts: 30 * day})
	s.said(Event{Kind: ProductUpdated, SKU: "mug", Family: "mugs"})
	bought := s.now
	for i := range people {
		s.said(Event{Kind: OrderCompleted, UserID: fmt.Sprint("user", i), OrderID: fmt.Sprint("o", i), Products: []Product{{SKU: "tea", Quantity: 1}}})
		s.said(Event{Kind: OrderCompleted, UserID: fmt.Sprint("other", i), OrderID: fmt.Sprint("p", i), Products: []Product{{SKU: "mug", Quantity: 1}}})
	}
	s.quiet()
	m := s.machines[0]
	tea := m.watch("tea")
	require.Equal(t, people, tea.Owners.Customers.Len())
	require.Nil(t, m.watch("mug").Owners, "what is not used up has none")

	moved := func() (n int) {
		for i := range people {
			if s.customer(fmt.Sprint("user", i)).Occurrences[0].Due == bought+15*day {
				n++
			}
		}
		return n
	}
	s.said(Event{Kind: ProductUpdated, SKU: "tea", Family: "teas", Lasts: 20 * day})
	s.quiet()
	require.Less(t, moved(), people)
	s.until(s.now + 1000)
	require.Equal(t, people, moved())

	s.until(bought + 40*day)
	require.Nil(t, m.watch("tea").Owners)
}
