package shop

import (
	"fmt"
	"sort"
	"time"
)

// Oracle holds decisions against a Book. It is told of each committed record
// and judges them all in Report. It is not safe for concurrent use.
type Oracle struct {
	policy Policy
	book   *Book

	decisions []*decision
	byID      map[string]*decision
	failed    map[string]bool // actions that could not be handed over
	doubled   []*decision     // records whose id came before with other content

	// made by Report
	now        int64
	g          int64                  // the grace, ms
	sent       map[string][]*decision // by customer, in order of time
	offers     map[string][]*decision // sent offers by item, in order of time
	candidates map[string][]*decision
	served     map[[2]string][]*decision // decisions about (customer, item) of Offer moments
	people     map[[2]string][]*decision // decisions by customer and moment
	findings   []Finding
}

// Kind says what is wrong with a decision, or with the lack of one.
type Kind string

// The kinds of finding. Place (somebody served before an earlier one) and
// Unbalanced (a candidate with two ends) count as wrong in the Summary.
const (
	Wrong      Kind = "wrong"
	Missing    Kind = "missing"
	Oversold   Kind = "oversold"
	Duplicate  Kind = "duplicate"
	Place      Kind = "place"
	Unbalanced Kind = "unbalanced"
)

// Finding is one fault, told in a sentence that names customer, item, times
// and decision.
type Finding struct {
	Kind     Kind      `json:"kind"`
	At       time.Time `json:"at"`
	Moment   string    `json:"moment,omitempty"`
	Customer string    `json:"customer,omitempty"`
	Item     string    `json:"item,omitempty"`
	Decision string    `json:"decision,omitempty"`
	Text     string    `json:"text"`
}

// NewOracle returns an oracle for the decisions made on what is in the book.
func NewOracle(b *Book, p Policy) *Oracle {
	p = p.withDefaults()
	return &Oracle{policy: p, book: b, byID: map[string]*decision{}, failed: map[string]bool{}}
}

// Decided tells of one committed decision record: the contract's JSON, the
// partition that decided, and the time of the commit. Records of a partition
// are told in the order they were committed; reading a record again does no
// harm. The error is about bytes that are no decision record.
func (o *Oracle) Decided(partition int, record []byte, committed time.Time) error {
	d, err := parseDecision(record)
	if err != nil {
		return err
	}
	d.partition, d.committed, d.raw = partition, committed.UnixMilli(), string(record)
	if before := o.byID[d.ID]; before != nil {
		if before.raw != d.raw {
			o.doubled = append(o.doubled, d)
		}
		return nil
	}
	o.byID[d.ID] = d
	o.decisions = append(o.decisions, d)
	return nil
}

// Failed tells that an action could not be handed over: it uses no cap and
// holds nothing.
func (o *Oracle) Failed(action string) { o.failed[action] = true }

// Report judges everything told so far. end is when the run ended: what was
// not yet due by then is not missed. Findings are in order of time.
func (o *Oracle) Report(end time.Time) Summary {
	o.now = end.UnixMilli()
	// Where a machine stands still, what was sent counts from any instant until its
	// acceptance.
	o.g = max(o.policy.Grace.Milliseconds(), o.book.slow)
	o.index()
	for _, d := range o.doubled {
		o.find(Duplicate, d, d.item(), "decision id %s was committed twice with different content", d.ID)
	}
	for _, d := range o.decisions {
		if d.sent() {
			o.judge(d)
		}
	}
	o.balance()
	o.repeats()
	o.members()
	for _, sku := range sortedKeys(o.offers) {
		o.queue(sku)
	}
	for _, sku := range sortedKeys(o.book.items) {
		o.waiting(o.book.items[sku])
	}
	for _, id := range sortedKeys(o.book.people) {
		o.left(id, o.book.people[id])
	}
	sort.SliceStable(o.findings, func(i, j int) bool { return o.findings[i].At.Before(o.findings[j].At) })
	return o.summary()
}

// index sorts the decisions by what the questions ask for.
func (o *Oracle) index() {
	o.sent, o.offers, o.candidates = map[string][]*decision{}, map[string][]*decision{}, map[string][]*decision{}
	o.served, o.people, o.findings = map[[2]string][]*decision{}, nil, nil
	for _, d := range o.decisions {
		d.withdrawn = 0
		d.failed = d.Action != nil && o.failed[d.Action.ID]
	}
	sort.SliceStable(o.decisions, func(i, j int) bool { return o.decisions[i].At < o.decisions[j].At })
	for _, d := range o.decisions {
		if d.Mode == "shadow" {
			continue
		}
		m := o.policy.Moments[d.Moment]
		if d.Outcome == "retracted" { // comes after what it withdraws
			if s := o.byID[d.Retracts]; s != nil {
				s.withdrawn = d.at()
			}
			continue
		}
		if m.Role != Audience {
			o.candidates[d.candidate()] = append(o.candidates[d.candidate()], d)
		}
		if m.Role == Offer {
			k := [2]string{d.Customer, d.item()}
			o.served[k] = append(o.served[k], d)
		}
		if d.Outcome != "sent" {
			continue
		}
		o.sent[d.Customer] = append(o.sent[d.Customer], d)
		if m.Role == Offer && d.Action != nil && !o.followUp(d) {
			o.offers[d.item()] = append(o.offers[d.item()], d)
		}
	}
}

// followUp reports whether an offer's message only reminds of one sent before
// (`then` in the moments file).
func (o *Oracle) followUp(d *decision) bool {
	if d.Action == nil || d.Action.OfferID == "" {
		return false
	}
	for _, x := range o.sent[d.Customer] {
		if x != d && x.At <= d.At && x.Action != nil && x.Action.OfferID == d.Action.OfferID && x.Action.Template != d.Action.Template {
			return true
		}
	}
	return false
}

// judge asks of one sent decision whether it may be.
func (o *Oracle) judge(d *decision) {
	m, known := o.policy.Moments[d.Moment]
	if !known || d.Customer == "" || d.Action == nil {
		return
	}
	if m.Role == Audience {
		o.judgeMember(d)
		return
	}
	o.judgeMessage(d, m)
	switch m.Role {
	case CartLeft, CartLines:
		o.judgeCart(d, m)
	case Offer:
		if !o.followUp(d) {
			o.judgeOffer(d, m)
		}
	}
}

// span is when the facts a decision was based on may have been known.
func (o *Oracle) span(d *decision) (a, b int64) {
	return d.at() - o.g, max(d.at(), d.committed) + o.g
}

// balance: a candidate has at most one end.
func (o *Oracle) balance() {
	for _, k := range sortedKeys(o.candidates) {
		var end *decision
		for _, d := range o.candidates[k] {
			if !d.final() {
				continue
			}
			if end != nil {
				kind := Unbalanced
				if end.sent() && d.sent() {
					kind = Duplicate
				}
				o.find(kind, d, d.item(), "the same candidate had ended before: %s as decision %s at %s", end.Outcome, end.ID, clock(end.at()))
				continue
			}
			end = d
		}
	}
}

// repeats: one action is sent once, one offer is one customer's.
func (o *Oracle) repeats() {
	actions, owners := map[string]*decision{}, map[string]*decision{}
	for _, d := range o.decisions {
		if !d.sent() || d.Action == nil {
			continue
		}
		if id := d.Action.ID; id != "" {
			if before := actions[id]; before != nil {
				o.find(Duplicate, d, d.item(), "action %s was sent before by decision %s at %s", id, before.ID, clock(before.at()))
			}
			actions[id] = d
		}
		if id := d.Action.OfferID; id != "" {
			if before := owners[id]; before != nil && before.Customer != d.Customer {
				o.find(Duplicate, d, d.item(), "offer %s was given to customer %q before, by decision %s", id, before.Customer, before.ID)
			}
			owners[id] = d
		}
	}
}

// find records a fault of a decision.
func (o *Oracle) find(k Kind, d *decision, item, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	about := ""
	if item != "" {
		about = fmt.Sprintf(" about item %q", item)
	}
	o.findings = append(o.findings, Finding{
		Kind: k, At: time.UnixMilli(d.at()).UTC(), Moment: d.Moment, Customer: d.Customer, Item: item, Decision: d.ID,
		Text: fmt.Sprintf("%s sent to customer %q%s at %s (decision %s): %s", d.Moment, d.Customer, about, clock(d.at()), d.ID, text),
	})
}

// miss records that a decision is lacking.
func (o *Oracle) miss(at int64, moment, customer, item, text string) {
	o.findings = append(o.findings, Finding{
		Kind: Missing, At: time.UnixMilli(at).UTC(), Moment: moment, Customer: customer, Item: item, Text: text,
	})
}

func clock(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
