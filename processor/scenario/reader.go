package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"onhand/processor"
	"onhand/processor/moments"
)

// Limits of a file.
const (
	maxFileBytes = 4 << 20
	maxSteps     = 10_000
	maxRepeat    = 1000
)

// reader reads scenarios out of YAML and gathers what is wrong with them.
type reader struct {
	file   string
	faults []moments.Fault

	start int64 // of the scenario being read
	now   int64 // of its latest step
}

func (r *reader) at(line, col int, what, do string) moments.Fault {
	return moments.Fault{File: r.file, Line: max(line, 1), Col: max(col, 1), What: what, Do: do}
}

// maxFaults bounds the faults told of one file.
const maxFaults = 100

func (r *reader) fault(n *yaml.Node, do, format string, args ...any) {
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, r.at(n.Line, n.Column, fmt.Sprintf(format, args...), do))
	}
}

// documents splits a text at its --- lines.
func (r *reader) documents(text []byte) (docs []*yaml.Node) {
	if len(text) > maxFileBytes {
		r.faults = append(r.faults, r.at(1, 1, fmt.Sprintf("the file has %d bytes", len(text)), fmt.Sprintf("at most %d; use several files", maxFileBytes)))
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			what, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
			if _, err := fmt.Sscanf(what, "line %d:", &line); err == nil {
				_, what, _ = strings.Cut(what, ": ")
			}
			r.faults = append(r.faults, r.at(line, 1, "not YAML: "+what, ""))
			return docs
		}
		if len(n.Content) == 1 && n.Content[0].Tag != "!!null" {
			docs = append(docs, n.Content[0])
		}
	}
}

// field is one key of a map and what reads its value.
type field struct {
	name string
	read func(*yaml.Node)
}

// fields reads a map whose keys are all known.
func (r *reader) fields(n *yaml.Node, what string, known ...field) (have map[string]*yaml.Node) {
	have = map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.fault(n, "", "%s must be a map", what)
		return have
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		j := slices.IndexFunc(known, func(f field) bool { return f.name == key.Value })
		switch {
		case j < 0:
			var names []string
			for _, f := range known {
				names = append(names, f.name)
			}
			r.fault(key, "one of "+strings.Join(names, ", "), "unknown key %q in %s", key.Value, what)
		case have[key.Value] != nil:
			r.fault(key, "keep one", "%q stands twice in %s", key.Value, what)
		default:
			have[key.Value] = value
		}
	}
	for _, f := range known { // in their own order: some need what others say
		if v := have[f.name]; v != nil && f.read != nil {
			f.read(v)
		}
	}
	return have
}

// scenario reads one document.
func (r *reader) scenario(doc *yaml.Node) Scenario {
	s := Scenario{File: r.file, Line: doc.Line, Start: defaultStart}
	p := plan{}
	var steps, file *yaml.Node
	have := r.fields(doc, "a scenario",
		field{"name", func(v *yaml.Node) { s.Name = r.text(v, "name") }},
		field{"covers", func(v *yaml.Node) { s.Covers = r.texts(v, "covers") }},
		field{"only", func(v *yaml.Node) { p.only, p.names = v, r.texts(v, "only") }},
		field{"moments", func(v *yaml.Node) { file = v }},
		field{"with", func(v *yaml.Node) { p.with = v }},
		field{"holdout", func(v *yaml.Node) { p.holdout = r.truth(v, "holdout") }},
		field{"start", func(v *yaml.Node) {
			if t, err := time.Parse(time.RFC3339, v.Value); err != nil {
				r.fault(v, "write it like 2026-03-02T10:00:00Z", "start %q is not a time", v.Value)
			} else {
				s.Start = t.UnixMilli()
			}
		}},
		field{"steps", func(v *yaml.Node) { steps = v }},
	)
	if have["name"] == nil {
		r.fault(doc, "say in one sentence what it shows", "a scenario has no name")
	}
	path := ""
	if file != nil {
		path = r.text(file, "moments")
	}
	name, text, err := momentsFile(r.file, path)
	if err != nil {
		r.fault(file, "the path is relative to this file", "cannot read the moments: %v", err)
		return s
	}
	place := cmpNode(file, cmpNode(p.with, doc))
	s.rules = r.planned(place, name, text, p)
	r.start, r.now = s.Start, s.Start
	switch {
	case steps == nil:
		r.fault(doc, "what happens, and what is expected?", "a scenario has no steps")
	case steps.Kind != yaml.SequenceNode || len(steps.Content) == 0:
		r.fault(steps, "each begins with - at:", "steps must be a list")
	case len(steps.Content) > maxSteps:
		r.fault(steps, fmt.Sprintf("at most %d", maxSteps), "%d steps", len(steps.Content))
	default:
		current := s.rules
		for _, n := range steps.Content {
			st := r.step(n, name, &current)
			s.Steps = append(s.Steps, st)
		}
	}
	return s
}

// defaultStart is a Monday morning in winter.
var defaultStart = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC).UnixMilli()

func cmpNode(a, b *yaml.Node) *yaml.Node {
	if a != nil {
		return a
	}
	return b
}

// step reads one step.
func (r *reader) step(n *yaml.Node, momentsName string, current *rules) Step {
	st := Step{Line: n.Line}
	var repeat, shuffle, refused *yaml.Node
	have := r.fields(n, "a step",
		field{"at", func(v *yaml.Node) {
			st.Label = v.Value
			at, err := r.instant(v.Value)
			switch {
			case err != nil:
				r.fault(v, "write an offset from start like 1h30m, or a time like 2026-03-02T10:00:00Z", "at %q is no time", v.Value)
			case at < r.now:
				r.fault(v, "steps stand in the order of time", "at %s is earlier than the step before", v.Value)
			default:
				r.now = at
			}
		}},
		field{"send", func(v *yaml.Node) { st.send = r.send(v) }},
		field{"repeat", func(v *yaml.Node) { repeat = v }},
		field{"shuffle", func(v *yaml.Node) { shuffle = v }},
		field{"refused", func(v *yaml.Node) { refused = v }},
		field{"expect", func(v *yaml.Node) { st.expect = r.expect(v) }},
		field{"check", func(v *yaml.Node) { st.check = r.check(v) }},
		field{"dead", func(v *yaml.Node) { st.dead = v.Value }},
		field{"control", func(v *yaml.Node) { st.control = r.control(v) }},
		field{"deliver", func(v *yaml.Node) { st.deliver = r.deliver(v) }},
		field{"apply", func(v *yaml.Node) {
			*current = r.planned(v, momentsName, current.text, plan{with: v, holdout: true})
			next := *current
			st.apply = &next
		}},
		field{"keep_pending", func(v *yaml.Node) {
			if st.keep = r.truth(v, "keep_pending"); st.apply == nil {
				r.fault(v, "it belongs to an apply", "%q without apply", "keep_pending")
			}
		}},
	)
	st.At = r.now
	if have["at"] == nil {
		r.fault(n, "write at: 1h30m", "a step has no at")
	}
	for _, x := range [...]struct {
		name string
		node *yaml.Node
		use  func(v *yaml.Node)
	}{
		{"repeat", repeat, func(v *yaml.Node) { st.send.repeat = int(r.number(v, "repeat", 1, maxRepeat)) }},
		{"shuffle", shuffle, func(v *yaml.Node) {
			st.send.shuffle, st.send.mixed = r.number(v, "shuffle", 0, 1<<53), true
		}},
		{"refused", refused, func(v *yaml.Node) { st.send.refused = r.truth(v, "refused") }},
	} {
		switch {
		case x.node == nil:
		case st.send == nil:
			r.fault(x.node, "it belongs to a send", "%q without send", x.name)
		default:
			x.use(x.node)
		}
	}
	asks := have["expect"] != nil || have["check"] != nil
	does := have["send"] != nil || have["control"] != nil || have["deliver"] != nil || have["apply"] != nil
	switch {
	case asks && does:
		r.fault(n, "make it two steps; they may have the same at", "a step both does something and asks what was decided")
	case !asks && !does && n.Kind == yaml.MappingNode:
		r.fault(n, "one of send, expect, check, control, deliver, apply", "a step does nothing")
	}
	return st
}

// instant reads an offset from the start, or a time.
func (r *reader) instant(s string) (int64, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UnixMilli(), nil
	}
	sign, rest := int64(1), s
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		rest = s[1:]
	}
	d, err := moments.ParseDuration(rest)
	if err != nil {
		return 0, err
	}
	return r.start + sign*d.Milliseconds(), nil
}

// each reads one value or a list of them.
func (r *reader) each(n *yaml.Node, fn func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		fn(n)
		return
	}
	for _, c := range n.Content {
		fn(c)
	}
}

func (r *reader) send(n *yaml.Node) *send {
	s := &send{repeat: 1}
	r.each(n, func(v *yaml.Node) {
		if v.Kind != yaml.MappingNode {
			r.fault(v, "write it like {type: track, event: Product Viewed, userId: ann, properties: {sku: phone}}", "send takes an event or a list of events")
			return
		}
		s.calls = append(s.calls, call{v.Line, r.call(v)})
	})
	return s
}

func (r *reader) expect(n *yaml.Node) *[]expected {
	list := []expected{}
	if n.Kind != yaml.SequenceNode {
		r.fault(n, "write expect: [] when nothing is", "expect must be a list")
		return &list
	}
	for _, v := range n.Content {
		if v.Kind != yaml.MappingNode {
			r.fault(v, "write it like {outcome: sent, moment: cart_abandoned}", "an expected decision must be a map")
			continue
		}
		for i := 0; i+1 < len(v.Content); i += 2 {
			key, value := v.Content[i], v.Content[i+1]
			switch {
			case !slices.Contains(decisionKeys, key.Value):
				r.fault(key, "one of "+strings.Join(decisionKeys, ", "), "a decision has no %q", key.Value)
			case key.Value == "outcome" && !slices.Contains(outcomes, value.Value):
				r.fault(value, "one of "+strings.Join(outcomes, ", "), "outcome %q does not exist", value.Value)
			case key.Value == "reason" && value.Value != "" && processor.Reason(value.Value).Step() == "":
				r.fault(value, "use one of the words of the gate", "reason %q does not exist", value.Value)
			}
		}
		list = append(list, expected{v.Line, r.value(v)})
	}
	return &list
}

// decisionKeys are the keys of a decision record, of what became of an attempt
// to deliver it, and of a correction of it.
var decisionKeys = []string{
	"id", "at", "customer", "moment", "cause", "outcome", "step", "reason", "until", "retracts", "mode",
	"moments_version", "action", "evidence", "delivery", "channel", "attempt", "code", "correction", "late_ms", "decision", "lag_ms",
}

var outcomes = []string{"sent", "suppressed", "deferred", "expired", "retracted"}

func (r *reader) check(n *yaml.Node) (list []check) {
	r.each(n, func(v *yaml.Node) {
		one := func(kind, key string) field {
			return field{kind, func(v *yaml.Node) {
				c := check{line: v.Line, kind: kind}
				if v.Kind == yaml.MappingNode {
					for i := 0; i+1 < len(v.Content); i += 2 {
						if v.Content[i].Value == key {
							c.id = v.Content[i+1].Value
						}
					}
				}
				if c.id == "" {
					r.fault(v, fmt.Sprintf("write %s: {%s: ...}", kind, key), "check of no %s", kind)
					return
				}
				c.fields = r.value(v)
				list = append(list, c)
			}}
		}
		r.fields(v, "check", one("customer", "id"), one("item", "sku"), one("reward", "reward_id"))
	})
	return list
}

func (r *reader) control(n *yaml.Node) *control {
	c := &control{}
	tag := func(v *yaml.Node) {
		if c.tag = r.text(v, "tag"); c.tag == everything {
			c.tag = ""
		}
	}
	have := r.fields(n, "control",
		field{"stop", func(v *yaml.Node) { c.stop = true; tag(v) }},
		field{"resume", tag},
		field{"erase", func(v *yaml.Node) { c.erase = r.text(v, "erase") }},
		field{"held", func(v *yaml.Node) { c.channel = r.text(v, "held") }},
		field{"until", func(v *yaml.Node) {
			at, err := r.instant(v.Value)
			if err != nil {
				r.fault(v, "write it like 2h or 2026-03-02T10:00:00Z", "until %q is not a time", v.Value)
			}
			c.until = at
		}},
	)
	if len(have) != 1 && (have["held"] == nil || have["until"] == nil) || len(have) > 2 {
		r.fault(n, "write control: {stop: all}, {resume: TAG}, {erase: CUSTOMER} or {held: CHANNEL, until: TIME}", "control is one of stop, resume, erase and held")
	}
	return c
}

// everything is the tag that means all moments.
const everything = "all"

func (r *reader) deliver(n *yaml.Node) *deliver {
	d := &deliver{}
	have := r.fields(n, "deliver",
		field{"result", func(v *yaml.Node) {
			d.result = r.text(v, "result")
			if !slices.Contains(results, d.result) {
				r.fault(v, "one of "+strings.Join(results, ", "), "result %q does not exist", d.result)
			}
		}},
		field{"channel", func(v *yaml.Node) { d.channel = r.text(v, "channel") }},
		field{"code", func(v *yaml.Node) { d.code = r.text(v, "code") }},
		field{"template", func(v *yaml.Node) { d.template = r.text(v, "template") }},
		field{"lag", func(v *yaml.Node) {
			lag, err := moments.ParseDuration(v.Value)
			if err != nil {
				r.fault(v, "write it like 7m", "lag %q is not a duration", v.Value)
			}
			d.lag = lag.Milliseconds()
		}},
	)
	if have["result"] == nil {
		r.fault(n, "one of "+strings.Join(results, ", "), "deliver has no result")
	}
	return d
}

var results = []string{"delivered", "failed", "unknown", "retry", "waiting"}

func (r *reader) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		r.fault(n, "", "%s must be a text", what)
		return ""
	}
	return n.Value
}

func (r *reader) texts(n *yaml.Node, what string) (list []string) {
	r.each(n, func(v *yaml.Node) { list = append(list, r.text(v, what)) })
	return list
}

func (r *reader) truth(n *yaml.Node, what string) bool {
	if n.Tag != "!!bool" {
		r.fault(n, "", "%s must be true or false", what)
	}
	return n.Value == "true"
}

func (r *reader) number(n *yaml.Node, what string, least, most int64) int64 {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil || v < least || v > most {
		r.fault(n, "", "%s must be a whole number from %d to %d", what, least, most)
		return least
	}
	return v
}
