package worker

import (
	"time"

	"onhand/processor"
)

// DecisionKey tells decisions apart.
type DecisionKey struct {
	Moment  string
	Outcome processor.Outcome
	Reason  processor.Reason
}

// DeliveryKey tells deliveries apart.
type DeliveryKey struct {
	Channel  string
	Delivery processor.Delivery
}

// CorrectionKey tells corrections apart.
type CorrectionKey struct {
	Moment string
	Kind   processor.CorrectionKind
	Reason processor.Reason
}

// Counts counts confirmed outputs, and the windows that ended without one.
type Counts struct {
	Ended       map[string]uint64 // by moment: before there was a candidate
	Decisions   map[DecisionKey]uint64
	Deliveries  map[DeliveryKey]uint64
	Corrections map[CorrectionKey]uint64
	Raced       Histogram         // how late what forbade a raced send was
	PlatformLag Histogram         // from a decision to when it holds on the platform, where it says so
	Dead        map[string]uint64 // by reason
}

func count[K comparable](m *map[K]uint64, k K, n uint64) {
	if *m == nil {
		*m = map[K]uint64{}
	}
	(*m)[k] += n
}

func (c *Counts) decision(d *processor.Decision) {
	count(&c.Decisions, DecisionKey{d.Moment, d.Outcome, d.Reason}, 1)
}

func (c *Counts) delivery(d *processor.DeliveryRecord) {
	count(&c.Deliveries, DeliveryKey{d.Channel, d.Delivery}, 1)
	if d.LagMS >= 0 {
		c.PlatformLag.observe(time.Duration(d.LagMS) * time.Millisecond)
	}
}

func (c *Counts) correction(x *processor.Correction) {
	count(&c.Corrections, CorrectionKey{x.Moment, x.Kind, x.Reason}, 1)
	if x.Kind == processor.Raced {
		c.Raced.observe(time.Duration(x.LateMS) * time.Millisecond)
	}
}

func (c *Counts) dead(reason string) { count(&c.Dead, reason, 1) }

// Add adds other to c.
func (c *Counts) Add(other Counts) {
	for k, n := range other.Decisions {
		count(&c.Decisions, k, n)
	}
	for k, n := range other.Deliveries {
		count(&c.Deliveries, k, n)
	}
	for k, n := range other.Corrections {
		count(&c.Corrections, k, n)
	}
	for k, n := range other.Ended {
		count(&c.Ended, k, n)
	}
	c.Raced.add(&other.Raced)
	c.PlatformLag.add(&other.PlatformLag)
	for k, n := range other.Dead {
		count(&c.Dead, k, n)
	}
}

// Counts returns what was confirmed since the last call.
func (p *Partition) Counts() Counts {
	c := p.commit.counts
	p.commit.counts = Counts{}
	if p.m != nil {
		p.m.TakeEnded(func(moment string, n uint64) { count(&c.Ended, moment, n) })
	}
	return c
}
