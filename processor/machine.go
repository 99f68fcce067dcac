package processor

import (
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"onhand/processor/moments"
)

// Config describes one partition.
type Config struct {
	Partition  int
	Partitions int    // fixed when the deployment was created, at most Slots
	Memory     int64  // bytes of entities to keep; at least what one write-behind changes is kept
	Skips      []Skip // steps that failed before, from the commit records
}

// Machine is the deterministic state machine of one partition. Apply changes
// it by one record of the log; the same log gives the same state and the same
// outputs, byte for byte. It is used by one goroutine.
//
// After a panic in Apply the machine is of no use: its owner drops it, opens
// another one on the last write-behind and replays, passing over the step.
type Machine struct {
	partition, partitions int
	store                 Store
	shop                  Shop
	rules                 *rules
	memory                memory
	latest                [entityKinds]*head // of each kind, the one asked for last
	timers                timers
	seen                  seen
	skips                 map[Skip]bool

	// The step being applied.
	out        *Outputs
	current    []byte // the entry
	hops       int64  // ids that have passed it on
	index      int    // within the record
	mark       int    // where its outputs begin
	last       *head  // touched last
	body       writer // scratch of emit
	event      Event  // scratch of Apply
	ahead      ahead
	message    Message     // scratch of entry
	heard      ItemFacts   // scratch of watchMessage
	inbox      []Message   // for entities of this partition
	candidates []candidate // scratch of gateLines
	values     []string    // scratch of occurrences
	spare      spare
	reader     reader  // scratch of load
	coder      writer  // scratch of what encodes an entity
	atOnce     []int64 // scratch of startOccurrences

	happened    int64   // when what an item is told of now happened
	arbitrating bool    // a better candidate is being decided first
	platform    []Datum // what a platform calls what stands for an audience that is being told of
	denied      denial  // the message that the caps of a household refuse
	spent       string  // id of the decision for which no code is left

	// Write-behind; see flush.go.
	writer   Writer
	dirty    []key
	flushing []key
	flush    uint32 // number of the write-behind that takes changes made now
	flushed  uint32 // last one committed to the store
	misses   uint64
	ended    map[string]uint64 // windows, by moment; see windowEnded
	held     uint64            // records whose stamp the publisher's clock held back
	scratch  []byte
}

// Units of backlog, timers and waves, that are run with one record, so that a
// million timers due together never block their neighbours. A record with many
// entries, which may make as many of them due, runs one more for each.
const (
	unitsPerRecord = 64
	unitsPerTick   = 2048
)

// hashEvery is how many steps there are between two that put the entity they
// changed into the hash. Encoding the busiest customers is not cheap.
const hashEvery = 1024

// futureLimitMS is how far the server's stamp may be ahead of the publisher's
// clock. One wrong clock then cannot fire windows early.
const futureLimitMS = 5000

// NewMachine opens the partition on what its store holds.
func NewMachine(c Config, store Store) (*Machine, error) {
	if c.Partitions < 1 || c.Partitions > Slots || c.Partition < 0 || c.Partition >= c.Partitions {
		return nil, fmt.Errorf("processor: partition %d of %d does not exist; from 1 to %d partitions", c.Partition, c.Partitions, Slots)
	}
	m := &Machine{
		partition: c.Partition, partitions: c.Partitions, store: store,
		flush: 1, skips: make(map[Skip]bool, len(c.Skips)),
	}
	for _, s := range c.Skips {
		m.skips[s] = true
	}
	mark, err := store.Mark()
	if err != nil {
		return nil, err
	}
	m.memory = newMemory(c.Memory, mark == nil)
	if mark != nil {
		r := reader{b: mark}
		m.shop.decode(&r)
		if r.err != nil {
			return nil, fmt.Errorf("processor: the state's mark: %w", r.err)
		}
		if len(m.shop.Sent) != c.Partitions {
			return nil, fmt.Errorf("processor: the state is of a deployment with %d partitions, this one has %d", len(m.shop.Sent), c.Partitions)
		}
	} else {
		m.shop.Sent = make([]uint64, c.Partitions)
		m.shop.Deployment.Code = firstCode
	}
	if m.rules, err = compileRules(m.shop.Rules, m.shop.Version); err != nil {
		return nil, err
	}
	if m.rules, err = m.rules.keeping(m.shop.Kept); err != nil {
		return nil, err
	}
	return m, store.Timers(func(due int64, kind uint8, hash uint64) error {
		m.timers.push(wake{due: due, hash: hash, kind: EntityKind(kind)})
		return nil
	})
}

// Shop returns the partition's own state. It is read only and valid until the
// next Apply.
func (m *Machine) Shop() *Shop { return &m.shop }

// Rules returns the moments in force, nil before any were activated. They are
// never changed.
func (m *Machine) Rules() *moments.File { return m.rules.file }

// PassOver adds a step to those that are passed over. It is called before the
// step is applied.
func (m *Machine) PassOver(s Skip) { m.skips[s] = true }

// At names the step being applied: where a panic came from.
func (m *Machine) At() Skip { return Skip{m.shop.Position, m.index} }

// NextWake returns the earliest time a timer may be due, 0 when none is armed.
// The owner of an idle partition appends a tick then.
func (m *Machine) NextWake() int64 {
	w, _ := m.timers.peek()
	return w.due
}

// Apply applies the record at sequence seq of the log, stamped by the server
// with stamp (Unix ms), and appends what its steps ask for to out. What cannot
// be read becomes a dead letter; only a failing disk panics with *StoreError.
func (m *Machine) Apply(seq uint64, stamp int64, msg []byte, out *Outputs) {
	m.out = out
	m.shop.Position = seq
	m.shop.Deployment.Stamp, m.shop.Deployment.Record = stamp, RecordHash(msg)
	m.shop.Hash = mix(m.shop.Hash ^ m.shop.Deployment.Record) // of two records that ask for nothing, each is itself
	m.index = 0
	rec, err := ParseRecord(msg)
	if err != nil {
		m.begin()
		m.dead("malformed", err.Error(), msg)
		m.end()
		return
	}
	if stamp > rec.Clock+futureLimitMS {
		m.held++
	}
	m.shop.Now = LogTime(m.shop.Now, stamp, rec.Clock)
	m.backlog(unitsPerRecord)
	entries := 0
	m.ahead.left = 0
	for {
		m.look(rec)
		var entry []byte
		if entry, err = rec.Next(); entry == nil || err != nil {
			break
		}
		entries++
		if EntryType(entry[0]) == TickEntry {
			m.backlog(unitsPerTick)
			continue
		}
		if m.begin() {
			m.entry(entry)
		} else {
			m.dead("panic", "the step failed and is passed over", entry)
		}
		m.end()
	}
	if err != nil {
		m.begin()
		m.dead("malformed", err.Error(), msg)
		m.end()
	}
	m.backlog(entries - unitsPerRecord)
}

// LogTime returns the log time of a record behind one at a time: the server's
// stamp, held back by the publisher's clock, and never earlier. Unix ms.
func LogTime(before, stamp, clock int64) int64 { return max(before, min(stamp, clock+futureLimitMS)) }

// backlog runs up to n units of what is due; none when n is not positive.
func (m *Machine) backlog(n int) {
	for range n {
		e := m.nextDue()
		if e == nil {
			break
		}
		m.touch(e)
		e.base().due = 0
		if m.begin() {
			e.fire(m)
		}
		m.end()
	}
}

// nextDue takes the next entity out of the timer queue that has something due.
func (m *Machine) nextDue() entity {
	for {
		w, ok := m.timers.peek()
		if !ok || w.due > m.shop.Now {
			return nil
		}
		m.timers.pop()
		e := m.load(w.kind, w.hash)
		if e == nil {
			continue
		}
		h := e.base()
		if h.armed == w.due {
			h.armed = 0
		}
		switch {
		case h.due == 0:
		case h.due > w.due:
			if h.armed == 0 {
				h.armed = h.due
				m.timers.push(wake{due: h.due, hash: h.hash, kind: h.kind})
			}
		default:
			return e
		}
	}
}

// begin starts a step; false says that it is to be passed over.
func (m *Machine) begin() bool {
	m.shop.Step++
	m.mark = len(m.out.Buf)
	return len(m.skips) == 0 || !m.skips[m.At()]
}

// end delivers what the step said to entities of this partition and chains the
// step into the hash, behind its record: where it stands, what it asked for, and
// every so often what it made of the entity it changed last.
func (m *Machine) end() {
	for i := 0; i < len(m.inbox); i++ {
		m.deliver(&m.inbox[i])
	}
	clear(m.inbox)
	m.inbox = m.inbox[:0]
	s := &m.shop
	h := mix(s.Hash ^ s.Position*0x9e3779b97f4a7c15 ^ s.Step)
	if out := m.out.Buf[m.mark:]; len(out) > 0 {
		h = mix(h ^ xxhash.Sum64(out))
	}
	if s.Step%hashEvery == 0 && m.last != nil {
		h = mix(h ^ xxhash.Sum64(m.encoded(m.last)))
	}
	m.last = nil
	s.Hash = h
	m.index++
}

func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xe7037ed1a0b428db, 0xa0761d6478bd642f)
	return hi ^ lo
}

// entry applies one entry of a record.
func (m *Machine) entry(entry []byte) {
	m.current = entry
	body := entry[1:]
	switch EntryType(entry[0]) {
	case EventEntry:
		m.applyEvent(body, entry)
	case ShardEntry, TransferEntry:
		r := reader{b: body}
		sender, incarnation, number := r.uint(), r.uint(), r.uint()
		if r.err != nil {
			m.dead("malformed", "sender of a numbered entry", entry)
			return
		}
		s := m.shop.sender(sender)
		if incarnation < s.Incarnation || incarnation == s.Incarnation && number <= s.Number {
			return // a copy
		}
		if sender < Slots && number > s.Number+1 {
			m.missing(s)
			return
		}
		s.Incarnation, s.Number = incarnation, number
		if EntryType(entry[0]) == ShardEntry {
			m.applyEvent(r.rest(), entry)
			return
		}
		msg := &m.message
		msg.decode(&r)
		if r.err != nil {
			m.dead("malformed", "message of partition "+fmt.Sprint(sender), entry)
			return
		}
		m.deliver(msg)
	case OutcomeEntry:
		m.applyOutcome(body, entry, "")
	case ReleaseEntry:
		m.applyReleaseRequest(body, entry, "")
	case ControlEntry:
		var c Control
		r := reader{b: body}
		c.decode(&r)
		if r.err != nil {
			m.dead("malformed", "control", entry)
			return
		}
		m.control(&c)
	default:
		m.dead("malformed", fmt.Sprintf("entry of type %d", entry[0]), entry)
	}
}

func (m *Machine) applyEvent(body, entry []byte) {
	e := &m.event
	if err := DecodeEvent(body, e); err != nil {
		m.dead("malformed", err.Error(), entry)
		return
	}
	if m.foreign(e) {
		e.dropAmounts()
	}
	kind, id := e.Target()
	switch kind {
	case ShopKind:
		m.shopEvent(e)
		return
	case ItemKind:
		if id == "" {
			m.dead("malformed", e.Kind.String()+": sku is missing", entry)
			return
		}
		m.itemEvent(id, e)
	case RewardKind:
		m.ledgerEvent(e)
	case QuorumKind:
		m.quorumEvent(e)
	default:
		if id == "" {
			m.dead("malformed", e.Kind.String()+": neither userId nor anonymousId", entry)
			return
		}
		m.customerEvent(e)
	}
}

func (m *Machine) shopEvent(e *Event) {
	switch e.Kind {
	case SourceReported:
		name := e.ItemSource
		if name == "" {
			name = e.Source
		}
		if _, known := m.shop.completeTo(name); !known && len(m.shop.Sources) >= maxSources {
			m.dead("limit", fmt.Sprintf("the source %s: %d others have reported, no more are kept", name, maxSources), m.current)
			return
		}
		// Nobody has reported what is still to come: a source that says so would
		// never be behind again, whatever it says later.
		m.control(&Control{Type: SourceSays, Name: clone(name), At: min(e.CompleteTo, m.shop.Now)})
	case CrisisDeclared, CrisisEnded:
		m.crisis(e)
	}
}

// send sends a message to the partition of an entity.
func (m *Machine) send(id string, msg *Message) {
	m.sendTo(PartitionOf(Hash(id), m.partitions), msg)
}

// sendTo sends a message to a partition through its log. One to an entity of
// this partition is delivered at the end of the step, when no entity is in the
// middle of a change.
func (m *Machine) sendTo(p int, msg *Message) {
	if p == m.partition {
		own := *msg
		own.SKU, own.Customer, own.Ref = clone(msg.SKU), clone(msg.Customer), clone(msg.Ref)
		m.inbox = append(m.inbox, own)
		return
	}
	m.shop.Sent[p]++
	w := &m.body
	w.b = w.b[:0]
	w.uint(uint64(p))
	w.uint(m.shop.Sent[p])
	msg.encode(w)
	m.emit(TransferOutput)
}

// emit appends the output that was written to m.body.
func (m *Machine) emit(t OutputType) {
	m.out.append(t, m.body.b)
	m.shop.Outputs++
}

// deliver gives a message to its entity.
func (m *Machine) deliver(msg *Message) {
	switch msg.Type.to() {
	case ItemKind:
		m.itemMessage(msg)
	case WatchKind:
		m.watchMessage(msg)
	case CustomerKind:
		m.customerMessage(msg)
	case SaleKind:
		m.saleMessage(msg)
	case RewardKind:
		m.ledgerMessage(msg)
	case QuorumKind:
		m.quorumMessage(msg)
	case HouseholdKind:
		m.householdMessage(msg)
	case ShopKind:
		switch msg.Type {
		case ShopControl:
		case ResendMessages:
			m.resend(msg)
			return
		default:
			m.codeMessage(msg)
			return
		}
		var c Control
		r := reader{b: msg.Body}
		c.decode(&r)
		m.applyControl(&c)
	}
}

// dead puts an entry in the dead letter.
func (m *Machine) dead(reason, detail string, entry []byte) {
	w := &m.body
	w.b = w.b[:0]
	d := Dead{m.shop.Position, m.shop.Step, reason, detail, entry}
	d.encode(w)
	m.emit(DeadOutput)
}

// activate brings a moments file into force. The file was checked before it
// was appended; one that this program cannot read changes nothing and is
// recorded. keep lets what is pending have the file it began under.
func (m *Machine) activate(text []byte, keep bool) {
	r, faults := readRules(text)
	if r == nil {
		m.dead("moments", fmt.Sprintf("%d faults, the first: %v", len(faults), faults[0]), nil)
		return
	}
	m.shop.replace(keep)
	m.shop.Rules = append([]byte(nil), text...)
	m.shop.Version = r.file.Hash
	var err error
	if m.rules, err = r.keeping(m.shop.Kept); err != nil {
		m.dead("moments", err.Error(), nil)
		m.shop.Kept, m.rules = nil, r
	}
}
