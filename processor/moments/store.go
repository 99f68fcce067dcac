package moments

import (
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"onhand/processor/zone"
)

// Store is a place where customers fetch what they bought: when it is open, by
// its own clock.
type Store struct {
	Name     string // the location of its stock levels
	Hours    Spans
	Timezone *time.Location
	closed   Spans // the rest of the week
}

// maxStores bounds the stores of one file.
const maxStores = 10_000

// Store returns the store of that name, nil when nothing is said of it.
func (p *Policy) Store(name string) *Store {
	if i, ok := p.storeAt[name]; ok {
		return &p.Stores[i]
	}
	return nil
}

// Open reports whether the store is open at a time.
func (s *Store) Open(at time.Time) bool {
	local := at.In(s.Timezone)
	return s.Hours.Quiet(local.Weekday(), local.Hour()*60+local.Minute())
}

// Opens returns when the store opens next: after it has closed, if it is open.
func (s *Store) Opens(at time.Time) time.Time {
	local := at.In(s.Timezone)
	if end := s.Hours.End(local); end.After(local) {
		local = end
	} else if end.IsZero() {
		return end // it never closes
	}
	return s.closed.End(local)
}

// Closes returns when the store closes next: after it has opened, if it is
// closed. The zero time means never.
func (s *Store) Closes(at time.Time) time.Time {
	local := at.In(s.Timezone)
	return s.Hours.End(s.closed.End(local))
}

// stores reads the stores and their opening hours.
func (r *reader) stores(n *yaml.Node, p *Policy) {
	p.storeAt = map[string]int{}
	r.pairs(n, "stores", func(key, value *yaml.Node) {
		s := Store{Name: key.Value}
		have := r.fields(value, "store "+shorten(key.Value),
			field{"hours", func(v *yaml.Node) { s.Hours = r.spans(v, "hours") }},
			field{"timezone", func(v *yaml.Node) {
				name, ok := r.text(v, "timezone")
				if !ok {
					return
				}
				var err error
				if s.Timezone, err = zone.Load(name); err != nil {
					r.fault(v, "timezone %q does not exist", shorten(name)).do("write it like Europe/Paris")
				}
			}},
		)
		for _, name := range []string{"hours", "timezone"} {
			if value.Kind == yaml.MappingNode && have[name] == nil {
				r.fault(key, "store %s has no %q", shorten(key.Value), name).do("write {hours: 09:00-19:00, timezone: Europe/Paris}")
			}
		}
		if len(p.Stores) == maxStores {
			r.fault(key, "more than %d stores", maxStores).do("a file says the hours of so many at most")
		}
		s.closed = s.Hours.rest()
		p.storeAt[s.Name] = len(p.Stores)
		p.Stores = append(p.Stores, s)
	})
}

// rest returns the minutes of the week that the spans do not cover.
func (s Spans) rest() (rest Spans) {
	for day := range time.Weekday(7) {
		for from := 0; from < dayMinutes; {
			if s.Quiet(day, from) {
				from++
				continue
			}
			to := from
			for to < dayMinutes && !s.Quiet(day, to) {
				to++
			}
			rest = append(rest, Span{Days: 1 << day, From: from, To: to})
			from = to
		}
	}
	return rest
}

// checkStores faults a guard that asks which stores are open when the file does
// not say when they are.
func (r *reader) checkStores(d *draft, p *Policy) {
	asks := func(g *Guard, n *yaml.Node) {
		if g != nil && strings.Contains(g.Text, StoresOpen.String()) && len(p.Stores) == 0 {
			r.fault(n, "if: nobody says when stores are open").do("add policy: stores: {NAME: {hours: 09:00-19:00, timezone: Europe/Paris}}")
		}
	}
	asks(d.If, d.node("if"))
	for i := range d.Then {
		asks(d.Then[i].If, d.node("then"))
	}
}
