package processor

import (
	"bytes"
	"fmt"
	"onhand/processor/moments"
	"slices"
	"sync/atomic"
)

// rules is the moments file in force, arranged for looking up what an event
// may mean.
type rules struct {
	file        *moments.File
	interestsOf [kinds][]*interestRule // by the event that shows them
	startOf     [kinds][]*moments.Moment
	startCustom map[string][]*moments.Moment // of events that are Custom, by name
	endOf       [kinds][]*moments.Moment
	endCustom   map[string][]*moments.Moment // by the name of a Custom event
	dated       map[string]bool              // moments that ask the event or wait for data: a date, in what follows them too, an item
	usedUp      map[string]bool              // moments with a date that hangs on when something is used up
	moves       [kinds]bool                  // events that may move a date
	families    bool                         // a moment begins for each family
	then        map[string][]*moments.Moment // by name, what follows its message
	offers      []*moments.Moment            // when: sellable with stock: offer
	audiences   []string                     // names of the moments that keep an audience
	facts       factSet                      // that any moment asks for
	queued      []string                     // interests that take a place while the item cannot be had
	factStarts  []*moments.Moment            // started by a fact, but for those that bring offers
	factEnds    []*moments.Moment            // ended by a fact
	// audiencesByItem says that each audience depends on its item alone.
	audiencesByItem bool
	counts          []string // audiences whose guard counts the units of an item
	longestCap      int64    // ms: nothing sent longer ago fills a cap
	remembers       int64    // ms: how far back contacts are looked at
	// feeds says, by name, what must be heard of before a moment may speak; nil
	// when no source carries it.
	feeds    map[string]feeds
	minimums bool // an audience of a channel must have so many
	// accessories says that a moment speaks of what goes with an item.
	accessories bool
	together    []string          // classes with a cap of households
	traits      asked             // of an identify, by any moment
	properties  map[string]*asked // of the event that begins a moment, by its name; nil = by none

	kept   []*rules // older ones that hold for what began under them; see Kept
	newest *rules   // of an older one: those in force
	upto   uint64   // of an older one: the last activation it holds for
}

// interestRule is one interest of the file; offered says that a moment brings
// offers of the item to those who have it.
type interestRule struct {
	*moments.Interest
	offered bool
}

// Vocabulary returns what a moments file may speak of.
func Vocabulary() moments.Vocabulary { return moments.Standard() }

// compileRules reads the file in force; without one nothing is in force.
func compileRules(text []byte, version string) (*rules, error) {
	if len(text) == 0 {
		return newRules(&moments.File{Policy: moments.Policy{Stock: moments.Stock{Overbook: moments.One, Each: 1}}}), nil
	}
	r, faults := readRules(text)
	if r == nil {
		return nil, fmt.Errorf("processor: the moments in force (%s) are refused by this program: %w", version, faults[0])
	}
	return r, nil
}

// latestRules are the rules read last. They never change, and all partitions
// of a process run the same ones: only the first has to read them.
var latestRules atomic.Pointer[rules]

// readRules reads a moments file; nil rules come with at least one fault.
func readRules(text []byte) (*rules, []moments.Fault) {
	if r := latestRules.Load(); r != nil && bytes.Equal(r.file.Source, text) {
		return r, nil
	}
	file, faults := moments.Parse("moments", text, Vocabulary())
	if file == nil {
		return nil, faults
	}
	r := newRules(file)
	latestRules.Store(r)
	return r, nil
}

func newRules(file *moments.File) *rules {
	r := &rules{file: file, startCustom: map[string][]*moments.Moment{}, then: map[string][]*moments.Moment{}, dated: map[string]bool{}, usedUp: map[string]bool{}, endCustom: map[string][]*moments.Moment{}, audiencesByItem: true}
	for i := range file.Policy.Channels {
		r.minimums = r.minimums || file.Policy.Channels[i].Minimum > 0
	}
	r.remembers = contactMemoryMS
	for i := range file.Policy.Caps {
		cp := &file.Policy.Caps[i]
		r.remembers = max(r.remembers, cp.Every.Milliseconds())
		if cp.Household {
			r.together = append(r.together, cp.Class)
		} else {
			r.longestCap = max(r.longestCap, cp.Every.Milliseconds())
		}
	}
	for i := range file.Moments {
		mo := &file.Moments[i]
		r.remembers = max(r.remembers, mo.Again.Milliseconds())
		r.asksWords(mo)
		if unsupported(mo) != "" {
			continue
		}
		for _, d := range dates(mo) {
			r.dated[mo.Name] = true
			if d == moments.ItemRunsOut {
				r.usedUp[mo.Name] = true
			}
			for _, k := range movers(d) {
				r.moves[k] = true
			}
		}
		if mo.Per == "reward_id" || mo.Per == "sale_id" || mo.Per == "customer" && (asks(mo, "item.") || asks(mo, "stores.")) || asks(mo, "customer.away_from_home") {
			r.dated[mo.Name] = true
		}
		r.families = r.families || mo.Per == "family"
		r.accessories = r.accessories || crossSells(mo)
		r.asksFeeds(mo)
		if len(mo.Then) > 0 {
			r.then[mo.Name] = followUps(mo)
		}
		if mo.Fact == moments.Sellable && mo.Stock == moments.StockOffer && mo.Mode != moments.Off {
			r.offers = append(r.offers, mo)
		}
		r.asksFacts(mo)
		if mo.Do == moments.DoAudience {
			r.audiences = append(r.audiences, mo.Name)
			r.audiencesByItem = r.audiencesByItem && mo.Per == "sku" && mo.If == nil
			if asks(mo, "item.available") {
				r.counts = append(r.counts, mo.Name)
			}
		}
		for _, name := range mo.When {
			if k := KindOf(name); k != Custom {
				r.startOf[k] = append(r.startOf[k], mo)
			} else {
				r.startCustom[name] = append(r.startCustom[name], mo)
			}
		}
		for _, name := range mo.Until {
			if k := KindOf(name); k != Custom {
				r.endOf[k] = append(r.endOf[k], mo)
			} else {
				r.endCustom[name] = append(r.endCustom[name], mo)
			}
		}
	}
	if len(r.offers)+len(r.factStarts) > 0 {
		r.facts |= factVariants
	}
	if len(file.Interests) > 0 {
		r.facts |= factRenamed
	}
	if len(r.offers) > 0 && slices.ContainsFunc(file.Policy.Items, func(x moments.ItemRule) bool {
		return x.Stock.Queue == moments.Tiers || file.Policy.Stock.Queue == moments.Tiers
	}) {
		r.facts |= factRanked
	}
	for i := range file.Interests {
		in := &file.Interests[i]
		k := KindOf(in.From)
		d := &interestRule{in, in.Queue && r.offered(in.Name)}
		r.interestsOf[k] = append(r.interestsOf[k], d)
		if d.offered && k != BackInStockRequested { // who asks is queued whatever there is
			r.queued = append(r.queued, in.Name)
			r.facts |= factBlocked
		}
	}
	return r
}

// memory returns how far back the rules in force, and those that are kept, look
// at contacts, in ms.
func (r *rules) memory() (ms int64) {
	if r.newest != nil {
		r = r.newest
	}
	for _, k := range r.kept {
		ms = max(ms, k.remembers)
	}
	return max(ms, r.remembers)
}

// offered reports whether a moment brings offers to those with the interest.
func (r *rules) offered(name string) bool { return r.offerMoment(name) != nil }

// offerMoment returns the first moment in the file that brings offers to those
// with the interest.
func (r *rules) offerMoment(name string) *moments.Moment {
	for _, mo := range r.offers {
		if len(mo.Interests) == 0 || slices.Contains(mo.Interests, name) {
			return mo
		}
	}
	return nil
}

// starts returns the moments an event may start.
func (r *rules) starts(e *Event) []*moments.Moment {
	if e.Kind == Custom {
		return r.startCustom[e.Name]
	}
	return r.startOf[e.Kind]
}

// ends returns the moments an event may end.
func (r *rules) ends(e *Event) []*moments.Moment {
	if e.Kind == Custom {
		return r.endCustom[e.Name]
	}
	return r.endOf[e.Kind]
}

// stock returns how the stock of an item is counted and offered.
func (r *rules) stock(it *Item) *moments.Stock {
	p := &it.Product
	return r.file.Policy.StockFor(it.SKU, p.Category, p.Brand, p.Family)
}

// perItem reports whether the values of a moment are items.
func (r *rules) perItem(moment string) bool {
	mo := r.file.Moment(moment)
	return mo != nil && mo.Per == "sku"
}

func (r *rules) doubleOptIn(purpose, channel string) bool {
	p := r.file.Policy.Purpose(purpose)
	return p != nil && slices.Contains(p.DoubleOptIn, channel)
}

// grantedBy returns the purpose that an event grants for its own item.
func (r *rules) grantedBy(k Kind) string {
	for i := range r.file.Policy.Purposes {
		if p := &r.file.Policy.Purposes[i]; p.GrantedBy != "" && p.GrantedBy == k.String() {
			return p.Name
		}
	}
	return ""
}

// behind returns whether a source that carries an event has fallen behind by
// more than the file allows. Sources that never reported hold nothing.
func (m *Machine) behind(event string) bool {
	for i := range m.rules.file.Policy.Sources {
		s := &m.rules.file.Policy.Sources[i]
		if !slices.Contains(s.Carries, event) {
			continue
		}
		if to, ok := m.shop.completeTo(s.Name); ok && m.shop.Now-to > s.LateAfter.Milliseconds() {
			return true
		}
	}
	return false
}

// matches compares the properties a rule names with those of the event.
func matches(where []moments.Property, e *Event) bool {
	for i := range where {
		if !slices.Contains(where[i].Values, property(e, where[i].Path)) {
			return false
		}
	}
	return true
}

// property returns the text of a property by its path, whether it became a
// field of the event or was kept as it was.
func property(e *Event, path []string) string {
	if len(path) == 1 {
		switch path[0] {
		case "sku":
			return e.SKU
		case "cart_id":
			return e.CartID
		case "order_id":
			return e.OrderID
		case "shipment_id":
			return e.ShipmentID
		case "reason":
			return e.Reason
		case "status":
			return e.Status
		case "by":
			return e.By
		case "channel":
			return e.Channel
		case "category":
			return e.Category
		case "brand":
			return e.Brand
		}
	}
	p := properties(e.Properties)
	for _, key := range path {
		p = p.get(key)
	}
	return p.text()
}
