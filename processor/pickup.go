package processor

import (
	"slices"
	"strings"
)

// pickup is who waits for an item in stores. A customer who accepts several
// stands in the line of each, at the same rank, and leaves all of them with the
// first unit.
type pickup struct {
	Waiting List // rank -> entry, of all
	Shelves List // store, rank -> nothing
	Only    int  // of Waiting, those who do not accept the web shop
	Held    []held
}

// held is how many units of a store are in offers.
type held struct {
	Store string
	Units int64
}

func (p *pickup) bytes() int {
	return 120 + p.Waiting.bytes() + p.Shelves.bytes() + 32*len(p.Held)
}

func (p *pickup) encode(w *writer) {
	w.bool(p != nil)
	if p == nil {
		return
	}
	p.Waiting.encode(w)
	p.Shelves.encode(w)
	w.int(int64(p.Only))
	w.uint(uint64(len(p.Held)))
	for _, h := range p.Held {
		w.str(h.Store)
		w.int(h.Units)
	}
}

func decodePickup(r *reader) *pickup {
	if !r.bool() {
		return nil
	}
	p := &pickup{}
	p.Waiting.decode(r)
	p.Shelves.decode(r)
	p.Only = int(r.int())
	p.Held = make([]held, r.count(2))
	for i := range p.Held {
		p.Held[i] = held{r.str(), r.int()}
	}
	return p
}

func (p *pickup) empty() bool { return p.Waiting.Len() == 0 && len(p.Held) == 0 }

// shelfKey is a rank in the line of one store.
func shelfKey(store, rank string) string { return store + "\x00" + rank }

func (p *pickup) put(m *Machine, it *Item, key string, e entry) {
	p.Waiting.put(m, it.head, key, e.value())
	for _, s := range e.stores {
		p.Shelves.put(m, it.head, shelfKey(s, key), "")
	}
	if !e.web {
		p.Only++
	}
}

func (p *pickup) remove(m *Machine, key string) (value string, ok bool) {
	value, ok = p.Waiting.remove(m, key)
	if !ok {
		return "", false
	}
	e := parseEntry(key, value)
	for _, s := range e.stores {
		p.Shelves.remove(m, shelfKey(s, key))
	}
	if !e.web {
		p.Only--
	}
	return value, true
}

// ascend calls fn for who waits for a unit of a store, best rank first.
func (p *pickup) ascend(m *Machine, store string, fn func(key string, e entry) bool) {
	line := shelfKey(store, "")
	p.Shelves.ascend(m, line, func(shelf, _ string) bool {
		key, ok := strings.CutPrefix(shelf, line)
		if !ok {
			return false
		}
		value, _ := p.Waiting.get(m, key)
		return fn(key, parseEntry(key, value))
	})
}

// open returns the units of a store in offers.
func (p *pickup) open(store string) int64 {
	for _, h := range p.Held {
		if h.Store == store {
			return h.Units
		}
	}
	return 0
}

// hold counts units of a store into offers, or out of them.
func (p *pickup) hold(store string, n int64) {
	i := slices.IndexFunc(p.Held, func(h held) bool { return h.Store == store })
	if i < 0 {
		i = len(p.Held)
		p.Held = append(p.Held, held{Store: store})
	}
	if p.Held[i].Units += n; p.Held[i].Units <= 0 {
		p.Held = slices.Delete(p.Held, i, i+1)
	}
}

// place returns where a customer stands, from 1, in the line of the first store
// they accept; 0 = nowhere.
func (p *pickup) place(m *Machine, key string) int {
	value, ok := p.Waiting.get(m, key)
	if !ok {
		return 0
	}
	store := parseEntry(key, value).stores[0]
	return p.Shelves.index(m, shelfKey(store, key)) - p.Shelves.index(m, shelfKey(store, "")) + 1
}
