package processor

import (
	"fmt"
	"slices"
	"strings"

	"onhand/processor/moments"
)

// Models is what models say of a customer: scores by name, as an identify
// brought them in traits.scores. Models run elsewhere; what they said is in
// the log like everything else, so a decision can be asked again.
type Models struct {
	Scores []ModelScore
}

// ModelScore is the latest word of one model.
type ModelScore struct {
	Name  string
	Value moments.Micro
	At    int64 // when it was said
}

// maxScores bounds the scores kept of one customer; no more names are added.
const maxScores = 32

// maxScore bounds one score, in millionths: a million.
const maxScore = 1_000_000 * int64(moments.One)

// learn takes the scores an identify brings.
func (c *Customer) learn(m *Machine, e *Event) {
	passed := false
	properties(e.Traits).object("scores").each(func(name string, v properties) {
		x, ok := parseMicro(v.text())
		if !ok || name == "" || len(name) > MaxIDBytes {
			return
		}
		if c.Models == nil {
			c.Models = &Models{}
		}
		list := c.Models.Scores
		i := slices.IndexFunc(list, func(s ModelScore) bool { return s.Name == name })
		switch {
		case i < 0 && len(list) >= maxScores:
			passed = true
		case i < 0:
			c.Models.Scores = append(list, ModelScore{clone(name), x, e.At})
		case e.At >= list[i].At:
			list[i].Value, list[i].At = x, e.At
		}
	})
	if passed {
		m.dead("limit", fmt.Sprintf("customer %s has %d scores, no more are kept", c.ID, maxScores), m.current)
	}
}

// score returns the latest word of a model.
func (x *Models) score(name string) (moments.Micro, bool) {
	if x != nil {
		for i := range x.Scores {
			if x.Scores[i].Name == name {
				return x.Scores[i].Value, true
			}
		}
	}
	return 0, false
}

// parseMicro reads a decimal as JSON writes it, without floating point. Digits
// beyond the sixth after the point are dropped; what is above a million is not
// a score.
func parseMicro(s string) (moments.Micro, bool) {
	s, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	digits, negative := strings.CutPrefix(s, "-")
	whole, part, _ := strings.Cut(digits, ".")
	shift := 6 - len(part)
	if exponent != "" {
		n, sign := 0, 1
		for i, d := range []byte(exponent) {
			switch {
			case i == 0 && d == '-':
				sign = -1
			case i == 0 && d == '+':
			case d < '0' || d > '9' || n > 99:
				return 0, false
			default:
				n = 10*n + int(d-'0')
			}
		}
		shift += sign * n
	}
	all := whole + part
	if whole == "" || len(all) > 40 {
		return 0, false
	}
	if strings.Trim(all, "0123456789") != "" {
		return 0, false
	}
	var x int64
	for i := 0; i < len(all)+shift; i++ {
		x *= 10
		if i < len(all) {
			x += int64(all[i] - '0')
		}
		if x > maxScore {
			return 0, false
		}
	}
	if negative {
		x = -x
	}
	return moments.Micro(x), true
}

func (x *Models) bytes() int {
	if x == nil {
		return 0
	}
	return 24 + 56*cap(x.Scores)
}

func (x *Models) encode(w *writer) {
	if x == nil {
		w.uint(0)
		return
	}
	w.uint(uint64(len(x.Scores)))
	for i := range x.Scores {
		s := &x.Scores[i]
		w.str(s.Name)
		w.int(int64(s.Value))
		w.int(s.At)
	}
}

func decodeModels(r *reader) *Models {
	n := r.count(3)
	if n == 0 {
		return nil
	}
	x := &Models{make([]ModelScore, n)}
	for i := range x.Scores {
		x.Scores[i] = ModelScore{r.str(), moments.Micro(r.int()), r.int()}
	}
	return x
}
