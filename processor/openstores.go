package processor

import (
	"time"

	"onhand/processor/moments"
)

// openStores counts the stores that have an item and are open now, of those the
// customer takes it from when they named some. Of a store whose hours the rules
// do not say nobody knows; when that is so of all, there is no answer.
func (m *Machine) openStores(in *Interest, f *ItemFacts) moments.Value {
	now := time.UnixMilli(m.shop.Now)
	n, known := int64(0), len(f.Places) == 0
	for _, p := range f.Places {
		if in != nil && len(in.Locations) > 0 && !in.accepts(m, p.Location) {
			known = true
			continue
		}
		store := m.rules.file.Policy.Store(p.Location)
		if store == nil {
			continue
		}
		if known = true; store.Open(now) {
			n++
		}
	}
	if !known {
		return moments.Value{}
	}
	return moments.Int(n)
}

// closedUntil returns when a store that is closed now opens again, 0 when it is
// open, or nobody says.
func (m *Machine) closedUntil(location string) int64 {
	now := time.UnixMilli(m.shop.Now)
	store := m.rules.file.Policy.Store(location)
	if store == nil || store.Open(now) {
		return 0
	}
	return millis(store.Opens(now))
}

// millis returns a time in Unix ms, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
