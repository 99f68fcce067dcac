package scenario

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
)

// call writes an event as the JSON an SDK would send. What every SDK fills in
// is filled in: the timestamp, which is the step's time, and a message id,
// which is the place in the file. A time may be written as an offset from the
// start, as in at.
func (r *reader) call(n *yaml.Node) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	have := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if have[key.Value] {
			r.fault(key, "keep one", "%q stands twice in an event", key.Value)
		}
		have[key.Value] = true
		if value.Tag == "!!null" {
			continue // null leaves out what would be filled in
		}
		r.member(&b, key, value)
	}
	add := func(key, value string) {
		if !have[key] {
			r.member(&b, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value})
		}
	}
	add("timestamp", time.UnixMilli(r.now).UTC().Format(jsonTime))
	add("messageId", "line-"+strconv.Itoa(n.Line)+"."+strconv.Itoa(n.Column))
	b.WriteByte('}')
	return b.Bytes()
}

// jsonTime is how times are written in decisions.
const jsonTime = "2006-01-02T15:04:05.000Z"

// timeKeys are the keys whose value may be written as an offset.
var timeKeys = []string{
	"timestamp", "sentAt", "updated_at", "opens_at", "closes_at", "expires_at", "complete_to",
}

func (r *reader) member(b *bytes.Buffer, key, value *yaml.Node) {
	if b.Len() > 0 && b.Bytes()[b.Len()-1] != '{' {
		b.WriteByte(',')
	}
	quote(b, key.Value)
	b.WriteByte(':')
	if slices.Contains(timeKeys, key.Value) && value.Kind == yaml.ScalarNode {
		if at, err := r.instant(value.Value); err == nil {
			quote(b, time.UnixMilli(at).UTC().Format(jsonTime))
			return
		}
	}
	r.json(b, value)
}

// json writes a value.
func (r *reader) json(b *bytes.Buffer, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			r.member(b, n.Content[i], n.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, c := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			r.json(b, c)
		}
		b.WriteByte(']')
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			b.WriteString("null")
		case "!!bool", "!!int", "!!float":
			if json.Valid([]byte(n.Value)) {
				b.WriteString(n.Value)
				return
			}
			quote(b, n.Value)
		default:
			quote(b, n.Value)
		}
	default:
		r.fault(n, "write the value out", "anchors and aliases are not read")
		b.WriteString("null")
	}
}

func quote(b *bytes.Buffer, s string) {
	q, _ := json.Marshal(s) // cannot fail for a string
	b.Write(q)
}

// value reads a pattern of an expectation: maps, lists and scalars.
func (r *reader) value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if _, twice := m[n.Content[i].Value]; twice {
				r.fault(n.Content[i], "keep one", "%q stands twice", n.Content[i].Value)
			}
			m[n.Content[i].Value] = r.value(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, r.value(c))
		}
		return list
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return nil
		}
		w := word{text: n.Value}
		w.at, w.err = r.instant(n.Value)
		return w
	}
	r.fault(n, "write the value out", "anchors and aliases are not read")
	return nil
}

// word is a scalar of a pattern. Against a time it is compared as the time it
// stands for, where an offset counts from the start.
type word struct {
	text string
	at   int64
	err  error // it stands for no time
}

func (w word) String() string { return w.text }
