package moments

import (
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Date is a moving date: a date of section 4 of the language and an offset. It
// moves with its data, so a sale that is moved moves its reminders. The zero
// Date is none.
type Date struct {
	Name   string        // such as SaleOpens; "" = no date
	Offset time.Duration // added to it; negative = before
	Lead   int           // how many times item.lead_time is added: -1, 0 or 1
}

// The names of dates.
const (
	OfferEnds        = "offer.ends_at"
	SaleOpens        = "sale.opens_at"
	SaleCloses       = "sale.closes_at"
	ItemRunsOut      = "item.runs_out_at"
	RewardExpires    = "reward.expires_at"
	SubscriptionNext = "subscription.next_at"
	ShipmentPromised = "shipment.promised_at"
	StoreOpens       = "store.opens_at"
	StoreCloses      = "store.closes_at"
	CaseWarn         = "case.warn_at"
	CaseDue          = "case.due_at"
)

// leadTime is the one duration that has a name.
const leadTime = "item.lead_time"

var dateNames = []string{OfferEnds, SaleOpens, SaleCloses, ItemRunsOut, RewardExpires, SubscriptionNext,
	ShipmentPromised, StoreOpens, StoreCloses, CaseWarn, CaseDue}

// dateNeeds holds, by what a date belongs to, the values of `per` that lead to
// it: an event must carry one of them. What is not here is there for everybody.
var dateNeeds = map[string][]string{
	"sale":         {"sale_id", "sku"},
	"item":         {"sku", "family"},
	"reward":       {"reward_id"},
	"subscription": {"subscription_id"},
	"shipment":     {"shipment_id"},
	"case":         {"conversation_id"},
}

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d.Name == "" }

// String writes the date as the file does, "" when there is none.
func (d Date) String() string {
	switch {
	case d.Lead > 0:
		return d.Name + " + " + leadTime
	case d.Lead < 0:
		return d.Name + " - " + leadTime
	case d.Offset > 0:
		return d.Name + " + " + FormatDuration(d.Offset)
	case d.Offset < 0:
		return d.Name + " - " + FormatDuration(-d.Offset)
	}
	return d.Name
}

// Due is when something is due or expires: a time after what came before, or a
// date. Both zero is at once.
type Due struct {
	After time.Duration
	At    Date
}

// String writes it as the file does.
func (d Due) String() string {
	if d.At.IsZero() {
		return FormatDuration(d.After)
	}
	return d.At.String()
}

// date reads NAME, NAME - DURATION or NAME + DURATION.
func (r *reader) date(n *yaml.Node, what string) (d Date) {
	const do = "write a date like sale.opens_at - 1h"
	words := strings.Fields(n.Value)
	if n.Kind != yaml.ScalarNode || len(words) == 0 {
		r.fault(n, "%s must be a date, not %s", what, describe(n)).do(do)
		return d
	}
	if !slices.Contains(dateNames, words[0]) {
		f := r.fault(n, "date %q does not exist", shorten(words[0]))
		f.choose(words[0], dateNames)
		for _, name := range dateNames {
			if rest, ok := strings.CutPrefix(strings.ReplaceAll(n.Value, " ", ""), name); ok && len(rest) > 1 && (rest[0] == '-' || rest[0] == '+') {
				f.do("write it with spaces: %s %c %s", name, rest[0], rest[1:])
			}
		}
		return d
	}
	sign := time.Duration(1)
	switch {
	case len(words) == 1:
		return Date{Name: words[0]}
	case len(words) != 3 || words[1] != "-" && words[1] != "+":
		r.fault(n, "%s must be a date, not %s", what, describe(n)).do(do)
		return d
	case words[1] == "-":
		sign = -1
	}
	if words[2] == leadTime {
		return Date{Name: words[0], Lead: int(sign)}
	}
	offset, err := ParseDuration(words[2])
	if err != nil {
		f := r.fault(n, "%q is not a duration", shorten(words[2]))
		f.do("%v", err)
		if nearest(words[2], []string{leadTime}) != "" {
			f.do("did you mean %q?", leadTime)
		}
		return d
	}
	return Date{Name: words[0], Offset: sign * offset}
}

// expiry reads a duration or a date.
func (r *reader) expiry(n *yaml.Node) Due {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "_") {
		return Due{At: r.date(n, "expires")}
	}
	d, err := ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		r.fault(n, "expires must be a duration or a date, not %s", describe(n)).do("write it like 24h or sale.opens_at - 1h")
		return Due{}
	}
	if d == 0 {
		r.fault(n, "expires must be longer than 0s").do("how long is it of use?")
	}
	return Due{After: d}
}
