package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is made in the room of another one holds nothing of it.
func TestRoomHoldsNothingOfWhoHadItBefore(t *testing.T) {
	full := func(kind EntityKind) entity {
		switch kind {
		case CustomerKind:
			return aCustomer()
		case ItemKind:
			return &Item{head: &head{}, SKU: "phone", Levels: []Level{{Location: "l", Available: 3}}, Sold: []Sold{{Order: 1}}, Watchers: []uint32{1}, Low: 4}
		case WatchKind:
			return &Watch{head: &head{}, SKU: "phone", Main: true, Next: "n", Own: &ItemFacts{Price: 1}, Waves: []wave{{First: true}}, Bundles: []string{"b"}, Most: 2}
		}
		return &Chunk{head: &head{}, keys: []string{"a", "b"}, values: []string{"c", "d"}}
	}
	for _, kind := range []EntityKind{CustomerKind, ItemKind, WatchKind, ChunkKind} {
		m := &Machine{}
		encoded := func(h *head) string {
			w := writer{}
			h.write(&w)
			return string(w.b)
		}
		fresh := makeEntity(kind)
		fresh.kind = kind
		value := encoded(fresh)

		had := full(kind)
		*had.base() = head{live: had, kind: kind, due: 7, listed: true}
		held := encoded(had.base())
		m.spare.keep(had, 100, 100)
		h := m.newEntity(kind, 1)
		require.Same(t, had, h.live, "the room is used again")
		require.Equal(t, head{live: had, kind: kind, hash: 1}, *h)
		require.Equal(t, value, encoded(h), "%s made anew", kind)

		m.spare.keep(had, 100, 100)
		again := full(kind)
		again.base().kind = kind
		m.spare.keep(again, 100, 100)
		require.Len(t, m.spare.room[kind], 1, "no more than the limit")
		h = m.newEntity(kind, 1)
		h.read(&m.reader, []byte(held))
		require.Equal(t, held, encoded(h), "%s decoded", kind)
		m.spare.keep(had, 100, 100)
		h = m.newEntity(kind, 1)
		h.read(&m.reader, []byte(value))
		require.Equal(t, value, encoded(h), "%s decoded after another one", kind)
	}
}
