package moments_test

import (
	"fmt"

	"onhand/processor/moments"
)

// cart answers for one candidate: it knows what its lines cost.
type cart struct{ total int64 }

func (c cart) Value(f moments.Field, _ string) moments.Value {
	if f == moments.LinesTotal {
		return moments.Int(c.total)
	}
	return moments.Value{}
}

func ExampleParse() {
	const good = `version: 1
currency: EUR
moments:
  cart_abandoned:
    when: Product Added
    per: cart_id
    after: 45m
    if: lines.total >= 1500
    expires: 24h
`
	const bad = good + `  forgotten:
    when: Product Aded
    expires: 24h
`
	_, faults := moments.Parse("moments.yaml", []byte(bad), moments.Standard())
	for _, f := range faults {
		fmt.Println(f)
	}
	file, _ := moments.Parse("moments.yaml", []byte(good), moments.Standard())
	m := file.Moment("cart_abandoned")
	for _, total := range []int64{1499, 1500} {
		ok, err := m.If.Eval(cart{total})
		fmt.Println(total, ok, err)
	}
	// Output:
	// moments.yaml:11:11: event "Product Aded" does not exist; did you mean "Product Added"?
	// 1499 false <nil>
	// 1500 true <nil>
}
