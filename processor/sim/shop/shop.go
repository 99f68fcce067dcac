package shop

import "time"

// Config describes a simulated shop. Zero values take the defaults named.
type Config struct {
	Seed      uint64
	Customers int       // default 20000
	Items     int       // default 500
	Events    int       // Next ends after about so many; 0 = endless
	Start     time.Time // the shop's clock at the first event
	Rate      float64   // events per second of the shop's time; default 1000
	Timing    Timing
	Locations []string // that serve the web shop; default lyon-dc and lille-dc
	Store     string   // a location that does not serve it: its levels are a trap; "" = none
}

// Timing holds the windows of the moments in force, so that customers stay
// away, wait and answer on the scale that matters. The defaults are those of
// the shipped moments.
type Timing struct {
	AbandonAfter time.Duration // quiet after which a cart counts as left; default 45m
	Hold         time.Duration // length of an offer; default 30m
	Settle       time.Duration // how long a level must hold to count as back; default 3s
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&c.Customers, 20000)
	def(&c.Items, 500)
	if c.Rate <= 0 {
		c.Rate = 1000
	}
	t := &c.Timing
	if t.AbandonAfter <= 0 {
		t.AbandonAfter = 45 * time.Minute
	}
	if t.Hold <= 0 {
		t.Hold = 30 * time.Minute
	}
	if t.Settle <= 0 {
		t.Settle = 3 * time.Second
	}
	if len(c.Locations) == 0 {
		c.Locations = []string{"lyon-dc", "lille-dc"}
	}
	return c
}

// Shop is a simulated shop: customers, items and a clock of its own. It is not
// safe for concurrent use.
type Shop struct {
	cfg       Config
	dice      dice
	who, what zipf
	clock     int64 // Unix microseconds
	step      int64 // microseconds from one event to the next
	emitted   int   // number of events returned, copies counted
	orders    int
	customers []customer
	items     []item
	byID      map[string]int // customers who have been offered something
	bySKU     map[string]int
	empty     []int // items that are sold out
	later     agenda
	voice     voice
	product   int // catalogue events said so far
}

// New returns the shop of a seed. Equal configurations and equal calls give
// equal events, byte for byte.
func New(cfg Config) *Shop {
	cfg = cfg.withDefaults()
	s := &Shop{
		cfg: cfg, dice: newDice(cfg.Seed, 1),
		who: newZipf(cfg.Customers), what: newZipf(cfg.Items),
		clock: cfg.Start.UnixMicro(), step: max(1, int64(1e6/cfg.Rate)),
		customers: make([]customer, cfg.Customers), items: make([]item, cfg.Items),
		byID: map[string]int{}, bySKU: make(map[string]int, cfg.Items),
	}
	for i := range s.items {
		s.items[i] = newItem(cfg, i)
		s.bySKU[s.items[i].sku] = i
	}
	return s
}

// Next returns the next event, one step of the configured rate later. It
// returns false when Config.Events have been returned and nothing that was
// begun is left unsaid.
func (s *Shop) Next() (Event, bool) {
	return s.NextAt(time.UnixMicro(s.clock + s.step))
}

// NextAt returns the next event at the time given, for a caller that sends as
// fast as it can. Time does not go back: an earlier time counts as the last.
func (s *Shop) NextAt(now time.Time) (Event, bool) {
	s.clock = max(s.clock, now.UnixMicro())
	for {
		if t, ok := s.due(); ok {
			if e, said := t.run(); said {
				return s.emit(e), true
			}
			continue
		}
		switch {
		case s.product < 2*len(s.items)+s.storeLevels():
			return s.emit(s.catalogue()), true
		case s.ending():
			if !s.skipAhead() {
				return Event{}, false
			}
		default:
			if e, said := s.act(); said {
				return s.emit(e), true
			}
		}
	}
}

// ending says that no new story begins; what was begun is told to its end.
func (s *Shop) ending() bool { return s.cfg.Events > 0 && s.emitted >= s.cfg.Events }

// emit counts the event and sometimes has it delivered again, later.
func (s *Shop) emit(e Event) Event {
	e.At = time.UnixMicro(s.clock).UTC()
	s.emitted++
	if !e.Copy && s.dice.IntN(100) < 2 {
		again := e
		again.Copy = true
		s.after(s.dice.between(time.Millisecond, 2*time.Second), true, func() (Event, bool) { return again, true })
	}
	return e
}

// now returns the shop's time in whole milliseconds, as events tell it.
func (s *Shop) now() time.Time { return time.UnixMilli(s.clock / 1000).UTC() }

// Stock returns the true stock of an item, over all locations that serve
// the web shop, and false for an item the shop does not have.
func (s *Shop) Stock(sku string) (int64, bool) {
	i, ok := s.bySKU[sku]
	if !ok {
		return 0, false
	}
	return s.items[i].units(), true
}

// say completes an event about to be emitted.
func (s *Shop) say(e Event, x extras) (Event, bool) {
	if e.Occurred.IsZero() {
		e.Occurred = s.now()
	}
	return s.voice.say(e, x), true
}

// after schedules a task. must tasks are told even when the shop is ending;
// the others are then dropped.
func (s *Shop) after(d time.Duration, must bool, run func() (Event, bool)) {
	s.later.add(s.clock+d.Microseconds(), must, run)
}

// due takes the first task whose time has come.
func (s *Shop) due() (task, bool) {
	for len(s.later.tasks) > 0 && s.later.tasks[0].at <= s.clock {
		t := s.later.pop()
		if t.must || !s.ending() {
			return t, true
		}
	}
	return task{}, false
}

// skipAhead moves the clock to the next task, false when none is left.
func (s *Shop) skipAhead() bool {
	if len(s.later.tasks) == 0 {
		return false
	}
	s.clock = max(s.clock, s.later.tasks[0].at)
	return true
}
