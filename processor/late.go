package processor

import (
	"slices"

	"onhand/processor/moments"
)

// Sources fall behind in silence, and nobody does anything then. Each partition
// knows when the next one does, wakes, and has those look again who rely on it;
// a report with which one has caught up wakes those who wait for it:
//
//	stock falls behind  -> audiences end what they said of items
//	stock catches up    -> audiences begin again
//	another catches up  -> candidates and messages that wait for it (word.go) look again
//
// What is told once asks when it is told, so that it need not hear of orders or
// prices that fall behind. Who has to hear stands on the roster. Where several
// sources carry the stock, nothing is told while another one is still behind. An
// item that waits for a source looks again every staleRetryMS; see nextLook.

// staleRetryMS is how often an item that waits for a source, or for parts, looks
// again by itself.
const staleRetryMS = 60_000

// nextLook returns when what waits for a source looks again by itself. Each id
// has its own place in the minute, wherever it lives and whenever it began: the
// word of the source reaches every partition at another time, and who comes first
// must not depend on it.
func (m *Machine) nextLook(id string) int64 {
	now := m.shop.Now
	passed := (now - int64(Hash(id)%staleRetryMS)) % staleRetryMS
	if passed < 0 {
		passed += staleRetryMS
	}
	return now - passed + staleRetryMS
}

// carriesStock reports whether an audience may hang on a source.
func carriesStock(s *moments.Source) bool {
	return slices.Contains(s.Carries, StockLevelReported.String())
}

// sourceSays takes how far a source has reported.
func (m *Machine) sourceSays(name string, to int64) {
	was, known := m.shop.completeTo(name)
	m.shop.report(name, to)
	to, _ = m.shop.completeTo(name)
	turned := false
	m.eachSource(func(s *moments.Source) {
		late := func(to int64) bool { return m.shop.Now-to > s.LateAfter.Milliseconds() }
		turned = turned || s.Name == name && (known && late(was)) != late(to)
	})
	if all, ok := m.get(WatchKind, noItem).(*Watch); ok && turned {
		m.touch(all)
		all.everybody()
		if all.telling() {
			m.arm(all, m.shop.Now+1)
		}
	}
	m.stockTurned()
	m.awaitSilence()
}

// stockLate returns under which of the files that hold the stock is behind: a bit
// for the one in force and for each that is kept.
func (m *Machine) stockLate() (late uint8) {
	inForce := m.rules
	defer func() { m.rules = inForce }()
	for i, r := range append([]*rules{inForce}, inForce.kept...) {
		if m.rules = r; m.behind(StockLevelReported.String()) {
			late |= 1 << i
		}
	}
	return late
}

// stockTurned has the audiences look again if stock was not what it is when they
// were told last.
func (m *Machine) stockTurned() {
	if len(m.rules.audiences) > 0 && m.shop.Late != m.stockLate() {
		m.retell(false)
	}
}

// eachSource calls fn for the sources of the files that hold.
func (m *Machine) eachSource(fn func(*moments.Source)) {
	files := func(r *rules) {
		for i := range r.file.Policy.Sources {
			fn(&r.file.Policy.Sources[i])
		}
	}
	files(m.rules)
	for _, k := range m.rules.kept {
		files(k)
	}
}

// nextSilence returns when a source of stock falls behind; 0 = none will.
func (m *Machine) nextSilence() (at int64) {
	if len(m.rules.audiences) == 0 {
		return 0
	}
	m.eachSource(func(s *moments.Source) {
		if !carriesStock(s) {
			return
		}
		to, known := m.shop.completeTo(s.Name)
		if t := to + s.LateAfter.Milliseconds() + 1; known && t > m.shop.Now {
			at = earliest(at, t)
		}
	})
	return at
}

// awaitSilence has the partition wake when a source falls behind next.
func (m *Machine) awaitSilence() {
	next := m.nextSilence()
	wa, ok := m.get(WatchKind, noItem).(*Watch)
	if !ok && next == 0 {
		return
	}
	if !ok {
		wa = m.watch(noItem)
	}
	if !wa.telling() {
		m.touch(wa)
		m.arm(wa, next)
	}
}

// fellSilent has everybody look again who relies on a source that fell behind.
func (m *Machine) fellSilent() {
	m.stockTurned()
	m.awaitSilence()
}
