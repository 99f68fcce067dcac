package moments

import (
	_ "embed"
	"slices"
	"sync"

	"gopkg.in/yaml.v3"
)

//go:embed shipped.yaml
var shipped []byte

// Shipped returns the file an installation starts with.
func Shipped() []byte { return slices.Clone(shipped) }

// shippedPolicy is the node of the policy of the shipped file: the classes,
// purposes and channels of a file that has none of its own.
var shippedPolicy = sync.OnceValue(func() *yaml.Node {
	var doc yaml.Node
	if err := yaml.Unmarshal(shipped, &doc); err != nil {
		panic(err)
	}
	return child(doc.Content[0], "policy")
})

// orShipped returns the map n with each of the keys it lacks as it was shipped.
// What is added stands where n stands. n may be nil.
func orShipped(n, shipped *yaml.Node, keys ...string) *yaml.Node {
	full := yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	if n != nil {
		full = *n
	}
	if full.Kind != yaml.MappingNode {
		return n
	}
	full.Content = slices.Clone(full.Content)
	for _, key := range keys {
		if child(n, key) == nil {
			name := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: full.Line, Column: full.Column}
			full.Content = append(full.Content, name, movedTo(child(shipped, key), &full))
		}
	}
	return &full
}

// asShipped marks nodes that are not the user's. The comments that YAML text
// leaves there begin with #.
const asShipped = "as shipped"

// movedTo returns a copy of n that stands where at stands.
func movedTo(n, at *yaml.Node) *yaml.Node {
	out := *n
	out.Line, out.Column, out.HeadComment = at.Line, at.Column, asShipped
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = movedTo(c, at)
	}
	return &out
}

// child returns the value of a key of a map, nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// keysOf returns the keys of a map.
func keysOf(n *yaml.Node) (keys []string) {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !slices.Contains(keys, n.Content[i].Value) {
				keys = append(keys, n.Content[i].Value)
			}
		}
	}
	return keys
}
