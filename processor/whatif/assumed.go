package whatif

import "onhand/processor"

// assumed is what becomes of the attempts of a world. One that was made in
// truth has the outcome that the log holds, whenever that comes; one that was
// not is taken as delivered when answerMS have passed.
type assumed struct {
	open    map[string]*attempt // by action: no outcome yet
	line    []*attempt          // by deadline, from head on
	head    int
	known   map[string]processor.AttemptEntry // outcomes of what this world has not attempted
	count   int                               // outcomes that were assumed
	dropped int                               // outcomes that known had no room for
}

// attempt is an action that was let go.
type attempt struct {
	customer, action string
	number           int
	again            bool // the channel said "not now"
	deadline         int64
	done             bool
}

const (
	answerMS = 60_000
	maxKnown = 500_000
)

func (a *assumed) begin() {
	a.open, a.known = map[string]*attempt{}, map[string]processor.AttemptEntry{}
}

// expect notes an attempt whose outcome is to come.
func (a *assumed) expect(now int64, customer, action string, number int) {
	a.put(&attempt{customer: customer, action: action, number: number, deadline: now + answerMS})
}

func (a *assumed) put(x *attempt) {
	if old := a.open[x.action]; old != nil {
		old.done = true
	}
	a.open[x.action] = x
	a.line = append(a.line, x)
}

func (a *assumed) end(x *attempt) {
	x.done = true
	delete(a.open, x.action)
}

// attempt takes an attempt and returns its outcome if that is known already.
func (a *assumed) attempt(now int64, customer, action string, number int) []byte {
	if o, ok := a.known[action]; ok {
		delete(a.known, action)
		return outcome(customer, action, number, &o)
	}
	a.expect(now, customer, action, number)
	return nil
}

func outcome(customer, action string, number int, o *processor.AttemptEntry) []byte {
	body := processor.AppendOutcome(nil, customer, action, number, o.Delivery, o.Code)
	if o.Effective != 0 || o.Reference != "" {
		body = processor.AppendEffective(body, o.Effective)
	}
	if o.Reference != "" {
		body = processor.AppendReference(body, o.Reference)
	}
	return body
}

// recorded takes what the log says of an attempt, and returns it as it holds
// here; nil when this world has no such attempt, or not yet. entry is e as it
// stands in the log.
func (a *assumed) recorded(now int64, e *processor.AttemptEntry, entry []byte) []byte {
	x := a.open[e.Action]
	if e.Delivery == 0 {
		if x == nil || e.Attempt <= x.number {
			return nil
		}
		a.end(x)
		return entry
	}
	if x == nil || x.again {
		if e.Delivery == processor.Retry {
			return nil
		}
		if len(a.known) < maxKnown {
			a.known[e.Action] = *e
		} else {
			a.dropped++
		}
		return nil
	}
	a.end(x)
	if e.Delivery == processor.Retry {
		a.put(&attempt{customer: x.customer, action: x.action, number: x.number, again: true, deadline: now + answerMS})
	}
	return outcome(e.Customer, e.Action, x.number, e)
}

// next returns when the next attempt is taken as delivered, or asked for again;
// 0 = never.
func (a *assumed) next() int64 {
	for a.head < len(a.line) && a.line[a.head].done {
		a.line[a.head] = nil
		a.head++
	}
	if a.head > len(a.line)/2 {
		n := copy(a.line, a.line[a.head:])
		clear(a.line[n:])
		a.line, a.head = a.line[:n], 0
	}
	if len(a.line) == 0 {
		return 0
	}
	return a.line[a.head].deadline
}

// pop ends the wait that next told of and returns what to put into the log of
// its customer.
func (a *assumed) pop() (customer string, body []byte) {
	x := a.line[a.head]
	a.end(x)
	if x.again {
		return x.customer, processor.AppendReleaseRequest(nil, x.customer, x.action, x.number+1, true)
	}
	a.count++
	return x.customer, outcome(x.customer, x.action, x.number, &processor.AttemptEntry{Delivery: processor.Delivered})
}
