package whole

import (
	"bytes"
	"fmt"
	"strings"

	"onhand/processor"
)

// An inlet makes an id of the mail address that an order names and nobody else, and
// tells it with every address somebody is identified with.

// mailID is the id of the address that a customer has since it changed n times.
func mailID(customer string, n int) string { return fmt.Sprintf("email:%s.%d", customer, n) }

// ordersByMail: somebody orders by telephone or at a till, and leaves their mail address
// only: the one they have, or the one they had.
func (d *drawer) ordersByMail() {
	if d.mails.IntN(14) > 0 {
		return
	}
	i := d.mails.IntN(customers)
	if d.erased[i] || d.now-d.readdressed[i] < AtOnce { // whose the former address is then depends on what is heard first
		return
	}
	id := mailID(fmt.Sprint("c", i), d.moved[i]-min(d.moved[i], d.mails.IntN(4)/3))
	d.say(processor.Event{Kind: processor.OrderCompleted, AnonymousID: id, OrderID: fmt.Sprint("o", len(d.events)), Total: 1999,
		Products: []processor.Product{{SKU: fmt.Sprint("s", d.mails.IntN(items)), Quantity: 1 + d.mails.Int64N(2), Price: 1999}}})
}

// mailOf returns the id of the address in an identify, "" when it tells none.
func mailOf(e *processor.Event) string {
	if e.Kind != processor.Identify || len(e.Properties) == 0 {
		return ""
	}
	_, rest, _ := bytes.Cut(e.Properties, []byte(`"context.email_id":"`))
	id, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(id)
}

// isMail reports whether an id is one made of a mail address.
func isMail(id string) bool { return strings.HasPrefix(id, "email:") }
