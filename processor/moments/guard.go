package moments

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Guard is a compiled `if`: a condition asked of each candidate at the gate. It
// has no clock, no loops and no decimals, so it gives the same answer to the
// same env on every machine. A Guard may be used by many goroutines.
type Guard struct {
	// Text is the condition as written.
	Text    string
	program cel.Program
	reads   [2]keys // of event.properties and customer.traits
}

// keys are the keys of an object that a guard looks at.
type keys struct {
	names []string
	all   bool // it looks at the object as a whole, or works out a key
}

// Reads returns the keys that the guard looks at of an object, EventProperties
// or CustomerTraits, in the order in which it names them. all says that it may
// look at any.
func (g *Guard) Reads(object Field) (names []string, all bool) {
	k := &g.reads[object-EventProperties]
	return k.names, k.all
}

// Limits of one guard.
const (
	maxGuardBytes = 2000
	maxGuardCost  = 20_000 // CEL cost units, for the largest inputs there can be
)

// Eval returns whether the condition holds. An error says that it has no
// answer: something it needs is not known, or a number overflowed. The careful
// reading of an error is no.
func (g *Guard) Eval(env Env) (bool, error) {
	out, _, err := g.program.Eval(activation{env})
	if err != nil {
		return false, fmt.Errorf("if: %w", err)
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("if: the result is a %s, not true or false", out.Type().TypeName())
	}
	return bool(b), nil
}

// activation hands the env to CEL. Each top name stands for the whole env; the
// field accessors below it know what to ask for.
type activation struct{ env Env }

func (a activation) ResolveName(name string) (any, bool) {
	return a, scopes[""].scopes[name]
}

func (a activation) Parent() cel.Activation { return nil }

// get asks the env for a field and returns it as a CEL value.
func (a activation) get(f Field, key string) (any, error) {
	v := a.env.Value(f, key)
	if v.kind == 0 {
		return nil, unknown(f, key)
	}
	switch f.kind() {
	case boolKind:
		return types.Bool(v.num != 0), nil
	case textKind:
		return types.String(v.text), nil
	case listKind:
		return types.NewStringList(types.DefaultTypeAdapter, v.list), nil
	case objectKind:
		return &object{v.json}, nil
	}
	return types.Int(v.num), nil
}

func unknown(f Field, key string) error {
	name := f.String()
	if key != "" {
		name += "." + key
	}
	return errors.New(name + " is not known")
}

// provider gives CEL the names of scopes as the fields of struct types.
// A type is called "@" and its path, which no expression can name.
type provider struct{ types.Provider }

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if path, ok := strings.CutPrefix(name, "@"); ok && isScope(path) {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

func isScope(path string) bool {
	return scopes[path] != nil || strings.HasPrefix(path, consentPath+".")
}

const consentPath = "customer.consents"

var celTypes = map[kind]*types.Type{
	intKind: types.IntType, microKind: types.IntType, boolKind: types.BoolType, textKind: types.StringType,
	listKind:   types.NewListType(types.StringType),
	objectKind: types.NewMapType(types.StringType, types.DynType),
}

func (p provider) FindStructFieldType(structType, name string) (*types.FieldType, bool) {
	path, ok := strings.CutPrefix(structType, "@")
	if !ok {
		return p.Provider.FindStructFieldType(structType, name)
	}
	if channel, ok := strings.CutPrefix(path, consentPath+"."); ok {
		return accessor(CustomerConsent, channel+"."+name), true
	}
	switch s := scopes[path]; {
	case s == nil:
		return nil, false
	case s.fields[name] != 0:
		return accessor(s.fields[name], ""), true
	case s.keyed != 0 && path != consentPath:
		return accessor(s.keyed, name), true
	case s.keyed != 0 || s.scopes[name]:
		return &types.FieldType{
			Type:    types.NewObjectType(structType + "." + name),
			IsSet:   func(any) bool { return true },
			GetFrom: func(target any) (any, error) { return target, nil },
		}, true
	}
	return nil, false
}

func accessor(f Field, key string) *types.FieldType {
	return &types.FieldType{
		Type:    celTypes[f.kind()],
		IsSet:   func(target any) bool { return target.(activation).env.Value(f, key).Known() },
		GetFrom: func(target any) (any, error) { return target.(activation).get(f, key) },
	}
}

var celEnv = sync.OnceValue(func() *cel.Env {
	registry, err := types.NewRegistry()
	if err != nil {
		panic(err)
	}
	options := []cel.EnvOption{
		cel.StdLib(),
		cel.ClearMacros(), cel.Macros(cel.HasMacro), // no loops
		cel.CustomTypeProvider(provider{registry}),
		cel.ParserRecursionLimit(50),
		cel.ParserExpressionSizeLimit(maxGuardBytes),
	}
	for _, name := range scopes[""].names {
		options = append(options, cel.Variable(name, cel.ObjectType("@"+name)))
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		panic(err)
	}
	return env
})

// problem is something wrong with an expression. Of its fault only What and
// Do are set.
type problem struct {
	line, col int // in the expression: line from 1, col in characters from 0
	fault     *Fault
}

func wrong(what, do string) []problem { return []problem{{1, 0, &Fault{What: what, Do: do}}} }

// compile returns the guard of an expression, or what is wrong with it.
func compile(text string, names *guardNames) (*Guard, []problem) {
	if len(text) > maxGuardBytes {
		return nil, wrong(fmt.Sprintf("the condition is %d bytes long", len(text)), fmt.Sprintf("at most %d", maxGuardBytes))
	}
	env := celEnv()
	ast, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, problemsOf(issues)
	}
	found, reads := inspect(ast.NativeRep(), names)
	if len(found) > 0 {
		return nil, found
	}
	ast, issues = env.Check(ast)
	if issues.Err() != nil {
		return nil, problemsOf(issues)
	}
	if t := ast.OutputType(); t != types.BoolType && t != types.DynType {
		return nil, wrong("the result is a "+typeName(t.String())+", not true or false", "compare it, for example lines.total >= 1500")
	}
	if c, err := env.EstimateCost(ast, sizes{}); err != nil || c.Max > maxGuardCost {
		return nil, wrong(fmt.Sprintf("the condition may cost more than %d steps", maxGuardCost),
			"shorten it; mind contains and matches on long texts")
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, wrong(err.Error(), "")
	}
	return &Guard{Text: text, program: program, reads: reads}, nil
}

var (
	overloadError   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	undeclaredError = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	fieldError      = regexp.MustCompile(`^type '(.*)' does not support field selection$`)
	endNames        = strings.NewReplacer("mismatched input '<EOF>'", "it ends too early", "'<EOF>'", "the end")
	typeNames       = strings.NewReplacer("@", "", "map(string, dyn)", "object", "string", "text", "int", "number", "list(string)", "list of texts")
)

func typeName(s string) string { return typeNames.Replace(s) }

// problemsOf turns what CEL says into the words of the file.
func problemsOf(issues *cel.Issues) (out []problem) {
	for _, e := range issues.Errors() {
		f := &Fault{What: e.Message}
		if m := overloadError.FindStringSubmatch(e.Message); m != nil {
			f.What = fmt.Sprintf("%q does not work on %s", strings.Trim(m[1], "_@"), typeName(m[2]))
			f.Do = "make both sides the same type"
		} else if m := undeclaredError.FindStringSubmatch(e.Message); m != nil {
			f.What = fmt.Sprintf("undefined name %q", m[1])
		} else if m := fieldError.FindStringSubmatch(e.Message); m != nil {
			f.What, f.Do = "a "+typeName(m[1])+" has no fields", "remove what stands behind the point"
		} else if text, ok := strings.CutPrefix(e.Message, "Syntax error: "); ok {
			text, _, _ = strings.Cut(text, " expecting ")
			f.What, f.Do = "not an expression: "+endNames.Replace(text), "look at the brackets, quotes and operators around here"
		}
		f.What = strings.ReplaceAll(f.What, "\n", " ")
		out = append(out, problem{e.Location.Line(), e.Location.Column(), f})
	}
	slices.SortStableFunc(out, func(a, b problem) int {
		return cmp.Or(a.line-b.line, a.col-b.col)
	})
	if strings.HasPrefix(out[0].fault.What, "not an expression") {
		out = out[:1] // what the parser guesses after the first is of no use
	}
	return out
}
