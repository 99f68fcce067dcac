package moments

import (
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Interest says which event shows that a customer wants an item.
type Interest struct {
	Name     string
	From     string // event
	Where    []Property
	Times    int           // so many events, at least 1
	Within   time.Duration // within so long; 0 with Times 1
	Strength int           // 1..100; the strongest names the customer's interest
	Lasts    time.Duration // after the last event
	Queue    bool          // the customer takes a place while the item is not sellable
}

// Property is a condition on one property of an event: its value is one of
// those listed. Values are compared as texts, so true, 2 and "2" match the
// property true, 2 and "2" or 2.
type Property struct {
	Path   []string // keys from the outside in
	Values []string
}

// interests reads the map of interests.
func (r *reader) interests(n *yaml.Node) (out []Interest) {
	r.named(n, "interest", "an interest", func(key, value *yaml.Node) {
		in := Interest{Name: key.Value, Times: 1}
		have := r.fields(value, "interest "+key.Value,
			field{"from", func(v *yaml.Node) { in.From = r.event(v) }},
			field{"where", func(v *yaml.Node) { in.Where = r.properties(v) }},
			field{"times", func(v *yaml.Node) { in.Times = int(r.int(v, "times", 1, 1000)) }},
			field{"within", func(v *yaml.Node) { in.Within = r.duration(v, "within", true) }},
			field{"strength", func(v *yaml.Node) { in.Strength = int(r.int(v, "strength", 1, 100)) }},
			field{"lasts", func(v *yaml.Node) { in.Lasts = r.duration(v, "lasts", true) }},
			field{"queue", func(v *yaml.Node) { r.bool(v, "queue", &in.Queue) }},
		)
		for _, name := range []string{"from", "strength", "lasts"} {
			if have[name] == nil {
				r.fault(key, "interest %s has no %q", shorten(key.Value), name).
					do("write {from: Product Added, strength: 60, lasts: 14d}")
			}
		}
		switch {
		case in.Times > 1 && have["within"] == nil:
			r.fault(have["times"], "times: %d needs \"within\"", in.Times).do("how close together, for example within: 7d?")
		case in.Times == 1 && have["within"] != nil:
			r.fault(have["within"], "within does nothing with times: 1").do("write times or remove it")
		}
		if from := have["from"]; from != nil && in.From != "" && !r.vocabulary.carries(in.From, "sku") {
			r.fault(from, "%q carries no sku", in.From).do("an interest is in an item; choose an event that names one")
		}
		out = append(out, in)
	})
	return out
}

// properties reads a map from properties to a value or a list of them.
func (r *reader) properties(n *yaml.Node) (out []Property) {
	r.pairs(n, "where", func(key, value *yaml.Node) {
		p := Property{Path: strings.Split(key.Value, ".")}
		if slices.Contains(p.Path, "") {
			r.fault(key, "%q is not a property", shorten(key.Value)).do("write its name, with dots to go down: address.city")
		}
		what := "where " + shorten(key.Value)
		r.oneOrList(value, what, func(v *yaml.Node) {
			s, ok := r.text(v, what)
			if ok && v.ShortTag() == "!!float" {
				r.fault(v, "%s compares with the decimal %s", what, shorten(v.Value)).
					do(`where is for texts, whole numbers, true and false; use if`)
				return
			}
			p.Values = r.distinct(v, what, p.Values, s)
		})
		out = append(out, p)
	})
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		r.fault(n, "where is empty").do("fill it in or remove the line")
	}
	return out
}
