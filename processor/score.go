package processor

import "onhand/processor/moments"

// Factor is one factor of a score, in millionths, and what is odd about it.
type Factor struct {
	Name  string // propensity, context, value or lever
	Value int64
	Note  string // factorMissing or factorCapped; "" = as the file says
}

// The notes of a factor.
const (
	factorMissing = "missing" // what it is made of is not known; it counts as 1
	factorCapped  = "capped"  // the lever was above moments.MaxLever
)

// score is the product of the moment's four factors, in millionths, and each
// of them by its name. A factor that is 1 because the file says nothing of it
// is not named.
func score(mo *moments.Moment, env moments.Env) (int64, []Factor) {
	var factors []Factor
	total := moments.One
	for _, f := range [...]struct {
		name string
		op   *moments.Operand
	}{
		{"propensity", &mo.Score.Propensity},
		{"context", &mo.Score.Context},
		{"value", &mo.Score.Value},
		{"lever", &mo.Score.Lever},
	} {
		x, known := f.op.Eval(env)
		if f.op.Name == "" && x == moments.One {
			continue
		}
		n := Factor{Name: f.name}
		switch {
		case !known:
			n.Note = factorMissing
		case f.op == &mo.Score.Lever && x > moments.MaxLever:
			x, n.Note = moments.MaxLever, factorCapped
		}
		n.Value = int64(x)
		factors = append(factors, n)
		total = total.Times(x)
	}
	return int64(total), factors
}
