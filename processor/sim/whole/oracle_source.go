package whole

import (
	"slices"
	"time"

	"onhand/processor"
)

// sources are those of the file.
var sources = []string{"shop", "stores", "stock"}

// reports: a source says how far it has reported, or that it is behind.
func (d *drawer) reports(string, string) {
	if d.rules.Late == 0 {
		return // every silence would be one too long
	}
	for _, name := range sources {
		if d.yes(3) {
			continue
		}
		d.say(processor.Event{Kind: processor.SourceReported, ItemSource: name, CompleteTo: d.now - d.rng.Int64N(2)*d.rng.Int64N(2*d.rules.Late)})
	}
}

// heard: nothing relies on a source that is behind. Who may have bought is not
// reminded of it, and what may be gone is not said to be there.
func (o *oracle) heard(d *Told) {
	orders := d.Action.Class == "marketing" && d.Action.Kind == "message" || d.Moment == "payment_failed"
	stock := slices.Contains([]string{"cart_abandoned", "cart_restored", "back_in_stock", "retarget_ads", "replenishment", "sale_open"}, d.Moment)
	if o.rules.Late == 0 || !orders && !stock {
		return
	}
	for _, name := range sources {
		if late, at := o.behind(name, d.At); late && (stock && name == "stock" || orders && name != "stock") {
			o.fault(d, "%s has reported up to %s only", name, clock(at))
		}
	}
}

// behind reports whether a source that was ever heard of is behind.
func (o *oracle) behind(name string, now int64) (bool, int64) {
	complete := int64(0)
	for _, e := range o.known {
		if e.Kind == processor.SourceReported && e.ItemSource == name {
			complete = max(complete, e.CompleteTo)
		}
	}
	return complete != 0 && now-complete > o.rules.Late+o.slack, complete
}

// open: nobody is given a unit in a store that is closed then.
func (o *oracle) open(d *Told, before []Told) {
	if !o.rules.Hours || d.Action.OfferID == "" || !d.firstOfOffer(before) {
		return
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return
	}
	for _, x := range d.Action.Data {
		if h := time.UnixMilli(d.At).In(paris).Hour(); x.Name == "location" && x.Text == store && (h < 9 || h >= 19) {
			o.fault(d, "the store is closed at %d", h)
		}
	}
}
