package moments

import (
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Moment is a situation in a customer's day and the one thing to do in it.
type Moment struct {
	Name  string
	About string // one sentence for people

	// What starts an occurrence: an event of When, or Fact. One is empty.
	When      []string
	Fact      Fact
	Where     []Property // of the event
	Interests []string   // of a fact: only with one of these; empty = any
	Per       string     // what there is one occurrence for, such as cart_id
	Hours     Spans      // customer's own time in which When counts; empty = always
	Due       Due        // when the window ends: After of quiet, or At a date

	// What ends it.
	Until      []string // events
	UntilFacts []Fact

	// What must hold at the gate.
	Lines   []LineWord
	If      *Guard // nil = always
	Stock   StockWord
	Class   *Class // in the policy
	Consent string // purpose needed besides that of the class, "" = none

	// What is done.
	Do       string   // DoMessage, DoAudience, DoCase or DoOrder
	Channels []string // in order of preference
	Send     string   // template or audience
	Steps    []string // of an audience: what stands on the platform before anybody is in, in this order
	Code     Code
	Spend    int64         // minor units that all its messages together may cost, of an audience its budget; 0 = no limit
	Expires  Due           // After counts from the end of the window
	Again    time.Duration // not again to the same customer within this; 0 = no limit
	Score    Factors
	Then     []Then
	Tags     []string
	Mode     string // Live, Shadow or Off
}

// Then is a later message, if it is still true: due that long after the
// previous one was sent, or at a date. What it leaves out is the moment's.
type Then struct {
	Due      Due
	Send     string
	Channels []string
	If       *Guard
	Expires  Due
	Score    Factors
}

// Code is a single-use code that goes with the message.
type Code struct {
	Valid time.Duration // 0 = no code
	Units int64         // so many codes in all
}

// Factors are what a score is the product of. Of a lever, which is what the
// shop wants for reasons of its own, at most MaxLever counts.
type Factors struct{ Propensity, Context, Value, Lever Operand }

// Eval returns the product of the factors as far as they are known to env, and
// whether all of them were.
func (f *Factors) Eval(env Env) (score Micro, known bool) {
	score, known = One, true
	for _, o := range []*Operand{&f.Propensity, &f.Context, &f.Value, &f.Lever} {
		factor, ok := o.Eval(env)
		score, known = score.Times(factor), known && ok
	}
	return score, known
}

// Fact is something of an item that is told to customers with an interest in
// it. "" is none.
type Fact string

// The facts, as the file writes them.
const (
	Sellable  Fact = "sellable"
	SoldOut   Fact = "sold_out"
	PriceDown Fact = "price_down"
	PriceUp   Fact = "price_up"
	LowStock  Fact = "low_stock"
)

var factNames = []string{string(Sellable), string(SoldOut), string(PriceDown), string(PriceUp), string(LowStock)}

// LineWord says which lines may be mentioned.
type LineWord string

// The words for lines.
const (
	LineUnbought      LineWord = "unbought"
	LineSellable      LineWord = "sellable"
	LineComplete      LineWord = "complete"
	LineUnsubscribed  LineWord = "unsubscribed"
	LineReplenishable LineWord = "replenishable"
	LineAccessories   LineWord = "accessories" // in place of the item what goes with it
)

var lineWords = []string{"unbought", "sellable", "complete", "unsubscribed", "replenishable", "accessories"}

// StockWord says what stock a moment needs.
type StockWord string

// The words for stock.
const (
	StockIgnore   StockWord = "ignore"   // not asked
	StockSellable StockWord = "sellable" // each line sellable now
	StockOffer    StockWord = "offer"    // in addition a unit is held
)

// The things to do and the modes.
const (
	DoMessage  = "message"
	DoAudience = "audience"
	DoCase     = "case"
	DoOrder    = "order"

	Live   = "live"
	Shadow = "shadow"
	Off    = "off"
)

// In reports whether an event counts that comes at that minute of that weekday
// in the customer's own time, as Hours say.
func (m *Moment) In(day time.Weekday, minute int) bool {
	return len(m.Hours) == 0 || m.Hours.Quiet(day, minute)
}

// draft is a moment while it is read, with the nodes of its keys.
type draft struct {
	*Moment
	key  *yaml.Node // its name
	have map[string]*yaml.Node
}

// node returns the value of a key, else the name of the moment.
func (d *draft) node(key string) *yaml.Node {
	if n := d.have[key]; n != nil {
		return n
	}
	return d.key
}

// moment reads one moment and fills in its defaults.
func (r *reader) moment(key, value *yaml.Node, p *Policy) *draft {
	one := Operand{Const: One}
	m := &Moment{Name: key.Value, Per: "customer", Class: p.Class("marketing"), Do: DoMessage,
		Send: key.Value, Mode: Live, Score: Factors{one, one, one, one}}
	d := &draft{Moment: m, key: key}
	names := &guardNames{moments: r.momentNames, channels: r.channelNames, purposes: r.purposeNames}
	d.have = r.fields(value, "moment "+key.Value,
		field{"about", func(v *yaml.Node) { m.About, _ = r.text(v, "about") }},
		field{"when", func(v *yaml.Node) { r.when(v, m) }},
		field{"where", func(v *yaml.Node) { r.where(v, m) }},
		field{"per", func(v *yaml.Node) { m.Per = r.word(v, "per", perWords) }},
		field{"after", func(v *yaml.Node) { m.Due.After = r.duration(v, "after", true) }},
		field{"at", func(v *yaml.Node) { m.Due.At = r.date(v, "at") }},
		field{"until", func(v *yaml.Node) { r.until(v, m) }},
		field{"hours", func(v *yaml.Node) {
			if s, ok := r.span(v, "hours"); ok {
				m.Hours = Spans{s}
			}
		}},
		field{"lines", func(v *yaml.Node) {
			for _, w := range r.words(v, "lines", "word", lineWords) {
				m.Lines = append(m.Lines, LineWord(w))
			}
		}},
		field{"class", func(v *yaml.Node) { m.Class = p.Class(r.word(v, "class", classNames)) }},
		field{"stock", func(v *yaml.Node) {
			m.Stock = StockWord(r.word(v, "stock", []string{"ignore", "sellable", "offer"}))
		}},
		field{"if", func(v *yaml.Node) {
			names.withOffer = m.Stock == StockOffer
			m.If = r.guard(v, names)
		}},
		field{"do", func(v *yaml.Node) { m.Do = r.word(v, "do", []string{DoMessage, DoAudience, DoCase, DoOrder}) }},
		field{"consent", func(v *yaml.Node) { m.Consent = r.purpose(v) }},
		field{"channels", func(v *yaml.Node) { m.Channels = r.channelList(v, "channels") }},
		field{"send", func(v *yaml.Node) { m.Send, _ = r.text(v, "send") }},
		field{"steps", func(v *yaml.Node) { m.Steps = r.steps(v) }},
		field{"code", func(v *yaml.Node) { m.Code = r.code(v) }},
		field{"spend", func(v *yaml.Node) { m.Spend = r.int(v, "spend", 1, 1_000_000_000_000) }},
		field{"expires", func(v *yaml.Node) { m.Expires = r.expiry(v) }},
		field{"again", func(v *yaml.Node) { m.Again = r.duration(v, "again", true) }},
		field{"score", func(v *yaml.Node) { r.factors(v, &m.Score) }},
		field{"tags", func(v *yaml.Node) { m.Tags = r.texts(v, "tags") }},
		field{"mode", func(v *yaml.Node) { m.Mode = r.word(v, "mode", []string{Live, Shadow, Off}) }},
		field{"then", func(*yaml.Node) {}}, // read below: it inherits the rest
	)
	if d.have["stock"] == nil {
		m.Stock = StockIgnore
		if m.Class != nil && m.Class.Name == "marketing" {
			m.Stock = StockSellable
		}
	}
	if d.have["channels"] == nil && m.Class != nil {
		m.Channels = m.Class.Channels
	}
	if v := filled(d.have["then"]); v != nil {
		names.inThen, names.withOffer = true, m.Stock == StockOffer
		r.list(v, "then", func(entry *yaml.Node) { r.then(entry, d, names) })
	}
	if value.Kind == yaml.MappingNode {
		r.checkMoment(d, p)
	}
	return d
}

// when reads an event, a list of events, or one fact.
func (r *reader) when(n *yaml.Node, m *Moment) {
	if n.Kind == yaml.ScalarNode && slices.Contains(factNames, n.Value) {
		m.Fact = Fact(n.Value)
		return
	}
	known := r.eventNames
	if n.Kind == yaml.ScalarNode {
		known = append(slices.Clone(factNames), known...)
	}
	r.oneOrList(n, "when", func(v *yaml.Node) {
		if n.Kind == yaml.SequenceNode && slices.Contains(factNames, v.Value) {
			r.fault(v, "the fact %q stands in a list", v.Value).do("when is one fact or some events; make it a moment of its own")
			return
		}
		m.When = r.distinct(v, "when", m.When, r.word(v, "event", known))
	})
}

// where reads properties of the event, or the interests of a fact.
func (r *reader) where(n *yaml.Node, m *Moment) {
	if m.Fact == "" {
		m.Where = r.properties(n)
		return
	}
	r.fields(n, "where of a fact", field{"interest", func(v *yaml.Node) {
		r.oneOrList(v, "interest", func(c *yaml.Node) {
			m.Interests = r.distinct(c, "interest", m.Interests, r.word(c, "interest", r.interestNames))
		})
	}})
}

func (r *reader) until(n *yaml.Node, m *Moment) {
	known := append(slices.Clone(factNames), r.eventNames...)
	for _, word := range r.words(n, "until", "event", known) {
		if slices.Contains(factNames, word) {
			m.UntilFacts = append(m.UntilFacts, Fact(word))
		} else {
			m.Until = append(m.Until, word)
		}
	}
}

// maxSteps bounds the steps of an audience.
const maxSteps = 8

// steps reads what has to stand on a platform, by the names it knows them by.
func (r *reader) steps(n *yaml.Node) []string {
	list := r.texts(n, "steps")
	for _, s := range list {
		if !namePattern.MatchString(s) {
			r.fault(n, "step %q is not a name", shorten(s)).do("lower case letters, digits and _, such as ad_set")
		}
	}
	if len(list) > maxSteps {
		r.fault(n, "%d steps, at most %d", len(list), maxSteps).do("have one of the platform's own do the rest")
	}
	return list
}

func (r *reader) code(n *yaml.Node) (c Code) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, "code must be a map, not %s", describe(n)).do("write {valid: 3h, units: 200}")
		return c
	}
	have := r.fields(n, "code",
		field{"valid", func(v *yaml.Node) { c.Valid = r.duration(v, "valid", true) }},
		field{"units", func(v *yaml.Node) { c.Units = r.int(v, "units", 1, 1_000_000_000) }},
	)
	for _, key := range []string{"valid", "units"} {
		if have[key] == nil {
			r.fault(n, "code has no %q", key).do("write {valid: 3h, units: 200}")
		}
	}
	return c
}

func (r *reader) factors(n *yaml.Node, f *Factors) {
	factor := func(name string, into *Operand) field {
		return field{name, func(v *yaml.Node) { *into = r.operand(v, name) }}
	}
	have := r.fields(n, "score", factor("propensity", &f.Propensity), factor("context", &f.Context),
		factor("value", &f.Value), factor("lever", &f.Lever))
	if f.Lever.Field == 0 && f.Lever.Const > MaxLever {
		r.warn(have["lever"], "lever %s counts as %s", f.Lever.Const, MaxLever).do("more would win whatever the others are worth")
	}
}

// operand reads a decimal or the name of a number.
func (r *reader) operand(n *yaml.Node, what string) Operand {
	if n.Kind != yaml.ScalarNode || n.Value == "" || strings.ContainsRune("0123456789.+-", rune(n.Value[0])) {
		return Operand{Const: r.micro(n, what)}
	}
	if name, ok := strings.CutPrefix(n.Value, Score.String()+"."); ok && namePattern.MatchString(name) {
		return Operand{Name: n.Value, Field: Score, Key: name}
	}
	var numbers []string
	for f := EventProperties; int(f) < len(fieldTable); f++ {
		switch {
		case f.kind() == intKind || f == CustomerChurn:
			numbers = append(numbers, f.String())
			if f.String() == n.Value {
				return Operand{Name: n.Value, Field: f}
			}
		case f.String() == n.Value:
			r.fault(n, "%s: %s is not a number", what, n.Value).do("write a decimal or the name of a number such as lines.total")
			return Operand{Const: One}
		}
	}
	f := r.fault(n, "%s: %q does not exist", what, shorten(n.Value))
	if f.choose(n.Value, numbers); !strings.HasPrefix(f.Do, "did") {
		f.do("write a decimal or the name of a number such as lines.total")
	}
	return Operand{Const: One}
}

// maxThen bounds the messages that follow one another.
const maxThen = 10

func (r *reader) then(n *yaml.Node, d *draft, names *guardNames) {
	t := Then{Send: d.Send, Channels: d.Channels, If: d.If, Expires: d.Expires, Score: d.Score}
	have := r.fields(n, "then of moment "+d.Name,
		field{"after", func(v *yaml.Node) { t.Due.After = r.duration(v, "after", true) }},
		field{"at", func(v *yaml.Node) { t.Due.At = r.date(v, "at") }},
		field{"send", func(v *yaml.Node) { t.Send, _ = r.text(v, "send") }},
		field{"channels", func(v *yaml.Node) { t.Channels = r.channelList(v, "channels") }},
		field{"if", func(v *yaml.Node) { t.If = r.guard(v, names) }},
		field{"expires", func(v *yaml.Node) { t.Expires = r.expiry(v) }},
		field{"score", func(v *yaml.Node) { r.factors(v, &t.Score) }},
	)
	if n.Kind == yaml.MappingNode {
		r.checkThen(n, d, &t, have)
	}
	if d.Then = append(d.Then, t); len(d.Then) == maxThen+1 {
		r.fault(n, "moment %s has more than %d entries in then", d.Name, maxThen).do("keep the ones that help")
	}
}
