package processor

// roster is the watches of a partition whose customers have to hear when something
// changes that holds for the whole shop: the rules, the kill switch, a crisis, a
// source of stock that falls behind or has caught up. It hangs on the Watch of no
// item, holds only those with a Stake or owners, and is told in steps, so that a hundred
// thousand of them hold up nobody.
type roster struct {
	Watches List
	Telling bool // those from Next on are being told
	Next    string
	// Moved are the items that are of another category, while those who wait under
	// no item are told of that; nil when they are told of something else.
	Moved []string
	// Owners says that the owners are told as well: the rules have changed.
	Owners bool
}

// maxMoved bounds the items told of at once; of more, everybody looks again.
const maxMoved = 16

// rosterPerStep bounds the watches of a roster told by one step.
const rosterPerStep = 128

func (r *roster) bytes() int {
	if r == nil {
		return 0
	}
	return 190 + r.Watches.bytes() + 32*cap(r.Moved)
}

func (r *roster) encode(w *writer) {
	if w.bool(r != nil); r == nil {
		return
	}
	r.Watches.encode(w)
	w.bool(r.Telling)
	w.str(r.Next)
	writeStrings(w, r.Moved)
	w.bool(r.Owners)
}

func decodeRoster(rd *reader) *roster {
	if !rd.bool() {
		return nil
	}
	r := &roster{}
	r.Watches.decode(rd)
	r.Telling, r.Next, r.Moved, r.Owners = rd.bool(), rd.str(), readStrings(rd), rd.bool()
	return r
}

// onRoster lists an item, or takes it off, among those of which somebody is told.
func (wa *Watch) onRoster(m *Machine, in bool) {
	if wa.SKU == noItem {
		return
	}
	all := m.roster()
	if in {
		all.Roster.Watches.put(m, all.head, wa.SKU, "")
	} else {
		all.Roster.Watches.remove(m, wa.SKU)
	}
}

// roster returns the Watch that holds the roster, to be changed.
func (m *Machine) roster() *Watch {
	all := m.watch(noItem)
	m.touch(all)
	if all.Roster == nil {
		all.Roster = &roster{}
	}
	return all
}

// retell has everybody with a stake in an item look again: something changed that
// holds for the whole shop. With rules, who waits for something to be used up
// does as well.
func (m *Machine) retell(rules bool) {
	m.shop.Late = m.stockLate()
	all, ok := m.get(WatchKind, noItem).(*Watch)
	if !ok {
		return // nothing has a stake
	}
	m.touch(all)
	all.everybody()
	if r := all.Roster; r != nil {
		r.Telling, r.Next, r.Owners = r.Watches.Len() > 0, "", r.Owners || rules
	}
	all.call(m)
}

// everybody has all who wait under no item look again.
func (wa *Watch) everybody() {
	if wa.Stake.Len() == 0 {
		return
	}
	wa.Fan, wa.Next = true, ""
	if wa.Roster != nil {
		wa.Roster.Moved = nil
	}
}

// telling reports whether something is being told here.
func (wa *Watch) telling() bool {
	return wa.Fan || len(wa.Waves) > 0 || wa.Roster != nil && wa.Roster.Telling
}

// call tells the next of the roster.
func (wa *Watch) call(m *Machine) {
	if r := wa.Roster; r != nil && r.Telling {
		var skus []string
		r.Telling = false
		r.Watches.ascend(m, r.Next, func(sku, _ string) bool {
			if len(skus) == rosterPerStep {
				r.Next, r.Telling = sku, true
				return false
			}
			skus = append(skus, sku)
			return true
		})
		for _, sku := range skus {
			if w, ok := m.get(WatchKind, sku).(*Watch); ok {
				m.touch(w)
				w.Fan, w.Next = true, ""
				if r.Owners && w.Owners != nil {
					w.Owners.Telling, w.Owners.Next = true, ""
				}
				m.arm(w, m.shop.Now+1)
			}
		}
		r.Owners = r.Owners && r.Telling
	}
	if wa.telling() {
		m.arm(wa, m.shop.Now+1)
	}
}
