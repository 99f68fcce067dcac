package drive

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"onhand/processor/moments"
	"onhand/processor/sim/shop"
)

// PolicyOf tells the oracle what a moments file asks of every decision.
func PolicyOf(f *moments.File, grace time.Duration) shop.Policy {
	p := &f.Policy
	out := shop.Policy{
		Grace: grace, Moments: map[string]shop.MomentPolicy{}, Classes: map[string]shop.ClassPolicy{}, ChannelQuiet: map[string]shop.Quiet{},
		Quiet: quietOf(p.QuietHours), SilenceAfterPurchase: p.SilenceAfterPurchase, OneAtATime: p.OneAtATime,
		Online: p.Stock.Online, Safety: p.Stock.Safety, Overbook: float64(p.Stock.Overbook) / float64(moments.One),
		Settle: p.Stock.Settle, Hold: p.Stock.Hold,
	}
	for _, c := range p.Classes {
		out.Classes[c.Name] = shop.ClassPolicy{Consent: c.Consent, Caps: c.Caps, QuietHours: c.QuietHours, SilenceOnPurchase: c.Name == "marketing"}
	}
	for _, c := range p.Caps {
		if c.Calendar != "" || c.Household {
			continue // the simulated shop's oracle knows no calendar, and no household
		}
		out.Caps = append(out.Caps, shop.Cap{AtMost: c.AtMost, Every: c.Every, Class: c.Class, Channel: c.Channel})
	}
	for _, c := range p.Channels {
		if !slices.Equal(c.QuietHours, p.QuietHours) {
			out.ChannelQuiet[c.Name] = quietOf(c.QuietHours)
		}
	}
	for _, i := range f.Interests {
		if i.Name == requested {
			out.RequestLasts = i.Lasts
		}
	}
	for i := range f.Moments {
		m := &f.Moments[i]
		if m.Mode == moments.Live {
			out.Moments[m.Name] = momentPolicy(m)
		}
	}
	return out
}

// requested is the interest of who asked to be told.
const requested = "requested"

func momentPolicy(m *moments.Moment) shop.MomentPolicy {
	return shop.MomentPolicy{
		Role: roleOf(m), Class: m.Class.Name, Consent: m.Consent, Asked: slices.Equal(m.Interests, []string{requested}),
		Channels: m.Channels, After: m.Due.After, MinTotal: minTotal(m.If), Again: m.Again,
	}
}

// roleOf returns which truths the decisions of a moment are held against.
func roleOf(m *moments.Moment) shop.Role {
	switch {
	case m.Do == moments.DoAudience:
		return shop.Audience
	case m.Fact == moments.Sellable && m.Stock == "offer":
		return shop.Offer
	case m.Per == "cart_id" && slices.Contains(m.When, shop.ProductAdded) && m.Due.After > 0:
		return shop.CartLeft
	case m.Per == "cart_id":
		return shop.CartLines
	}
	return shop.Message
}

var minimum = regexp.MustCompile(`lines\.total\s*>=\s*(\d+)`)

// minTotal finds the least total that a condition asks for. The oracle knows
// of no other condition.
func minTotal(g *moments.Guard) int64 {
	if g == nil {
		return 0
	}
	m := minimum.FindStringSubmatch(g.Text)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func quietOf(spans moments.Spans) shop.Quiet {
	q := shop.Quiet{}
	for _, s := range spans {
		x := shop.Span{From: time.Duration(s.From) * time.Minute, To: time.Duration(s.To) * time.Minute}
		if s.Days != moments.EveryDay {
			for d := time.Sunday; d <= time.Saturday; d++ {
				if s.Days&(1<<d) != 0 {
					x.Days = append(x.Days, d)
				}
			}
		}
		q = append(q, x)
	}
	return q
}
