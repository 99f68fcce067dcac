package processor

import (
	"slices"
	"strings"

	"onhand/processor/moments"
)

// Setup is what has to stand on a platform before anybody is put into an
// audience, as the moment's `steps` name it: the item in its catalogue, a
// product set, an ad set that runs. It is set up when there are enough for the
// audience, one step after the other, each with the ids that the platform gave
// those before it, and taken down in the reverse order when there are not.
//
//	enough --> set_up --delivered: its id--> set_up --> ... --> all stand: they are told
//	              | failed, unknown                                 | too few
//	              v                                                 v
//	           take_down of what stands, again in an hour     take_down, last one first
//
// Each step is an action with an id of its own, which stays pending until its
// outcome is in the log. A crash is a replay of that log, so that the attempt
// after it has the same id, and a platform that honours it makes nothing twice.
// One step is under way at a time: what is wanted when its outcome is known
// decides which comes next. What somebody changed on the platform by hand, as
// Audience Reported {audience, sku, step, status: running | paused | edited |
// removed} says, is noted and left alone until it has to come down, or Audience
// Resumed has it set up again under the ids it has.
type Setup struct {
	Stand []standing // in their order
	Doing string     // id of the action under way, "" = none
	Down  bool       // it takes the last one down
	N     int64      // actions so far
	Retry int64      // after a refusal: log time of the next attempt, until then what stands is taken down
	// Who is asked, and how the decisions are labelled: as of the last step set up.
	Channel, Class string
}

// standing is a step that was set up, or may have been.
type standing struct {
	Step     string
	Decision string // that asked for it
	Ref      string // the platform's id, "" = it gave none
	Took     int64  // log time of its outcome
	Said     edition
	Edited   bool // it was changed there
	Again    bool // it is to be set up as it was
}

// setupRetryMS is how long after a refusal a platform is asked again.
const setupRetryMS = 3600_000

// maxReference bounds a platform's id; the rest of a longer one is cut off.
const maxReference = 256

func clipped(ref string) string { return strings.Clone(ref[:min(len(ref), maxReference)]) }

// Kinds of action of the steps of an audience.
const (
	kindSetUp    = "set_up"
	kindTakeDown = "take_down"
)

func isStep(kind string) bool { return kind == kindSetUp || kind == kindTakeDown }

func (s *Setup) bytes() int {
	if s == nil {
		return 0
	}
	return 120 + 200*cap(s.Stand)
}

func (s *Setup) encode(w *writer) {
	if w.bool(s != nil); s == nil {
		return
	}
	w.uint(uint64(len(s.Stand)))
	for _, x := range s.Stand {
		w.str(x.Step)
		w.str(x.Decision)
		w.str(x.Ref)
		w.int(x.Took)
		w.int(x.Said.Version)
		w.int(x.Said.At)
		w.u8(flags(x.Edited, x.Again))
	}
	w.str(s.Doing)
	w.bool(s.Down)
	w.int(s.N)
	w.int(s.Retry)
	w.str(s.Channel)
	w.str(s.Class)
}

func decodeSetup(r *reader) *Setup {
	if !r.bool() {
		return nil
	}
	s := &Setup{}
	if n := r.count(7); n > 0 {
		s.Stand = make([]standing, n)
		for i := range s.Stand {
			x := standing{Step: r.str(), Decision: r.str(), Ref: r.str(), Took: r.int(), Said: edition{r.int(), r.int()}}
			f := r.u8()
			x.Edited, x.Again = f&1 != 0, f&2 != 0
			s.Stand[i] = x
		}
	}
	s.Doing, s.Down, s.N, s.Retry, s.Channel, s.Class = r.str(), r.bool(), r.int(), r.int(), r.str(), r.str()
	return s
}

// data are the platform's ids of what stands, by step.
func (s *Setup) data() (list []Datum) {
	if s == nil {
		return nil
	}
	for _, x := range s.Stand {
		if x.Ref != "" {
			list = append(list, Datum{x.Step, x.Ref, 0})
		}
	}
	return list
}

// stands takes the next step towards what is wanted and reports whether all
// that the moment asks for stands. enough says that there are enough for the
// audience.
func (q *Quorum) stands(m *Machine, mo *moments.Moment, enough bool) bool {
	var names []string
	if mo != nil && mo.Mode == moments.Live {
		names = mo.Steps
	}
	s := q.Setup
	if s == nil && len(names) == 0 {
		return true
	}
	if s == nil {
		s = &Setup{}
		q.Setup = s
	}
	if s.Doing != "" {
		return false
	}
	if s.Retry != 0 && s.Retry <= m.shop.Now {
		s.Retry = 0
	}
	last := len(s.Stand) - 1
	agree := len(s.Stand) <= len(names)
	for i := range s.Stand {
		agree = agree && s.Stand[i].Step == names[i]
	}
	switch wanted := enough && s.Retry == 0 && agree && len(names) > 0; {
	case !wanted && last >= 0:
		q.step(m, kindTakeDown, s.Stand[last].Step, s.Stand[last].Decision)
	case wanted && s.again() >= 0:
		q.step(m, kindSetUp, s.Stand[s.again()].Step, "")
	case wanted && len(s.Stand) < len(names):
		s.Channel, s.Class = mo.Channels[0], mo.Class.Name
		q.step(m, kindSetUp, names[len(s.Stand)], "")
	case s.Retry != 0 && enough:
		m.arm(q, s.Retry)
	}
	return len(names) == 0 || s.Doing == "" && s.Retry == 0 && len(s.Stand) == len(names)
}

// again returns the first step that is to be set up as it was, -1 = none.
func (s *Setup) again() int {
	return slices.IndexFunc(s.Stand, func(x standing) bool { return x.Again })
}

// quorumEvent takes what a platform holds of what was set up for an audience, or
// that it is to be set up again where it was changed.
func (m *Machine) quorumEvent(e *Event) {
	p := properties(e.Properties)
	q, ok := m.get(QuorumKind, quorumID(p.id("audience"), e.SKU)).(*Quorum)
	if !ok || q.Setup == nil {
		m.dead("audience", "nothing was set up for "+p.id("audience")+" of "+e.SKU, m.current)
		return
	}
	m.touch(q)
	s := q.Setup
	if e.Kind == AudienceResumed {
		was := q.state(m)
		for i := range s.Stand {
			x := &s.Stand[i]
			x.Edited, x.Again = false, x.Again || x.Edited
		}
		q.weigh(m, was)
		return
	}
	i := slices.IndexFunc(s.Stand, func(x standing) bool { return x.Step == p.id("step") })
	switch changed := slices.Contains([]string{"paused", "edited", "removed"}, e.Status); {
	case !changed && e.Status != "running":
		m.dead("audience", "status "+e.Status+" of a step is none of running, paused, edited, removed", m.current)
	case i < 0: // nothing of that name is to stand there
	default:
		x := &s.Stand[i]
		ed := editionOf(e)
		ed.At = min(ed.At, m.shop.Now)
		if ed.At <= x.Took || !x.Said.older(ed) {
			return // of what was there before
		}
		x.Said = ed
		if changed && !x.Edited && !x.Again {
			m.drifted(&Correction{At: m.shop.Now, Decision: x.Decision, Moment: q.Moment, Channel: s.Channel, Kind: Drift, Reason: Drifted, LateMS: ed.At - x.Took})
		}
		x.Edited = changed && !x.Again
	}
}

// step asks the platform for one. The action waits for its outcome where those
// to customers do, under the audience's own id.
func (q *Quorum) step(m *Machine, kind, name, retracts string) {
	s := q.Setup
	s.N++
	o := Occurrence{Moment: q.Moment, Value: q.Value, N: s.N, Rules: m.shop.Activations}
	c := m.customer(q.ID)
	d := &Decision{
		At: m.shop.Now, Customer: q.ID, Moment: q.Moment, Cause: Cause{Value: q.Value, N: s.N}, Outcome: Sent,
		Mode: moments.Live, Version: m.rules.file.Hash, Evidence: m.evidence(),
	}
	if kind == kindTakeDown {
		d.Outcome, d.Reason, d.Step, d.Retracts = Retracted, Ended, Ended.Step(), retracts
		if s.Retry != 0 {
			d.Reason, d.Step = NotSetUp, NotSetUp.Step()
		}
	} else {
		m.shop.Decided++
	}
	d.ID = m.decisionID(c, &o, verdict{outcome: d.Outcome})
	d.Action = &Action{ID: d.ID, Kind: kind, Channel: s.Channel, Class: s.Class, Template: name, Customer: q.ID, Currency: m.rules.file.Currency, Data: s.data()}
	if m.rules.perItem(q.Moment) || kind == kindTakeDown {
		d.Action.Lines = []ActionLine{{SKU: q.Value, Quantity: 1}}
	}
	s.Doing, s.Down = d.ID, kind == kindTakeDown
	m.emitDecision(d)
	c.await(d, &o)
}

// stepped takes what became of a step. ref is the platform's id of it.
func (m *Machine) stepped(d *Decision, delivery Delivery, ref string) {
	q, ok := m.get(QuorumKind, quorumID(d.Moment, d.Cause.Value)).(*Quorum)
	if !ok || q.Setup == nil || q.Setup.Doing != d.Action.ID {
		return
	}
	m.touch(q)
	s, was := q.Setup, q.state(m)
	s.Doing = ""
	switch {
	case !s.Down && s.again() >= 0 && s.Stand[s.again()].Step == d.Action.Template:
		x := &s.Stand[s.again()]
		x.Again, x.Edited = false, delivery != Delivered // it stays as somebody left it
		if x.Took = m.shop.Now; delivery == Delivered && ref != "" {
			x.Ref = clipped(ref)
		}
	case s.Down:
		// Done, refused or unknown: what is left of it is not ours any more.
		s.Stand = slices.Delete(s.Stand, len(s.Stand)-1, len(s.Stand))
	case delivery == Delivered:
		s.Stand = append(s.Stand, standing{Step: d.Action.Template, Decision: d.ID, Ref: clipped(ref), Took: m.shop.Now})
	default:
		if s.Retry = m.shop.Now + setupRetryMS; delivery == Unknown { // it may stand
			s.Stand = append(s.Stand, standing{Step: d.Action.Template, Decision: d.ID, Took: m.shop.Now})
		}
	}
	q.weigh(m, was)
}
