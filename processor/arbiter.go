package processor

import (
	"slices"
	"time"

	"onhand/processor/moments"
)

// The arbiter: of the marketing that is due to one customer within the
// policy's one_at_a_time, the slot, only the best is said.
//
//	candidate, wanted, available, permitted, timely
//	   |
//	   +-- something was said in this slot ------------> combined, lost_arbitration
//	   +-- a better one is due now: it is decided first, then this one again
//	   +-- a better one asks for a code, or its household: this one waits for
//	   |   the answer
//	   +-- a better one is due later in the slot ------> better_is_coming
//	   +-- a better one is known that needs this one's
//	   |   place under the caps -----------------------> frequency_cap, until after it
//	   v
//	 sent
//
// What is better has the higher score; of what is due at the same instant,
// with the same score the moment that stands first in the file, then the
// occurrence that began first. A rival counts only if the gate would let it
// go: nobody loses to what would not be said.

// maxRivals bounds the rivals one candidate is compared with, in the order in
// which the customer's occurrences are kept.
const maxRivals = 64

// maxAhead bounds the better ones that are decided before one candidate, when
// the first of them turn out not to be sent after all.
const maxAhead = 8

// rival is an occurrence a candidate is compared with.
type rival struct {
	o        *Occurrence
	mo       *moments.Moment
	score    int64
	channels []string // on which it may be told in its time
}

// beats compares two candidates that are due together.
func (r *rival) beats(m *Machine, s *rival) bool {
	switch {
	case r.score != s.score:
		return r.score > s.score
	case r.mo.Name != s.mo.Name:
		all := m.rules.file.Moments
		i := slices.IndexFunc(all, func(x moments.Moment) bool { return x.Name == r.mo.Name || x.Name == s.mo.Name })
		if i < 0 {
			return r.mo.Name < s.mo.Name // of files that were replaced
		}
		return all[i].Name == r.mo.Name
	}
	return r.o.N < s.o.N || r.o.N == s.o.N && r.o.Then < s.o.Then
}

// best is the gate's last question about a candidate: is it the best thing to
// say. Of a release only what holds for every attempt is asked.
func (c *Customer) best(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict, release bool) verdict {
	competes := !release && mo.Do == moments.DoMessage && mo.Class.Arbitration
	said := verdict{outcome: Sent} // whether another message said it in this slot
	if !release {
		v.score, v.factors = score(mo, &env{m: m, c: c, o: o, v: v})
		if !competes && v.factors == nil {
			v.score = 0 // compared with nothing
		}
		if competes {
			said = c.slotTaken(m, mo, o, v)
			if said.outcome == Sent {
				said = c.outdone(m, mo, o, v)
			}
			if said.outcome != Sent && said.reason != Combined {
				return said
			}
		}
		if r := c.rewardWaits(m, mo, o, v); r.outcome != Sent {
			return r
		}
	}
	switch {
	case mo.Class.Holdout && c.heldOut(m):
		return v.refuse(Suppressed, Holdout)
	case mo.Mode == moments.Shadow:
		return v.refuse(Suppressed, Shadow)
	case said.outcome != Sent:
		return said
	case release:
		return *v
	}
	if r := c.rewardSaid(m, mo, o, v); r.outcome != Sent {
		return r
	}
	if mo.Do == moments.DoMessage && mo.Class.Name != "transactional" {
		if k := c.saidAlready(m, o, v); k != nil {
			v.lostTo = k.ID
			return v.refuse(Suppressed, Combined)
		}
	}
	if competes && v.score <= 0 {
		return v.refuse(Suppressed, BelowMinimum)
	}
	return *v
}

// heldOut reports whether the customer is in the control group.
func (c *Customer) heldOut(m *Machine) bool {
	h := m.rules.file.Policy.Holdout
	return h.Percent > 0 && Hash(h.Group+"/"+c.ID)%100 < uint64(h.Percent)
}

// slotTaken refuses a candidate when a message that competed was sent less
// than a slot ago: one that spoke of the same item has said it already.
func (c *Customer) slotTaken(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) verdict {
	p := &m.rules.file.Policy
	for i := len(c.Contacts) - 1; i >= 0; i-- {
		k := &c.Contacts[i]
		if m.shop.Now-k.At >= p.OneAtATime.Milliseconds() || k.own(o) {
			continue
		}
		if class := p.Class(k.Class); class == nil || !class.Arbitration {
			continue
		}
		v.lostTo = k.ID
		switch {
		case !k.speaksOf(v.lines):
			return v.refuse(Suppressed, LostArbitration)
		case mo.Mode == moments.Shadow:
			return v.refuse(Suppressed, Shadow)
		}
		return v.refuse(Suppressed, Combined)
	}
	return *v
}

// saidAlready returns the contact that told the customer of one of the items
// within the policy's one_at_a_time, whatever the class, transactional apart.
func (c *Customer) saidAlready(m *Machine, o *Occurrence, v *verdict) *Contact {
	span := m.rules.file.Policy.OneAtATime.Milliseconds()
	for i := range c.Contacts {
		if k := &c.Contacts[i]; m.shop.Now-k.At < span && k.Class != "transactional" && !k.own(o) && k.speaksOf(v.lines) {
			return k
		}
	}
	return nil
}

func (k *Contact) speaksOf(lines []ActionLine) bool {
	return slices.ContainsFunc(lines, func(l ActionLine) bool { return slices.Contains(k.SKUs, Hash(l.SKU)) })
}

// outdone refuses a candidate for a better one that is known.
func (c *Customer) outdone(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) verdict {
	if len(c.Occurrences) == 0 || len(c.Occurrences) == 1 && c.Occurrences[0].is(o) {
		return *v
	}
	now := m.shop.Now
	span := m.rules.file.Policy.OneAtATime.Milliseconds()
	own := rival{o: o, mo: mo, score: v.score}
	ahead, coming, reserved := own, own, own
	seen := 0
	for i := range c.Occurrences {
		p := &c.Occurrences[i]
		asks := p.State == waitingState
		if p.is(o) || !asks && (p.Due == 0 || p.State != windowState && p.State != deferredState || p.Due >= now+max(span, m.rules.longestCap)) {
			continue
		}
		r := rival{o: p, mo: m.rules.moment(p)}
		if asks {
			due := *p
			due.Due = now // it would be sent now
			r.o = &due
		}
		if !r.competes() || r.mo.Per == "reward_id" && carries(mo) && c.carried(p.Value, now) {
			continue
		}
		if seen++; seen > maxRivals {
			break
		}
		if !c.prospect(m, &r) || r.score < own.score || r.score <= 0 {
			continue
		}
		switch {
		case asks:
			if r.beats(m, &own) {
				v.behind = true
				return v.refuse(Deferred, LostArbitration)
			}
		case p.Due <= now:
			if r.beats(m, &ahead) {
				ahead = r
			}
		case r.score == own.score: // who is due first goes first
		case p.Due < now+span:
			if r.beats(m, &coming) {
				coming = r
			}
		case c.needsPlace(m, &r, mo, v):
			if reserved.o == o || p.before(reserved.o) {
				reserved = r
			}
		}
	}
	for _, r := range [...]*rival{&ahead, &coming, &reserved} {
		if r.o != o {
			v.lostTo = m.decisionID(c, r.o, verdict{outcome: Sent})
			break
		}
	}
	switch {
	case ahead.o != o:
		v.ahead = ahead.o
		return v.refuse(Suppressed, LostArbitration)
	case coming.o != o:
		return v.refuse(Suppressed, BetterIsComing)
	case reserved.o != o:
		until := reserved.o.Due + max(span, 1)
		if o.Expires != 0 && until > o.Expires {
			return v.refuse(Suppressed, FrequencyCap)
		}
		v.until = until
		return v.refuse(Deferred, FrequencyCap)
	}
	return *v
}

// competes reports whether the rival is a message that can win a slot: one
// that only looks, or still needs a unit, cannot.
func (r *rival) competes() bool {
	return r.mo != nil && r.mo.Do == moments.DoMessage && r.mo.Class.Arbitration && r.mo.Mode == moments.Live &&
		(r.mo.Stock != moments.StockOffer || r.o.Then != 0)
}

// prospect asks, as far as that can be known now, whether the gate will let an
// occurrence go when its time comes, on which channels, and what it scores.
func (c *Customer) prospect(m *Machine, r *rival) bool {
	mo, o := r.mo, *r.o
	at := max(o.Due, m.shop.Now)
	switch {
	case !mo.Expires.At.IsZero():
		o.Expires = max(0, c.date(m, mo, mo.Expires.At, &o))
	case o.Expires == 0:
		o.Expires = o.Due + mo.Expires.After.Milliseconds()
	}
	if o.Expires != 0 && at > o.Expires || mo.Again > 0 && c.toldSince(&o, at-mo.Again.Milliseconds()) {
		return false
	}
	v := verdict{outcome: Sent, stockAge: -1}
	channels := c.eligible(m, mo, &o, &v)
	if v.outcome != Sent || mo.Class.Holdout && c.heldOut(m) || c.saidAlready(m, &o, &v) != nil {
		return false
	}
	for _, ch := range channels {
		if c.awake(m, mo, ch, at) && (!mo.Class.Caps || c.capped(m, mo.Class.Name, ch, at, nil) == 0) {
			r.channels = append(r.channels, ch)
		}
	}
	r.score, _ = score(mo, &env{m: m, c: c, o: &o, v: &v})
	return len(r.channels) > 0
}

// awake reports whether a channel may speak to the customer at a time.
func (c *Customer) awake(m *Machine, mo *moments.Moment, channel string, at int64) bool {
	quiet := m.rules.file.Policy.Quiet(mo.Class, channel)
	if len(quiet) == 0 {
		return true
	}
	loc := c.Profile.location(m.shop.Now)
	if loc == nil {
		return false
	}
	local := time.UnixMilli(at).In(loc)
	return !quiet.Quiet(local.Weekday(), local.Hour()*60+local.Minute())
}

// needsPlace reports whether a better rival could not be sent in its time if
// the candidate took a place under the caps now.
func (c *Customer) needsPlace(m *Machine, r *rival, mo *moments.Moment, v *verdict) bool {
	if !mo.Class.Caps || !r.mo.Class.Caps {
		return false
	}
	taken := Contact{At: m.shop.Now, Class: mo.Class.Name, Channel: v.channel}
	return !slices.ContainsFunc(r.channels, func(ch string) bool { return c.capped(m, r.mo.Class.Name, ch, r.o.Due, &taken) == 0 })
}

// arbitrate gates the occurrence at i. A better one that is due as well is
// decided first, so that who loses loses to what was said. It returns where
// the occurrence is then, -1 when it is gone.
func (c *Customer) arbitrate(m *Machine, mo *moments.Moment, i int) (verdict, int) {
	for n := 0; ; n++ {
		o := c.Occurrences[i]
		v := c.gate(m, mo, &c.Occurrences[i], false)
		if v.ahead == nil || m.arbitrating || n == maxAhead {
			return v, i
		}
		m.arbitrating = true
		c.occur(m, c.place(v.ahead))
		m.arbitrating = false
		if i = c.place(&o); i < 0 {
			return v, i
		}
	}
}
