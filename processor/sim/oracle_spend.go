package sim

// budget: no more texts go out than the shop pays for, where one that could not
// be handed over or was withdrawn costs nothing; and nobody is refused while
// fewer ever came so far that they may have been counted.
func (o *oracle) budget() {
	paid, counted := 0, 0
	var refused *said
	for _, s := range o.decisions("texted", "") {
		switch {
		case s.reason == "budget_spent":
			refused = s
		case s.outcome == "retracted":
			paid--
		case s.outcome == "sent" && !o.failed(s):
			paid++
			counted++
		case s.outcome != "deferred":
			counted++ // perhaps it had been, and was given back
		}
	}
	if paid > maxTexts {
		o.w.fail("budget kept", "%d texts were sent and did not fail, %d are paid for", paid, maxTexts)
	}
	if refused != nil && counted < maxTexts {
		o.w.fail("budget kept", "%v, when %d others came so far at most, and %d are paid for", refused, counted, maxTexts)
	}
}
