package whatif

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"onhand/processor"
)

// comparison pairs what two worlds decide about the same candidates, as they
// decide it: a candidate is the same when customer, moment and occurrence are.
// Only those that one world has decided and the other has not are kept.
type comparison struct {
	tolerance int64 // ms between two sends that are the same
	examples  int   // of each change
	open      map[uint64]*candidate
	moments   map[string]*Moment
	changes   map[change]*Change
	same      int
	words     map[string]string
}

// candidate is what both worlds have said of one candidate. A series of
// messages has several final verdicts, one after the other.
type candidate struct {
	who   Example // without the verdicts
	final [2][]verdict
	put   [2]*verdict // it was deferred, and waits
}

// verdict is a decision as far as it is compared.
type verdict struct {
	Verdict
	sent  bool   // to a customer, not in shadow
	says  uint64 // hash of what is said on which channel
	after string // the last reason it waited for
}

// change is one line of the report.
type change struct{ moment, kind, was, now string }

// maxOpen is how many candidates may be decided in one world only at a time, about
// 300 bytes each.
const maxOpen = 1_000_000

func newComparison(tolerance int64, examples int) *comparison {
	return &comparison{
		tolerance: tolerance, examples: examples, open: map[uint64]*candidate{}, moments: map[string]*Moment{},
		changes: map[change]*Change{}, words: map[string]string{},
	}
}

// word returns a text that all equal ones share.
func (c *comparison) word(s string) string {
	if w, ok := c.words[s]; ok {
		return w
	}
	if len(c.words) < 10_000 {
		c.words[s] = s
	}
	return s
}

// add takes a decision of a world.
func (c *comparison) add(world int, d *processor.Decision) error {
	mo := c.moment(d.Moment)
	key := xxhash.New()
	for _, s := range []string{d.Customer, d.Moment, d.Cause.Value} {
		_, _ = key.Write(binary.AppendUvarint(nil, uint64(len(s))))
		_, _ = key.WriteString(s)
	}
	_, _ = key.Write(binary.AppendVarint(nil, d.Cause.N))
	if d.Outcome == processor.Retracted {
		_, _ = key.WriteString("retracted")
	}
	sum := key.Sum64()
	x := c.open[sum]
	if x == nil {
		if len(c.open) >= maxOpen {
			return fmt.Errorf("whatif: %d candidates are decided otherwise and open at one time, more than are kept; ask for a shorter span", maxOpen)
		}
		x = &candidate{who: c.example(d)}
		c.open[sum] = x
	}
	v := c.verdict(d)
	side := [2]*Tally{&mo.Before, &mo.After}[world]
	if d.Outcome == processor.Deferred {
		x.put[world] = &v
		return nil
	}
	if p := x.put[world]; p != nil {
		v.after = p.Reason
		x.put[world] = nil
	}
	side.count(&v)
	if other := x.final[1-world]; len(other) > 0 {
		pair := [2]verdict{}
		pair[world], pair[1-world] = v, other[0]
		x.final[1-world] = other[1:]
		x.who = c.example(d)
		c.pair(x, pair[0], pair[1])
	} else {
		x.final[world] = append(x.final[world], v)
	}
	if len(x.final[0])+len(x.final[1]) == 0 && x.put == [2]*verdict{} {
		delete(c.open, sum)
	}
	return nil
}

func (c *comparison) moment(name string) *Moment {
	mo := c.moments[name]
	if mo == nil {
		mo = &Moment{Name: name}
		c.moments[name] = mo
	}
	return mo
}

func (c *comparison) verdict(d *processor.Decision) verdict {
	v := verdict{Verdict: Verdict{Outcome: d.Outcome.String(), Reason: c.word(string(d.Reason)), At: Time(d.At), Until: Time(d.Until)}}
	a := d.Action
	if a == nil {
		return v
	}
	v.Channel = c.word(a.Channel)
	v.sent = d.Outcome == processor.Sent && d.Mode == "live"
	if d.Mode != "live" {
		v.Reason = "shadow"
	}
	h := xxhash.New()
	for _, s := range []string{a.Kind, a.Channel, a.Template, a.Class} {
		_, _ = h.WriteString(s + "\x00")
	}
	for i := range a.Lines {
		l := &a.Lines[i]
		_, _ = fmt.Fprintf(h, "%s\x00%d\x00%d\x00", l.SKU, l.Quantity, l.Price)
	}
	v.says = h.Sum64()
	return v
}

func (c *comparison) example(d *processor.Decision) Example {
	item := d.Cause.Value
	if a := d.Action; a != nil && len(a.Lines) > 0 {
		item = a.Lines[0].SKU
	}
	return Example{Moment: c.word(d.Moment), Customer: mask(d.Customer), Item: c.word(item), Event: c.word(d.Cause.Event)}
}

// mask hides who somebody is and still tells two people apart.
func mask(customer string) string {
	if customer == "" {
		return ""
	}
	first := []rune(customer)[:1]
	return fmt.Sprintf("%s…%04x", string(first), uint16(processor.Hash(customer)))
}

// none is the verdict of a world without the candidate.
var none = verdict{Verdict: Verdict{Outcome: "no candidate"}}

// pair compares the two final verdicts on a candidate.
func (c *comparison) pair(x *candidate, was, now verdict) {
	mo := c.moment(x.who.Moment)
	kind, a, b := "", was.words(), now.words()
	switch {
	case was.sent && !now.sent:
		kind = Fewer
		mo.Fewer++
	case now.sent && !was.sent:
		kind = More
		mo.More++
	case was.sent && max(was.At-now.At, now.At-was.At) > Time(c.tolerance):
		kind, a, b = Moved, was.path(""), now.path(" later")
		if now.At < was.At {
			b = now.path(" earlier")
		}
		mo.Moved++
	case a != b:
		kind = Reason
		mo.Reason++
	case was.says != now.says:
		kind = Says
		mo.Says++
		if was.Channel != now.Channel {
			a, b = a+" "+was.Channel, b+" "+now.Channel
		}
	default:
		c.same++
		return
	}
	key := change{x.who.Moment, kind, a, b}
	list := c.changes[key]
	if list == nil {
		list = &Change{Moment: key.moment, Kind: kind, Was: a, Now: b}
		c.changes[key] = list
	}
	list.Count++
	if len(list.Examples) < c.examples {
		e := x.who
		e.Was, e.Now = was.Verdict, now.Verdict
		list.Examples = append(list.Examples, e)
	}
}

// words says what became of a candidate.
func (v *verdict) words() string {
	if v.Reason == "" || v.Reason == v.Outcome {
		return v.Outcome
	}
	return v.Outcome + " " + v.Reason
}

// path is words with when, and what it waited for.
func (v *verdict) path(when string) string {
	if v.after == "" {
		return v.words() + when
	}
	return v.words() + when + ", after " + v.after
}

// finish compares what one world only has decided. A candidate that waits is
// counted as waiting; of one that no decision tells of nothing is known.
func (c *comparison) finish() {
	left := make([]*candidate, 0, len(c.open))
	for _, x := range c.open {
		left = append(left, x)
	}
	slices.SortFunc(left, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.who.Moment, b.who.Moment), cmp.Compare(a.first(), b.first()),
			cmp.Compare(a.who.Customer, b.who.Customer), cmp.Compare(a.who.Item, b.who.Item), cmp.Compare(a.who.Event, b.who.Event))
	})
	for _, x := range left {
		waits := [2]verdict{none, none}
		for i, v := range x.put {
			if v == nil {
				continue
			}
			v.Outcome = "waiting"
			waits[i] = *v
			mo := c.moment(x.who.Moment)
			[2]*Tally{&mo.Before, &mo.After}[i].Waiting++
		}
		for _, v := range x.final[0] {
			c.pair(x, v, waits[1])
			waits[1] = none
		}
		for _, v := range x.final[1] {
			c.pair(x, waits[0], v)
			waits[0] = none
		}
		if waits[0].Outcome != none.Outcome || waits[1].Outcome != none.Outcome {
			waits[0].says, waits[1].says = 0, 0
			c.pair(x, waits[0], waits[1])
		}
	}
	clear(c.open)
}

// first returns when the candidate was first decided about.
func (x *candidate) first() Time {
	at := Time(0)
	for i := range x.final {
		for _, v := range append(x.final[i][:len(x.final[i]):len(x.final[i])], x.waits(i)...) {
			if at == 0 || v.At < at {
				at = v.At
			}
		}
	}
	return at
}

func (x *candidate) waits(i int) []verdict {
	if x.put[i] == nil {
		return nil
	}
	return []verdict{*x.put[i]}
}

// result puts the tables of the report in order.
func (c *comparison) result() (moments []Moment, changes []Change) {
	for _, m := range c.moments {
		moments = append(moments, *m)
	}
	slices.SortFunc(moments, func(a, b Moment) int { return cmp.Compare(a.Name, b.Name) })
	for _, x := range c.changes {
		changes = append(changes, *x)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Moment, b.Moment), cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(b.Count, a.Count), cmp.Compare(a.Was, b.Was), cmp.Compare(a.Now, b.Now))
	})
	return moments, changes
}
