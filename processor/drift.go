package processor

import (
	"slices"
	"strings"

	"onhand/processor/moments"
)

// What stands on an ad platform may be changed there, by a person at its console
// or by the platform itself. Who can look there says what it holds:
//
//	Audience Reported {audience, sku, status: in | out | rejected}
//	   | older than the platform's answer to our latest word, or that has none yet: says nothing
//	   | as is wanted: nothing
//	   v otherwise: drift. It is noted once, and left alone until
//	     what is wanted changes by itself: the new state is sent
//	     Audience Resumed: what is wanted is sent again
//
//	in, and who is there has not permitted it, refused advertising or is erased: out at once
//
// What was set up for an audience is told of without a customer; see Setup.

// Platform is what ad platforms said of a customer: nil while they said nothing.
type Platform struct {
	Took []took   // what they took of late, the oldest first
	Said []report // the newest word on each membership
}

// took is when a platform took our latest word on a membership.
type took struct {
	ID       string // the id it knows the customer by, "" = the customer's own
	Moment   string
	Value    string
	At       int64  // log time, or from when it holds by the platform's own word
	Decision string // that put the customer in
}

// report is what a platform was last said to hold.
type report struct {
	ID, Moment, Value string
	edition
	State  platformState
	Stands bool // it is not what is wanted, and left alone
}

type platformState uint8

const (
	platformIn platformState = iota + 1
	platformOut
	platformRejected // it does not take this customer
)

var platformStates = [...]string{"", "in", "out", "rejected"}

const (
	// reportMemoryMS is how old a report may be: before that nobody knows any more
	// when the platform took what.
	reportMemoryMS = 48 * 3600_000
	// maxReports bounds the memberships of one customer of which it is known when
	// they were taken, and the reports kept; the oldest goes first.
	maxReports = 64
)

func (x *Platform) bytes() int {
	if x == nil {
		return 0
	}
	return 48 + 88*(cap(x.Took)+cap(x.Said))
}

func (x *Platform) encode(w *writer) {
	if w.bool(x != nil); x == nil {
		return
	}
	w.uint(uint64(len(x.Took)))
	for _, t := range x.Took {
		w.str(t.ID)
		w.str(t.Moment)
		w.str(t.Value)
		w.int(t.At)
		w.str(t.Decision)
	}
	w.uint(uint64(len(x.Said)))
	for _, r := range x.Said {
		w.str(r.ID)
		w.str(r.Moment)
		w.str(r.Value)
		w.int(r.Version)
		w.int(r.At)
		w.u8(uint8(r.State))
		w.bool(r.Stands)
	}
}

func decodePlatform(r *reader) *Platform {
	if !r.bool() {
		return nil
	}
	x := &Platform{}
	if n := r.count(5); n > 0 {
		x.Took = make([]took, n)
		for i := range x.Took {
			x.Took[i] = took{r.str(), r.word(), r.str(), r.int(), r.str()}
		}
	}
	if n := r.count(7); n > 0 {
		x.Said = make([]report, n)
		for i := range x.Said {
			x.Said[i] = report{r.str(), r.word(), r.str(), edition{r.int(), r.int()}, platformState(r.u8()), r.bool()}
		}
	}
	return x
}

// is reports whether a report is of a membership.
func (r *report) is(id, moment, value string) bool {
	return r.Value == value && r.Moment == moment && r.ID == id
}

func (x *Platform) report(id, moment, value string) *report {
	if x == nil {
		return nil
	}
	if i := slices.IndexFunc(x.Said, func(r report) bool { return r.is(id, moment, value) }); i >= 0 {
		return &x.Said[i]
	}
	return nil
}

// taken returns when the platform took the latest word on what a report is of,
// nil when that is long ago or never was.
func (x *Platform) taken(r *report) *took {
	if i := slices.IndexFunc(x.Took, func(t took) bool { return r.is(t.ID, t.Moment, t.Value) }); i >= 0 {
		return &x.Took[i]
	}
	return nil
}

// add keeps a report in the place of the one before.
func (x *Platform) add(r report) *report {
	if k := x.report(r.ID, r.Moment, r.Value); k != nil {
		*k = r
		return k
	}
	x.Said = append(room(x.Said, maxReports, func(r *report) int64 { return r.At }), r)
	return &x.Said[len(x.Said)-1]
}

// took notes that a platform took a word on a membership; effective is from when
// it holds, 0 = from now on. A report that was earlier than the answer counts now,
// if it is of what was there since.
func (c *Customer) took(m *Machine, d *Decision, effective int64) {
	if c.Platform == nil {
		c.Platform = &Platform{}
	}
	x := c.Platform
	t := took{c.known(d.Customer), d.Moment, strings.Clone(d.Cause.Value), m.shop.Now, d.ID}
	if effective != 0 {
		t.At = effective
	}
	if d.Action.Kind == kindAudienceRemove {
		t.Decision = d.Retracts
	}
	r := x.report(t.ID, t.Moment, t.Value)
	x.Took = slices.DeleteFunc(x.Took, func(k took) bool {
		return m.shop.Now-k.At > reportMemoryMS || k.ID == t.ID && k.Moment == t.Moment && k.Value == t.Value
	})
	if len(x.Took) >= maxReports {
		x.Took = slices.Delete(x.Took, 0, 1)
	}
	x.Took = append(x.Took, t)
	if r != nil {
		c.compare(m, r)
	}
}

// known returns how an id of the customer is written in Platform.
func (c *Customer) known(id string) string {
	if id == c.ID {
		return ""
	}
	return strings.Clone(id)
}

// audience returns the moment whose audience an event is about, and the value of
// its per; nil, with a dead letter, when there is none.
func (m *Machine) audience(e *Event) (mo *moments.Moment, value string) {
	name := properties(e.Properties).id("audience")
	if mo, _ = m.rules.latest(name); mo == nil || mo.Do != moments.DoAudience {
		m.dead("audience", "there is no audience "+name, m.current)
		return nil, ""
	}
	if m.values = values(m, mo.Per, e, m.values[:0]); len(m.values) == 0 {
		m.dead("audience", e.Kind.String()+" of "+name+": "+mo.Per+" is missing", m.current)
		return nil, ""
	}
	return mo, m.values[0]
}

// reported takes what a platform holds of the customer, once and in order.
func (c *Customer) reported(m *Machine, e *Event) {
	state := slices.Index(platformStates[:], e.Status)
	if state <= 0 {
		m.dead("audience", "status "+e.Status+" of a customer is none of in, out, rejected", m.current)
		return
	}
	mo, value := m.audience(e)
	if mo == nil {
		return
	}
	r := report{ID: c.known(e.Customer()), Moment: mo.Name, Value: clone(value), edition: editionOf(e), State: platformState(state)}
	r.At = min(r.At, m.shop.Now)
	if m.shop.Now-r.At > reportMemoryMS {
		return
	}
	if c.Platform == nil {
		c.Platform = &Platform{}
	}
	if k := c.Platform.report(r.ID, r.Moment, r.Value); k != nil {
		if !k.older(r.edition) {
			return
		}
		r.Stands = k.Stands && (k.State == platformIn) == (r.State == platformIn)
	}
	c.compare(m, c.Platform.add(r))
}

// compare looks whether a platform holds what is wanted.
func (c *Customer) compare(m *Machine, r *report) {
	if c.unanswered(r) {
		return // compared when it is known what became of it
	}
	t := c.Platform.taken(r)
	if t != nil && r.At <= t.At {
		return // of what was there before
	}
	i := -1
	if r.ID == "" {
		i = c.occurrence(r.Moment, r.Value)
	}
	wanted := i >= 0 && c.Occurrences[i].In
	switch held := r.State == platformIn; {
	case wanted == held:
		r.Stands = false
	case held && c.unpermitted(m, r) != "":
		c.takeOut(m, r, c.unpermitted(m, r))
	case !r.Stands:
		r.Stands = true
		x := Correction{At: m.shop.Now, Customer: c.ID, Moment: r.Moment, Channel: adsChannel, Kind: Drift, Reason: Drifted}
		if mo, _ := m.rules.latest(r.Moment); mo != nil {
			x.Channel = mo.Channels[0]
		}
		if t != nil {
			x.Decision, x.LateMS = t.Decision, r.At-t.At
		} else if wanted {
			x.Decision = m.decisionID(c, &c.Occurrences[i], verdict{outcome: Sent})
		}
		m.drifted(&x)
	}
}

// drifted puts out that something else stands on a platform than was asked for.
func (m *Machine) drifted(x *Correction) {
	w := &m.body
	w.b = w.b[:0]
	x.encode(w)
	m.emit(CorrectionOutput)
}

// unanswered reports whether a word on what a report is of has no answer yet.
func (c *Customer) unanswered(r *report) bool {
	return slices.ContainsFunc(c.Pending, func(p Pending) bool {
		if p.Moment != r.Moment || p.Value != r.Value {
			return false
		}
		d, err := ParseDecision(p.Decision)
		return err == nil && (d.Action.Kind == kindAudienceAdd || d.Action.Kind == kindAudienceRemove) && c.known(d.Customer) == r.ID
	})
}

// unpermitted returns why a customer must not be in an audience whatever anybody
// does there; "" = it is permitted.
func (c *Customer) unpermitted(m *Machine, r *report) Reason {
	mo, _ := m.rules.latest(r.Moment)
	if mo == nil {
		return ""
	}
	switch _, why := c.permitted(m, mo, &Occurrence{Moment: r.Moment, Value: r.Value}); why {
	case NoConsent, ConsentPending, ConsentWithdrawn:
		return why
	}
	return ""
}

// takeOut takes out of an audience who is said to be there.
func (c *Customer) takeOut(m *Machine, r *report, why Reason) {
	r.Stands = false
	c.Count++
	o := Occurrence{Moment: r.Moment, Value: r.Value, N: c.Count, Rules: m.shop.Activations}
	d := &Decision{
		ID: m.decisionID(c, &o, verdict{outcome: Retracted, reason: why}), At: m.shop.Now, Customer: c.ID, Moment: r.Moment,
		Cause: Cause{Value: r.Value, N: o.N, Event: AudienceReported.String()}, Outcome: Retracted, Step: why.Step(), Reason: why,
		Mode: moments.Live, Version: m.rules.file.Hash, Evidence: m.evidence(),
	}
	if r.ID != "" {
		d.Customer = r.ID
	}
	if t := c.Platform.taken(r); t != nil {
		d.Retracts = t.Decision
	}
	d.Action = &Action{ID: d.ID, Kind: kindAudienceRemove, Channel: adsChannel, Class: "marketing", Template: r.Moment, Customer: d.Customer, Currency: m.rules.file.Currency}
	if mo, _ := m.rules.latest(r.Moment); mo != nil {
		d.Action.Template, d.Action.Class, d.Action.Channel = mo.Send, mo.Class.Name, mo.Channels[0]
	}
	if m.rules.perItem(r.Moment) {
		d.Action.Lines = []ActionLine{{SKU: r.Value, Quantity: 1}}
	}
	m.emitDecision(d)
	c.supersede(m, r.Moment, r.Value, o.N, true)
	c.await(d, &o)
}

// takeOutRefused takes the customer out of the audiences in which somebody put
// them on the platform, as far as they do not permit it any more.
func (c *Customer) takeOutRefused(m *Machine) {
	if c.Platform == nil {
		return
	}
	for i := range c.Platform.Said {
		if r := &c.Platform.Said[i]; r.Stands && r.State == platformIn {
			if why := c.unpermitted(m, r); why != "" {
				c.takeOut(m, r, why)
			}
		}
	}
}

// takeOutAll takes the customer out of all of them.
func (c *Customer) takeOutAll(m *Machine, why Reason) {
	if c.Platform == nil {
		return
	}
	for i := range c.Platform.Said {
		if r := &c.Platform.Said[i]; r.Stands && r.State == platformIn {
			c.takeOut(m, r, why)
		}
	}
}

// leftAlone has the gate's verdict on an audience heed what was changed on the
// platform. That ends when what is wanted is another thing than before.
func (c *Customer) leftAlone(o *Occurrence, v verdict) verdict {
	r := c.Platform.report("", o.Moment, o.Value)
	if r == nil || !r.Stands {
		return v
	}
	switch out := r.State != platformIn; {
	case v.outcome == Sent && !o.In && out:
		return v.refuse(Suppressed, Drifted)
	case (v.outcome == Sent) != out:
		r.Stands = false
	}
	return v
}

// agrees ends that somebody who was taken out by hand is left alone: they are not
// wanted any more.
func (x *Platform) agrees(o *Occurrence) {
	if r := x.report("", o.Moment, o.Value); r != nil && r.State != platformIn {
		r.Stands = false
	}
}

// resumed sends again what is wanted, in the place of what was left alone.
func (c *Customer) resumed(m *Machine, e *Event) {
	mo, value := m.audience(e)
	if mo == nil {
		return
	}
	r := c.Platform.report(c.known(e.Customer()), mo.Name, value)
	if r == nil || !r.Stands {
		return
	}
	r.Stands = false
	i := -1
	if r.ID == "" {
		i = c.occurrence(r.Moment, r.Value)
	}
	why := Ended
	switch {
	case i < 0:
	case c.Occurrences[i].In:
		// The same again, under a number of its own: the platform took the one before.
		o := &c.Occurrences[i]
		d := c.withdrawal(m, o, Superseded)
		m.emitDecision(d)
		o.In = false
		c.hold(m, i)
		return
	case r.State != platformIn:
		c.hold(m, i)
		return
	case c.Occurrences[i].Said != 0:
		why = c.Occurrences[i].Said.reason()
	}
	if r.State == platformIn {
		c.takeOut(m, r, why)
	}
}

// mergePlatform takes over what platforms said of another id. What somebody took
// that id out of by hand is not entered under this one instead.
func (c *Customer) mergePlatform(b *Customer) {
	if b.Platform == nil {
		return
	}
	if c.Platform == nil {
		c.Platform = &Platform{}
	}
	x := c.Platform
	for _, t := range b.Platform.Took {
		if t.ID == "" {
			t.ID = b.ID
		}
		if len(x.Took) >= maxReports {
			x.Took = slices.Delete(x.Took, 0, 1)
		}
		x.Took = append(x.Took, t)
	}
	for _, r := range b.Platform.Said {
		if r.ID == "" {
			r.ID = b.ID
		}
		if out := r.Stands && r.State != platformIn; out && x.report("", r.Moment, r.Value) == nil {
			i := c.occurrence(r.Moment, r.Value)
			if i < 0 || !c.Occurrences[i].In {
				own := r
				own.ID = ""
				x.add(own)
			}
		}
		r.Stands = r.Stands && r.State == platformIn
		x.add(r)
	}
}

// ReportView is what an ad platform was said to hold of a customer.
type ReportView struct {
	Audience  string  `json:"audience"`
	Value     string  `json:"value,omitempty"`
	Status    string  `json:"status"`
	At        Instant `json:"at"`
	Customer  string  `json:"customer,omitempty"` // the id it is held under, when that is another one of theirs
	LeftAlone bool    `json:"left_alone"`         // it is not what is wanted, and stays so until that changes
}

func (x *Platform) view() (list []ReportView) {
	if x == nil {
		return nil
	}
	for _, r := range x.Said {
		list = append(list, ReportView{r.Moment, r.Value, platformStates[r.State], Instant(r.At), r.ID, r.Stands})
	}
	return list
}
