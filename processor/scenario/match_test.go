package scenario

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// pair finds as many pairs as any other way would, and serves those that must
// be served when it can be done.
func TestPair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.IntRange(0, 5).Draw(t, "n"), rapid.IntRange(0, 5).Draw(t, "m")
		edges := make([][]bool, n)
		for i := range edges {
			edges[i] = rapid.SliceOfN(rapid.Bool(), m, m).Draw(t, "edges")
		}
		var musts []int
		for j := range m {
			if rapid.Bool().Draw(t, "must") {
				musts = append(musts, j)
			}
		}
		left, right := pair(n, m, func(i, j int) bool { return edges[i][j] }, musts...)
		size := 0
		for i, j := range left {
			if j < 0 {
				continue
			}
			size++
			if !edges[i][j] || right[j] != i {
				t.Fatalf("%d and %d are no pair", i, j)
			}
		}
		// All ways, one by one.
		best, all := 0, false
		var try func(i int, taken []bool, k int)
		try = func(i int, taken []bool, k int) {
			if i == n {
				best = max(best, k)
				all = all || !slices.ContainsFunc(musts, func(j int) bool { return !taken[j] })
				return
			}
			try(i+1, taken, k)
			for j := range m {
				if edges[i][j] && !taken[j] {
					taken[j] = true
					try(i+1, taken, k+1)
					taken[j] = false
				}
			}
		}
		try(0, make([]bool, m), 0)
		if size != best {
			t.Errorf("%d pairs, %d can be made", size, best)
		}
		if all && slices.ContainsFunc(musts, func(j int) bool { return right[j] < 0 }) {
			t.Errorf("%v must have partners and could have", musts)
		}
	})
}

func TestMatches(t *testing.T) {
	r := reader{start: defaultStart}
	answer := object([]byte(`{"outcome":"sent","at":"2026-03-02T10:46:00.000Z","n":4500,"score":0.25,"ok":true,"none":null,
		"action":{"skus":["a","b"],"lines":[{"sku":"a","quantity":1},{"sku":"b","quantity":2}]}}`))
	for _, c := range []struct {
		pattern string
		match   bool
	}{
		{`{}`, true},
		{`{outcome: sent, at: 46m, n: 4500, score: 0.25, ok: true, none: null, absent: null}`, true},
		{`{at: 2026-03-02T11:46:00+01:00}`, true},
		{`{at: 46m1ms}`, false},
		{`{outcome: Sent}`, false},
		{`{n: 4501}`, false},
		{`{n: null}`, false},
		{`{absent: x}`, false},
		{`{ok: false}`, false},
		{`{action: {skus: [b, a]}}`, true},
		{`{action: {skus: [a]}}`, false},
		{`{action: {skus: [a, a]}}`, false},
		{`{action: {skus: a}}`, false},
		{`{action: {lines: [{quantity: 2}, {sku: a}]}}`, true},
		{`{action: {lines: [{sku: b}, {quantity: 2}]}}`, false},
		{`{absent: []}`, true},
		{`{outcome: {x: y}}`, false},
	} {
		docs := r.documents([]byte(c.pattern))
		if len(docs) != 1 || len(r.faults) > 0 {
			t.Fatalf("%s: %v", c.pattern, r.faults)
		}
		if got := matches(r.value(docs[0]), answer); got != c.match {
			t.Errorf("%s matches: %v, want %v", c.pattern, got, c.match)
		}
	}
}

// Whatever the text, reading it ends, and what is read can be run.
func FuzzParse(f *testing.F) {
	f.Add("name: x\nsteps:\n  - at: 1m\n    expect: []\n")
	f.Add("name: x\nonly: [cart_abandoned]\nsteps:\n  - {at: 0s, send: {type: track, event: Product Added, userId: a, properties: {sku: p}}, repeat: 2, shuffle: 1}\n  - {at: -1h, check: {item: {sku: p}}}\n")
	f.Add("a: &x [*x]\n---\n- ]")
	f.Fuzz(func(t *testing.T, text string) {
		list, errs := parse("fuzz.yaml", []byte(text))
		if len(list) == 0 && len(errs) == 0 {
			t.Error("neither a scenario nor a fault")
		}
		for _, s := range list {
			if s.Name == "" || len(s.Steps) == 0 {
				t.Errorf("%+v cannot be run", s)
			}
		}
	})
}
