package whole

import (
	"bytes"
	"fmt"

	"onhand/processor"
)

// The file asks for no trait. In some worlds it asks for the size somebody wears.
const (
	sizeAdvice = "size_advice"
	advising   = "  size_advice: {when: Product Viewed, per: sku, after: 10m, stock: ignore, class: service, expires: 2d, if: customer.traits.size == 'L'}\n"
	advisedFor = `"L"`
)

// says: a customer says which size they wear, maybe in a form that is read days
// later, or takes that back; or somebody reads a size from what they look at,
// or works one out. Then they look at something.
func (d *drawer) says() {
	i := d.words.IntN(customers)
	if d.words.IntN(6) > 0 || d.erased[i] {
		return
	}
	e := processor.Event{Kind: processor.Identify, UserID: fmt.Sprint("c", i), Traits: fmt.Appendf(nil, `{"size":%s}`, []string{advisedFor, advisedFor, `"M"`, "null"}[d.words.IntN(4)])}
	if d.words.IntN(2) == 0 {
		e.Properties = fmt.Appendf(nil, `{"context.provenance":%q,"context.confidence":"0.%d"}`, []string{"implicit", "inferred"}[d.words.IntN(2)], 1+d.words.IntN(9))
	}
	taken := bytes.Contains(e.Traits, []byte("null")) // what others said since is not kept beside a word of theirs
	if ago := 1 + d.words.Int64N(3*day); d.words.IntN(3) == 0 && d.known[i] < d.now-ago && !taken {
		d.late(ago, e)
	} else {
		d.say(e)
	}
	if d.words.IntN(2) == 0 {
		d.say(processor.Event{Kind: processor.ProductViewed, UserID: e.UserID, SKU: fmt.Sprint("s", d.words.IntN(items)), Price: 1999, HasPrice: true})
	}
}

// ofSize reports whether an event is a word on somebody's size, and nothing else.
func ofSize(e *processor.Event) bool {
	return e.Kind == processor.Identify && bytes.HasPrefix(e.Traits, []byte(`{"size":`))
}

// besides reports whether an event says something of somebody by which they are
// not reached.
func besides(e *processor.Event) bool { return moves(e) || ofSize(e) || ofTier(e) }

// size returns the size of a customer as far as is known: what they said last,
// or when they took that back, what others said last since then.
func (o *oracle) size(customer string) string {
	own, others := "null", "null"
	ownAt, othersAt := int64(0), int64(0)
	words := func(f func(e *processor.Event, size string)) {
		o.of(customer, func(e *processor.Event) {
			if ofSize(e) {
				f(e, string(e.Traits[len(`{"size":`):len(e.Traits)-1]))
			}
		})
	}
	words(func(e *processor.Event, size string) {
		if len(e.Properties) == 0 && e.At > ownAt {
			own, ownAt = size, e.At
		}
	})
	if own != "null" {
		return own
	}
	words(func(e *processor.Event, size string) {
		if len(e.Properties) > 0 && e.At > max(othersAt, ownAt) {
			others, othersAt = size, e.At
		}
	})
	return others
}

// advised: who wears a size is told of it, by their own word if there is one, and
// nobody else is.
func (o *oracle) advised(d *Told) {
	if size := o.size(d.Customer); (size == advisedFor) != (d.Outcome == processor.Sent) {
		o.fault(d, "their size is %s", size)
	}
}
