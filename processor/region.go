package processor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"onhand/processor/zone"
	"slices"
	"strings"
)

// A shop may not sell everything everywhere: {sku, sold_in: [FR, BE]} in the
// catalogue says in which countries an item is sold, an empty list that it is in
// all of them. Who lives in another one is not told of it, on any channel, and a
// unit offered to them goes to the next in line; the place is kept until they
// move, or the item is sold there.
//
// A customer lives where the latest address says, told or delivered to, else in
// a country of their time zone. Of whom neither is known nothing is supposed.
// What they fetch from a store themselves is sold where the store is.

// maxCountries bounds the countries of one item.
const maxCountries = 250

// soldIn notes the countries an item is sold in, as the catalogue says.
func (it *Item) soldIn(m *Machine, e *Event) {
	raw := properties(e.Properties).get("sold_in")
	if len(raw) == 0 || string(raw) == "null" {
		return
	}
	var list []string
	wrong := json.Unmarshal(raw, &list) != nil || len(list) > maxCountries
	for i := range list {
		list[i] = countryCode(list[i])
		wrong = wrong || list[i] == ""
	}
	if wrong {
		m.dead("limit", fmt.Sprintf("%s: sold_in is a list of at most %d countries such as FR", it.SKU, maxCountries), m.current)
		return
	}
	if !it.Said.newest(ofCountries, e.At) {
		return
	}
	slices.Sort(list)
	it.Product.SoldIn = strings.Join(slices.Compact(list), " ")
}

// countryCode returns the code of a country as ISO 3166-1 writes it, "" when it
// is none.
func countryCode(country string) string {
	country = strings.ToUpper(strings.TrimSpace(country))
	if len(country) != 2 || country[0] < 'A' || country[0] > 'Z' || country[1] < 'A' || country[1] > 'Z' {
		return ""
	}
	if country == "UK" {
		return "GB" // what people write
	}
	return country
}

// barred reports whether an item is not sold where the customer lives; of a
// product, whether none of its variants is that they asked for and could have
// otherwise. A variant of which nothing is said is sold where the product is.
func (c *Customer) barred(m *Machine, f *ItemFacts, in *Interest) bool {
	outside := func(countries string) bool { return countries != "" && !c.Profile.livesIn(countries, m.shop.Now) }
	if f.Product.Variants == "" {
		return outside(f.Product.SoldIn)
	}
	asked := ""
	if in != nil {
		asked = in.Variant
	}
	there, sold := false, false
	for sku := range f.Product.variants(asked) {
		v := m.facts(sku)
		here := !outside(cmp.Or(v.Product.SoldIn, f.Product.SoldIn))
		if in.lacks(m, v) == "" {
			if here {
				return false
			}
			there = true
		}
		sold = sold || here
	}
	return there || !sold
}

// fetches reports whether who has this interest would take the item, or the
// unit that is offered, from a store that has it.
func (in *Interest) fetches(f *ItemFacts) bool {
	if in == nil || in.Offer != 0 {
		return in != nil && in.Store != ""
	}
	return slices.ContainsFunc(in.Locations, f.isAt)
}

// kept reports whether an item is not sold to who waits for it, here or where
// they would fetch it.
func (c *Customer) kept(m *Machine, in *Interest) bool {
	f := m.facts(in.SKU)
	return c.barred(m, f, in) && !in.fetches(f)
}

// fetchesOnly reports whether a unit was refused because the item is not sold
// where the customer lives, who accepts it from the web shop and from a store.
func (c *Customer) fetchesOnly(m *Machine, in *Interest) bool {
	if !in.Dear || len(in.Locations) < 2 || !c.barred(m, m.facts(in.SKU), in) {
		return false
	}
	online := m.stockOf(in.SKU).IsOnline
	return slices.ContainsFunc(in.Locations, online) && slices.ContainsFunc(in.Locations, func(l string) bool { return !online(l) })
}

// livesIn reports whether the customer lives in one of some countries.
func (p *Profile) livesIn(countries string, now int64) bool {
	for code := range strings.SplitSeq(countries, " ") {
		if p.Country == code {
			return true
		}
		if loc := p.location(now); p.Country == "" && loc != nil && zone.Within(loc.String(), code) {
			return true
		}
	}
	return false
}
