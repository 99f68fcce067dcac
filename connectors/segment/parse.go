package segment

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"onhand/processor"
)

// DefaultMaxSkew is how far ahead of its arrival an event may have happened.
const DefaultMaxSkew = 48 * time.Hour

// TimezoneProperty and TokenProperty are the properties that hold the device's
// time zone and push token, from context.timezone and context.device.token.
const (
	TimezoneProperty = "context.timezone"
	TokenProperty    = "context.device.token"
)

// ConsentProperty is the property that holds the call's
// context.consent.categoryPreferences.
const ConsentProperty = "context.consent.categoryPreferences"

// ProvenanceProperty and ConfidenceProperty are the properties of an identify
// that hold context.provenance, how its traits are known, and how sure the
// sender is; see processor.Provenance.
const (
	ProvenanceProperty = "context.provenance"
	ConfidenceProperty = "context.confidence"
)

// Options are what a call does not say itself.
type Options struct {
	Source   string        // name of the write key's source
	Now      int64         // time of arrival, Unix ms
	Currency string        // ISO 4217 of amounts whose event names none; "" counts two digits
	MaxSkew  time.Duration // how far ahead of Now an event may be, or say it is of; 0 means DefaultMaxSkew
	Type     string        // type of a call that names none: that of its endpoint
	Country  string        // ISO 3166-1 of the shop: that of telephone numbers written as at home; "" = not known
	SentAt   int64         // sentAt of the batch, for a call without its own; Unix ms, 0 = none
	Only     *Kinds        // what the sender may send; nil = everything

	UserAgent  string // of the request, for a call without context.userAgent; a crawler's visits are marked, see processor.ByMachine
	Prefetched bool   // the request says that the page is fetched before anybody wants it: its visits are marked, too
	AddressKey []byte // see PhoneID, EmailID; nil = an address names nobody
}

// Parse appends to dst the events of one call: one, or one per line where a
// call about several items stands for several events (Product Added with
// several contents; a sale to nobody known, which becomes Item Sold per line).
// Texts, Traits and Properties are views into call where they can be, so call
// must not change while the events are used. The error is of type Faults and
// holds every fault found; dst is then returned as it was.
//
// An event without a message id has none here either; see NewMessageID.
func Parse(dst []processor.Event, call []byte, o Options) ([]processor.Event, error) {
	p := parsers.Get().(*Parser)
	dst, err := p.Parse(dst, call, o)
	p.arena, p.faults, p.s.b = nil, nil, nil
	parsers.Put(p)
	return dst, err
}

var parsers = sync.Pool{New: func() any { return new(Parser) }}

// NewMessageID returns a random id for an event that was sent without one.
func NewMessageID() string { return "onhand-" + rand.Text() }

// Parser parses calls with memory it uses again. The zero value is ready. It
// serves one goroutine at a time.
type Parser struct {
	s     scanner
	arena []byte // texts that are not views into the call
	call  call
	o     Options
	agent agent

	props      []prop         // of the call, in order
	at         [fields]uint16 // index in props of a field that is in seen or null
	seen, null fieldSet       // fields with a value; fields that are null or ""
	faults     Faults
}

// call holds the values of the call's own keys.
type call struct {
	typ, event, userID, anonymousID, previousID, messageID value
	timestamp, originalTimestamp, sentAt                   value
	groupID, name, category                                value
	properties, traits                                     value
	context                                                context
}

// context holds what is wanted of a call's context.
type context struct{ consent, timezone, token, phone, email, provenance, confidence, userAgent value }

// prop is one property as sent.
type prop struct {
	field field
	key   []byte // its text
	raw   []byte // key and value as sent
	v     value
}

// Reset gives back the memory of the texts of all calls parsed since the last
// Reset; their events must not be used any more.
func (p *Parser) Reset() {
	if p.arena = p.arena[:0]; cap(p.arena) > keepArena {
		p.arena = nil
	}
}

// keepArena bounds the memory that outlives a Reset.
const keepArena = 1 << 20

// Parse is as the function Parse. The events also hold views into memory of
// the parser, until its Reset.
func (p *Parser) Parse(dst []processor.Event, body []byte, o Options) ([]processor.Event, error) {
	p.o, p.faults, p.call = o, nil, call{}
	p.clearProps()
	n := len(dst)
	switch {
	case len(body) > processor.MaxEventBytes:
		p.fault(TooLarge, "", "%d bytes; at most %d", len(body), processor.MaxEventBytes)
	case !utf8.Valid(body):
		p.fault(Malformed, "", "not UTF-8")
	default:
		p.scan(body)
	}
	if p.faults != nil {
		return dst, p.faults
	}
	dst = grow(dst)
	title := p.normalise(&dst[n])
	if p.faults == nil {
		dst = p.split(dst, n)
	}
	if p.faults != nil {
		title = strings.Clone(title)
		for _, f := range p.faults {
			f.Event = title
		}
		return dst[:n], p.faults
	}
	return dst, nil
}

// scan reads the call's keys and values.
func (p *Parser) scan(body []byte) {
	p.s = scanner{b: body}
	s := &p.s
	s.space()
	if s.i >= len(body) || body[s.i] != '{' {
		p.fault(Malformed, "", "not a JSON object")
		return
	}
	for ok := s.open('}'); ok; ok = s.more('}') {
		var v *value
		switch key := s.key(); string(p.keyText(key)) {
		case "type":
			v = &p.call.typ
		case "event":
			v = &p.call.event
		case "userId":
			v = &p.call.userID
		case "anonymousId":
			v = &p.call.anonymousID
		case "previousId":
			v = &p.call.previousID
		case "messageId":
			v = &p.call.messageID
		case "timestamp":
			v = &p.call.timestamp
		case "originalTimestamp":
			v = &p.call.originalTimestamp
		case "sentAt":
			v = &p.call.sentAt
		case "groupId":
			v = &p.call.groupID
		case "name":
			v = &p.call.name
		case "category":
			v = &p.call.category
		case "traits":
			v = &p.call.traits
		case "properties":
			p.clearProps()
			p.call.properties = p.properties()
			continue
		case "context":
			p.call.context = p.context()
			continue
		default:
			s.value(maxDepth)
			continue
		}
		*v = s.value(maxDepth)
	}
	s.end()
	if s.bad != "" {
		p.faults = nil
		p.fault(Malformed, "", "malformed JSON at byte %d: %s", s.i, s.bad)
	}
}

// properties reads the properties and remembers where each field is.
func (p *Parser) properties() value {
	s := &p.s
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return s.value(maxDepth)
	}
	start := s.i
	for ok := s.open('}'); ok; ok = s.more('}') {
		keyAt := s.i
		key := s.key()
		v := s.value(maxDepth - 1)
		if s.bad != "" {
			return value{}
		}
		text := p.keyText(key)
		f := fieldByName[string(text)]
		if f != fNone {
			p.at[f] = uint16(len(p.props))
			if v.form == formNull || v.form == formText && len(v.raw) == 2 {
				p.null |= 1 << f
				p.seen &^= 1 << f
			} else {
				p.seen |= 1 << f
				p.null &^= 1 << f
			}
		}
		p.props = append(p.props, prop{f, text, s.b[keyAt:s.i], v})
	}
	return value{s.b[start:s.i], formObject}
}

func (p *Parser) clearProps() {
	p.props, p.seen, p.null = p.props[:0], 0, 0
}

// context reads what is wanted of the context: consent.categoryPreferences,
// timezone, device.token, userAgent, the addresses in traits, provenance and
// confidence.
func (p *Parser) context() (c context) {
	p.members(maxDepth, func(key []byte) {
		switch string(key) {
		case "consent":
			c.consent = p.member(maxDepth-1, "categoryPreferences")
		case "device":
			c.token = p.member(maxDepth-1, "token")
		case "timezone":
			c.timezone = p.s.value(maxDepth - 1)
		case "userAgent":
			c.userAgent = p.s.value(maxDepth - 1)
		case "provenance":
			c.provenance = p.s.value(maxDepth - 1)
		case "confidence":
			c.confidence = p.s.value(maxDepth - 1)
		case "traits":
			p.members(maxDepth-1, func(key []byte) {
				phone, email := string(key) == "phone", string(key) == "email"
				switch v := p.s.value(maxDepth - 2); {
				case phone:
					c.phone = v
				case email:
					c.email = v
				}
			})
		default:
			p.s.value(maxDepth - 1)
		}
	})
	return c
}

// members reads an object: do reads the value of each key. What is not an
// object is passed over.
func (p *Parser) members(depth int, do func(key []byte)) {
	s := &p.s
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		s.value(depth)
		return
	}
	for ok := s.open('}'); ok; ok = s.more('}') {
		do(p.keyText(s.key()))
	}
}

// member reads an object and returns the value of one key, the last one sent.
func (p *Parser) member(depth int, name string) (v value) {
	p.members(depth, func(key []byte) {
		same := string(key) == name
		if x := p.s.value(depth - 1); same {
			v = x
		}
	})
	return v
}

// grow appends an empty event, with the arrays of the one that was there.
func grow(dst []processor.Event) []processor.Event {
	n := len(dst)
	if n == cap(dst) {
		return append(dst, processor.Event{})
	}
	dst = dst[:n+1]
	e := &dst[n]
	*e = processor.Event{Products: e.Products[:0], Locations: e.Locations[:0], Tags: e.Tags[:0]}
	return dst
}

// normalise fills e from the call scanned and returns the event's name for
// messages.
func (p *Parser) normalise(e *processor.Event) (title string) {
	e.Source = p.o.Source
	typ := p.must(p.call.typ, "type")
	if typ == "" {
		typ = p.o.Type
	}
	var n name
	foreign := false
	switch typ {
	case "track":
		title = p.must(p.call.event, "event")
		if title == "" && p.faults == nil {
			p.fault(Missing, "event", "required: the name of what happened")
		}
		n, foreign = resolve(title)
	case "identify":
		n.kind = processor.Identify
	case "alias":
		n.kind = processor.Alias
	case "page":
		n.kind = processor.Page
	case "screen":
		n.kind = processor.Screen
	case "group":
		n.kind = processor.Group
	case "":
		p.fault(Missing, "type", "required: track, identify, alias, page, screen or group")
	default:
		p.fault(Invalid, "type", "must be track, identify, alias, page, screen or group")
	}
	if p.faults != nil {
		return title
	}
	if title == "" {
		title = typ
	}
	if p.permitted(n.kind); p.faults != nil {
		return title
	}
	e.Kind, e.Name, e.Pixel = n.kind, n.own, n.pixel
	e.MessageID = p.must(p.call.messageID, "messageId")
	e.UserID = p.must(p.call.userID, "userId")
	e.AnonymousID = p.must(p.call.anonymousID, "anonymousId")
	e.PreviousID = p.must(p.call.previousID, "previousId")
	p.clock(e)
	p.fields(e, n, foreign)
	p.crawled(e)
	p.byAddress(e)
	p.identity(e)
	p.traits(e)
	return title
}

// resolve returns what an event name means; foreign says that it is a name of
// another vocabulary, or one of ours in another spelling.
func resolve(title string) (n name, foreign bool) {
	switch k := processor.KindOf(title); {
	case k >= processor.ProductsSearched && k.OfInlets():
		return name{kind: k}, false
	default:
		if n, ok := names[title]; ok {
			return n, true
		}
		if k, ok := spelled[spelling(title)]; ok {
			return name{kind: k}, true
		}
		return name{own: title}, false
	}
}

// clock sets the times.
func (p *Parser) clock(e *processor.Event) {
	field := "timestamp"
	ms, ok := p.time(p.call.timestamp, field)
	if p.call.timestamp.form == formNone || p.call.timestamp.form == formNull {
		// RudderStack's libraries send the sender's clock under this name.
		field = "originalTimestamp"
		ms, ok = p.time(p.call.originalTimestamp, field)
	}
	if e.Stamp, e.Stamped = ms, ok; !ok {
		e.Stamp, e.At = p.o.Now, p.o.Now
		return
	}
	e.At = e.Stamp
	sent, ok := p.time(p.call.sentAt, "sentAt")
	if !ok {
		sent = p.o.SentAt
	}
	if sent > 0 {
		e.At = max(0, e.At+p.o.Now-sent)
	}
	p.notAhead(e.At, field, "check the sender's clock, or send sentAt with it")
}

// notAhead faults a time that is further ahead than a clock may be.
func (p *Parser) notAhead(at int64, field, advice string) {
	skew := p.o.MaxSkew
	if skew == 0 {
		skew = DefaultMaxSkew
	}
	if at > p.o.Now+skew.Milliseconds() {
		p.fault(Future, field, "is %s, more than %s after it arrived; %s", time.UnixMilli(at).UTC().Format(time.RFC3339), skew, advice)
	}
}

// identity checks that the event names whom it is about.
func (p *Parser) identity(e *processor.Event) {
	sp := &specs[e.Kind]
	switch {
	case e.Kind == processor.Alias || e.Kind == processor.IdentityUnlinked:
		if e.UserID == "" {
			p.fault(Missing, "userId", "required")
		}
		if e.PreviousID == "" {
			p.fault(Missing, "previousId", "required")
		}
	case e.Kind.OfItem(), e.Kind.OfShop(), e.Customer() != "", e.Kind.OfReward(), e.Kind.OfAudience():
	case (e.Kind == processor.OfferClaimed || e.Kind == processor.OfferDeclined) && strings.Contains(e.OfferID, "~"):
	case sp.public:
		if len(e.Products) == 0 && p.faults == nil {
			p.fault(Missing, "properties.products", "required for an order without userId and anonymousId")
		}
	default:
		p.fault(Missing, "userId", "required, or anonymousId")
	}
}

func (p *Parser) traits(e *processor.Event) {
	v := p.call.traits
	if e.Kind != processor.Identify && e.Kind != processor.Group || v.form == formNone || v.form == formNull {
		return
	}
	if v.form != formObject {
		p.fault(Invalid, "traits", "must be an object")
		return
	}
	if len(v.raw) > processor.MaxPropertyBytes {
		p.fault(TooLarge, "traits", "%d bytes; at most %d", len(v.raw), processor.MaxPropertyBytes)
	}
	if !emptyObject(v.raw) {
		e.Traits = v.raw
	}
}

func emptyObject(raw []byte) bool {
	s := scanner{b: raw}
	return !s.open('}')
}
