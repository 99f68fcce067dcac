package processor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
)

// TestAudit takes a send that may go and forbids it in one way at a time: the
// second look must see each, whatever the gate said.
func TestAudit(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC).UnixMilli()
	send := func(change func(*Machine, *Customer, *moments.Moment, *Occurrence, *Action)) Reason {
		m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
		require.NoError(t, err)
		m.activate(moments.Three(), false)
		m.out = &Outputs{}
		m.shop.Now = noon
		c := m.customer("ann")
		c.Profile.Zone.Value = "Europe/Paris"
		c.Profile.Reach = []string{"email"}
		c.Profile.Consents = []Consent{{Channel: "email", Purpose: "marketing", Granted: true, Confirmed: true, At: 5}}
		cart := c.cart("c1")
		cart.add("phone", noon-3600_000, 1, 19900)
		wa := m.watch("phone")
		wa.Facts = ItemFacts{At: 1, LevelAt: 1, Sellable: true, Available: 5}
		mo := *m.rules.file.Moment("cart_abandoned")
		o := &Occurrence{Moment: mo.Name, Value: "c1"}
		a := &Action{Kind: kindMessage, Channel: "email", Lines: []ActionLine{{SKU: "phone", Quantity: 1}}, ExpiresAt: noon + 1}
		change(m, c, &mo, o, a)
		return c.audit(m, &mo, o, a)
	}
	require.Empty(t, send(func(*Machine, *Customer, *moments.Moment, *Occurrence, *Action) {}), "nothing forbids it")
	for want, change := range map[Reason]func(*Machine, *Customer, *moments.Moment, *Occurrence, *Action){
		Purchased: func(_ *Machine, c *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			c.Orders = []Order{{ID: 1, At: noon - 60_000, Placed: true, Lines: []OrderLine{{SKU: "phone", hash: Hash("phone"), Quantity: 1}}}}
		},
		OutOfStock: func(m *Machine, _ *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			m.watch("phone").Facts.Open = OutOfStock
		},
		NotYetOnSale: func(m *Machine, _ *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			m.watch("phone").Facts.OpensAt = noon + 1
		},
		SaleOver: func(m *Machine, _ *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			m.watch("phone").Facts.ClosesAt = noon
		},
		NoConsent: func(_ *Machine, c *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			c.Profile.Consents = append(c.Profile.Consents, Consent{Channel: "email", Purpose: "marketing", At: 5})
		},
		AddressBlocked: func(_ *Machine, c *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			c.Profile.Blocked = []string{"email"}
		},
		Stopped: func(m *Machine, _ *Customer, mo *moments.Moment, _ *Occurrence, _ *Action) {
			m.shop.Tags, mo.Tags = []string{"spring"}, []string{"spring"}
		},
		ExpiredReason: func(_ *Machine, _ *Customer, _ *moments.Moment, _ *Occurrence, a *Action) { a.ExpiresAt = noon - 1 },
		TimezoneUnknown: func(_ *Machine, c *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			c.Profile.Zone.Value = "Nowhere/Else"
		},
		QuietHours: func(_ *Machine, c *Customer, _ *moments.Moment, _ *Occurrence, _ *Action) {
			c.Profile.Zone.Value = "Asia/Tokyo"
		},
	} {
		require.Equal(t, want, send(change), string(want))
	}
}
