package processor

import (
	"slices"

	"onhand/processor/moments"
)

// A decision relies on no word older than its source may be. What has not
// changed for long is not old: a source is behind when it has reported itself
// complete only up to a time longer ago than the file's late_after. So what is
// asked is not how old a price is, but whether a newer one may be on its way.
//
//	Source Reported, carries: [Stock Level Reported] -> stock_stale
//	                 carries: [Price Changed]        -> price_stale
//	                 carries: [Consent Changed]      -> consent_stale
//	                 carries: [Order Completed], what is in until -> order_source_stale
//
// How old each word was is in the decision's evidence.

// feeds is what a moment must have heard of before it may speak, besides
// stock and orders.
type feeds struct {
	price, consent bool
	ends           []string // events that end it, or stand against it
}

// asksFeeds notes what a moment asks of the sources of the file. Audiences are
// states: they end with the word that ends them, whenever it comes.
func (r *rules) asksFeeds(mo *moments.Moment) {
	if mo.Do == moments.DoAudience {
		return
	}
	carried := func(kinds ...Kind) bool {
		return slices.ContainsFunc(kinds, func(k Kind) bool { return r.carried(k.String()) })
	}
	var f feeds
	f.price = carried(PriceChanged) && (mo.Fact == moments.PriceDown || mo.Fact == moments.PriceUp || asks(mo, "item.price") ||
		slices.Contains(mo.UntilFacts, moments.PriceUp) || slices.Contains(mo.UntilFacts, moments.PriceDown))
	f.consent = carried(ConsentChanged) && (mo.Consent != "" || slices.ContainsFunc(mo.Channels, func(ch string) bool {
		p := r.file.Policy.Consent(mo.Class, ch)
		return p != "" && p != "none"
	}))
	if mo.Class.Name != "transactional" {
		f.ends = slices.DeleteFunc(slices.Clone(mo.Until), func(name string) bool { return !r.carried(name) })
		if slices.Contains(mo.Lines, moments.LineUnsubscribed) && carried(SubscriptionStarted) {
			f.ends = append(f.ends, SubscriptionStarted.String())
		}
	}
	if !f.price && !f.consent && len(f.ends) == 0 {
		return
	}
	if r.feeds == nil {
		r.feeds = map[string]feeds{}
	}
	r.feeds[mo.Name] = f
}

// carried reports whether a source of the file carries an event.
func (r *rules) carried(event string) bool {
	return slices.ContainsFunc(r.file.Policy.Sources, func(s moments.Source) bool { return slices.Contains(s.Carries, event) })
}

// stale returns PriceStale or ConsentStale when a moment relies on a source
// that is behind.
func (m *Machine) stale(mo *moments.Moment) Reason {
	if m.rules.feeds == nil {
		return ""
	}
	switch f := m.rules.feeds[mo.Name]; {
	case f.price && m.behind(PriceChanged.String()):
		return PriceStale
	case f.consent && m.behind(ConsentChanged.String()):
		return ConsentStale
	}
	return ""
}

// endUnheard reports whether what would have ended a moment may still be on
// its way.
func (m *Machine) endUnheard(mo *moments.Moment) bool {
	return m.rules.feeds != nil && slices.ContainsFunc(m.rules.feeds[mo.Name].ends, m.behind)
}

// consentAt returns when the oldest word was said of those on which the gate
// let a message go, or did not; 0 = it did not ask for any.
func (c *Customer) consentAt(m *Machine, mo *moments.Moment, o *Occurrence, v *verdict) (at int64) {
	if !v.asked || mo == nil {
		return 0
	}
	refused := Reason("")
	if v.reason.Step() == StepPermitted && v.reason != ConsentStale {
		refused = v.reason
	}
	for _, ch := range mo.Channels {
		if v.channel != "" && ch != v.channel {
			continue
		}
		for _, purpose := range [...]string{m.rules.file.Policy.Consent(mo.Class, ch), mo.Consent} {
			if purpose == "" || purpose == "none" {
				continue
			}
			if r, word := c.Profile.word(ch, purpose, o.Value); word != nil && r == refused {
				at = earliest(at, word.At)
			}
		}
	}
	return at
}

// age returns how long ago something was said; -1 when nothing was. What a
// sender dates ahead is of now.
func age(at, now int64) int64 {
	if at == 0 {
		return -1
	}
	return max(0, now-at)
}
