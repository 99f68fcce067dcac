package processor

import (
	"fmt"
	"slices"
	"strings"
)

// A bundle that nobody counts is there in so many sets as each of its parts can
// give a unit for. Its item asks each part for units of their own, and has a set
// when all have given one; what it has in sets it offers to who waits for the
// bundle, like units of its own.
//
//	bundle: somebody waits, every part can be had
//	   |-- ReservePart --> each part: what is free once its own line is served
//	   |<-- PartReserved --   counts as open offers there
//	   | as many sets as the part that gave least; the rest goes back
//	   v
//	Queue of the bundle: offer, hold; sold -> SellItem of each part
//	                     nobody waits any more -> ReturnOffer to each part
//
// So no unit is promised twice, though it can be sold by itself and in a bundle.
// The line of a part goes before the bundle's, whose sets are asked for all at
// once: of a part that gives none, or too few for anybody who waits, the others
// are held for nobody. A part that comes in variants never gives one; the dead
// letter says so, once a day while somebody waits.

// partsHeld is what a bundle holds of its parts. Items that are none have none.
type partsHeld struct {
	Parts   []string // as of the question under way, or of the sets
	Sets    []set
	Asked   int64   // sets asked for, 0 = nothing is
	Answers []given // of the parts that have answered
	RetryAt int64   // not asked again before: some part gave too few
}

// set is one unit of each part: the numbers of the offers there.
type set []int64

// given is what a part gave: the offers from Offer on, Units of them; noUnit = it
// has none of its own to give, ever.
type given struct {
	Part         string
	Offer, Units int64
}

// noUnit is the answer of a product that comes in variants: nobody can buy it
// without saying which, and so it cannot be kept as part of a set.
const noUnit = -1

// noUnitRetryMS is how soon it is asked again: the catalogue may say otherwise.
const noUnitRetryMS = 24 * 3600_000

// maxSets bounds the sets a bundle holds or asks for at once.
const maxSets = 64

// setOrder is the order under which the sale of a bundle is counted at its parts,
// beside what the order has of the part itself, or of another bundle with it.
func setOrder(ref, bundle string) string { return ref + "\n" + bundle }

func (h *partsHeld) bytes() int {
	if h == nil {
		return 0
	}
	return 120 + 32*len(h.Parts) + len(h.Sets)*(24+8*len(h.Parts)) + 40*len(h.Answers)
}

func (h *partsHeld) encode(w *writer) {
	w.bool(h != nil)
	if h == nil {
		return
	}
	writeStrings(w, h.Parts)
	w.uint(uint64(len(h.Sets)))
	for _, s := range h.Sets {
		w.uint(uint64(len(s)))
		for _, n := range s {
			w.int(n)
		}
	}
	w.int(h.Asked)
	w.uint(uint64(len(h.Answers)))
	for _, a := range h.Answers {
		w.str(a.Part)
		w.int(a.Offer)
		w.int(a.Units)
	}
	w.int(h.RetryAt)
}

func decodePartsHeld(r *reader) *partsHeld {
	if !r.bool() {
		return nil
	}
	h := &partsHeld{Parts: readStrings(r)}
	h.Sets = make([]set, r.count(1))
	for i := range h.Sets {
		h.Sets[i] = make(set, r.count(1))
		for j := range h.Sets[i] {
			h.Sets[i][j] = r.int()
		}
	}
	h.Asked = r.int()
	h.Answers = make([]given, r.count(3))
	for i := range h.Answers {
		h.Answers[i] = given{r.str(), r.int(), r.int()}
	}
	h.RetryAt = r.int()
	return h
}

// inSets reports whether the item is a bundle that nobody counts.
func (it *Item) inSets() bool {
	return it.Product.Parts != "" && !slices.ContainsFunc(it.Levels, func(l Level) bool { return l.Known || l.Sellable != Unset })
}

// offerable returns the units that may be in offers: of a bundle that nobody
// counts its sets, of any other item what may be promised.
func (it *Item) offerable(units int64) int64 {
	if !it.inSets() {
		return units
	}
	if it.Held == nil {
		return 0
	}
	return int64(len(it.Held.Sets))
}

// reserve asks the parts for what is missing, or gives back what nobody waits
// for. It runs before the line of the bundle is served.
func (it *Item) reserve(m *Machine) {
	if it.Product.Parts == "" && it.Held == nil {
		return
	}
	wanted := int64(it.Queue.Waiting.Len())
	if wanted > 0 {
		_, v, _ := it.Queue.Waiting.first(m, "")
		r := reader{b: []byte(v)}
		wanted = min(max(wanted, min(r.int(), m.rules.stock(it).Each)), maxSets)
	}
	parts := slices.Collect(it.Product.parts())
	h := it.Held
	if h != nil && h.Asked == 0 && (!it.inSets() || !slices.Equal(h.Parts, parts)) {
		wanted = 0
	}
	if h != nil {
		free := int64(len(h.Sets)) - it.Queue.Open
		if free > 0 && h.uncovered(m) {
			it.giveParts(m, free)
			free, h.RetryAt = 0, 0
		}
		it.giveParts(m, free-wanted)
		if len(h.Sets) == 0 && h.Asked == 0 && (wanted == 0 || h.RetryAt <= m.shop.Now) {
			it.Held = nil
		}
	}
	if wanted == 0 || !it.inSets() {
		return
	}
	// What can be had of it is known where its parts are watched.
	if !m.watch(it.SKU).Facts.Sellable || m.behind(StockLevelReported.String()) {
		return
	}
	if it.Held == nil {
		it.Held = &partsHeld{Parts: parts}
	}
	h = it.Held
	missing := wanted + it.Queue.Open - int64(len(h.Sets))
	if h.Asked != 0 || missing <= 0 || h.RetryAt > m.shop.Now {
		return
	}
	h.Asked, h.RetryAt = missing, 0
	for _, part := range h.Parts {
		m.send(part, &Message{Type: ReservePart, SKU: part, Ref: it.SKU, Quantity: missing})
	}
}

// uncovered reports whether a part has more units in offers than are left of it:
// it was sold by itself since. What comes free of its sets is not offered again;
// the part is asked anew, and says how many there are.
func (h *partsHeld) uncovered(m *Machine) bool {
	return slices.ContainsFunc(h.Parts, func(part string) bool { return m.facts(part).Over })
}

// giveParts gives the units of so many sets back.
func (it *Item) giveParts(m *Machine, n int64) {
	for h := it.Held; n > 0 && len(h.Sets) > 0; n-- {
		last := len(h.Sets) - 1
		for i, offer := range h.Sets[last] {
			m.send(h.Parts[i], &Message{Type: ReturnOffer, SKU: h.Parts[i], Offer: offer})
		}
		h.Sets = h.Sets[:last]
	}
}

// spare gives a bundle units of this part: what its own line leaves.
func (it *Item) spare(m *Machine, msg *Message) {
	answer := Message{Type: PartReserved, SKU: msg.Ref, Ref: it.SKU, Offer: it.Queue.Next + 1}
	units, _ := it.expected(m)
	if it.Product.Variants != "" {
		answer.Quantity = noUnit
	} else if free := it.Queue.free(m, it, "", units); free > 0 {
		answer.Quantity = min(free, msg.Quantity)
	}
	for range max(answer.Quantity, 0) {
		it.Queue.Next++
		it.Queue.Offers.put(m, it.head, offerKey(it.Queue.Next), offer{key: rankKey(0, 0, "bundle "+msg.Ref), quantity: 1}.value())
		it.Queue.hold("", 1)
	}
	m.send(msg.Ref, &answer)
}

// ofBundle reports whether an offer is of a unit that a bundle holds.
func (o offer) ofBundle() bool { return o.entry == "" && strings.HasPrefix(o.key[9:], "bundle ") }

// reserved takes a part's answer; the last one makes sets of all.
func (it *Item) reserved(m *Machine, msg *Message) {
	h := it.Held
	if h == nil || h.Asked == 0 {
		return
	}
	h.Answers = append(h.Answers, given{clone(msg.Ref), msg.Offer, msg.Quantity})
	if len(h.Answers) < len(h.Parts) {
		return
	}
	sets, retry := h.Asked, m.nextLook(it.SKU)
	for _, a := range h.Answers {
		if a.Units == noUnit {
			m.dead("bundle", fmt.Sprintf("%s is not offered: its part %s comes in variants; name the variant as the part, or report a stock level of %s", it.SKU, a.Part, it.SKU), nil)
			retry = m.shop.Now + noUnitRetryMS
		}
		sets = max(min(sets, a.Units), 0)
	}
	if free := int64(len(h.Sets)) - it.Queue.Open; free+sets < it.fewest(m) {
		it.giveParts(m, free)
		sets = 0 // not enough for anybody who waits
	}
	if sets < h.Asked {
		h.RetryAt = retry // nobody says when the part has more
	}
	made := make([]set, sets)
	for i := range made {
		made[i] = make(set, len(h.Parts))
	}
	for _, a := range h.Answers {
		part := slices.Index(h.Parts, a.Part)
		for i := range max(a.Units, 0) {
			if i < sets {
				made[i][part] = a.Offer + i
			} else {
				m.send(a.Part, &Message{Type: ReturnOffer, SKU: a.Part, Offer: a.Offer + i})
			}
		}
	}
	h.Sets, h.Asked, h.Answers = append(h.Sets, made...), 0, nil
}

// fewest returns the fewest units that one of those who wait takes, of as many
// as are looked at when the line is served.
func (it *Item) fewest(m *Machine) (n int64) {
	each, tries := max(1, m.rules.stock(it).Each), 0
	it.Queue.ascend(m, "", func(_ string, e entry) bool {
		if takes := min(max(e.quantity, 1), each); n == 0 || takes < n {
			n = takes
		}
		tries++
		return n > 1 && tries < triesPerStep
	})
	return n
}

// soldSets has the sale of a bundle that nobody counts counted at its parts; of
// what was held for the buyer, as a set or as parts, with the units that were.
func (it *Item) soldSets(m *Machine, ref string, line, n, at int64, held int64, store []byte, ofParts []partOffer) {
	if held == 0 || it.Held == nil {
		for part := range it.Product.parts() {
			sale := Message{Type: SellItem, SKU: part, Ref: setOrder(ref, it.SKU), Line: line, Quantity: n, At: at, Body: store}
			if i := slices.IndexFunc(ofParts, func(h partOffer) bool { return h.part == part }); i >= 0 {
				sale.Offer = ofParts[i].offer
				ofParts = slices.Delete(ofParts, i, i+1)
			}
			m.send(part, &sale)
		}
		returnParts(m, ofParts)
		return
	}
	h := it.Held
	for k := range min(held, int64(len(h.Sets))) {
		last := len(h.Sets) - 1
		for i, offer := range h.Sets[last] {
			sale := Message{Type: SellItem, SKU: h.Parts[i], Ref: setOrder(ref, it.SKU), Line: line, At: at, Body: store, Offer: offer}
			if k == 0 {
				sale.Quantity = n // all of it once: a line is counted once
			}
			m.send(h.Parts[i], &sale)
		}
		h.Sets = h.Sets[:last]
	}
	returnParts(m, ofParts)
}

// returnParts gives back units of parts that were held for who bought them in a
// bundle by other units.
func returnParts(m *Machine, held []partOffer) {
	for _, h := range held {
		m.send(h.part, &Message{Type: ReturnOffer, SKU: h.part, Offer: h.offer})
	}
}

// unsoldSets has units of a bundle that were not sold after all counted at its
// parts, as it is told of them itself.
func (it *Item) unsoldSets(m *Machine, told MessageType, ref string, n int64) {
	if !it.inSets() {
		return
	}
	for part := range it.Product.parts() {
		m.send(part, &Message{Type: told, SKU: part, Ref: setOrder(ref, it.SKU), Quantity: n})
	}
}
