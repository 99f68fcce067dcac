package processor

import (
	"onhand/processor/moments"
	"slices"
	"time"
)

// verdict is the gate's answer for one candidate.
type verdict struct {
	outcome  Outcome // Sent = it may go
	reason   Reason
	until    int64
	channel  string
	lines    []ActionLine
	total    int64
	dropped  []DroppedLine
	stockAge int64 // ms; -1 = no stock fact was used
	facts    uint64
	priceAt  int64 // of the oldest price told; 0 = none
	asked    bool  // for permission: the steps before it agreed
	score    int64
	factors  []Factor
	cart     string      // the cart that is restored
	lostTo   string      // id of the decision that was better, or said it already
	ahead    *Occurrence // the better one that is due as well; see arbitrate
	behind   bool        // a better one has asked for a code or for a place, and is not answered yet

	open      []string // the channels it may be told on at this hour
	household string   // whose caps it is counted under, or what is had in which refuses
}

// refuse makes v a refusal for a reason.
func (v verdict) refuse(o Outcome, r Reason) verdict {
	v.outcome, v.reason = o, r
	return v
}

// gate asks the five questions about a candidate, on the state of this
// instant: is it wanted, can it be had, may we, is this the time, is it the
// best thing to say. The first step that refuses gives the reason. release
// says that the candidate was decided before and now asks to go.
func (c *Customer) gate(m *Machine, mo *moments.Moment, o *Occurrence, release bool) verdict {
	v := verdict{outcome: Sent, stockAge: -1}
	channels := c.eligible(m, mo, o, &v)
	if v.outcome != Sent {
		return v
	}
	if r := c.timely(m, mo, o, &v, channels, release); r.outcome != Sent {
		return r
	}
	return c.best(m, mo, o, &v, release)
}

// eligible asks the first three questions, which do not depend on the hour. It
// returns the channels on which the customer may be told, or makes v a refusal.
func (c *Customer) eligible(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) []string {
	asked := c.gateLines(m, mo, o, v)
	if v.outcome != Sent && (!asked || v.reason.Step() == StepWanted) {
		return nil
	}
	if mo.If != nil {
		// Without an answer the careful reading is no.
		if ok, err := mo.If.Eval(&env{m: m, c: c, o: o, v: v}); err != nil || !ok {
			*v = v.refuse(Suppressed, GuardFalse)
			return nil
		}
	}
	tagged := Reason("") // the word of permission that is said of every line
	if v.outcome != Sent {
		v.lines, v.total = nil, 0
		if tagged = v.reason; tagged.Step() != StepPermitted {
			return nil
		}
		*v = v.refuse(Sent, "")
	}
	if len(m.shop.Deployment.Stalled) > 0 && mo.Stock != moments.StockIgnore && m.cutOff(v.lines) {
		v.until = m.shop.Now + retryMS
		*v = v.refuse(Deferred, StockStale)
		return nil
	}
	if mo.Stock != moments.StockIgnore && m.behind(StockLevelReported.String()) {
		*v = v.refuse(Suppressed, StockStale)
		return nil
	}
	stale := m.stale(mo)
	if stale == PriceStale {
		*v = v.refuse(Deferred, stale)
		return nil
	}
	v.asked = true
	channels, reason := c.permitted(m, mo, o)
	if tagged != "" && (reason == "" || tagged.Before(reason)) {
		reason = tagged
	}
	if reason == "" && stale == ConsentStale {
		*v = v.refuse(Deferred, stale)
		return nil
	}
	if reason != "" {
		outcome := Suppressed
		if reason == ConsentPending || reason == Crisis || reason == CaseOpen {
			outcome = Deferred
		}
		*v = v.refuse(outcome, reason)
	}
	return channels
}

// permitted returns the channels of a moment on which the customer may be told
// and can be reached, or the reason there is none, and then what stands in the
// way of all of them.
func (c *Customer) permitted(m *Machine, mo *moments.Moment, o *Occurrence) ([]string, Reason) {
	scope := o.Value
	var ok []string
	var refused Reason
	for _, ch := range mo.Channels {
		r := Reason("")
		if p := m.rules.file.Policy.Consent(mo.Class, ch); p != "" && p != "none" {
			r = c.Profile.permits(ch, p, scope)
		}
		if r == "" && mo.Consent != "" {
			r = c.Profile.permits(ch, mo.Consent, scope)
		}
		if r == "" && ch == adsChannel {
			r = c.Profile.advertised()
		}
		if r == "" {
			r = c.Profile.reachable(c, ch)
		}
		if r != "" {
			refused = stronger(refused, r)
			continue
		}
		ok = append(ok, ch)
	}
	s := &m.shop
	stopped := func(t string) bool { return slices.Contains(s.Tags, t) }
	switch {
	case len(ok) == 0 && refused == "":
		return nil, NoConsent
	case len(ok) == 0:
		return nil, refused
	case s.Stopped || slices.ContainsFunc(mo.Tags, stopped):
		return nil, Stopped
	case mo.Class.Crisis && slices.ContainsFunc(s.Crises, func(t string) bool { return t == "" || slices.Contains(mo.Tags, t) }):
		return nil, Crisis
	case mo.Class.Name == "marketing" && c.caseOpen(m):
		return nil, CaseOpen
	case c.elsewhere(mo.Class.Name):
		return nil, OwnedElsewhere
	}
	return ok, ""
}

// stronger picks of what refuses two channels the reason that says most: a
// pending consent may still come, a withdrawn one was once there, and who
// granted one was not never asked.
func stronger(a, b Reason) Reason {
	if a == "" || slices.Index(strength, b) > slices.Index(strength, a) {
		return b
	}
	return a
}

var strength = []Reason{NoConsent, NoAddress, AddressBlocked, ConsentWithdrawn, ConsentPending}

// timely asks whether this is the time, and picks the channel.
func (c *Customer) timely(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict, channels []string, release bool) verdict {
	now := m.shop.Now
	p := &m.rules.file.Policy
	if o.Expires != 0 && now > o.Expires {
		return v.refuse(Expired, ExpiredReason)
	}
	if r := c.rewardTimely(m, mo, o, v); r.outcome != Sent {
		return r
	}
	if mo.Do == moments.DoAudience {
		if c.crowded(o) && !release {
			return v.refuse(Deferred, NoChannelInTime)
		}
		v.channel = channels[0]
		return *v
	}
	if mo.Expires.At.Name == moments.OfferEnds && release && o.Expires != 0 { // something is held
		if in := c.interest(o.Value); in == nil || in.Offer != o.Offer || in.OfferUntil <= now {
			return v.refuse(Expired, OfferEnded)
		}
	}
	loc := c.Profile.location(m.shop.Now)
	var soonest int64
	unknownZone := false
	var open []string
	for _, ch := range channels {
		quiet := p.Quiet(mo.Class, ch)
		if len(quiet) == 0 {
			open = append(open, ch)
			continue
		}
		if loc == nil {
			unknownZone = true
			continue
		}
		local := time.UnixMilli(now).In(loc)
		end := quiet.End(local)
		switch {
		case end.IsZero():
		case !end.After(local):
			open = append(open, ch)
		default:
			if t := end.UnixMilli(); soonest == 0 || t < soonest {
				soonest = t
			}
		}
	}
	if len(open) == 0 {
		switch {
		case soonest != 0 && o.Expires != 0 && soonest > o.Expires:
			return v.refuse(Expired, ExpiredReason)
		case soonest != 0:
			r := v.refuse(Deferred, QuietHours)
			r.until = soonest
			return r
		case unknownZone:
			return v.refuse(Suppressed, TimezoneUnknown)
		}
		return v.refuse(Suppressed, QuietHours)
	}
	if mo.Class.Caps && !release {
		var free []string
		var until int64
		for _, ch := range open {
			if t := c.capped(m, mo.Class.Name, ch, now, nil); t == 0 {
				free = append(free, ch)
			} else if until == 0 || t < until {
				until = t
			}
		}
		if len(free) == 0 {
			if mo.Do == moments.DoMessage && mo.Class.Arbitration {
				// Who comes too late for the slot loses it, and waits for no other.
				r := c.rewardSaid(m, mo, o, v)
				if r.outcome == Sent {
					r = c.slotTaken(m, mo, o, v)
				}
				if r.outcome != Sent {
					r.score, r.factors = score(mo, &env{m: m, c: c, o: o, v: v})
					return r
				}
			}
			if o.Expires != 0 && until > o.Expires {
				return v.refuse(Suppressed, FrequencyCap)
			}
			r := v.refuse(Deferred, FrequencyCap)
			r.until = until
			return r
		}
		open = free
	}
	if mo.Again > 0 && !release && c.toldSince(o, now-mo.Again.Milliseconds()) {
		return v.refuse(Suppressed, TooSoon)
	}
	if dependsOnOrders(mo) && m.behind(OrderCompleted.String()) || m.endUnheard(mo) {
		return v.refuse(Deferred, OrderSourceStale)
	}
	if window := mo.Due.After.Milliseconds() + mo.Expires.After.Milliseconds(); window > 0 && mo.Expires.At.IsZero() && mo.Due.At.IsZero() &&
		mo.Fact == "" && o.Then == 0 && o.Position != 0 && now-o.At > window+clockGraceMS && !release {
		return v.refuse(Suppressed, LateEvent)
	}
	if o.Expires != 0 && !release {
		if open = m.inTime(open, o.Expires); len(open) == 0 {
			return v.refuse(Expired, NoChannelInTime)
		}
	}
	if !release && c.crowded(o) {
		r := v.refuse(Deferred, NoChannelInTime)
		if r.until = now + retryMS; o.Expires != 0 && r.until > o.Expires {
			r.outcome, r.until = Expired, 0
		}
		return r
	}
	v.channel = open[0]
	if slices.Contains(open, c.Profile.Prefers.Value) && (m.shop.heldUntil(c.Profile.Prefers.Value) == 0 || m.shop.heldUntil(open[0]) != 0) {
		v.channel = c.Profile.Prefers.Value
	}
	if v.open = open; slices.Contains(open, o.more().Reserved) {
		v.channel = o.more().Reserved
	}
	return *v
}

// inTime returns the channels that can hand something over before a time, those
// that take it now first.
func (m *Machine) inTime(channels []string, expires int64) []string {
	late := func(ch string) bool {
		p := m.rules.file.Policy.Channel(ch)
		return p != nil && max(m.shop.Now, m.shop.heldUntil(ch))+p.HandOver.Milliseconds() > expires
	}
	if slices.ContainsFunc(channels, late) {
		channels = slices.DeleteFunc(slices.Clone(channels), late)
	}
	if len(m.shop.Held) == 0 {
		return channels
	}
	channels = slices.Clone(channels)
	held := func(ch string) bool { return m.shop.heldUntil(ch) != 0 }
	slices.SortStableFunc(channels, func(a, b string) int {
		switch {
		case held(a) == held(b):
			return 0
		case held(b):
			return -1
		}
		return 1
	})
	return channels
}

// retryMS is how soon what nobody says the end of is looked at again.
const retryMS = 10 * 60_000

// dependsOnOrders reports whether a moment would be wrong if an order were
// still on its way here.
func dependsOnOrders(mo *moments.Moment) bool {
	return slices.Contains(mo.Lines, moments.LineUnbought) || mo.Class.Name == "marketing"
}
