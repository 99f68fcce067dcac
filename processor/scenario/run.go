package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"onhand/connectors/segment"
	"onhand/processor"
)

// Options say how scenarios are run.
type Options struct {
	// Partitions of the deployment. 0 runs each scenario on 1 and on 16 and
	// once more with a restart before every step, and all must say the same.
	Partitions int
	// Restart opens the machines again on their stores before every step.
	Restart bool
	// Corrections must be listed by an expect, like what acts on a customer.
	Corrections bool
}

// Result is what became of one scenario.
type Result struct {
	Scenario  Scenario
	Failures  []Failure // none: it passed
	Decisions []Decided // all of them, in the order of log time
}

// OK reports whether the scenario passed.
func (r *Result) OK() bool { return len(r.Failures) == 0 }

// Failure is one thing that is not as the scenario says.
type Failure struct {
	Line int    // of the step
	At   string // as the step has it
	Text string // what differs, several lines
}

// Decided is one decision, what became of an attempt to deliver one, or what was
// learned of one too late, in the form users see.
type Decided struct {
	At     int64 // log time, Unix ms
	Fields map[string]any

	acts bool // sent or retracted, and with Options.Corrections a correction: it must be listed
}

// Run runs a scenario. It returns early when ctx ends.
func Run(ctx context.Context, s Scenario, o Options) Result {
	if o.Partitions != 0 {
		return run(ctx, s, setting{partitions: o.Partitions, restart: o.Restart, corrections: o.Corrections})
	}
	result := run(ctx, s, setting{partitions: 1, corrections: o.Corrections})
	if !result.OK() {
		return result
	}
	for _, v := range []struct {
		name string
		setting
	}{{"on 16 partitions", setting{partitions: 16}}, {"with restarts", setting{partitions: 1, restart: true}}} {
		v.corrections = o.Corrections
		other := run(ctx, s, v.setting)
		for _, f := range other.Failures {
			f.Text = v.name + ": " + f.Text
			result.Failures = append(result.Failures, f)
		}
		if text := compare(result.Decisions, other.Decisions); text != "" && other.OK() {
			result.Failures = append(result.Failures, Failure{Line: s.Line, Text: v.name + " other things are decided:\n" + text})
		}
	}
	return result
}

// setting is what a scenario runs on.
type setting struct {
	partitions  int
	restart     bool           // before every step
	corrections bool           // must be listed
	with        func(*cluster) // what to do with it before the first record; nil = nothing
}

// runner is one scenario being run.
type runner struct {
	s       Scenario
	setting setting
	rules   rules // in force
	cluster *cluster
	decided []Decided
	told    int // decided before this were listed by an expect
	dead    int // dead letters told of
	result  Result
}

func run(ctx context.Context, s Scenario, o setting) Result {
	r := &runner{s: s, setting: o, result: Result{Scenario: s}}
	fail := func(st Step, err error) {
		r.result.Failures = append(r.result.Failures, Failure{st.Line, st.Label, err.Error()})
	}
	var err error
	if r.cluster, err = newCluster(o.partitions, s.Start); err == nil {
		if o.with != nil {
			o.with(r.cluster)
		}
		err = r.activate(s.rules, processor.Activate)
	}
	if err != nil {
		fail(Step{Line: s.Line}, err)
		return r.result
	}
	for _, st := range s.Steps {
		if err = ctx.Err(); err == nil && o.restart {
			err = r.cluster.reopen()
		}
		if err == nil {
			err = r.step(st)
		}
		if err != nil {
			fail(st, err)
			break
		}
	}
	r.read()
	r.result.Decisions = r.decided
	return r.result
}

// activate brings a moments file into force, by a control of that type.
func (r *runner) activate(x rules, t processor.ControlType) error {
	r.rules = x
	return r.cluster.control(&processor.Control{Type: t, Text: x.text})
}

func (r *runner) step(st Step) error {
	if err := r.cluster.advance(st.At); err != nil {
		return err
	}
	if st.apply != nil {
		t := processor.Activate
		if st.keep {
			t = processor.ActivateKeeping
		}
		if err := r.activate(*st.apply, t); err != nil {
			return err
		}
	}
	if st.control != nil {
		x := &processor.Control{Type: processor.Resume, Name: st.control.tag, At: st.At}
		if st.control.channel != "" {
			x.Type, x.Name, x.At = processor.ChannelSays, st.control.channel, st.control.until
		}
		if st.control.stop {
			x.Type = processor.Stop
		}
		apply := func() error { return r.cluster.control(x) }
		if id := st.control.erase; id != "" {
			apply = func() error {
				return r.cluster.event(&processor.Event{Kind: processor.CustomerErased, Stamp: st.At, At: st.At, AnonymousID: id})
			}
		}
		if err := apply(); err != nil {
			return err
		}
	}
	if st.deliver != nil {
		if err := r.cluster.deliver(st.deliver.channel, st.deliver.delivery); err != nil {
			return err
		}
	}
	if st.send != nil {
		if err := r.send(st); err != nil {
			return err
		}
	}
	r.read()
	found := st.dead == ""
	for _, d := range r.cluster.dead[r.dead:] {
		if d.Reason != st.dead {
			r.fail(st, "an entry went to the dead letter: %s: %s", d.Reason, d.Detail)
		}
		found = true
	}
	if !found {
		r.fail(st, "nothing went to the dead letter for the reason %s", st.dead)
	}
	r.dead = len(r.cluster.dead)
	if st.expect != nil {
		list := r.decided[r.told:]
		r.told = len(r.decided)
		if text := judge(r.s, *st.expect, list); text != "" {
			r.fail(st, "%s", text)
		}
	}
	for _, c := range st.check {
		r.check(st, c)
	}
	return nil
}

func (r *runner) fail(st Step, format string, args ...any) {
	r.result.Failures = append(r.result.Failures, Failure{st.Line, st.Label, fmt.Sprintf(format, args...)})
}

// send delivers the calls of a step through the parser every inlet uses.
func (r *runner) send(st Step) error {
	var list []call
	for _, c := range st.send.calls {
		for range st.send.repeat {
			list = append(list, c)
		}
	}
	if st.send.mixed {
		dice := rand.New(rand.NewPCG(uint64(st.send.shuffle), 0))
		dice.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	for _, c := range list {
		events, err := segment.Parse(nil, c.json, segment.Options{Source: "shop", Now: r.cluster.now, Currency: r.rules.currency, Country: r.rules.country, AddressKey: []byte("scenario")})
		switch {
		case err != nil && st.send.refused:
		case err != nil:
			r.fail(st, "the event in line %d is refused: %v", c.line, err)
		case st.send.refused:
			r.fail(st, "the event in line %d is accepted and should be refused", c.line)
		}
		for i := range events {
			if err := r.cluster.event(&events[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// read takes what the cluster has said since the last time.
func (r *runner) read() {
	for _, x := range r.cluster.said {
		var d Decided
		if x.decision != nil {
			d.At = x.decision.At
			d.acts = x.decision.Outcome == processor.Sent || x.decision.Outcome == processor.Retracted
			d.Fields = object(x.decision.AppendJSON(nil))
		} else if x.correction != nil {
			d.At, d.acts = x.correction.At, r.setting.corrections
			text, _ := x.correction.MarshalJSON() // cannot fail for words and numbers
			d.Fields = object(text)
		} else {
			v := x.delivery
			d.At = v.At
			d.Fields = map[string]any{
				"at": stamp(v.At), "customer": v.Customer, "moment": v.Moment, "delivery": v.Delivery.String(),
				"channel": v.Channel, "attempt": json.Number(fmt.Sprint(v.Attempt)), "code": v.Code, "lag_ms": json.Number(fmt.Sprint(v.LagMS)),
				"action": map[string]any{"id": v.Action, "skus": r.cluster.went[v.Action]},
			}
		}
		r.decided = append(r.decided, d)
	}
	r.cluster.said = r.cluster.said[:0]
}

// object reads a JSON object with its numbers as they are written.
func object(text []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	m := map[string]any{}
	if err := d.Decode(&m); err != nil {
		panic(fmt.Errorf("scenario: not JSON: %w: %s", err, text))
	}
	return m
}

// check compares fields with the read model of a customer, an item or a
// reward.
func (r *runner) check(st Step, c check) {
	var view any
	var ok bool
	switch c.kind {
	case "customer":
		view, ok = r.cluster.customer(c.id)
	case "reward":
		view, ok = r.cluster.owner(c.id).RewardView(c.id), true
	default:
		view, ok = r.cluster.owner(c.id).ItemView(c.id)
	}
	if !ok {
		r.fail(st, "%s %s is not known", c.kind, c.id)
		return
	}
	text, err := json.Marshal(view)
	if err != nil {
		r.fail(st, "%s %s: %v", c.kind, c.id, err)
		return
	}
	answer := object(text)
	if c.kind == "customer" {
		answer["id"] = c.id
	}
	for _, d := range differences(nil, "", c.fields, answer) {
		r.fail(st, "%s %s, line %d: %s", c.kind, c.id, c.line, d)
	}
}

// compare tells in what two runs of a scenario differ, but for where in the
// log things stand.
func compare(a, b []Decided) string {
	lines := func(list []Decided) (out []string) {
		for _, d := range list {
			fields := deepCopy(d.Fields).(map[string]any)
			if e, ok := fields["evidence"].(map[string]any); ok {
				delete(e, "position")
				delete(e, "step")
				delete(e, "facts")
			}
			out = append(out, show(fields))
		}
		slices.Sort(out)
		return out
	}
	x, y := lines(a), lines(b)
	var out strings.Builder
	for len(x) > 0 || len(y) > 0 {
		switch {
		case len(y) == 0 || len(x) > 0 && x[0] < y[0]:
			fmt.Fprintf(&out, "  - %s\n", x[0])
			x = x[1:]
		case len(x) == 0 || y[0] < x[0]:
			fmt.Fprintf(&out, "  + %s\n", y[0])
			y = y[1:]
		default:
			x, y = x[1:], y[1:]
		}
	}
	return out.String()
}

func deepCopy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = deepCopy(x)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = deepCopy(x)
		}
		return list
	}
	return v
}
