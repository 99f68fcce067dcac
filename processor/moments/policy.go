package moments

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// Policy is what holds for every moment.
type Policy struct {
	Classes              []Class   // transactional, service, marketing: always all three
	Purposes             []Purpose // in the order of the file
	Caps                 []Cap
	QuietHours           Spans // of classes with quiet hours; empty = never
	SilenceAfterPurchase time.Duration
	OneAtATime           time.Duration
	Holdout              Holdout
	Channels             []Channel // in the order of the file
	Stock                Stock     // of an item without an exception
	Items                []ItemRule
	Sources              []Source
	Stores               []Store // whose hours are said, in the order of the file

	storeAt map[string]int // of Stores, by name
}

// Class is what a message of one kind must respect.
type Class struct {
	Name        string   // transactional, service or marketing
	Channels    []string // of a moment that names none, in order of preference
	Consent     string   // purpose needed on the channel used, "" = none
	Caps        bool     // counts against caps
	QuietHours  bool     // sleeps in quiet hours
	Arbitration bool     // competes with others
	Holdout     bool     // is kept from the control group
	Crisis      bool     // pauses while a crisis is declared
}

// Purpose is what a customer can permit, per channel. Unknown means no.
type Purpose struct {
	Name        string
	DoubleOptIn []string // channels on which a grant counts only when confirmed
	GrantedBy   string   // event that grants it for its own item, sale or order; "" = none
}

// Cap bounds the messages of a class to one customer, or to all people of one
// household, in a sliding window, or in a day, week or month of the customer's
// own calendar: of a household that of whom is to be told.
type Cap struct {
	AtMost    int
	Every     time.Duration // of a calendar: the longest there is
	Class     string
	Channel   string // "" = on all channels together
	Calendar  string // EachDay, EachWeek, EachMonth; "" = the window slides
	Household bool   // counts what all people of a household are told
}

// Units of the customer's own calendar. A week begins on Monday.
const (
	EachDay   = "day"
	EachWeek  = "week"
	EachMonth = "month"
)

// longestOf is how long a unit of the calendar may be: clocks are put back by
// an hour in some.
var longestOf = map[string]time.Duration{EachDay: 25 * time.Hour, EachWeek: (7*24 + 1) * time.Hour, EachMonth: (31*24 + 1) * time.Hour}

// Holdout is the control group: customers who get no marketing, for lift.
type Holdout struct {
	Percent int    // of customers, 0 = no control group
	Group   string // another group name draws other customers
}

// Channel is a way to reach a customer, or somebody who acts for one.
type Channel struct {
	Name       string
	HandOver   time.Duration // from decision to provider, at most
	Reply      time.Duration // how soon an answer is due, 0 = not promised
	Cost       Micro         // of one message, in minor units
	QuietHours Spans         // the policy's unless the channel has its own; empty = never
	Consent    string        // replaces the purpose of the class, "" = does not
	Minimum    int           // members an audience must have, 0 = any
}

// Source is a system that reports events, and how far behind it may be.
type Source struct {
	Name      string // as the write key names it
	Carries   []string
	LateAfter time.Duration // behind by more, what depends on its events waits
}

// Class returns the class of that name, nil when there is none.
func (p *Policy) Class(name string) *Class {
	return find(p.Classes, func(c *Class) string { return c.Name }, name)
}

// Channel returns the channel of that name, nil when there is none.
func (p *Policy) Channel(name string) *Channel {
	return find(p.Channels, func(c *Channel) string { return c.Name }, name)
}

// Purpose returns the purpose of that name, nil when there is none.
func (p *Policy) Purpose(name string) *Purpose {
	return find(p.Purposes, func(c *Purpose) string { return c.Name }, name)
}

// Consent returns the purpose a class needs on a channel: that of the channel
// when it has one, else that of the class. "" = none.
func (p *Policy) Consent(class *Class, channel string) string {
	if c := p.Channel(channel); c != nil && c.Consent != "" {
		return c.Consent
	}
	return class.Consent
}

// Quiet returns the quiet hours of a class on a channel; empty = never.
func (p *Policy) Quiet(class *Class, channel string) Spans {
	if !class.QuietHours {
		return nil
	}
	if c := p.Channel(channel); c != nil {
		return c.QuietHours
	}
	return p.QuietHours
}

func find[T any](list []T, name func(*T) string, want string) *T {
	for i := range list {
		if name(&list[i]) == want {
			return &list[i]
		}
	}
	return nil
}

var classNames = []string{"transactional", "service", "marketing"}

// policyNames is what the policy defines, in the order of the file: what the
// rest of the file may speak of.
type policyNames struct{ purposeNames, channelNames []string }

// policy reads the policy; n is nil when the file has none. Its classes,
// purposes and channels are those of the shipped file where it has none.
func (r *reader) policy(n *yaml.Node, p *Policy) {
	*p = Policy{
		QuietHours:           Spans{{Days: EveryDay, From: 21 * 60, To: 8 * 60}},
		SilenceAfterPurchase: 14 * Day,
		OneAtATime:           2 * time.Hour,
		Stock:                defaultStock,
	}
	n = orShipped(n, shippedPolicy(), "classes", "consent", "channels")
	r.policyNames = policyNames{purposeNames: keysOf(child(n, "consent")), channelNames: keysOf(child(n, "channels"))}
	r.fields(n, "policy",
		field{"quiet_hours", func(v *yaml.Node) { p.QuietHours = r.quietHours(v) }},
		field{"consent", func(v *yaml.Node) { r.purposes(v, p) }},
		field{"channels", func(v *yaml.Node) { r.channels(v, p) }},
		field{"classes", func(v *yaml.Node) { r.classes(v, p) }},
		field{"caps", func(v *yaml.Node) { r.caps(v, p) }},
		field{"silence_after_purchase", func(v *yaml.Node) {
			p.SilenceAfterPurchase = r.duration(v, "silence_after_purchase", false)
		}},
		field{"one_at_a_time", func(v *yaml.Node) { p.OneAtATime = r.duration(v, "one_at_a_time", false) }},
		field{"holdout", func(v *yaml.Node) { p.Holdout = r.holdout(v) }},
		field{"stock", func(v *yaml.Node) { p.Stock = r.stock(v, "stock", p.Stock) }},
		field{"items", func(v *yaml.Node) { r.items(v, p) }},
		field{"sources", func(v *yaml.Node) { r.sources(v, p) }},
		field{"stores", func(v *yaml.Node) { r.stores(v, p) }},
	)
}

// purpose reads the name of a purpose.
func (r *reader) purpose(n *yaml.Node) string {
	return r.word(n, "purpose", r.purposeNames)
}

// channelList reads a list of channels.
func (r *reader) channelList(n *yaml.Node, what string) []string {
	return r.words(n, what, "channel", r.channelNames)
}

func (r *reader) purposes(n *yaml.Node, p *Policy) {
	r.named(n, "consent", "a purpose", func(key, value *yaml.Node) {
		purpose, what := Purpose{Name: key.Value}, "purpose "+key.Value
		if key.Value == "none" {
			r.fault(key, `"none" cannot be the name of a purpose`).do("it means that no consent is needed; choose another")
		}
		r.fields(value, what,
			field{"double_opt_in", func(v *yaml.Node) { purpose.DoubleOptIn = r.channelList(v, "double_opt_in") }},
			field{"granted_by", func(v *yaml.Node) { purpose.GrantedBy = r.event(v) }},
		)
		p.Purposes = append(p.Purposes, purpose)
	})
}

func (r *reader) channels(n *yaml.Node, p *Policy) {
	r.named(n, "channels", "a channel", func(key, value *yaml.Node) {
		c := Channel{Name: key.Value, QuietHours: p.QuietHours}
		have := r.fields(value, "channel "+key.Value,
			field{"hand_over", func(v *yaml.Node) { c.HandOver = r.duration(v, "hand_over", true) }},
			field{"reply", func(v *yaml.Node) { c.Reply = r.duration(v, "reply", true) }},
			field{"cost", func(v *yaml.Node) { c.Cost = r.micro(v, "cost") }},
			field{"quiet_hours", func(v *yaml.Node) { c.QuietHours = r.quietHours(v) }},
			field{"consent", func(v *yaml.Node) { c.Consent = r.purpose(v) }},
			field{"minimum", func(v *yaml.Node) { c.Minimum = int(r.int(v, "minimum", 1, 1_000_000)) }},
		)
		if have["hand_over"] == nil {
			r.fault(key, `channel %s has no "hand_over"`, key.Value).do("how long may it take from decision to provider?")
		}
		p.Channels = append(p.Channels, c)
	})
}

func (r *reader) classes(n *yaml.Node, p *Policy) {
	n = orShipped(n, child(shippedPolicy(), "classes"), classNames...)
	var known []field
	for _, name := range classNames {
		known = append(known, field{name, func(v *yaml.Node) { p.Classes = append(p.Classes, r.class(v, name)) }})
	}
	r.fields(n, "classes", known...)
}

func (r *reader) class(n *yaml.Node, name string) Class {
	c := Class{Name: name, Caps: true, QuietHours: true, Arbitration: true, Holdout: true, Crisis: true}
	flag := func(key string, into *bool) field {
		return field{key, func(v *yaml.Node) { r.bool(v, key, into) }}
	}
	have := r.fields(n, "class "+name,
		field{"channels", func(v *yaml.Node) { c.Channels = r.channelList(v, "channels") }},
		field{"consent", func(v *yaml.Node) {
			if v.Value != "none" {
				c.Consent = r.purpose(v)
			}
		}},
		flag("caps", &c.Caps), flag("quiet_hours", &c.QuietHours), flag("arbitration", &c.Arbitration),
		flag("holdout", &c.Holdout), flag("crisis", &c.Crisis),
	)
	if have["channels"] == nil {
		r.fault(n, `class %s has no "channels"`, name).do("name those of a moment that names none")
	}
	if have["consent"] == nil {
		c.Consent = "marketing"
		if !slices.Contains(r.purposeNames, c.Consent) {
			r.fault(n, `class %s needs the purpose "marketing", which does not exist`, name).
				do(`add it to consent, or give the class a "consent"`)
		}
	}
	return c
}

// maxAtMost bounds what a cap lets through: half of the messages that are kept
// of one customer.
const maxAtMost = 100

func (r *reader) caps(n *yaml.Node, p *Policy) {
	r.list(n, "caps", func(entry *yaml.Node) {
		c := Cap{Class: "marketing"}
		have := r.fields(entry, "a cap",
			field{"at_most", func(v *yaml.Node) { c.AtMost = int(r.int(v, "at_most", 1, maxAtMost)) }},
			field{"every", func(v *yaml.Node) {
				if longest := longestOf[v.Value]; longest != 0 && v.Kind == yaml.ScalarNode {
					c.Every, c.Calendar = longest, v.Value
					return
				}
				c.Every = r.duration(v, "every", true)
			}},
			field{"class", func(v *yaml.Node) { c.Class = r.word(v, "class", classNames) }},
			field{"channel", func(v *yaml.Node) { c.Channel = r.word(v, "channel", r.channelNames) }},
			field{"household", func(v *yaml.Node) { r.bool(v, "household", &c.Household) }},
		)
		for _, key := range []string{"at_most", "every"} {
			if entry.Kind == yaml.MappingNode && have[key] == nil {
				r.fault(entry, "a cap has no %q", key).do("write {at_most: 3, every: 7d}, or {at_most: 1, every: day} for a day of the customer's calendar")
			}
		}
		r.checkCap(entry, c, p)
		p.Caps = append(p.Caps, c)
	})
}

// checkCap warns of a cap that refuses nothing because of its class or because
// of a cap above it.
func (r *reader) checkCap(n *yaml.Node, c Cap, p *Policy) {
	if class := p.Class(c.Class); class != nil && !class.Caps {
		r.warn(n, "this cap can never be reached").do("class %s has caps: false; remove one of the two", c.Class)
		return
	}
	for i := range p.Caps {
		switch above := &p.Caps[i]; {
		case above.allowsNoMoreThan(&c):
			r.warn(n, "this cap can never be reached").do("%d in %s above allows no more; remove one of the two",
				above.AtMost, above.window())
			return
		case c.allowsNoMoreThan(above):
			r.warn(n, "the cap of %d in %s above can never be reached", above.AtMost, above.window()).
				do("this one allows no more; remove one of the two")
			return
		}
	}
}

// touching is how many of the first unit of the calendar touch one of the
// second at most.
var touching = map[[2]string]int{
	{EachDay, EachDay}: 1, {EachWeek, EachWeek}: 1, {EachMonth, EachMonth}: 1, {EachDay, EachWeek}: 7, {EachDay, EachMonth}: 31, {EachWeek, EachMonth}: 6,
}

// window returns what was written under every.
func (c *Cap) window() string {
	if c.Calendar != "" {
		return "a " + c.Calendar
	}
	return FormatDuration(c.Every)
}

// allowsNoMoreThan reports whether o refuses nothing that c lets through.
func (c *Cap) allowsNoMoreThan(o *Cap) bool {
	if c.Household != o.Household || c.Class != o.Class || c.Channel != "" && c.Channel != o.Channel || c.Every <= 0 || o.Every <= 0 || (c.Calendar == "") != (o.Calendar == "") {
		return false
	}
	if c.Calendar != "" {
		n := touching[[2]string{c.Calendar, o.Calendar}]
		return n > 0 && c.AtMost*n <= o.AtMost
	}
	windows := (o.Every + c.Every - 1) / c.Every // of c that touch one of o, at most c.AtMost each
	return int64(c.AtMost)*int64(windows) <= int64(o.AtMost)
}

func (r *reader) holdout(n *yaml.Node) Holdout {
	var h Holdout
	have := r.fields(n, "holdout",
		field{"percent", func(v *yaml.Node) { h.Percent = int(r.int(v, "percent", 0, 100)) }},
		field{"group", func(v *yaml.Node) { h.Group, _ = r.text(v, "group") }},
	)
	if h.Percent > 0 && have["group"] == nil {
		r.fault(n, `holdout has no "group"`).do("name it; another name draws other customers")
	}
	return h
}

func (r *reader) sources(n *yaml.Node, p *Policy) {
	r.pairs(n, "sources", func(key, value *yaml.Node) {
		s := Source{Name: key.Value}
		have := r.fields(value, "source "+key.Value,
			field{"carries", func(v *yaml.Node) { s.Carries = r.events(v, "carries") }},
			field{"late_after", func(v *yaml.Node) { s.LateAfter = r.duration(v, "late_after", true) }},
		)
		for _, name := range []string{"carries", "late_after"} {
			if value.Kind == yaml.MappingNode && have[name] == nil {
				r.fault(key, "source %s has no %q", shorten(key.Value), name).do("write {carries: [Order Completed], late_after: 10m}")
			}
		}
		p.Sources = append(p.Sources, s)
	})
}
