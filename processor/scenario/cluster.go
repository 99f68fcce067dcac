package scenario

import (
	"fmt"
	"runtime/debug"

	"onhand/processor"
)

// cluster is a whole deployment in memory, driven by hand: every partition's
// machine, the records in between, and a clock that moves when it is told to.
// Records are applied one at a time, transfers first, so that the world is
// quiet before the next thing happens.
//
//	record --> machine p --outputs--> decisions  --> said to the runner
//	   ^                     |------> attempts   --> outcomes --+
//	   |                     '------> transfers                 |
//	   '----- queue <------------------'------------------------+
type cluster struct {
	now      int64 // Unix ms
	machines []*processor.Machine
	stores   []*store
	seq      []uint64 // last record of each partition
	queue    []entry  // to be applied before anything else

	channels map[string]delivery // what becomes of attempts, by channel; "" = the others
	attempts []attempt           // of channels that have not answered yet, and those to be tried again
	went     map[string][]any    // the SKUs an action spoke of when it was attempted last
	made     map[string]string   // by action: what a platform calls what it made of a step, once
	said     []said
	dead     []processor.Dead

	out   processor.Outputs
	msg   []byte
	ticks int // at one instant

	beside func(partition int) error // what else is to see the record just applied; nil = nothing
}

// entry is one record on its way to a partition.
type entry struct {
	partition int
	body      []byte
}

// delivery is what a channel does with an attempt.
type delivery struct {
	result   string // delivered, failed, unknown, retry, waiting
	code     string
	template string // only of what is sent by this name, "" = all
	lag      int64  // ms until it holds on the platform; 0 = not told
}

// attempt is an action the gate let go.
type attempt struct {
	customer, action, channel string
	template                  string
	number                    int
	again                     int64 // when it is tried again; 0 = no answer yet
}

// said is a decision, what became of an attempt, or what was learned too late.
type said struct {
	decision   *processor.Decision
	delivery   *processor.DeliveryRecord
	correction *processor.Correction
}

// retryAfterMS is how long the cluster waits before it asks for another
// attempt on a channel that said "not now".
const retryAfterMS = 60_000

// Two entities that answer each other for ever, or a timer that arms itself for
// the same instant, would never let the clock move: so many records at one
// instant are a failure.
const (
	maxTransfers = 100_000
	maxTicks     = 100_000
)

func newCluster(partitions int, now int64) (*cluster, error) {
	c := &cluster{now: now, went: map[string][]any{}, made: map[string]string{}, channels: map[string]delivery{"": {result: "delivered"}}}
	for range partitions {
		c.stores = append(c.stores, newStore())
	}
	c.machines = make([]*processor.Machine, partitions)
	c.seq = make([]uint64, partitions)
	for p := range partitions {
		if err := c.open(p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *cluster) open(p int) (err error) {
	c.machines[p], err = processor.NewMachine(processor.Config{Partition: p, Partitions: len(c.stores), Memory: 64 << 20}, c.stores[p])
	return err
}

// owner returns the machine that owns an id.
func (c *cluster) owner(id string) *processor.Machine {
	return c.machines[c.partition(id)]
}

// customer returns what is known of a customer, as the API does: by the id
// that keeps it.
func (c *cluster) customer(id string) (processor.CustomerView, bool) {
	view, ok := c.owner(id).CustomerView(id)
	for ok && view.KeptBy != "" {
		view, ok = c.owner(view.KeptBy).CustomerView(view.KeptBy)
	}
	return view, ok
}

func (c *cluster) partition(id string) int {
	return processor.PartitionOf(processor.Hash(id), len(c.machines))
}

// event puts an event into the log of its entity and runs until quiet.
func (c *cluster) event(e *processor.Event) error {
	p := 0
	if kind, id := e.Target(); kind != processor.ShopKind {
		p = c.partition(id)
	}
	return c.append(p, processor.AppendEvent([]byte{byte(processor.EventEntry)}, e))
}

// control puts a control into the log and runs until quiet.
func (c *cluster) control(x *processor.Control) error {
	return c.append(0, processor.AppendControl(nil, x))
}

// append puts one entry into a partition's log and runs until quiet.
func (c *cluster) append(p int, body []byte) error {
	c.queue = append(c.queue, entry{p, body})
	return c.settle()
}

// settle applies what is on its way, until nothing is.
func (c *cluster) settle() error {
	for n := 0; len(c.queue) > 0; n++ {
		if n == maxTransfers {
			return fmt.Errorf("%d transfers in one millisecond do not end", maxTransfers)
		}
		next := c.queue[0]
		c.queue = c.queue[1:]
		if err := c.apply(next); err != nil {
			return err
		}
	}
	return nil
}

// reopen ends every machine and opens it again on what its store holds, as a
// restart does.
func (c *cluster) reopen() error {
	for p, m := range c.machines {
		c.stores[p].flush(m)
		if err := c.open(p); err != nil {
			return err
		}
	}
	return nil
}

// apply applies one record. A panic of the machine becomes an error, so that
// one scenario cannot hide the others.
func (c *cluster) apply(e entry) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("partition %d panics: %v\n%s", e.partition, r, debug.Stack())
		}
	}()
	c.seq[e.partition]++
	c.msg = processor.AppendRecordHeader(c.msg[:0], c.now)
	c.msg = processor.AppendRecordEntry(c.msg, e.body)
	c.out.Reset()
	c.machines[e.partition].Apply(c.seq[e.partition], c.now, c.msg, &c.out)
	if c.beside != nil {
		if err := c.beside(e.partition); err != nil {
			return err
		}
	}
	return c.take(e.partition)
}

// take reads the outputs of the record just applied.
func (c *cluster) take(p int) error {
	for buf := c.out.Buf; len(buf) > 0; {
		o, rest, err := processor.NextOutput(buf)
		if err != nil {
			return err
		}
		buf = rest
		switch o.Type {
		case processor.DecisionOutput:
			d, err := processor.ParseDecision(o.Body)
			if err != nil {
				return err
			}
			c.said = append(c.said, said{decision: &d})
			if d.Action != nil && d.Mode == "live" {
				c.attempt(&d, 1)
			}
		case processor.ReleaseOutput:
			r, err := processor.ParseRelease(o.Body)
			if err != nil {
				return err
			}
			c.attempt(&r.Decision, r.Attempt)
		case processor.TransferOutput:
			t, err := processor.ParseTransfer(o.Body)
			if err != nil {
				return err
			}
			c.queue = append(c.queue, entry{t.Receiver, processor.AppendTransfer(nil, p, 0, t)})
		case processor.DeliveryOutput:
			d, err := processor.ParseDelivery(o.Body)
			if err != nil {
				return err
			}
			c.said = append(c.said, said{delivery: &d})
		case processor.CorrectionOutput:
			x, err := processor.ParseCorrection(o.Body)
			if err != nil {
				return err
			}
			c.said = append(c.said, said{correction: &x})
		case processor.DeadOutput:
			d, err := processor.ParseDead(o.Body)
			if err != nil {
				return err
			}
			c.dead = append(c.dead, d)
		}
	}
	return nil
}

// attempt hands an action to its channel.
func (c *cluster) attempt(d *processor.Decision, number int) {
	skus := []any{}
	for i := range d.Action.Lines {
		skus = append(skus, d.Action.Lines[i].SKU)
	}
	c.went[d.Action.ID] = skus
	if d.Action.Kind == "set_up" && c.made[d.Action.ID] == "" {
		c.made[d.Action.ID] = fmt.Sprintf("%s#%d", d.Action.Template, len(c.made)+1)
	}
	c.answer(attempt{customer: d.Customer, action: d.Action.ID, channel: d.Action.Channel, template: d.Action.Template, number: number})
}

// answer has a channel answer an attempt as it was told to.
func (c *cluster) answer(a attempt) {
	d, ok := c.channels[a.channel]
	if !ok || d.template != "" && d.template != a.template {
		d = c.channels[""]
	}
	var result processor.Delivery
	switch d.result {
	case "waiting":
		c.attempts = append(c.attempts, a)
		return
	case "retry":
		result = processor.Retry
		a.again = c.now + retryAfterMS
		c.attempts = append(c.attempts, a)
	case "failed":
		result = processor.Failed
	case "unknown":
		result = processor.Unknown
	default:
		result = processor.Delivered
	}
	body := processor.AppendOutcome(nil, a.customer, a.action, a.number, result, d.code)
	if d.lag != 0 {
		body = processor.AppendEffective(body, c.now+d.lag)
	}
	if ref := c.made[a.action]; ref != "" && result == processor.Delivered {
		if d.lag == 0 {
			body = processor.AppendEffective(body, 0)
		}
		body = processor.AppendReference(body, ref)
	}
	c.queue = append(c.queue, entry{c.partition(a.customer), body})
}

// deliver sets what a channel does from now on. Attempts that wait for an
// answer get it.
func (c *cluster) deliver(channel string, d delivery) error {
	if channel == "" {
		clear(c.channels)
	}
	c.channels[channel] = d
	waiting := c.attempts
	c.attempts = nil
	for _, a := range waiting {
		if a.again != 0 {
			c.attempts = append(c.attempts, a)
			continue
		}
		c.answer(a)
	}
	return c.settle()
}

// advance moves the clock to an instant. Whatever is due on the way happens at
// its own time: timers by a tick in the log of their partition, another attempt
// by a request for release.
func (c *cluster) advance(to int64) error {
	for {
		at, partition, retry := c.next(to)
		if at == 0 {
			c.now, c.ticks = max(c.now, to), 0
			return nil
		}
		if at > c.now {
			c.now, c.ticks = at, 0
		}
		if c.ticks++; c.ticks > maxTicks {
			return fmt.Errorf("partition %d: %d timers in one millisecond do not end", partition, maxTicks)
		}
		body := []byte{byte(processor.TickEntry)}
		if retry >= 0 {
			a := c.attempts[retry]
			c.attempts = append(c.attempts[:retry:retry], c.attempts[retry+1:]...)
			partition = c.partition(a.customer)
			body = processor.AppendReleaseRequest(nil, a.customer, a.action, a.number+1, true)
		}
		if err := c.append(partition, body); err != nil {
			return err
		}
	}
}

// next returns the earliest thing due up to an instant: the wake of a
// partition, or with retry >= 0 another attempt. at is 0 when there is none.
func (c *cluster) next(to int64) (at int64, partition, retry int) {
	retry = -1
	for p, m := range c.machines {
		if w := m.NextWake(); w != 0 && w <= to && (at == 0 || w < at) {
			at, partition = w, p
		}
	}
	for i, a := range c.attempts {
		if a.again != 0 && a.again <= to && (at == 0 || a.again < at) {
			at, retry = a.again, i
		}
	}
	return at, partition, retry
}
