package scenario

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// matches reports whether an answer has every field a pattern names, nested
// ones too. Lists match when they are as long and each pattern finds an
// element of its own, in any order.
func matches(pattern, answer any) bool { return len(differences(nil, "", pattern, answer)) == 0 }

// differences appends what keeps an answer from matching a pattern, one text
// for each field.
func differences(dst []string, path string, pattern, answer any) []string {
	differ := func() []string {
		return append(dst, fmt.Sprintf("%s: expected %s, is %s", path, show(pattern), show(answer)))
	}
	switch p := pattern.(type) {
	case nil:
		if answer != nil {
			return differ()
		}
	case map[string]any:
		a, ok := answer.(map[string]any)
		if !ok {
			return differ()
		}
		for _, key := range slices.Sorted(maps.Keys(p)) {
			at := key
			if path != "" {
				at = path + "." + key
			}
			dst = differences(dst, at, p[key], a[key])
		}
	case []any:
		a, ok := answer.([]any)
		if !ok && answer != nil || len(a) != len(p) {
			return differ()
		}
		edges := func(i, j int) bool { return matches(p[i], a[j]) }
		left, _ := pair(len(p), len(a), edges)
		if slices.Contains(left, -1) {
			return differ()
		}
	case word:
		if !p.is(answer) {
			return differ()
		}
	}
	return dst
}

// is compares a word of a pattern with a scalar of an answer.
func (w word) is(answer any) bool {
	switch a := answer.(type) {
	case bool:
		return w.text == strconv.FormatBool(a)
	case json.Number:
		if w.text == a.String() {
			return true
		}
		x, err := strconv.ParseFloat(w.text, 64)
		y, _ := a.Float64()
		return err == nil && x == y
	case string:
		if w.text == a {
			return true
		}
		t, err := time.Parse(jsonTime, a)
		return w.err == nil && err == nil && t.UnixMilli() == w.at
	}
	return false
}

// show writes a pattern or an answer as a reader of the scenario would.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+": "+show(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, show(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		if v == "" {
			return `""`
		}
	}
	return fmt.Sprint(v)
}

// pair finds partners for as many of the n left and m right nodes of a graph
// as there can be (augmenting paths). It returns the partner of each, -1 for
// none. Nodes of musts are served first, and who has a partner keeps one.
func pair(n, m int, edge func(i, j int) bool, musts ...int) (left, right []int) {
	left, right = slices.Repeat([]int{-1}, n), slices.Repeat([]int{-1}, m)
	// A path that begins at a right node ends at a free left node.
	var fromRight func(j int, seen []bool) bool
	fromRight = func(j int, seen []bool) bool {
		for i := range n {
			if seen[i] || !edge(i, j) {
				continue
			}
			seen[i] = true
			if left[i] < 0 || fromRight(left[i], seen) {
				left[i], right[j] = j, i
				return true
			}
		}
		return false
	}
	var fromLeft func(i int, seen []bool) bool
	fromLeft = func(i int, seen []bool) bool {
		for j := range m {
			if seen[j] || !edge(i, j) {
				continue
			}
			seen[j] = true
			if right[j] < 0 || fromLeft(right[j], seen) {
				left[i], right[j] = j, i
				return true
			}
		}
		return false
	}
	for _, j := range musts {
		if right[j] < 0 {
			fromRight(j, make([]bool, n))
		}
	}
	for i := range n {
		if left[i] < 0 {
			fromLeft(i, make([]bool, m))
		}
	}
	return left, right
}
