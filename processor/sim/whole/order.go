package whole

import (
	"slices"

	"onhand/processor"
)

// marketing are the moments of the file that speak by mail or push with
// permission for marketing alone.
var marketing = []string{"cart_abandoned", "cart_restored", "price_drop", "replenishment", "reward_reminder"}

// afterConsent are words of the gate that are said only when consent is there:
// later ones of its step, and those of later steps.
var afterConsent = []processor.Reason{
	processor.Crisis, processor.CaseOpen, processor.OwnedElsewhere, processor.QuietHours, processor.FrequencyCap, processor.TooSoon,
	processor.OrderSourceStale, processor.LostArbitration, processor.BetterIsComing, processor.Holdout, processor.Shadow, processor.Combined,
}

// refusal reports whether a decision is one of which inOrder has an opinion.
func refusal(d *Told) bool {
	return d.Moment == sizeAdvice && d.Reason == processor.GuardFalse || d.Moment == "sale_open" && d.Reason == processor.OutOfStock || d.Outcome != processor.Sent && d.Outcome != processor.Retracted && slices.Contains(marketing, d.Moment) && slices.Contains(afterConsent, d.Reason)
}

// inOrder: the earliest no is the one on record, so who never permitted
// marketing, or does not any more, is not told to be asleep or told enough.
func (o *oracle) inOrder(d *Told) {
	if d.Moment == sizeAdvice {
		o.advised(d)
		return
	}
	if d.Moment == "sale_open" {
		o.refusedRightly(d)
		return
	}
	if !slices.ContainsFunc([]string{"email", "push"}, func(channel string) bool {
		granted, _ := o.granted(d, channel, "marketing")
		return granted
	}) {
		o.fault(d, "marketing was not permitted, which is asked before")
	}
}
