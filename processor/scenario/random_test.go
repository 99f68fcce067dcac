package scenario

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// randomShop is what every drawn story begins with: all the moments of the
// example, live, and four customers who may be told of each.
const randomShop = `
name: drawn at random
with: {policy: {holdout: {percent: 0}, consent: {marketing: {double_opt_in: [sms]}}}, moments: {price_drop: {mode: live}, apology: {mode: live}}}
steps:
  - at: 0s
    send:
`

// randomDays is how long after the last event a story is waited for.
const randomDays = 60

// storyTime is a moment of a story, in seconds from or to the event it is in.
var storyTime = regexp.MustCompile(`now[+-]\d+`)

// storyStep is an event, and how many seconds after the one before it comes.
type storyStep struct {
	After int64
	Event string // as a step of a scenario has it, with the times of storyTime
}

// storyDraw draws the parts of an event.
type storyDraw struct{ *rapid.T }

func (d storyDraw) n(below int) int { return rapid.IntRange(0, below-1).Draw(d.T, "n") }

func (d storyDraw) of(list ...string) string { return list[d.n(len(list))] }

func (d storyDraw) sku() string { return d.of("i1", "i2", "i3", "i4", "set", "set2", "prod", "old") }

func (d storyDraw) order() string { return fmt.Sprint("o", d.n(6)) }

func (d storyDraw) reward() string { return fmt.Sprint("r", d.n(3)) }

func (d storyDraw) quantity() string {
	return d.of("", "", ", quantity: 1", ", quantity: 2", ", quantity: 3")
}

func (d storyDraw) products() string {
	var list []string
	for range 1 + d.n(3) {
		list = append(list, fmt.Sprintf("{sku: %s, price: %s%s%s}", d.sku(), d.of("20", "30", "99"), d.quantity(), d.of("", "", ", gift: true", ", variant: v")))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// customer's event: by one of four who have an account, by a device, or by both.
func (d storyDraw) customer(event, properties string) string {
	who, context := "", ""
	switch d.n(12) {
	case 9:
		who = "anonymousId: " + d.of("a1", "a2")
	case 10:
		who = "userId: ann, anonymousId: a1"
	case 11:
		who = "userId: " + d.of("ann", "bob", "cat") + ", anonymousId: " + d.of("a1", "a2")
	default:
		who = "userId: " + d.of("ann", "bob", "cat", "dan")
	}
	if d.n(25) == 24 {
		context = ", context: {userAgent: bingbot/2.0}"
	}
	return fmt.Sprintf("{type: track, event: %s, %s%s%s, properties: {%s}}", event, who, d.late(), context, properties)
}

// shop's event: nobody's.
func (d storyDraw) shop(event, properties string) string {
	return fmt.Sprintf("{type: track, event: %s%s, properties: {%s}}", event, d.late(), properties)
}

// late is the time of an event that comes up to two hours late, a quarter of them.
func (d storyDraw) late() string {
	if d.n(4) < 3 {
		return ""
	}
	return fmt.Sprintf(", timestamp: now-%d", d.n(7200))
}

func (d storyDraw) event() string {
	cart := d.of("c1", "c2")
	sale := d.of("s0", "s1")
	switch d.n(49) {
	case 0:
		return "" // what a story is shrunk to
	case 45:
		return d.customer("Product Viewed", "sku: "+d.sku())
	case 1, 2, 3:
		return d.customer("Product Added", fmt.Sprintf("cart_id: %s, sku: %s, price: %s, currency: EUR%s", cart, d.sku(), d.of("20", "50", "99"), d.quantity()))
	case 4:
		return d.customer("Product Removed", fmt.Sprintf("cart_id: %s, sku: %s%s%s", cart, d.sku(), d.quantity(), d.of("", ", by: system")))
	case 5:
		return d.customer("Cart Updated", fmt.Sprintf("cart_id: %s, products: %s", cart, d.of("[]", d.products())))
	case 6:
		return d.customer("Checkout Started", fmt.Sprintf("cart_id: %s, products: %s", cart, d.products()))
	case 7:
		return d.customer("Checkout Failed", fmt.Sprintf("cart_id: %s, reason: %s, products: %s", cart, d.of("out_of_stock", "payment", "other"), d.products()))
	case 8, 9, 10:
		return d.customer("Order Completed", fmt.Sprintf("order_id: %s, products: %s%s", d.order(), d.products(), d.of("", ", reward_id: "+d.reward(), ", cart_id: "+cart)))
	case 11:
		return d.customer("Order Updated", fmt.Sprintf("order_id: %s, products: %s", d.order(), d.products()))
	case 12:
		return d.customer("Order Cancelled", fmt.Sprintf("order_id: %s%s", d.order(), d.of("", ", reason: out_of_stock", ", products: "+d.products())))
	case 13:
		return d.customer("Order Refunded", fmt.Sprintf("order_id: %s%s", d.order(), d.of("", ", reason: chargeback", ", products: "+d.products())))
	case 14:
		return d.customer("Return Received", fmt.Sprintf("order_id: %s, products: %s", d.order(), d.products()))
	case 15, 16, 17, 18, 19:
		return d.shop("Stock Level Reported", fmt.Sprintf("sku: %s, available: %s%s", d.of("i1", "i2", "i3", "i4", "set2", "old"), d.of("0", "0", "1", "2", "3", "10", "-1"),
			d.of("", "", ", location: lyon-dc", ", location: nice", ", safety: 0", ", sellable: true", ", sellable: false")))
	case 20, 21:
		return d.shop("Price Changed", fmt.Sprintf("sku: %s, price: %s, currency: EUR", d.sku(), d.of("10", "50", "80", "120")))
	case 22, 23, 24:
		return d.customer("Back In Stock Requested", fmt.Sprintf("sku: %s, channel: email%s%s", d.sku(), d.quantity(), d.of("", "", ", max_price: 60", ", locations: [nice]", ", expires_at: now+40000")))
	case 25:
		return d.customer("Back In Stock Cancelled", "sku: "+d.sku())
	case 26:
		return d.customer("Product Added to Wishlist", "sku: "+d.sku())
	case 27:
		return d.customer("Product Dismissed", d.of("sku: "+d.sku(), "category: toys"))
	case 28:
		return d.shop("Product Updated", fmt.Sprintf("sku: %s, category: %s, family: %s%s", d.sku(), d.of("toys", "phones"), d.of("fam", "vitamins"),
			d.of("", ", published: false", ", published: true", ", lasts: 3d", ", accessory_of: "+d.sku(), ", substitutes: ["+d.sku()+"]")))
	case 29:
		return d.shop("Product Updated", d.of("sku: set, parts: [i1, i2]", "sku: set, parts: [i2, i3]", "sku: set, parts: []", "sku: set2, parts: [i1, i4]", "sku: set, parts: [i1, prod]"))
	case 30:
		return d.shop("Product Updated", d.of("sku: i1, product_id: prod", "sku: i2, product_id: prod", "sku: old, renamed_to: i3", "sku: i4, renamed_to: set", "sku: i3, renamed_to: i1"))
	case 31:
		sku, opens, lasts := d.sku(), d.n(9000), d.n(90000)
		return d.shop("Sale Scheduled", fmt.Sprintf("sale_id: %s, sku: %s, opens_at: now+%d, closes_at: now+%d, quantity: %d", sale, sku, opens, 9000+lasts, 1+lasts%4))
	case 32:
		return d.shop("Sale Cancelled", fmt.Sprintf("sale_id: %s, sku: %s", sale, d.sku()))
	case 33:
		return d.customer("Sale Registered", fmt.Sprintf("sale_id: %s, channel: email", sale))
	case 34:
		return d.customer("Offer Declined", fmt.Sprintf("offer_id: %s~%d", d.sku(), 1+d.n(3)))
	case 35:
		return d.customer("Shipment Updated", fmt.Sprintf("order_id: %s, shipment_id: p%d, status: %s", d.order(), d.n(3), d.of("shipped", "delivered", "delayed")))
	case 36:
		return d.customer("Reward Redeemed", fmt.Sprintf("reward_id: %s, amount: %s, order_id: %s", d.reward(), d.of("2", "10"), d.order()))
	case 37:
		return d.shop("Reward "+d.of("Redeemed", "Redeemed", "Expired"), fmt.Sprintf("reward_id: %s, amount: %s, store: %s", d.reward(), d.of("2", "10"), d.of("nice", "lyon")))
	case 46, 47:
		return d.customer("Reward Issued", fmt.Sprintf("reward_id: %s, amount: 10, expires_at: now+%d", d.reward(), 80000+d.n(2_000_000)))
	case 38:
		return d.customer("Consent Changed", fmt.Sprintf("channel: %s, purpose: %s, granted: %s, confirmed: true", d.of("email", "push", "ads"), d.of("marketing", "ads", "stock_alert"), d.of("true", "true", "false")))
	case 39:
		return d.shop("Source Reported", fmt.Sprintf("source: %s, complete_to: now-%s", d.of("shop", "stores", "stock"), d.of("0", "0", "100", "5000")))
	case 40:
		return d.of("{type: alias, userId: ann, previousId: bob}", "{type: alias, userId: cat, previousId: dan}", "{type: alias, userId: ann, previousId: a1}",
			"{type: track, event: Identity Unlinked, userId: ann, properties: {previousId: bob}}", "{type: track, event: Identity Unlinked, userId: ann, properties: {previousId: a1}}")
	case 41:
		return d.customer("Subscription "+d.of("Started", "Ended", "Renewed"), "subscription_id: u1, every: 10d, sku: "+d.sku())
	case 42:
		return d.customer("Message "+d.of("Received", "Answered"), "channel: email, conversation_id: k1, sentiment: "+d.of("negative", "positive"))
	case 43:
		return d.customer("Store Searched", d.of("latitude: 45.7, longitude: 4.8", "store_id: nice"))
	case 44:
		return d.customer("Device Reported", fmt.Sprintf("device_id: d1, sku: %s, level: %d, capacity: 10", d.sku(), d.n(11)))
	}
	return d.shop("Crisis "+d.of("Declared", "Ended"), "tags: [toys]")
}

// story writes the steps as the text of a scenario.
func story(steps []storyStep) string {
	var b strings.Builder
	b.WriteString(strings.TrimPrefix(randomShop, "\n"))
	for _, id := range []string{"ann", "bob", "cat", "dan"} {
		fmt.Fprintf(&b, "      - {type: identify, userId: %[1]s, traits: {email: %[1]s@example.com, device_token: t%[1]s, timezone: Europe/Paris, consent: {email: {marketing: true}, push: {marketing: true}, ads: {ads: true}}}}\n", id)
	}
	now := int64(0)
	for _, s := range steps {
		now += s.After
		if s.Event == "" {
			continue
		}
		event := storyTime.ReplaceAllStringFunc(s.Event, func(at string) string {
			n, _ := strconv.ParseInt(at[len("now"):], 10, 64)
			return fmt.Sprintf("%ds", now+n)
		})
		fmt.Fprintf(&b, "  - at: %ds\n    send: %s\n", now, event)
	}
	return b.String()
}

// stories draws what happens in a shop: events come late, before what they speak
// of, twice under one number and from people who turn out to be one; items are
// variants, sets, renamed and withdrawn.
var stories = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) storyStep {
	d := storyDraw{t}
	return storyStep{rapid.SampledFrom([]int64{10, 10, 60, 600, 3000, 20000, 90000}).Draw(t, "after"), d.event()}
}), 30, 90)

// Whatever happens in a shop, in whatever order, the same is decided about it on
// 1 and on 16 partitions and by one that is restarted before every event. These
// stories are the same every time; -rapid.checks N, or RAPID_CHECKS, draws N
// others, and shrinks the one that fails.
func TestRandomStories(t *testing.T) {
	for seed := range 40 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			requireSame(t, stories.Example(seed))
		})
	}
	_, asked := os.LookupEnv("RAPID_CHECKS")
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if asked {
		rapid.Check(t, func(t *rapid.T) { requireSame(t, stories.Draw(t, "story")) })
	}
}

// toTheEnd returns the scenario of a story, waited for randomDays after its last
// event.
func toTheEnd(t rapid.TB, steps []storyStep) Scenario {
	list, faults := parse("scenarios/random.yaml", []byte(story(steps)))
	require.Empty(t, faults)
	s := list[0]
	s.Steps = append(s.Steps, Step{At: s.Steps[len(s.Steps)-1].At + randomDays*24*time.Hour.Milliseconds(), Label: "in the end"})
	return s
}

// requireSame fails a story that is decided otherwise somewhere.
func requireSame(t rapid.TB, steps []storyStep) {
	s := toTheEnd(t, steps)
	first := run(context.Background(), s, setting{partitions: 1})
	requireRan(t, first)
	require.NotEmpty(t, first.Decisions)
	for _, other := range []setting{{partitions: 16}, {partitions: 1, restart: true}} {
		r := run(context.Background(), s, other)
		requireRan(t, r)
		renamed := strings.Contains(story(steps), "renamed_to")
		if diff := cmp.Diff(told(first.Decisions, renamed), told(r.Decisions, renamed)); diff != "" {
			t.Fatalf("on 1 partition, and on %d, restarted %t:\n%s%s", other.partitions, other.restart, diff, story(steps))
		}
	}
}

// requireRan fails a story that went wrong. A drawn event may be refused, or go
// to the dead letter: that is for the same reason everywhere.
func requireRan(t rapid.TB, r Result) {
	for _, f := range r.Failures {
		if !strings.Contains(f.Text, "dead letter") && !strings.Contains(f.Text, "is refused") {
			t.Fatalf("line %d (%s): %s", f.Line, f.At, f.Text)
		}
	}
}

// told is what was decided: each record as users see it, in an order of its own.
// Left out are the ids and numbers that follow from which of several things of
// one instant came first, and where in which log it stands. Of units that one order
// takes by two numbers of an item that was renamed either are counted first: of an
// ad that ends with them it is said that too few are left, or that none is.
func told(list []Decided, renamed bool) (out []string) {
	for _, d := range list {
		f := deepCopy(d.Fields).(map[string]any)
		unnumber(f)
		if renamed && f["outcome"] == "retracted" && f["reason"] == "too_few" {
			f["reason"] = "out_of_stock"
		}
		out = append(out, fmt.Sprintln(f["at"], f["customer"], f["moment"], f["outcome"], show(f)))
	}
	slices.Sort(out)
	return out
}

func unnumber(f map[string]any) {
	for _, name := range []string{"id", "retracts", "lost_to", "occurrence", "offer", "offer_id", "place", "position", "step", "facts"} {
		delete(f, name)
	}
	for _, name := range []string{"action", "cause", "evidence"} {
		if part, ok := f[name].(map[string]any); ok {
			unnumber(part)
		}
	}
}
