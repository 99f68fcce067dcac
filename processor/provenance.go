package processor

import (
	"cmp"
	"slices"
	"strconv"

	"onhand/processor/moments"
)

// Provenance is how something about a customer came to be known. What they said
// themselves holds against what was read from their looking around or worked
// out by somebody, however much later: a stale word of theirs is theirs. Of two
// words of theirs the newer one holds, and of two that are not theirs as well.
// Who takes their word back, {trait: null}, leaves it to what others say from then on.
//
// An identify is explicit unless its context says otherwise:
//
//	context: {provenance: inferred, confidence: 0.7}
//
// What is not the customer's own word gives no permission and no address, and
// fills in of what the shop reaches them by only what nobody said.
type Provenance uint8

// The three provenances.
const (
	Explicit Provenance = iota // said: a form, an order, a preference
	Implicit                   // read from what they did
	Inferred                   // worked out, by a model or a person
)

func (p Provenance) String() string {
	return [...]string{"explicit", "implicit", "inferred"}[min(p, Inferred)]
}

// The properties of an identify that say how it is known; see
// connectors/segment.
const (
	provenanceProperty = "context.provenance"
	confidenceProperty = "context.confidence"
)

// provenance returns how what an identify says is known, and how sure its
// sender is: 1 unless it says less.
func (e *Event) provenance() (p Provenance, sure moments.Micro) {
	if len(e.Properties) == 0 {
		return Explicit, moments.One
	}
	said := properties(e.Properties)
	switch said.str(provenanceProperty) {
	case "implicit":
		p = Implicit
	case "inferred":
		p = Inferred
	}
	sure, ok := parseMicro(said.get(confidenceProperty).text())
	if !ok {
		sure = moments.One
	}
	return p, min(max(sure, 0), moments.One)
}

// yields reports whether what is known of a trait gives way to another word on it.
func (t *Trait) yields(to *Trait) bool {
	switch own, theirs := t.Provenance == Explicit, to.Provenance == Explicit; {
	case own && !theirs:
		return t.JSON == "null" && to.At > t.At
	case theirs && !own && to.JSON == "null":
		return to.At >= t.At
	case theirs && !own:
		return to.At >= t.Back
	case to.At != t.At:
		return to.At > t.At
	case to.Sure != t.Sure:
		return to.Sure > t.Sure
	}
	return to.Provenance <= t.Provenance
}

// newTrait is a word on a trait.
func newTrait(name, json string, at int64, how Provenance, sure moments.Micro) Trait {
	t := Trait{Name: name, JSON: json, At: at, Provenance: how, Sure: sure}
	if how == Explicit && json == "null" {
		t.Back = at
	}
	return t
}

// hear takes another word on a trait. That the customer took theirs back is
// remembered whatever is said since: an older one of theirs may be on its way.
func (t *Trait) hear(to Trait) {
	back := max(t.Back, to.Back)
	if t.yields(&to) {
		*t = to
	}
	t.Back = back
}

// Dismissal is a category the customer is not interested in.
type Dismissal struct {
	Category string
	At       int64
}

// maxDismissed bounds the categories kept; the oldest go first.
const maxDismissed = 32

// dismissCategory remembers that a category is of no interest, so that looking
// at what is in it is no wish.
func (c *Customer) dismissCategory(category string, at int64) {
	if c.Traits == nil {
		c.Traits = &Traits{}
	}
	c.Traits.dismiss(Dismissal{clone(category), at})
}

func (x *Traits) dismiss(d Dismissal) {
	if i := slices.IndexFunc(x.Dismissed, func(k Dismissal) bool { return k.Category == d.Category }); i >= 0 {
		x.Dismissed[i].At = max(x.Dismissed[i].At, d.At)
		return
	}
	x.Dismissed = append(x.Dismissed, d)
	slices.SortFunc(x.Dismissed, func(a, b Dismissal) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Category, b.Category)) })
	x.Dismissed = x.Dismissed[max(0, len(x.Dismissed)-maxDismissed):]
}

// overlooks reports whether an event hints at an item of a category that the
// customer is not interested in.
func (c *Customer) overlooks(m *Machine, e *Event, sku string) bool {
	if c.Traits == nil || len(c.Traits.Dismissed) == 0 || !e.Kind.implicit() {
		return false
	}
	category := m.facts(sku).Product.Category
	return slices.ContainsFunc(c.Traits.Dismissed, func(d Dismissal) bool {
		return d.Category == category || d.Category == e.Category && e.SKU == sku
	})
}

// AttributeView is one trait of a customer.
type AttributeView struct {
	Name       string  `json:"name"`
	Value      RawJSON `json:"value"`
	Provenance string  `json:"provenance"` // explicit, implicit, inferred
	Confidence RawJSON `json:"confidence"` // from 0 to 1
	Since      Instant `json:"since"`      // when it was said
}

// RawJSON is a value that is JSON already.
type RawJSON string

// MarshalJSON implements json.Marshaler.
func (r RawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// view returns the traits that are known, by name, and the categories dismissed.
func (x *Traits) view() (list []AttributeView, dismissed []string) {
	if x == nil {
		return nil, nil
	}
	for i := range x.List {
		if t := &x.List[i]; t.JSON != "null" {
			list = append(list, AttributeView{t.Name, RawJSON(t.JSON), t.Provenance.String(), RawJSON(decimal(t.Sure)), Instant(t.At)})
		}
	}
	slices.SortFunc(list, func(a, b AttributeView) int { return cmp.Compare(a.Name, b.Name) })
	for _, d := range x.Dismissed {
		dismissed = append(dismissed, d.Category)
	}
	slices.Sort(dismissed)
	return list, dismissed
}

// decimal writes a fixed point number from 0 to 1.
func decimal(x moments.Micro) string {
	if x >= moments.One {
		return "1"
	}
	b := strconv.AppendInt([]byte("0."), int64(x+moments.One), 10)
	b = append(b[:2], b[3:]...) // without the one that keeps the zeros
	for b[len(b)-1] == '0' && len(b) > 3 {
		b = b[:len(b)-1]
	}
	return string(b)
}
