package whole

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

// What came to nothing within one millisecond, when one customer left an audience
// and another came, may be said on one number of partitions only; nothing else.
func TestFlicker(t *testing.T) {
	told := func(id, customer string, outcome processor.Outcome, reason processor.Reason, retracts string) Told {
		d := Told{Decision: processor.Decision{ID: id, At: begin, Customer: customer, Moment: "retarget_ads", Outcome: outcome, Reason: reason, Retracts: retracts}}
		d.Cause.Value = "s1"
		d.Action = &processor.Action{Template: "ad_set"}
		return d
	}
	audience := "retarget_ads\ns1"
	gone := told("1", "c0", processor.Retracted, processor.NotOfferedHere, "0")
	in, out := told("2", "c5", processor.Sent, "", ""), told("3", "c5", processor.Retracted, processor.BelowMinimum, "2")
	down, up := told("4", audience, processor.Retracted, processor.Ended, "0"), told("5", audience, processor.Sent, "", "")
	item := &processor.Action{Template: "catalogue_item"}
	itemDown, itemUp := told("6", audience, processor.Retracted, processor.Ended, "1"), told("7", audience, processor.Sent, "", "")
	itemDown.Action, itemUp.Action = item, item
	changed := func(d Told, change func(*Told)) Told {
		change(&d)
		return d
	}
	late := changed(gone, func(d *Told) { d.Customer, d.At = "c3", begin+1 })
	of := func(list ...Told) []Told { return list }
	for _, c := range []struct {
		what   string
		a, b   []Told
		faults int
	}{
		{"in and out", of(gone, in, out), of(gone), 0},
		{"in and out, on the other", of(gone), of(in, gone, out), 0},
		{"a step, down and up", of(gone, down, up), of(gone), 0},
		{"two steps, down and up", of(gone, down, itemDown, itemUp, up), of(gone), 0},
		{"two steps down, one up", of(gone, down, itemDown, itemUp), of(gone), 1},
		{"in and not out", of(gone, in), of(gone), 1},
		{"out and not in", of(gone, out), of(gone), 1},
		{"out, then in", of(gone, out, in), of(gone), 2},
		{"up, then down", of(gone, up, down), of(gone), 2},
		{"in again", of(gone, in, out, in), of(gone), 1},
		{"nobody left", of(in, out), nil, 2},
		{"nobody left on the other", of(gone, in, out), nil, 3},
		{"another left another audience", of(changed(gone, func(d *Told) { d.Cause.Value = "s2" }), in, out), of(changed(gone, func(d *Told) { d.Cause.Value = "s2" })), 2},
		{"later", of(gone, in, late, changed(out, func(d *Told) { d.At++ })), of(gone, late), 2},
		{"for another reason", of(gone, in, changed(out, func(d *Told) { d.Reason = processor.OutOfStock })), of(gone), 2},
		{"of something else", of(gone, in, changed(out, func(d *Told) { d.Retracts = "0" })), of(gone), 2},
		{"another step", of(gone, down, changed(up, func(d *Told) { d.Action = &processor.Action{Template: "catalogue"} })), of(gone), 2},
	} {
		require.Len(t, differ(c.a, c.b), c.faults, c.what)
	}
}
