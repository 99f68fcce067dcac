package moments

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// values is an Env from a table: the fields by their names, with their keys.
type values map[string]Value

func (v values) Value(f Field, key string) Value {
	if key != "" {
		return v[f.String()+"."+key]
	}
	return v[f.String()]
}

func compileOK(t testing.TB, text string) *Guard {
	t.Helper()
	g, problems := compile(text, &guardNames{
		moments: []string{"sale_reminder", "cart_abandoned"}, channels: []string{"email", "sms"},
		purposes: []string{"marketing", "ads"}, inThen: true, withOffer: true,
	})
	for _, p := range problems {
		t.Errorf("%s: %d:%d %v", text, p.line, p.col, p.fault)
	}
	require.NotNil(t, g)
	return g
}

var someEnv = values{
	"event.properties":                  JSON([]byte(`{"n": 3, "price": 19.99, "big": 9007199254740993, "s": "a\"b\u00e9", "yes": true, "none": null, "deep": {"er": {"x": [1, "two", {"y": 3}]}}, "n": 4}`)),
	"customer.traits":                   JSON(nil),
	"customer.tier":                     Text("gold"),
	"customer.churn":                    Int(700_000),
	"customer.away_from_home":           Bool(true),
	"customer.orders":                   Int(2),
	"customer.local.hour":               Int(14),
	"customer.local.weekday":            Text("sat"),
	"customer.consents.email.marketing": Bool(true),
	"item.price":                        Int(9000),
	"interest.price_seen":               Int(10000),
	"lines.total":                       Int(1500),
	"lines.count":                       Int(math.MaxInt64),
	"lines.skus":                        List([]string{"phone", "case"}),
	"message.clicked":                   Bool(false),
	"told.sale_reminder":                Bool(true),
	"told.cart_abandoned":               Bool(false),
	"offer.place":                       Int(1),
	"stores.with_item":                  Int(0),
	"score.affinity":                    Int(1_000_000),
}

func TestGuards(t *testing.T) {
	for text, want := range map[string]any{
		"true":                                            true,
		"lines.total >= 1500":                             true,
		"lines.total > 1500":                              false,
		"told.sale_reminder":                              true,
		"told.cart_abandoned":                             false,
		"!message.clicked":                                true,
		"message.opened":                                  "message.opened is not known",
		"has(message.opened)":                             false,
		"has(message.clicked)":                            true,
		"customer.tier in ['gold']":                       true,
		"customer.churn >= 500000":                        true,
		"score.affinity == 1000000":                       true,
		"has(score.other)":                                false,
		"score.other > 0":                                 "score.other is not known",
		"item.price * 100 <= interest.price_seen * 92":    true,
		"customer.away_from_home && stores.with_item > 0": false,
		"customer.local.hour < 12 || customer.local.weekday == 'sat'":          true,
		"customer.consents.email.marketing":                                    true,
		"customer.consents.sms.ads":                                            "customer.consents.sms.ads is not known",
		"has(customer.consents.sms.ads)":                                       false,
		"'phone' in lines.skus && !('x' in lines.skus)":                        true,
		"lines.skus.size() == 2 && size(customer.tier) == 4":                   true,
		"lines.count + 1 > 0":                                                  "integer overflow",
		"lines.count + 1 > 0 || true":                                          true,
		"customer.tier.startsWith('go') && customer.tier.matches('^g.*d$')":    true,
		"event.properties.n == 4":                                              true,
		"event.properties.n < 4":                                               false,
		"event.properties.price < 20":                                          true,
		"event.properties.price >= 20":                                         false,
		"event.properties.big == 9007199254740993":                             true,
		"event.properties.s == 'a\"b\u00e9'":                                   true,
		"event.properties.yes":                                                 true,
		"event.properties.none == null":                                        true,
		"event.properties.s":                                                   "the result is a string, not true or false",
		"event.properties.deep.er.x[0] == 1":                                   true,
		"event.properties['deep'].er.x[2].y == 3":                              true,
		"'two' in event.properties.deep.er.x":                                  true,
		"'n' in event.properties && !('m' in event.properties)":                true,
		"has(event.properties.deep.er) && !has(event.properties.deep.no)":      true,
		"event.properties.missing == 1":                                        "no such key: missing",
		"event.properties.n == 1 && event.properties.missing == 1":             false,
		"size(event.properties) == 7":                                          true,
		"event.properties.deep == event.properties.deep":                       true,
		"event.properties.deep in [event.properties.deep]":                     true,
		"event.properties.deep in [1, 2, 3]":                                   false,
		"customer.traits.vip":                                                  "no such key: vip",
		"has(customer.traits.vip)":                                             false,
		"customer.traits == customer.traits":                                   true,
		"(customer.orders > 1 ? 'a' : 'b') == 'a'":                             true,
		"string(customer.orders) == '2' && int(event.properties.n) == 4":       true,
		"offer.place == 1 && -offer.place < 0 && 7 % 4 - 3 == 0 && 9 / 2 == 4": true,
		"9 / (offer.place - 1) == 4":                                           "division by zero",
		"item.sku == 'x'":                                                      "item.sku is not known",
	} {
		g := compileOK(t, text)
		require.Equal(t, text, g.Text)
		got, err := g.Eval(someEnv)
		if msg, ok := want.(string); ok {
			require.ErrorContains(t, err, msg, text)
			require.False(t, got, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

// What a comparison says must be what Go says.
func TestGuardAgainstGo(t *testing.T) {
	ops := map[string]func(a, b int64) bool{
		"==": func(a, b int64) bool { return a == b }, "!=": func(a, b int64) bool { return a != b },
		"<": func(a, b int64) bool { return a < b }, "<=": func(a, b int64) bool { return a <= b },
		">": func(a, b int64) bool { return a > b }, ">=": func(a, b int64) bool { return a >= b },
	}
	number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3))
	rapid.Check(t, func(rt *rapid.T) {
		a, b, c := number.Draw(rt, "a"), number.Draw(rt, "b"), number.Draw(rt, "c")
		op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}).Draw(rt, "op")
		g := compileOK(t, fmt.Sprintf("item.price %s interest.price_seen && event.properties.c %s %d", op, op, b))
		got, err := g.Eval(values{"item.price": Int(a), "interest.price_seen": Int(b), "event.properties": JSON(fmt.Appendf(nil, `{"c":%d}`, c))})
		if want := ops[op](a, b) && ops[op](c, b); err != nil || got != want {
			rt.Fatalf("%d %s %d: %v %v, want %v", a, op, b, got, err, want)
		}
	})
}

func TestGuardIsSafeForManyGoroutines(t *testing.T) {
	g := compileOK(t, "event.properties.n == 4 && lines.total >= 1500 && customer.tier in ['gold', 'silver']")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if ok, err := g.Eval(someEnv); !ok || err != nil {
					t.Error(ok, err)
				}
			}
		})
	}
	wg.Wait()
}

// Every field of the table is a name of the language with the type it says.
func TestEveryField(t *testing.T) {
	as := map[kind]struct {
		compare string
		value   Value
	}{
		intKind: {"== 1", Int(1)}, microKind: {"== 1", Int(1)}, boolKind: {"== true", Bool(true)},
		textKind: {"== 'a'", Text("a")}, listKind: {"== ['a']", List([]string{"a"})}, objectKind: {".a == 1", JSON([]byte(`{"a":1}`))},
	}
	for f := EventProperties; int(f) < len(fieldTable); f++ {
		key := map[Field]string{CustomerConsent: "email.ads", Told: "cart_abandoned", Score: "x"}[f]
		name := strings.TrimSuffix(f.String()+"."+key, ".")
		got, err := compileOK(t, name+" "+as[f.kind()].compare).Eval(values{name: as[f.kind()].value})
		require.NoError(t, err, name)
		require.True(t, got, name)
		_, err = compileOK(t, name+" "+as[f.kind()].compare).Eval(values{})
		require.ErrorContains(t, err, "not known", name)
	}
	require.Equal(t, "unknown", Field(250).String())
}

func TestOperands(t *testing.T) {
	f := Factors{Operand{Const: 250_000}, Operand{Const: One}, Operand{Name: "lines.total", Field: LinesTotal}, Operand{Const: 1_200_000}}
	score, known := f.Eval(someEnv)
	require.True(t, known)
	require.Equal(t, 450*One, score)

	f.Context = Operand{Name: "score.none", Field: Score, Key: "none"}
	score, known = f.Eval(someEnv)
	require.False(t, known, "what is missing is flagged")
	require.Equal(t, 450*One, score, "and counts as one")

	f.Context = Operand{Name: "customer.churn", Field: CustomerChurn}
	score, known = f.Eval(someEnv)
	require.True(t, known)
	require.Equal(t, 315*One, score)

	huge := Operand{Name: "lines.count", Field: LinesCount}
	factor, known := huge.Eval(someEnv)
	require.True(t, known)
	require.Positive(t, factor)
}

// Reading a property in place must agree with decoding the whole object.
func TestObjectAgainstDecoder(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune("abé\"\\{}[],: \n☃")))
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		kinds := []*rapid.Generator[any]{
			rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
			rapid.Map(rapid.Int64(), func(i int64) any { return json.Number(fmt.Sprint(i)) }), rapid.Just[any](nil),
		}
		if depth > 0 {
			kinds = append(kinds,
				rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 4), func(l []any) any { return l }),
				rapid.Map(rapid.MapOfN(text, rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 4), func(m map[string]any) any { return m }))
		}
		return rapid.OneOf(kinds...)
	}
	same := compileOK(t, "event.properties.a == customer.traits.a")
	rapid.Check(t, func(rt *rapid.T) {
		v := value(3).Draw(rt, "value")
		compact, _ := json.Marshal(map[string]any{"b": []int{1}, "a": v, "c": "\"a\":1"})
		indented, _ := json.MarshalIndent(map[string]any{"a": v}, "  ", " ")
		ok, err := same.Eval(values{"event.properties": JSON(compact), "customer.traits": JSON(indented)})
		if !ok || err != nil {
			rt.Fatalf("%s\n%s: %v", compact, indented, err)
		}
		list, isList := v.([]any)
		if isList {
			size, err := compileOK(t, fmt.Sprintf("size(event.properties.a) == %d", len(list))).Eval(values{"event.properties": JSON(compact)})
			if !size || err != nil {
				rt.Fatalf("%s: %v", compact, err)
			}
		}
	})
}

// FuzzObject: no text, JSON or not, makes a guard panic.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":[1,{"b":"\ud800"}]}`, `{"a"`, `{"a":}`, `{"a":]}`, `[`, `{"a":"`, `{"\u0061":true}`, `{"a":-}`, ``, `{"a":[[[[`} {
		f.Add([]byte(seed))
	}
	guards := []*Guard{}
	for _, text := range []string{"event.properties.a == 1", "event.properties.a.b[0] in event.properties.a", "size(event.properties) > 0", "event.properties == customer.traits"} {
		guards = append(guards, compileOK(f, text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, g := range guards {
			_, err := g.Eval(values{"event.properties": JSON(raw), "customer.traits": JSON(raw)})
			if err != nil && strings.Contains(err.Error(), "internal error") {
				t.Fatalf("%s on %q: %v", g.Text, raw, err)
			}
		}
	})
}

func BenchmarkGuard(b *testing.B) {
	env := fixedEnv{}
	for _, text := range []string{"lines.total >= 1500", "item.price * 100 <= interest.price_seen * 92",
		"!message.clicked", "customer.away_from_home && stores.with_item > 0", "event.properties.n == 4"} {
		g := compileOK(b, text)
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Eval(env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fixedEnv answers without a look-up, so that the benchmark shows the guard.
type fixedEnv struct{}

var fixedProperties = []byte(`{"currency": "EUR", "n": 4}`)

func (fixedEnv) Value(f Field, _ string) Value {
	switch f.kind() {
	case boolKind:
		return Bool(true)
	case objectKind:
		return JSON(fixedProperties)
	}
	return Int(1500)
}

// TestGuardReads says which keys of an object a guard looks at: these are all
// that is kept of it.
func TestGuardReads(t *testing.T) {
	for text, want := range map[string]keys{
		"true":                      {},
		"event.properties.a == 1":   {names: []string{"a"}},
		"event.properties.a.b == 1": {names: []string{"a"}},
		"has(event.properties.a) || lines.total > 1":                          {names: []string{"a"}},
		"event.properties['a'].b == 1":                                        {names: []string{"a"}},
		"'a' in event.properties":                                             {names: []string{"a"}},
		"event.properties.b == event.properties.a || event.properties.b == 2": {names: []string{"b", "a"}},
		"size(event.properties) == 1":                                         {all: true},
		"event.properties[customer.tier] == 1":                                {all: true},
		"customer.traits.a == 1":                                              {},
		"event.properties.a == customer.traits.b":                             {names: []string{"a"}},
		"event.properties == event.properties.inner":                          {names: []string{"inner"}, all: true},
	} {
		names, all := compileOK(t, text).Reads(EventProperties)
		require.Equal(t, want, keys{names, all}, text)
	}
	names, all := compileOK(t, "event.properties.a == customer.traits.b").Reads(CustomerTraits)
	require.Equal(t, keys{[]string{"b"}, false}, keys{names, all})
}
