package scenario

import (
	"encoding/json"
	"reflect"
	"testing"

	"onhand/processor"
)

// Asking for the read models between any two steps changes nothing: the
// machines stand where they would have, and so does what they write down.
func TestViewsOnlyRead(t *testing.T) {
	for _, file := range []string{"scenarios/stock_hold.yaml", "scenarios/cart_purchase.yaml", "scenarios/ads.yaml"} {
		list, errs := Load(file)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, s := range list {
			play := func(look bool) *cluster {
				r := &runner{s: s}
				var err error
				if r.cluster, err = newCluster(2, s.Start); err == nil {
					err = r.activate(s.rules, processor.Activate)
				}
				for _, st := range s.Steps {
					if err == nil {
						err = r.step(st)
					}
					if look {
						lookAtAll(t, r.cluster)
					}
				}
				if err != nil {
					t.Fatal(s.Name, err)
				}
				for p, m := range r.cluster.machines {
					r.cluster.stores[p].flush(m)
				}
				return r.cluster
			}
			a, b := play(false), play(true)
			for p := range a.machines {
				if a.machines[p].Shop().Hash != b.machines[p].Shop().Hash {
					t.Errorf("%s: partition %d went another way", s.Name, p)
				}
				if !reflect.DeepEqual(a.stores[p], b.stores[p]) {
					t.Errorf("%s: partition %d wrote something else", s.Name, p)
				}
			}
		}
	}
}

func lookAtAll(t *testing.T, c *cluster) {
	for _, id := range []string{"ann", "bob", "cat", "aki", "w1", "w2", "nobody"} {
		if v, ok := c.owner(id).CustomerView(id); ok {
			if v.ID != id {
				t.Errorf("customer %s is called %s", id, v.ID)
			}
			if _, err := json.Marshal(v); err != nil {
				t.Error(err)
			}
		}
	}
	for _, sku := range []string{"phone", "kettle", "chair", "glass", "nothing"} {
		v, ok := c.owner(sku).ItemView(sku)
		if !ok {
			continue
		}
		if _, err := json.Marshal(v); err != nil {
			t.Error(err)
		}
		for _, w := range v.Queue {
			// Everybody who waits can be told the true place.
			place, ok := c.owner(sku).QueuePlace(sku, w.Customer, 0, w.Since)
			if !ok || place != w.Place {
				t.Errorf("%s waits for %s at place %d, told %d", w.Customer, sku, w.Place, place)
			}
		}
		var units int64
		for _, o := range v.Offers {
			units += o.Quantity
		}
		if units != v.OpenOffers {
			t.Errorf("%s: %d units in offers, %d are shown", sku, v.OpenOffers, units)
		}
	}
}
