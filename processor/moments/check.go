package moments

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// guard compiles a condition.
func (r *reader) guard(n *yaml.Node, names *guardNames) *Guard {
	text, ok := r.text(n, "if")
	if !ok {
		return nil
	}
	guard, problems := compile(text, names)
	for _, p := range problems {
		line, col := r.inside(n, p.line, p.col)
		r.at(line, col, "if: %s", p.fault.What).Do = p.fault.Do
	}
	return guard
}

// inside returns where in the file a place in a scalar stands: its line from 1
// and column from 0 in the value. Where the value was folded or escaped, it is
// the begin of the scalar.
func (r *reader) inside(n *yaml.Node, line, col int) (int, int) {
	if n.Line > len(r.lines) {
		return n.Line, n.Column
	}
	if n.Style&yaml.LiteralStyle != 0 {
		for _, first := range r.lines[n.Line:] {
			if text := strings.TrimLeft(first, " "); text != "" {
				return n.Line + line, len(first) - len(text) + col + 1
			}
		}
	}
	start := n.Column - 1
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		start++
	}
	if source := []rune(r.lines[n.Line-1]); line == 1 && start <= len(source) && strings.HasPrefix(string(source[start:]), n.Value) {
		return n.Line, start + col + 1
	}
	return n.Line, n.Column
}

// checkMoment checks what no single key shows.
func (r *reader) checkMoment(d *draft, p *Policy) {
	if d.have["after"] != nil && d.have["at"] != nil {
		r.fault(d.key, `moment %s has both "after" and "at"`, d.Name).do("keep one")
	}
	if d.have["when"] == nil {
		r.fault(d.key, `moment %s has no "when"`, d.Name).do("what starts it?")
	}
	if d.have["expires"] == nil {
		r.fault(d.key, `moment %s has no "expires"`, d.Name).do("when is it of no use any more?")
	}
	if d.Stock == StockOffer && d.Fact != Sellable {
		r.fault(d.node("stock"), "stock: offer without when: sellable").
			do("only an item that becomes sellable offers units; write stock: sellable")
	}
	if d.Do == DoAudience && d.have["then"] != nil {
		r.fault(d.node("then"), "an audience has no then").do("it is a state, held until it ends; make the message a moment of its own")
	}
	if slices.Contains(d.Lines, LineAccessories) && (d.Per != "sku" || d.Do != DoMessage || d.Stock == StockOffer) {
		r.fault(d.node("lines"), "accessories speak of what goes with one item").do("write per: sku, and a message without stock: offer")
	}
	if d.Do != DoAudience && d.have["steps"] != nil {
		r.fault(d.node("steps"), "only an audience has steps").do("they stand on the platform while somebody is in; take them out, or write do: audience")
	}
	if d.Do != DoMessage && d.Do != "" && d.have["channels"] == nil {
		example := map[string]string{DoAudience: "ads", DoCase: "desk", DoOrder: "orders"}[d.Do]
		r.fault(d.node("do"), `do: %s needs "channels"`, d.Do).do("name who does it, for example channels: [%s]", example)
	}
	if late := func(ch string) bool { c := p.Channel(ch); return c != nil && c.HandOver > d.Expires.After }; d.Expires.At.IsZero() &&
		d.Expires.After > 0 && d.Do != DoAudience && len(d.Channels) > 0 && !slices.ContainsFunc(d.Channels, func(ch string) bool { return !late(ch) }) {
		r.warn(d.node("expires"), "moment %s expires before any of its channels promises to hand over", d.Name).
			do("nothing could be sent; let it expire later, add a quicker channel, or see hand_over of its channels")
	}
	r.checkCarried(d)
	r.checkDate(d.node("at"), d, d.Due.At)
	r.checkDate(d.node("expires"), d, d.Expires.At)
	r.checkOrder(d.node("expires"), d.Due.At, d.Expires.At)
	r.checkHours(d, p)
	r.checkStores(d, p)
	r.checkSend(d, d.node("send"), d.node("channels"), d.Send, d.Channels)
}

// checkCarried checks that the events carry what there is one occurrence for.
func (r *reader) checkCarried(d *draft) {
	if d.Per == "" {
		return
	}
	at := d.have["per"]
	if at == nil {
		at = d.node("when")
	}
	for _, event := range d.When {
		if !r.vocabulary.carries(event, d.Per) {
			f := r.fault(at, "per: %s, but %q carries no %s", d.Per, event, d.Per)
			if have := r.vocabulary.Events[event]; len(have) == 0 {
				f.do("it is about no customer; choose another event")
			} else if d.have["per"] == nil {
				f.do("say what it is for: one of %s", strings.Join(r.vocabulary.Events[event], ", "))
			}
		}
	}
	if d.Fact != "" && !slices.Contains(factCarries, d.Per) {
		r.fault(at, "per: %s, but the fact %q carries no %s", d.Per, d.Fact, d.Per).do("one of %s", strings.Join(factCarries, ", "))
	}
	if slices.Contains(d.When, MessageCorrected) && d.Class != nil && d.Class.Name == "transactional" {
		r.fault(d.node("class"), "an apology cannot be transactional").do("write class: service, or leave it out; it goes through the whole gate")
	}
	var until []*yaml.Node
	if n := d.have["until"]; n != nil {
		until = n.Content
	}
	for _, n := range until {
		if n.Value == MessageCorrected {
			r.fault(n, "until: %q ends nothing", n.Value).do("remove it; what follows a message ends with its correction anyway")
			continue
		}
		isFact := slices.Contains(d.UntilFacts, Fact(n.Value))
		if isFact && !slices.Contains(factCarries, d.Per) || !isFact && !r.vocabulary.carries(n.Value, d.Per) {
			r.fault(n, "until: %q carries no %s and can end nothing", n.Value, d.Per).do("remove it, or choose another per")
		}
	}
}

// checkDate checks that what starts the moment leads to what has the date.
func (r *reader) checkDate(n *yaml.Node, d *draft, date Date) {
	if date.IsZero() {
		return
	}
	if date.Name == OfferEnds && d.Stock != StockOffer {
		r.fault(n, "there is no %s without stock: offer", date.Name).do("add it, or use another date")
		return
	}
	owner, _, _ := strings.Cut(date.Name, ".")
	r.checkReaches(n, d, date.Name, dateNeeds[owner])
	if date.Lead != 0 {
		r.checkReaches(n, d, leadTime, dateNeeds["item"])
	}
}

func (r *reader) checkReaches(n *yaml.Node, d *draft, name string, needs []string) {
	if len(needs) == 0 || d.Fact != "" && slices.ContainsFunc(needs, func(per string) bool { return slices.Contains(factCarries, per) }) {
		return
	}
	for _, event := range d.When {
		if slices.Contains(needs, d.Per) && !r.vocabulary.carries(event, d.Per) {
			continue // said of per already
		}
		if !slices.ContainsFunc(needs, func(per string) bool { return r.vocabulary.carries(event, per) }) {
			r.fault(n, "%s, but %q carries no %s", name, event, strings.Join(needs, " or ")).do("choose a date that goes with the event")
			return
		}
	}
	if d.Fact != "" {
		r.fault(n, "%s, but the fact %q carries no %s", name, d.Fact, strings.Join(needs, " or ")).do("choose a date that goes with an item")
	}
}

// checkOrder warns of an end that is not after the begin.
func (r *reader) checkOrder(n *yaml.Node, due, expires Date) {
	if !due.IsZero() && due.Name == expires.Name && due.Lead == expires.Lead && expires.Offset <= due.Offset {
		r.warn(n, "it expires (%s) before it is due (%s)", expires, due).do("let it expire later")
	}
}

// checkHours warns of hours in which nothing can be sent.
func (r *reader) checkHours(d *draft, p *Policy) {
	if len(d.Hours) == 0 || !d.Due.At.IsZero() || d.Class == nil || d.Do == DoAudience || len(d.Channels) == 0 {
		return
	}
	shift := int(d.Due.After / time.Minute)
	soonest := weekMinutes // until the first channel may send, at best
	for m := range weekMinutes {
		if !d.Hours.Quiet(time.Weekday(m/dayMinutes), m%dayMinutes) {
			continue
		}
		for _, channel := range d.Channels {
			wait := p.Quiet(d.Class, channel).quietMinutes((m + shift) % weekMinutes)
			if wait == 0 {
				return
			}
			if wait > 0 {
				soonest = min(soonest, wait)
			}
		}
	}
	if end := time.Duration(soonest) * time.Minute; d.Expires.At.IsZero() && d.Expires.After > 0 && d.Expires.After <= end {
		r.warn(d.node("expires"), "moment %s expires before quiet hours could ever end", d.Name).
			do("they last %s more at least; let it expire later, or choose other hours", FormatDuration(end))
		return
	}
	r.warn(d.node("hours"), "hours %s lie wholly inside quiet hours", d.Hours).
		do("each message waits for their end; add \"at\", or choose other hours")
}

// checkSend checks that there is a text for each channel, and the channel.
func (r *reader) checkSend(d *draft, send, channels *yaml.Node, template string, names []string) {
	for i, channel := range names {
		if r.vocabulary.Templates != nil && d.Do == DoMessage && !slices.Contains(r.vocabulary.Templates, template+"."+channel) {
			r.fault(send, "template %q does not exist", template+"."+channel).choose(template+"."+channel, r.vocabulary.Templates)
		}
		if r.vocabulary.Connectors != nil && !slices.Contains(r.vocabulary.Connectors, channel) {
			at := channels
			if len(channels.Content) == len(names) {
				at = channels.Content[i]
			}
			r.warn(at, "channel %q has no connector configured", channel).do("configure one, or moment %s does without it", d.Name)
		}
	}
}

func (r *reader) checkThen(n *yaml.Node, d *draft, t *Then, have map[string]*yaml.Node) {
	node := func(key string) *yaml.Node {
		if have[key] != nil {
			return have[key]
		}
		return n
	}
	switch {
	case have["after"] != nil && have["at"] != nil:
		r.fault(n, `then of moment %s has both "after" and "at"`, d.Name).do("keep one")
	case have["after"] == nil && have["at"] == nil:
		r.fault(n, `then of moment %s has neither "after" nor "at"`, d.Name).do("when is it due?")
	}
	r.checkDate(node("at"), d, t.Due.At)
	if have["expires"] != nil {
		r.checkDate(have["expires"], d, t.Expires.At)
	}
	r.checkOrder(node("expires"), t.Due.At, t.Expires.At)
	if have["send"] != nil || have["channels"] != nil {
		r.checkSend(d, node("send"), node("channels"), t.Send, t.Channels)
	}
}

// checkTogether warns of moments that nothing tells apart.
func (r *reader) checkTogether(all []*draft) {
	first := map[string]*draft{}
	for _, d := range all {
		if d.Mode == Off || len(d.When) == 0 && d.Fact == "" {
			continue
		}
		situation := d.situation()
		if other := first[situation]; other != nil {
			r.warn(d.key, "moments %s and %s have the same situation and will compete", other.Name, d.Name).
				do("tell them apart with where, hours or at, or make them one")
			continue
		}
		first[situation] = d
	}
}

// situation is everything that tells moments apart, as written: it may be at
// fault.
func (d *draft) situation() string {
	class := ""
	if d.Class != nil {
		class = d.Class.Name
	}
	return fmt.Sprintf("%s %s %q %s %s %q %s %s %s", d.Do, class, sortedCopy(d.When), d.Fact, d.Per, sortedCopy(d.Lines),
		flow(d.have["where"]), flow(d.have["hours"]), flow(d.have["at"]))
}

func sortedCopy[T ~string](list []T) []T { return slices.Sorted(slices.Values(list)) }
