package moments

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// guardNames is what a guard may speak of besides the fields.
type guardNames struct {
	moments   []string // for told.MOMENT
	channels  []string // for customer.consents.CHANNEL.PURPOSE
	purposes  []string
	inThen    bool // message.* is there
	withOffer bool // offer.* is there
}

// inspector walks an expression for what CEL would allow and a guard may not
// have, and for names that do not exist.
type inspector struct {
	source *ast.SourceInfo
	names  *guardNames
	found  []problem
	reads  [2]keys
}

func inspect(expr *ast.AST, names *guardNames) ([]problem, [2]keys) {
	i := inspector{source: expr.SourceInfo(), names: names}
	i.walk(expr.Expr())
	return i.found, i.reads
}

// read notes that the expression looks at a key of an object; "" = at any.
func (i *inspector) read(f Field, key string) {
	if f != EventProperties && f != CustomerTraits {
		return
	}
	switch k := &i.reads[f-EventProperties]; {
	case key == "":
		k.all = true
	case !slices.Contains(k.names, key):
		k.names = append(k.names, key)
	}
}

// keyOf notes object["key"] and "key" in object, and reports whether the call
// is one of these.
func (i *inspector) keyOf(name string, args []ast.Expr) bool {
	if name != "_[_]" && name != "@in" || len(args) != 2 {
		return false
	}
	object, key := args[0], args[1]
	if name == "@in" {
		object, key = key, object
	}
	if object.Kind() != ast.SelectKind || object.AsSelect().Operand().Kind() != ast.IdentKind || key.Kind() != ast.LiteralKind {
		return false
	}
	s := scopes[object.AsSelect().Operand().AsIdent()]
	text, ok := key.AsLiteral().(types.String)
	if s == nil || !ok || text == "" {
		return false
	}
	f := s.fields[object.AsSelect().FieldName()]
	if f == 0 || f.kind() != objectKind {
		return false
	}
	i.read(f, string(text))
	return true
}

func (i *inspector) report(e ast.Expr, offset int, what string, args ...any) *Fault {
	at := i.source.GetStartLocation(e.ID())
	// Of the fault only What and Do are used.
	f := &Fault{What: fmt.Sprintf(what, args...)}
	i.found = append(i.found, problem{line: at.Line(), col: at.Column() + offset, fault: f})
	return f
}

// operators and functions a guard may use.
var (
	guardOperators = []string{"_&&_", "_||_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_",
		"_+_", "_-_", "_*_", "_/_", "_%_", "-_", "_?_:_", "_[_]", "@in"}
	guardFunctions = []string{"size", "contains", "startsWith", "endsWith", "matches", "int", "string"}

	// What those who know CEL may look for, and a guard has not.
	loops  = []string{"all", "exists", "exists_one", "map", "filter"}
	clocks = []string{"now", "timestamp", "duration", "getHours", "getDayOfWeek", "getFullYear"}
)

func (i *inspector) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.LiteralKind:
		i.literal(e, e.AsLiteral())
	case ast.IdentKind, ast.SelectKind:
		i.name(e)
	case ast.CallKind:
		i.call(e, e.AsCall())
	case ast.ListKind:
		for _, c := range e.AsList().Elements() {
			i.walk(c)
		}
	default:
		i.report(e, 0, "maps and loops are not allowed in if").do("compare with a list, for example x in [1, 2]")
	}
}

func (i *inspector) literal(e ast.Expr, v ref.Val) {
	if d, ok := v.(types.Double); ok {
		f := i.report(e, 0, "the decimal %s is not allowed in if", strconv.FormatFloat(float64(d), 'g', -1, 64))
		if millionths := float64(d) * float64(One); millionths == float64(int64(millionths)) && millionths < 1e15 {
			f.do("scores are in millionths (%d), amounts in minor units; or multiply both sides", int64(millionths))
		} else {
			f.do("use whole numbers; scores are in millionths, amounts in minor units")
		}
	}
}

func (i *inspector) call(e ast.Expr, c ast.CallExpr) {
	name := c.FunctionName()
	if !slices.Contains(guardOperators, name) && !slices.Contains(guardFunctions, name) {
		switch {
		case c.IsMemberFunction() && slices.Contains(loops, name):
			i.report(e, 0, "loops such as %q are not allowed in if", name).do("use where, lines or a list with in")
			i.walk(c.Target())
			return // the names inside are the loop's
		case slices.Contains(clocks, name):
			i.report(e, 0, "function %q is not allowed in if", name).do("a guard has no clock; use after, at, hours or customer.local")
		default:
			i.report(e, 0, "function %q does not exist", name).choose(name, guardFunctions)
		}
	}
	if name == "matches" && len(c.Args()) > 0 {
		pattern := c.Args()[len(c.Args())-1]
		var text types.String
		if pattern.Kind() == ast.LiteralKind {
			text, _ = pattern.AsLiteral().(types.String)
		}
		if _, err := regexp.Compile(string(text)); err != nil {
			i.report(pattern, 0, "%s", strings.ReplaceAll(err.Error(), "\n", " ")).do("correct the pattern")
		} else if text == "" {
			i.report(pattern, 0, "matches needs a fixed pattern").do("write it as a text in quotes")
		}
	}
	if i.keyOf(name, c.Args()) {
		return
	}
	if c.IsMemberFunction() {
		i.walk(c.Target())
	}
	for _, arg := range c.Args() {
		i.walk(arg)
	}
}

// name checks a chain of selections, such as customer.local.hour.
func (i *inspector) name(e ast.Expr) {
	var chain []ast.Expr // selections, outermost first
	root := e
	for root.Kind() == ast.SelectKind {
		chain = append(chain, root)
		root = root.AsSelect().Operand()
	}
	if root.Kind() != ast.IdentKind {
		i.walk(root)
		return
	}
	slices.Reverse(chain)
	path := root.AsIdent()
	top := scopes[""]
	switch {
	case !top.scopes[path]:
		i.report(root, 0, "undefined name %q", path).choose(path, top.names)
		return
	case path == "message" && !i.names.inThen:
		i.report(root, 0, "message is the previous one, and here is none").do("it belongs in the if of a then entry")
		return
	case path == "offer" && !i.names.withOffer:
		i.report(root, 0, "there is no offer without stock: offer").do("add it, or do without offer.*")
		return
	}
	for n, c := range chain {
		s, word := scopes[path], c.AsSelect().FieldName()
		known := s.names
		switch {
		case s.keyed == CustomerConsent:
			i.consent(chain[n:])
			return
		case s.keyed == Told:
			known = i.names.moments
		case s.keyed != 0:
			return
		}
		if s.keyed == Told && slices.Contains(known, word) || s.fields[word] != 0 {
			key := ""
			if n+1 < len(chain) {
				key = chain[n+1].AsSelect().FieldName()
			}
			i.read(s.fields[word], key)
			return // the type says what may follow
		}
		if !s.scopes[word] {
			// The position of a selection is that of its point.
			what := "undefined field %q of %s"
			if s.keyed == Told {
				what = "undefined moment %q of %s"
			}
			i.report(c, 1, what, word, path).choose(word, known)
			return
		}
		path += "." + word
	}
}

// consent checks CHANNEL.PURPOSE.
func (i *inspector) consent(chain []ast.Expr) {
	known := [][]string{i.names.channels, i.names.purposes}
	for n, what := range []string{"channel", "purpose"} {
		if n == len(chain) {
			return // the type says that something is missing
		}
		if word := chain[n].AsSelect().FieldName(); !slices.Contains(known[n], word) {
			i.report(chain[n], 1, "undefined %s %q of %s", what, word, consentPath).choose(word, known[n])
		}
	}
}

// sizes bounds the inputs of a guard for the estimate of its cost.
type sizes struct{}

const (
	maxTextBytes = 16 << 10 // of a property of an event, at most all of them
	maxEntries   = 1000     // of a list or an object
)

func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if n.ComputedSize() != nil {
		return nil
	}
	most := uint64(maxTextBytes)
	if k := n.Type().Kind(); k == types.ListKind || k == types.MapKind {
		most = maxEntries
	}
	return &cost.SizeEstimate{Max: most}
}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
