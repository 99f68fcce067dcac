package moments

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// Stock is how the stock of an item is counted and offered.
type Stock struct {
	Online   []string // locations that serve the web shop; empty = all
	Safety   int64    // units never promised
	Settle   time.Duration
	Overbook Micro         // open offers may reach (available - safety) x Overbook
	Hold     time.Duration // length of an offer; 0 tells without holding
	Queue    string        // FirstCome, Tiers or Lottery
	Tiers    []string      // with Tiers: values of the trait tier, best first
	Each     int64         // units one customer may be offered
	Lasts    time.Duration // one unit is used up in this time, 0 = not known
	LeadTime time.Duration // from order to arrival, 0 = not known
}

// The orders of offers.
const (
	FirstCome = "first_come"
	Tiers     = "tiers"
	Lottery   = "lottery"
)

var defaultStock = Stock{Settle: 3 * time.Second, Overbook: One, Hold: 30 * time.Minute, Queue: FirstCome, Each: 1}

// ItemRule is an exception for the items it matches.
type ItemRule struct {
	Match Match
	Stock Stock // complete: what the rule leaves out is the policy's
}

// Match selects items; what is "" matches all, the others must all agree.
type Match struct{ SKU, Category, Brand, Family string }

// StockFor returns how the stock of an item is counted and offered: that of
// the first exception that matches, else the policy's.
func (p *Policy) StockFor(sku, category, brand, family string) *Stock {
	agree := func(want, have string) bool { return want == "" || want == have }
	for i := range p.Items {
		m := &p.Items[i].Match
		if agree(m.SKU, sku) && agree(m.Category, category) && agree(m.Brand, brand) && agree(m.Family, family) {
			return &p.Items[i].Stock
		}
	}
	return &p.Stock
}

// stock reads the keys of a stock map over what stood before; extra are further
// keys the map may have.
func (r *reader) stock(n *yaml.Node, what string, s Stock, extra ...field) Stock {
	have := r.fields(n, what, append(extra,
		field{"online", func(v *yaml.Node) { s.Online = r.texts(v, "online") }},
		field{"safety", func(v *yaml.Node) { s.Safety = r.int(v, "safety", 0, 1_000_000_000) }},
		field{"settle", func(v *yaml.Node) { s.Settle = r.duration(v, "settle", false) }},
		field{"overbook", func(v *yaml.Node) { s.Overbook = r.micro(v, "overbook") }},
		field{"hold", func(v *yaml.Node) { s.Hold = r.duration(v, "hold", false) }},
		field{"queue", func(v *yaml.Node) { s.Queue = r.word(v, "queue", []string{FirstCome, Tiers, Lottery}) }},
		field{"tiers", func(v *yaml.Node) { s.Tiers = r.texts(v, "tiers") }},
		field{"each", func(v *yaml.Node) { s.Each = r.int(v, "each", 1, 1_000_000) }},
	)...)
	if have["overbook"] != nil && s.Overbook == 0 {
		r.fault(have["overbook"], "overbook: 0 offers nothing").do("1.0 offers what there is")
	}
	switch queue := have["queue"]; {
	case queue != nil && s.Queue == Tiers && len(s.Tiers) == 0 && have["tiers"] == nil:
		r.fault(queue, `queue: tiers needs "tiers"`).do("name the tiers, best first, for example tiers: [gold, silver]")
	case have["tiers"] != nil && s.Queue != Tiers && s.Queue != "":
		r.fault(have["tiers"], "tiers do nothing with queue: %s", s.Queue).do("write queue: tiers or remove them")
	}
	return s
}

func (r *reader) items(n *yaml.Node, p *Policy) {
	r.list(n, "items", func(entry *yaml.Node) {
		var rule ItemRule
		var lasts, lead time.Duration
		extra := []field{
			{"match", func(v *yaml.Node) { rule.Match = r.match(v) }},
			{"lasts", func(v *yaml.Node) { lasts = r.duration(v, "lasts", true) }},
			{"lead_time", func(v *yaml.Node) { lead = r.duration(v, "lead_time", true) }},
		}
		rule.Stock = r.stock(entry, "an item rule", p.Stock, extra...)
		rule.Stock.Lasts, rule.Stock.LeadTime = lasts, lead
		switch {
		case entry.Kind != yaml.MappingNode:
		case child(entry, "match") == nil:
			r.fault(entry, `an item rule has no "match"`).do("say for which items, for example match: {category: phones}")
		case len(entry.Content) == 2:
			r.fault(entry, "this item rule changes nothing").do("add a key such as hold, or remove it")
		}
		for i := range p.Items {
			if above := p.Items[i].Match; above != (Match{}) && above.includes(rule.Match) {
				r.warn(entry, "this item rule can never match").do("a rule above matches the same items; put the special one first")
				break
			}
		}
		p.Items = append(p.Items, rule)
	})
}

// includes reports whether m selects everything that o selects.
func (m Match) includes(o Match) bool {
	wants := func(a, b string) bool { return a == "" || a == b }
	return wants(m.SKU, o.SKU) && wants(m.Category, o.Category) && wants(m.Brand, o.Brand) && wants(m.Family, o.Family)
}

func (r *reader) match(n *yaml.Node) (m Match) {
	text := func(name string, into *string) field {
		return field{name, func(v *yaml.Node) { *into, _ = r.text(v, name) }}
	}
	have := r.fields(n, "match", text("sku", &m.SKU), text("category", &m.Category),
		text("brand", &m.Brand), text("family", &m.Family))
	if n.Kind == yaml.MappingNode && len(have) == 0 {
		r.fault(n, "match is empty").do("policy.stock holds for all items; name a sku, category, brand or family")
	}
	return m
}

// IsOnline reports whether a location serves the web shop. A level without a
// location is the web shop's.
func (s *Stock) IsOnline(location string) bool {
	return location == "" || len(s.Online) == 0 || slices.Contains(s.Online, location)
}

// Store returns the location when it is a store, "" when it is the web shop's.
func (s *Stock) Store(location string) string {
	if s.IsOnline(location) {
		return ""
	}
	return location
}
