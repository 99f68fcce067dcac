package processor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
)

// Whoever may send events may send any number of them about one customer, one
// order or the shop: what is kept of them has an end.
func TestWhatIsKeptHasAnEnd(t *testing.T) {
	s := newShopOf(t, 1)
	const many = 2 * maxConsents
	said := func(e Event) { s.said(e); s.quiet() }
	for _, purpose := range []string{"marketing", "stock_alert"} {
		said(Event{Kind: ConsentChanged, UserID: "ann", Channel: "email", Purpose: purpose, Granted: purpose == "marketing"})
	}
	said(Event{Kind: OrderCompleted, UserID: "ann", OrderID: "o", Products: []Product{{SKU: "phone", Quantity: 1}}})
	for i := range many {
		x := fmt.Sprint("x", i)
		said(Event{Kind: ConsentChanged, UserID: "ann", Channel: "email", Purpose: x, Granted: true})
		said(Event{Kind: BackInStockRequested, UserID: "ann", SKU: x, Channel: "email"})
		said(Event{Kind: MessageBounced, UserID: "ann", Channel: x, Reason: "hard"})
		said(Event{Kind: OrderCancelled, UserID: "ann", OrderID: "o", Products: []Product{{SKU: x, Quantity: 1}}})
		said(Event{Kind: SourceReported, ItemSource: x, CompleteTo: s.now})
		said(Event{Kind: CrisisEnded, Tags: []string{x + "z"}})
		said(Event{Kind: CrisisDeclared, Tags: []string{x}})
	}
	c := s.customer("ann")
	require.LessOrEqual(t, len(c.Profile.Consents), maxConsents)
	require.LessOrEqual(t, len(c.Profile.Blocked), maxBlocked)
	require.LessOrEqual(t, len(c.Orders[0].Less), MaxProducts)
	shop := s.machines[0].Shop()
	require.LessOrEqual(t, len(shop.Sources), maxSources)
	require.LessOrEqual(t, len(shop.Crises), maxCrises)
	require.LessOrEqual(t, len(shop.Words), maxWords)
	require.Equal(t, ConsentWithdrawn, c.Profile.permits("email", "stock_alert", ""), "a refusal stays")
	require.NotEmpty(t, s.dead, "what is not kept of the shop is told")
	for _, d := range s.dead {
		require.Equal(t, "limit", d.Reason, d.Detail)
	}
}

// A grant for one item goes before one for all, and what is refused stays.
func TestTheOldestGrantGoesFirst(t *testing.T) {
	var p Profile
	p.setConsent(Consent{Channel: "email", Purpose: "marketing", Granted: true, Confirmed: true, At: 1})
	p.setConsent(Consent{Channel: "sms", Purpose: "marketing", At: 2})
	for i := range 2 * maxConsents {
		p.setConsent(Consent{Channel: "email", Purpose: "stock_alert", Scope: fmt.Sprint("s", i), Granted: true, Confirmed: true, At: int64(3 + i)})
	}
	require.Len(t, p.Consents, maxConsents)
	require.Empty(t, p.permits("email", "marketing", ""))
	require.Empty(t, p.permits("email", "stock_alert", fmt.Sprint("s", 2*maxConsents-1)))
	require.Equal(t, NoConsent, p.permits("email", "stock_alert", "s0"))
	for i := range 2 * maxConsents {
		p.setConsent(Consent{Channel: fmt.Sprint("c", i), Purpose: "marketing", At: 1000})
	}
	require.Len(t, p.Consents, maxConsents)
	require.Equal(t, ConsentWithdrawn, p.permits("sms", "marketing", ""))
	require.NotEmpty(t, p.permits("email", "marketing", ""), "no room is left but for refusals")
}

// One event that says too much is told of once.
func TestOneEventIsOneDeadLetter(t *testing.T) {
	s := newShopOf(t, 1)
	s.apply(0, AppendControl(nil, &Control{Type: Activate, Text: []byte(strings.Replace(string(moments.Shipped()), "moments:\n", `moments:
  looks_at_all:
    when: Message Received
    per: conversation_id
    if: size(event.properties) > 0 && size(customer.traits) > 0
    class: transactional
    channels: [email]
    expires: 1h
`, 1))}))
	s.quiet()
	require.Empty(t, s.dead)
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `,"x%d":"%s"`, i, strings.Repeat("y", 60))
	}
	s.said(Event{Kind: Identify, UserID: "ann", Traits: []byte(`{"email":"a@example.com"` + b.String() + `}`)})
	s.quiet()
	require.Len(t, s.dead, 1)
	s.said(Event{Kind: MessageReceived, Channel: "sms", UserID: "ann", Properties: []byte(`{"conversation_id":"b1"` + b.String() + `}`)})
	s.quiet()
	require.Len(t, s.dead, 2)
	s.said(Event{Kind: MessageReceived, Channel: "sms", UserID: "ann", Properties: []byte(`{"conversation_id":"` + strings.Repeat("b", MaxIDBytes+1) + `"}`)})
	s.quiet()
	require.Len(t, s.dead, 2)
	for _, o := range s.customer("ann").Occurrences {
		require.LessOrEqual(t, len(o.Value), MaxIDBytes)
	}
	require.NotEmpty(t, s.customer("ann").Contacts)
}

// Who asks to be one with an id at the end of too long a chain is told so, and
// not kept waiting.
func TestALinkThatGoesNowhereIsRefused(t *testing.T) {
	s := newShopOf(t, 2)
	for i := range maxHops + 4 {
		s.said(Event{Kind: Alias, UserID: fmt.Sprintf("u%03d", i+1), PreviousID: fmt.Sprintf("u%03d", i)})
		s.quiet()
		s.until(s.now + 5000)
	}
	s.said(Event{Kind: Alias, UserID: "zoe", PreviousID: "u000"})
	s.quiet()
	s.until(s.now + 60_000)
	require.False(t, s.customer("zoe").awaits())
	require.NotEmpty(t, s.dead)
}

// What a line of an absurd size lasts for is far away, not in the past.
func TestWhatLastsForEverIsNotReckonedOver(t *testing.T) {
	s := newShopOf(t, 1)
	s.said(Event{Kind: ProductUpdated, SKU: "tea", Lasts: 1 << 62})
	s.said(Event{Kind: ProductUpdated, SKU: "pill", Lasts: 30 * 24 * 3600_000})
	s.said(Event{Kind: OrderCompleted, UserID: "ann", OrderID: "o1", Products: []Product{{SKU: "tea", Quantity: 3}}})
	s.said(Event{Kind: OrderCompleted, UserID: "bob", OrderID: "o2", Products: []Product{{SKU: "pill", Quantity: 1_000_000_000_000_000}}})
	s.quiet()
	for customer, sku := range map[string]string{"ann": "tea", "bob": "pill"} {
		_, end := s.customer(customer).lastBought(s.machines[0], sku, "")
		require.Greater(t, end, s.now+365*24*3600_000, sku)
	}
}

// Two ids may each want one item as a variant of the other's. As one person
// they do not: what ends the one wish would end the other for ever.
func TestWishesOfTwoIDsGoInNoCircle(t *testing.T) {
	s := newShopOf(t, 1)
	s.said(Event{Kind: Identify, UserID: "ann"})
	m, c := s.machines[0], s.customer("ann")
	wish := func(sku, of string, live bool) Interest {
		in := interestIn(sku, Hash(sku), 0)
		in.own().Of = of
		in.Declined, in.Asked, in.Wants = !live, live, []Want{{Name: "requested", Strength: 1, Until: s.now + 1000, Said: 1}}
		return in
	}
	m.out = &s.out
	m.touch(c)
	c.Interests = []Interest{wish("x", "y", true), wish("y", "", false)}
	other := &Customer{head: &head{kind: CustomerKind}, ID: "bob", Interests: []Interest{wish("x", "", false), wish("y", "x", true)}}
	c.merge(m, other)
	x, y := c.interest("x"), c.interest("y")
	require.True(t, x.live() && y.live())
	require.False(t, x.Of == "y" && y.Of == "x")
	c.endInterest(m, "x", s.now, Declined)
}

// What was decided and has no outcome has an end, too: what comes when it is
// full is put off, comes to its outcome like everything else, and goes when
// there is room again.
func TestWhatWaitsForItsOutcomeHasAnEnd(t *testing.T) {
	m := open(t, newMemStore(), 1<<40)
	at, seq := int64(1_800_000_000_000), uint64(0)
	apply := func(entry []byte) []*Decision {
		var out Outputs
		seq++
		m.Apply(seq, at, AppendRecordEntry(AppendRecordHeader(nil, at), entry), &out)
		return decisionsOf(t, &out)
	}
	say := func(e Event) []*Decision {
		e.At, e.Stamp, e.UserID = at, at, "ann"
		return apply(AppendEvent([]byte{byte(EventEntry)}, &e))
	}
	apply(AppendControl(nil, &Control{Type: Activate, Text: moments.Shipped()}))
	say(Event{Kind: Identify, Traits: []byte(`{"email":"ann@example.com","consent":{"ads":{"ads":true}}}`)})
	var first, last *Decision
	outcomes := map[Outcome]int{}
	for i := range maxPending + 10 {
		for _, d := range say(Event{Kind: OrderCompleted, OrderID: fmt.Sprint("o", i), Products: []Product{{SKU: "mug", Quantity: 1}}}) {
			if outcomes[d.Outcome]++; first == nil {
				first = d
			}
			last = d
		}
	}
	require.Equal(t, map[Outcome]int{Sent: maxPending, Deferred: 10}, outcomes)
	require.Equal(t, NoChannelInTime, last.Reason)
	require.Len(t, m.get(CustomerKind, "ann").(*Customer).Pending, maxPending)

	apply(AppendOutcome(nil, "ann", first.Action.ID, 1, Delivered, ""))
	at += retryMS
	list := apply([]byte{byte(TickEntry)})
	require.Len(t, list, 1)
	require.Equal(t, Sent, list[0].Outcome)
	at += 25 * 3600_000
	list = apply([]byte{byte(TickEntry)})
	require.Len(t, list, 9)
	for _, d := range list {
		require.Equal(t, Expired, d.Outcome)
	}

	at += 60_000
	say(Event{Kind: StockLevelReported, SKU: "phone", Available: 9, HasLevel: true})
	c := m.get(CustomerKind, "ann").(*Customer)
	other := &Customer{head: &head{kind: CustomerKind}, ID: "bob", Pending: slices.Clone(c.Pending)}
	var out Outputs
	m.out = &out
	m.touch(c)
	c.merge(m, other)
	require.Len(t, c.Pending, maxPending, "the oldest of two are taken back")
	for _, d := range decisionsOf(t, &out) {
		require.Equal(t, Superseded, d.Reason)
	}
}

// A reward used more often than is kept of it says so, once for each use, be it
// told by the customer's events or by a till.
func TestARewardUsedTooOften(t *testing.T) {
	s := newShopOf(t, 4)
	s.said(Event{Kind: RewardIssued, UserID: "ann", RewardID: "card", Total: 10_000})
	use := func(e Event) {
		e.Kind, e.RewardID, e.Total, e.At = RewardRedeemed, "card", 100, s.now
		s.said(e)
		s.quiet()
	}
	for i := range maxUses {
		use(Event{UserID: "ann", OrderID: fmt.Sprint("o", i)})
	}
	require.Empty(t, s.dead)
	use(Event{UserID: "ann", OrderID: "one too many"})
	require.Len(t, s.dead, 1)
	use(Event{Location: "lyon"})
	require.Len(t, s.dead, 2)
	use(Event{UserID: "ann", OrderID: "o0"})
	require.Len(t, s.dead, 2, "told again is no further use")
	for _, d := range s.dead {
		require.Equal(t, "limit", d.Reason)
		require.Contains(t, d.Detail, "card was used 32 times")
	}
	require.Len(t, s.customer("ann").reward("card").Uses, maxUses)
}

// A checkout that failed in a cart nobody heard of is kept whole with its candidate,
// up to a number of bytes, and what it takes is counted.
func TestLinesOfAFailedCheckoutHaveAnEnd(t *testing.T) {
	s := newShopOf(t, 1)
	s.apply(0, AppendControl(nil, &Control{Type: Activate, Text: append(moments.Three(), "\n  payment_failed: {when: Checkout Failed, where: {reason: payment}, per: cart_id, after: 10m, lines: [unbought], class: service, expires: 6h}\n"...)}))
	s.quiet()
	var products []Product
	for i := range MaxProducts {
		products = append(products, Product{SKU: strings.Repeat("s", MaxIDBytes-3) + fmt.Sprint(100+i), Quantity: 1, Price: 5})
	}
	s.said(Event{Kind: CheckoutFailed, UserID: "ann", CartID: "few", Reason: "payment", Products: products[:1]})
	s.quiet()
	c := s.customer("ann")
	before := c.bytes()
	s.said(Event{Kind: CheckoutFailed, UserID: "ann", CartID: "many", Reason: "payment", Products: products})
	c = s.customer("ann")
	require.NotEmpty(t, s.dead)
	require.Equal(t, "limit", s.dead[0].Reason)
	require.Greater(t, c.bytes(), before+maxToldLines/2)
	i := c.occurrence("payment_failed", "many")
	require.GreaterOrEqual(t, i, 0)
	require.LessOrEqual(t, len(c.Occurrences[i].Told.Lines), maxToldLines)
	require.Len(t, c.Occurrences[i].Told.lines(), maxToldLines/(MaxIDBytes+lineBytes))
}

// What is known of numbers and of products may go in a circle when two ids become
// one customer: a decline ends all the same.
func TestADeclineEndsInACircle(t *testing.T) {
	s := newShopOf(t, 1)
	m := s.machines[0]
	at := func(sku, of string) Interest {
		in := interestIn(sku, Hash(sku), 1)
		in.isOf(of)
		in.Wants = []Want{{Name: "requested", Strength: 1, Since: 1, Until: 1 << 50, Said: 1}}
		return in
	}
	s.said(Event{Kind: Identify, UserID: "ann"})
	c := s.customer("ann")
	c.Interests = []Interest{at("shirt", "blue"), at("blue", "shirt")}
	c.Numbers = &Numbers{[]wish{{at("lamp", ""), []string{"vase"}}, {at("vase", ""), []string{"lamp"}}}}
	c.endInterest(m, "lamp", 2, Declined)
	c.endInterest(m, "shirt", 2, Declined)
	require.True(t, c.interest("shirt").Declined)
	require.True(t, c.interest("blue").Declined)
}
