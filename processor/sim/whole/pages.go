package whole

import (
	"fmt"

	"onhand/processor"
)

// page: the catalogue tells later that the page of an item was taken down, or put
// up again, hours ago. What it said since then holds.
func (d *drawer) page() {
	if d.pages.IntN(12) > 0 {
		return
	}
	i := d.pages.IntN(items)
	category, family, _ := family(i)
	e := processor.Event{Kind: processor.ProductUpdated, SKU: fmt.Sprint("s", i), Category: category, Family: family, Published: processor.Yes}
	if d.pages.IntN(2) == 0 {
		e.Published = processor.No
	}
	ago := 1 + d.pages.Int64N(6*hour)
	if e.Properties = d.ofProduct(e.SKU); d.now-ago > begin+minute {
		d.late(ago, e)
	}
}

// published reports whether the page of an item is there, by what happened last.
func (o *oracle) published(sku string) bool {
	last := paged(sku, o.known)
	return last == nil || last.Published == processor.Yes
}

// paged returns the last word on the page of an item, nil when there is none.
func paged(sku string, known []*processor.Event) (last *processor.Event) {
	for _, e := range known {
		if e.Kind == processor.ProductUpdated && e.SKU == sku && e.Published != processor.Unset && (last == nil || e.At >= last.At) {
			last = e
		}
	}
	return last
}
