package whole

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"onhand/processor"
)

// countries are those of the zones, in turn.
var countries = []string{"FR", "US", "JP"}

// borders: from now on an item is sold in some countries only, or in all of them
// again; or somebody moves to another one.
func (d *drawer) borders() {
	if i := d.aside.IntN(customers); d.aside.IntN(3) == 0 {
		if !d.erased[i] {
			d.say(processor.Event{Kind: processor.Identify, UserID: fmt.Sprint("c", i), Traits: fmt.Appendf(nil, `{"address":{"country":%q}}`, countries[d.aside.IntN(3)])})
		}
		return
	}
	i := d.aside.IntN(4) // the product's variants say of which product they are
	var in []string
	for _, c := range countries {
		if d.aside.IntN(2) == 0 {
			in = append(in, fmt.Sprintf("%q", c))
		}
	}
	category, family, _ := family(i)
	d.say(processor.Event{Kind: processor.ProductUpdated, SKU: fmt.Sprint("s", i), Category: category, Family: family, Price: 1999, HasPrice: true, Margin: 500,
		Properties: fmt.Appendf(nil, `{"sold_in":[%s]}`, strings.Join(in, ","))})
}

// moves reports whether an event says where somebody lives, and nothing else.
func moves(e *processor.Event) bool {
	return e.Kind == processor.Identify && bytes.Contains(e.Traits, []byte("country"))
}

// bordered reports whether an event says where an item is sold.
func bordered(e *processor.Event) bool {
	return e.Kind == processor.ProductUpdated && bytes.Contains(e.Properties, []byte("sold_in"))
}

// allowed: nothing is said of what is not sold where the customer lives. No
// opinion on who may fetch it from a store, nor on what asks for no stock.
func (o *oracle) allowed(d *Told) {
	if d.Action.Class == "transactional" || d.Moment == "code_hint" || d.Moment == "text_hint" || d.Moment == stillLies || d.Moment == sizeAdvice {
		return
	}
	for _, sku := range skus(d) {
		if in, lives := o.barred(d.Customer, sku); in != "" {
			o.fault(d, "%s is sold in %s, the customer lives in %s", sku, in, lives)
		}
	}
}

// barred returns where an item is sold and where a customer lives, when these
// differ.
func (o *oracle) barred(customer, sku string) (in, lives string) {
	for _, e := range o.known {
		if bordered(e) && e.SKU == sku {
			in = string(e.Properties)
		}
	}
	addressed := false
	o.of(customer, func(e *processor.Event) {
		switch {
		case moves(e):
			lives, addressed = countries[slices.IndexFunc(countries, func(c string) bool { return bytes.Contains(e.Traits, []byte(c)) })], true
		case e.Kind == processor.Identify && !addressed && !besides(e):
			lives = countries[int(e.UserID[1]-'0')%len(countries)]
		}
	})
	if stores, _ := o.accepts(customer, sku); !strings.Contains(in, `["`) || lives == "" || strings.Contains(in, lives) || len(stores) > 0 {
		return "", ""
	}
	return in, lives
}
