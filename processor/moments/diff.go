package moments

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Diff says in what two files differ, one line a key, in the order of b and
// then of what only a has:
//
//   - moment flash_sale
//     ~ moment cart_abandoned: after: 45m -> 1h
//     ~ policy: quiet_hours: 21:00-08:00 -> 22:00-08:00
//   - moment price_drop
//
// It compares the text of values, so comments, order of keys and layout make
// no difference, and a key that is written out with its default does. a may be
// nil: then everything is new.
func Diff(a, b *File) []string {
	var out []string
	from, to := rootOf(a), rootOf(b)
	for _, key := range []string{"version", "currency", "country"} {
		out = appendChange(out, "", key, child(from, key), child(to, key))
	}
	diffKeys(child(from, "policy"), child(to, "policy"), func(key string, was, is *yaml.Node) {
		switch key {
		case "classes", "consent", "channels", "sources": // a line for each name in them
			one := map[string]string{"classes": "class", "consent": "purpose", "channels": "channel", "sources": "source"}[key]
			out = appendNamed(out, one, was, is)
		default:
			out = appendChange(out, "policy: ", key, was, is)
		}
	})
	out = appendNamed(out, "interest", child(from, "interest"), child(to, "interest"))
	return appendNamed(out, "moment", child(from, "moments"), child(to, "moments"))
}

// rootOf returns the tree of a file's text. It was parsed before.
func rootOf(f *File) *yaml.Node {
	var doc yaml.Node
	if f == nil || yaml.Unmarshal(f.Source, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// diffKeys calls do for each key of two maps, with nil where one lacks it.
func diffKeys(a, b *yaml.Node, do func(key string, was, is *yaml.Node)) {
	for _, key := range keysOf(b) {
		do(key, child(a, key), child(b, key))
	}
	for _, key := range keysOf(a) {
		if child(b, key) == nil {
			do(key, child(a, key), nil)
		}
	}
}

// appendNamed compares two maps from names to maps.
func appendNamed(out []string, one string, a, b *yaml.Node) []string {
	diffKeys(a, b, func(name string, was, is *yaml.Node) {
		switch {
		case was == nil:
			out = append(out, fmt.Sprintf("+ %s %s", one, name))
		case is == nil:
			out = append(out, fmt.Sprintf("- %s %s", one, name))
		default:
			diffKeys(was, is, func(key string, was, is *yaml.Node) {
				out = appendChange(out, one+" "+name+": ", key, was, is)
			})
		}
	})
	return out
}

func appendChange(out []string, prefix, key string, was, is *yaml.Node) []string {
	from, to := flow(was), flow(is)
	if from == to {
		return out
	}
	return append(out, fmt.Sprintf("~ %s%s: %s -> %s", prefix, key, from, to))
}

// flow writes a node in one line, with the keys of maps in order.
func flow(n *yaml.Node) string {
	if n == nil {
		return "(left out)"
	}
	var parts []string
	switch n.Kind {
	case yaml.ScalarNode:
		return strings.ReplaceAll(n.Value, "\n", " ")
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, flow(c))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+": "+flow(n.Content[i+1]))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
}
