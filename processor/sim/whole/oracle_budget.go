package whole

import "onhand/processor"

// withinBudget: of a moment whose codes or whose money are counted no more is
// sent than there is, each code is another one and ends in time, and nobody is
// refused while something is left.
func (o *oracle) withinBudget() {
	codes := map[string]bool{}
	sent := map[string]int64{}
	for i := range o.told {
		d := &o.told[i]
		most := o.rules.Budget[d.Moment]
		if most == 0 {
			continue
		}
		switch {
		case d.Outcome == processor.Sent && !d.Failed:
			if sent[d.Moment]++; sent[d.Moment] > most {
				o.fault(d, "%d were sent, the budget is %d", sent[d.Moment], most)
			}
			code, ends := codeOf(d)
			if d.Moment == "code_hint" && (code == "" || codes[code] || ends <= d.At || ends > d.At+3*hour) {
				o.fault(d, "the code is %q, until %s", code, clock(ends))
			}
			codes[code] = true
		case d.Reason == processor.BudgetSpent && o.slack == 0 && o.sentBy(d.Moment, d.At+second) < most:
			o.fault(d, "%d were sent, the budget is %d", sent[d.Moment], most)
		}
	}
}

// sentBy counts what was sent of a moment up to a time.
func (o *oracle) sentBy(moment string, at int64) (n int64) {
	for i := range o.told {
		if d := &o.told[i]; d.Moment == moment && d.Outcome == processor.Sent && d.At <= at {
			n++
		}
	}
	return n
}

func codeOf(d *Told) (code string, ends int64) {
	for _, x := range d.Action.Data {
		switch x.Name {
		case "code":
			code = x.Text
		case "code_ends_at":
			ends = x.Number
		}
	}
	return code, ends
}
