package scenario

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"

	"gopkg.in/yaml.v3"

	"onhand/processor"
	"onhand/processor/moments"
)

// plan says how a scenario wants the moments file: which moments, which keys
// otherwise, and whether with the control group.
type plan struct {
	only    *yaml.Node // nil = all
	names   []string   // in only
	with    *yaml.Node // laid over the file, key by key
	holdout bool
}

// momentsFile reads the moments file a scenario names, by its path from the
// scenario's file; the shipped one when it names none.
func momentsFile(scenario, path string) (name string, text []byte, err error) {
	if path == "" {
		return "the shipped moments", moments.Shipped(), nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(scenario), path)
	}
	text, err = os.ReadFile(path)
	return path, text, err
}

// planned returns the moments file as the scenario wants it. n is where the
// scenario says so.
func (r *reader) planned(n *yaml.Node, name string, text []byte, p plan) (out rules) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		r.fault(n, "see onhand check", "%s: not a moments file", name)
		return out
	}
	root := doc.Content[0]
	if p.with != nil {
		if p.with.Kind != yaml.MappingNode {
			r.fault(p.with, "write it like {policy: {stock: {safety: 0}}}", "with must be a map")
			return out
		}
		lay(root, p.with)
	}
	if !p.holdout && lookup(p.with, "policy", "holdout") == nil {
		if policy := lookup(root, "policy"); policy != nil {
			remove(policy, "holdout")
		}
	}
	if p.only != nil {
		list := lookup(root, "moments")
		for _, want := range p.names {
			if lookup(list, want) == nil {
				r.fault(p.only, "", "only: there is no moment %q in %s", want, name)
			}
		}
		for i := 0; list != nil && i+1 < len(list.Content); i += 2 {
			if !slices.Contains(p.names, list.Content[i].Value) {
				set(list.Content[i+1], "mode", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: moments.Off})
			}
		}
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	if err := e.Encode(root); err != nil {
		r.fault(n, "", "%s: %v", name, err)
		return out
	}
	file, faults := moments.Parse(name, b.Bytes(), processor.Vocabulary())
	for _, f := range faults {
		if !f.Warning {
			do := f.Do
			if f.Do == "" {
				do = "see onhand check"
			}
			r.fault(n, do, "%s, as this scenario wants it: %s", name, f.What)
			return out
		}
	}
	return rules{b.Bytes(), file.Currency, file.Country}
}

// lay lays a map over another one, key by key. null takes a key away.
func lay(under, over *yaml.Node) {
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		below := lookup(under, key.Value)
		switch {
		case value.Tag == "!!null":
			remove(under, key.Value)
		case below != nil && below.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			lay(below, value)
		default:
			set(under, key.Value, value)
		}
	}
}

// lookup returns the value at a path of keys, nil when there is none.
func lookup(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		if n == nil || n.Kind != yaml.MappingNode {
			return nil
		}
		var next *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		n = next
	}
	return n
}

func set(n *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content[i+1] = value
			return
		}
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

func remove(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}
