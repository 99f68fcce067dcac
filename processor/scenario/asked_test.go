package scenario

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// word draws what a customer with an account, a device that may be theirs, or
// somebody else says of a product in two colours, of one of these, of what it was
// called before, or of a set.
func (d storyDraw) word() string {
	who := d.of("userId: ann", "userId: ann", "anonymousId: a1", "anonymousId: a1", "userId: bob")
	sku := d.of("i1", "i2", "prod", "prod", "set", "old")
	say := func(event, properties string) string {
		return fmt.Sprintf("{type: track, event: %s, %s%s, properties: {%s}}", event, who, d.late(), properties)
	}
	switch d.n(10) {
	case 0, 1, 2:
		return say("Back In Stock Requested", "sku: "+sku+", channel: email"+d.quantity())
	case 3:
		return say("Checkout Started", "cart_id: c1, products: [{sku: "+sku+", price: 20}]")
	case 4:
		return say("Product Added", "cart_id: c1, sku: "+sku+", price: 20, currency: EUR"+d.quantity())
	case 5:
		return say("Product Removed", "cart_id: c1, sku: "+sku+d.quantity())
	case 6:
		return say("Product Added to Wishlist", "sku: "+sku)
	case 7:
		return say("Product Viewed", "sku: "+sku)
	case 8:
		return say("Order Completed", "order_id: "+d.order()+", products: [{sku: "+sku+", price: 20}]")
	}
	return d.of("{type: alias, userId: ann, previousId: bob}",
		"{type: track, event: Product Updated, properties: {sku: i3, product_id: prod}}",
		"{type: track, event: Product Updated, properties: {sku: set, parts: [i1, i3]}}",
		"{type: track, event: Product Updated, properties: {sku: old, renamed_to: i1}}")
}

// wishes draws stories in which people want a product, turn out to be one, and its
// colours come back one after the other.
var wishes = rapid.Custom(func(t *rapid.T) (list []storyStep) {
	d := storyDraw{t}
	after := func(event string, seconds ...int64) {
		list = append(list, storyStep{rapid.SampledFrom(seconds).Draw(t, "after"), event})
	}
	for _, sku := range []string{"i1", "i2"} {
		after("{type: track, event: Product Updated, properties: {sku: "+sku+", product_id: prod}}", 1)
		after("{type: track, event: Stock Level Reported, properties: {sku: "+sku+", available: 0}}", 1)
	}
	words := func(n int) {
		for range n {
			after(d.word(), 10, 60, 600, 3000)
		}
	}
	words(2 + d.n(5))
	if d.n(3) > 0 {
		after("{type: identify, userId: ann, anonymousId: a1}", 60)
	}
	words(d.n(3))
	for _, sku := range rapid.Permutation([]string{"i1", "i2", "i1", "i2", "i3"}).Draw(t, "levels") {
		after(fmt.Sprintf("{type: track, event: Stock Level Reported, properties: {sku: %s, available: %s}}", sku, d.of("0", "1", "10")), 600, 20000, 90000)
		words(d.n(2))
	}
	return list
})

// Whoever asks to be told is told once, of whichever variant comes first, by
// whatever ids it was asked: nobody is told more often than they asked.
func TestNobodyIsToldMoreOftenThanTheyAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := wishes.Draw(t, "story")
		s := toTheEnd(t, steps)
		r := run(context.Background(), s, setting{partitions: 1})
		requireRan(t, r)

		people, asked, told := persons{}, map[string]int{}, map[string]int{}
		for _, x := range steps {
			people.hear(x.Event)
		}
		for _, x := range steps {
			if strings.Contains(x.Event, "Back In Stock Requested") {
				asked[people.who(idIn(x.Event, "userId")+idIn(x.Event, "anonymousId"))]++
			}
		}
		var messages strings.Builder
		for _, d := range r.Decisions {
			if f := d.Fields; f["moment"] == "back_in_stock" && f["outcome"] == "sent" {
				told[people.who(f["customer"].(string))]++
				fmt.Fprintln(&messages, f["at"], f["customer"], show(f["action"]))
			}
		}
		for id, n := range told {
			if n > asked[id] {
				t.Fatalf("%s asked %d times and was told %d times:\n%s%s", id, asked[id], n, &messages, story(steps))
			}
		}
	})
}

// persons says under which other id somebody is known.
type persons map[string]string

func (p persons) who(id string) string {
	for p[id] != "" {
		id = p[id]
	}
	return id
}

// hear takes in an event that joins two ids.
func (p persons) hear(event string) {
	user := idIn(event, "userId")
	for _, other := range []string{idIn(event, "anonymousId"), idIn(event, "previousId")} {
		if a, b := p.who(user), p.who(other); user != "" && other != "" && a != b {
			p[b] = a
		}
	}
}

// idIn returns the id that an event of a story has under a key; "" = none.
func idIn(event, key string) string {
	_, id, _ := strings.Cut(event, key+": ")
	id, _, _ = strings.Cut(id, ",")
	return strings.TrimRight(id, "}]")
}
