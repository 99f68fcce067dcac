package processor

import (
	"fmt"
	"testing"
)

// Those who come again and again stay decoded, however many come once.
func TestWhoComesOnceDisplacesNobody(t *testing.T) {
	m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 30}, newMemStore())
	if err != nil {
		t.Fatal(err)
	}
	m.memory.liveLimit = 1 << 20
	visit := func(id string) {
		m.shop.Position++
		m.customer(id)
		m.Evict()
	}
	const regulars, strangers = 100, 5000
	for range 5 {
		for i := range regulars {
			visit(fmt.Sprintf("regular-%d", i))
		}
	}
	for i := range strangers {
		visit(fmt.Sprintf("stranger-%d", i))
	}
	live := 0
	for i := range regulars {
		if e := m.memory.places.get(CustomerKind, Hash(fmt.Sprintf("regular-%d", i))); e != nil && e.live {
			live++
		}
	}
	all := m.memory.young.len() + m.memory.old.len()
	if live < regulars || all > strangers/2 {
		t.Errorf("of %d regulars %d are live, of %d strangers %d", regulars, live, strangers, all-live)
	}
}
