package shop

import (
	"slices"
	"time"
	_ "time/tzdata" // zones are judged the same on every machine
)

// Policy is what the moments file in force asks of every decision, as plain
// values; the caller fills it from that file.
type Policy struct {
	// Grace is how long a fact may travel, and how exactly two clocks agree.
	// Within it the oracle does not care. Default 500 ms; as long as an event
	// took from being sent to being accepted, when one took longer.
	Grace time.Duration

	Moments map[string]MomentPolicy // by name; decisions of others are counted, not judged
	Classes map[string]ClassPolicy  // by name
	Caps    []Cap

	Quiet                Quiet            // policy.quiet_hours
	ChannelQuiet         map[string]Quiet // channels with quiet hours of their own
	SilenceAfterPurchase time.Duration
	OneAtATime           time.Duration

	Online   []string         // locations that serve the web shop; empty = all
	Safety   int64            // units never promised
	Safeties map[string]int64 // by SKU, where it differs
	Overbook float64          // default 1
	Settle   time.Duration    // how long a level must hold to count as back
	Hold     time.Duration    // of an offer whose action does not say until when
	// RequestLasts is how long a request to be told stands. Default 90 days.
	RequestLasts time.Duration
}

// Role says what a moment is about, and so which truths it is held against.
type Role uint8

// The roles of moments.
const (
	Message   Role = iota // consent, quiet hours, caps and expiry only
	CartLines             // what it names must stand in the cart (payment_failed)
	CartLeft              // a reminder of a cart left alone (cart_abandoned)
	Offer                 // a unit kept for somebody who waits (back_in_stock, cart_restored)
	Audience              // a membership kept true (retarget_ads)
)

// MomentPolicy is what one moment must respect.
type MomentPolicy struct {
	Role     Role
	Class    string
	Consent  string        // purpose in addition to the class's; for Offer, one that asking grants
	Asked    bool          // Offer: only for who asked to be told (interest requested)
	Channels []string      // in order of preference
	After    time.Duration // CartLeft: quiet before the cart counts as left
	MinTotal int64         // CartLeft: of the lines, minor units
	Again    time.Duration // not again to one customer within this
}

// ClassPolicy is what the messages of a class must respect. Consent is a
// purpose, "" for none.
type ClassPolicy struct {
	Consent           string
	Caps, QuietHours  bool
	SilenceOnPurchase bool // marketing: silent about what was just bought
}

// Cap bounds what is sent to one customer in a sliding window, to a class and,
// when Channel is not "", on that channel.
type Cap struct {
	AtMost  int
	Every   time.Duration
	Class   string
	Channel string
}

// Quiet is a set of spans of the customer's day in which nothing is sent.
type Quiet []Span

// Span is a part of the day, from From to To since midnight; it may cross
// midnight. Days names the weekdays it begins on, all when empty.
type Span struct {
	Days     []time.Weekday
	From, To time.Duration
}

// DefaultPolicy returns the policy of the shipped moments file.
func DefaultPolicy() Policy {
	h := time.Hour
	return Policy{
		Grace: 500 * time.Millisecond,
		Moments: map[string]MomentPolicy{
			"cart_abandoned": {Role: CartLeft, Class: "marketing", Channels: []string{channelPush, channelEmail}, After: 45 * time.Minute, MinTotal: 1500, Again: 72 * h},
			"back_in_stock":  {Role: Offer, Class: "service", Consent: "stock_alert", Asked: true, Channels: []string{channelPush, "whatsapp", channelSMS, channelEmail}},
			"cart_restored":  {Role: Offer, Class: "marketing", Channels: []string{channelPush, channelEmail}},
			"retarget_ads":   {Role: Audience, Class: "marketing", Channels: []string{channelAds}},
			"payment_failed": {Role: CartLines, Class: "service", Channels: []string{channelPush, channelSMS, channelEmail}},
		},
		Classes: map[string]ClassPolicy{
			"transactional": {},
			"service":       {QuietHours: true},
			"marketing":     {Consent: purposeMarketing, Caps: true, QuietHours: true, SilenceOnPurchase: true},
		},
		Caps: []Cap{
			{AtMost: 1, Every: 20 * h, Class: "marketing"},
			{AtMost: 3, Every: 7 * 24 * h, Class: "marketing"},
			{AtMost: 2, Every: 30 * 24 * h, Class: "marketing", Channel: channelSMS},
		},
		Quiet: Quiet{{From: 21 * h, To: 8 * h}},
		ChannelQuiet: map[string]Quiet{
			channelSMS: {{From: 20 * h, To: 10 * h}, {Days: []time.Weekday{time.Sunday}, To: 24 * h}},
			"onsite":   {}, channelAds: {},
		},
		SilenceAfterPurchase: 14 * 24 * h,
		OneAtATime:           2 * h,
		Online:               []string{"lyon-dc", "lille-dc"},
		Safety:               1,
		Settle:               3 * time.Second,
		Hold:                 30 * time.Minute,
	}
}

func (p Policy) withDefaults() Policy {
	if p.Grace <= 0 {
		p.Grace = 500 * time.Millisecond
	}
	if p.RequestLasts <= 0 {
		p.RequestLasts = 90 * 24 * time.Hour
	}
	if p.Overbook <= 0 {
		p.Overbook = 1
	}
	return p
}

func (p *Policy) online(location string) bool {
	if slices.Contains(p.Online, location) {
		return true
	}
	return len(p.Online) == 0
}

func (p *Policy) safety(sku string) int64 {
	if n, ok := p.Safeties[sku]; ok {
		return n
	}
	return p.Safety
}

// quietOn returns the quiet hours of a class on a channel.
func (p *Policy) quietOn(class, channel string) Quiet {
	if !p.Classes[class].QuietHours {
		return nil
	}
	if q, ok := p.ChannelQuiet[channel]; ok {
		return q
	}
	return p.Quiet
}

// at reports whether an instant is quiet in a zone.
func (q Quiet) at(t time.Time, zone *time.Location) bool {
	t = t.In(zone)
	day := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	for _, s := range q {
		begins := func(d time.Weekday) bool {
			if slices.Contains(s.Days, d) {
				return true
			}
			return len(s.Days) == 0
		}
		today, before := t.Weekday(), (t.Weekday()+6)%7
		switch {
		case s.From <= s.To && day >= s.From && day < s.To && begins(today),
			s.From > s.To && day >= s.From && begins(today),
			s.From > s.To && day < s.To && begins(before):
			return true
		}
	}
	return false
}

// throughout and never ask the same of a span from a to b. throughout is for
// spans far shorter than any quiet hours: their two ends decide.
func (q Quiet) throughout(a, b time.Time, zone *time.Location) bool {
	return q.at(a, zone) && q.at(b, zone)
}

func (q Quiet) never(a, b time.Time, zone *time.Location) bool {
	for t := a; t.Before(b); t = t.Add(5 * time.Minute) {
		if q.at(t, zone) {
			return false
		}
	}
	return !q.at(b, zone)
}

var zoneCache = map[string]*time.Location{}

func init() {
	for _, z := range zones {
		if l, err := time.LoadLocation(z); err == nil && z != "" {
			zoneCache[z] = l
		}
	}
}

// zoneOf returns the location of a zone's name, nil when there is none.
func zoneOf(name string) *time.Location {
	if name == "" {
		return nil
	}
	if l, ok := zoneCache[name]; ok {
		return l
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return l
}
