package whatif

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"onhand/processor"
)

// comparison pairs what two worlds decide about the same candidates, as they
// decide it: a candidate is the same when customer, moment, what the occurrence
// is about and its number are. Only what one world has decided and the other has
// not is kept.
type comparison struct {
	tolerance int64 // ms between two sends that are the same
	examples  int   // of each change
	open      map[uint64]*matter
	kept      int // verdicts in open
	moments   map[string]*Moment
	changes   map[change]*Change
	same      int
	words     map[string]string
}

// matter is a customer, a moment and what its occurrences are about: the
// verdicts of each world that have no counterpart yet, in the order of time.
type matter struct {
	who      Example // without the verdicts
	verdicts [2][]verdict
}

// verdict is a decision as far as it is compared.
type verdict struct {
	Verdict
	n     int64  // number of the occurrence
	waits bool   // deferred: it is not final
	sent  bool   // to a customer, not in shadow
	says  uint64 // hash of what is said on which channel
	after string // the last reason it waited for
}

// change is one line of the report.
type change struct{ moment, kind, was, now string }

// maxOpen is how many verdicts may be without their counterpart at a time, about
// 300 bytes each.
const maxOpen = 1_000_000

func newComparison(tolerance int64, examples int) *comparison {
	return &comparison{
		tolerance: tolerance, examples: examples, open: map[uint64]*matter{}, moments: map[string]*Moment{},
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
	sum := matterOf(d)
	x := c.open[sum]
	if x == nil {
		x = &matter{who: c.example(d)}
		c.open[sum] = x
	}
	v := c.verdict(d)
	mine, others := &x.verdicts[world], &x.verdicts[1-world]
	same := func(waits bool) func(verdict) bool {
		return func(o verdict) bool { return o.n == v.n && o.waits == waits }
	}
	if i := slices.IndexFunc(*mine, same(true)); i >= 0 {
		if !v.waits {
			v.after = (*mine)[i].Reason
		}
		*mine = slices.Delete(*mine, i, i+1)
		c.kept--
	}
	if !v.waits {
		mo := c.moment(d.Moment)
		[2]*Tally{&mo.Before, &mo.After}[world].count(&v)
	}
	if i := slices.IndexFunc(*others, same(false)); i >= 0 && !v.waits {
		pair := [2]verdict{}
		pair[world], pair[1-world] = v, (*others)[i]
		*others = slices.Delete(*others, i, i+1)
		c.kept--
		x.who = c.example(d)
		c.pair(x.who, pair[0], pair[1])
	} else {
		if c.kept++; c.kept > maxOpen {
			return fmt.Errorf("whatif: %d verdicts of one replay have no counterpart in the other, more than are kept; ask for a shorter span", maxOpen)
		}
		*mine = append(*mine, v)
	}
	if len(*mine)+len(*others) == 0 {
		delete(c.open, sum)
	}
	return nil
}

// matterOf returns the hash by which a decision's counterpart is found.
// Retractions are matters of their own.
func matterOf(d *processor.Decision) uint64 {
	h := xxhash.New()
	for _, s := range []string{d.Customer, d.Moment, d.Cause.Value} {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		_, _ = h.WriteString(s)
	}
	if d.Outcome == processor.Retracted {
		_, _ = h.WriteString("retracted")
	}
	return h.Sum64()
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
	v := verdict{
		Verdict: Verdict{Outcome: d.Outcome.String(), Reason: c.word(string(d.Reason)), At: Time(d.At), Until: Time(d.Until)},
		n:       d.Cause.N, waits: d.Outcome == processor.Deferred,
	}
	if v.waits {
		v.Outcome = "waiting"
	}
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

// pair compares the two verdicts on a candidate.
func (c *comparison) pair(who Example, was, now verdict) {
	mo := c.moment(who.Moment)
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
	key := change{who.Moment, kind, a, b}
	list := c.changes[key]
	if list == nil {
		list = &Change{Moment: key.moment, Kind: kind, Was: a, Now: b, Examples: []Example{}}
		c.changes[key] = list
	}
	list.Count++
	if len(list.Examples) < c.examples {
		e := who
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

// finish compares what has no counterpart: with what the other world has decided
// last or not yet about the same matter, in the order of time, as occurrences
// may be counted otherwise; else with nothing.
func (c *comparison) finish() {
	left := make([]*matter, 0, len(c.open))
	for _, x := range c.open {
		left = append(left, x)
	}
	slices.SortFunc(left, func(a, b *matter) int {
		return cmp.Or(cmp.Compare(a.who.Moment, b.who.Moment), cmp.Compare(a.first(), b.first()),
			cmp.Compare(a.who.Customer, b.who.Customer), cmp.Compare(a.who.Item, b.who.Item), cmp.Compare(a.who.Event, b.who.Event))
	})
	for _, x := range left {
		mo := c.moment(x.who.Moment)
		for i, t := range []*Tally{&mo.Before, &mo.After} {
			for j := range x.verdicts[i] {
				if x.verdicts[i][j].waits {
					t.Waiting++
				}
			}
		}
		was, now := x.verdicts[0], x.verdicts[1]
		for i := range max(len(was), len(now)) {
			pair := [2]verdict{none, none}
			if i < len(was) {
				pair[0] = was[i]
			}
			if i < len(now) {
				pair[1] = now[i]
			}
			c.pair(x.who, pair[0], pair[1])
		}
	}
	clear(c.open)
	c.kept = 0
}

// first returns when the first of the verdicts was given.
func (x *matter) first() Time {
	at := Time(math.MaxInt64)
	for _, list := range x.verdicts {
		for i := range list {
			at = min(at, list[i].At)
		}
	}
	return at
}

// result puts the tables of the report in order.
func (c *comparison) result() (moments []Moment, changes []Change) {
	moments, changes = []Moment{}, []Change{}
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
