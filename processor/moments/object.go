package moments

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// object is a JSON object as a CEL map that is read where it is asked, not
// decoded as a whole: a guard reads one or two properties of an event. Whole
// numbers are ints, other numbers doubles. Of a key that stands twice the last
// counts.
type object struct{ raw []byte }

// Find returns the value of a key.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	var found []byte
	members(o.raw, func(key string, value []byte) {
		if key == string(name) {
			found = value
		}
	})
	if found == nil {
		return nil, false
	}
	return jsonValue(found), true
}

// whole decodes the object for what is rarely asked.
func (o *object) whole() traits.Mapper {
	all := map[ref.Val]ref.Val{}
	members(o.raw, func(key string, value []byte) { all[types.String(key)] = jsonValue(value) })
	return types.NewRefValMap(types.DefaultTypeAdapter, all)
}

// Contains, Get, Iterator, Size and the rest make object a traits.Mapper.
func (o *object) Contains(key ref.Val) ref.Val {
	_, found := o.Find(key)
	return types.Bool(found)
}

func (o *object) Get(key ref.Val) ref.Val {
	if v, found := o.Find(key); found {
		return v
	}
	return types.NewErr("no such key: %v", key)
}

func (o *object) Iterator() traits.Iterator                   { return o.whole().Iterator() }
func (o *object) Size() ref.Val                               { return o.whole().Size() }
func (o *object) Equal(other ref.Val) ref.Val                 { return o.whole().Equal(other) }
func (o *object) ConvertToType(t ref.Type) ref.Val            { return o.whole().ConvertToType(t) }
func (o *object) ConvertToNative(t reflect.Type) (any, error) { return o.whole().ConvertToNative(t) }
func (o *object) Type() ref.Type                              { return types.MapType }
func (o *object) Value() any                                  { return o }
func (o *object) String() string                              { return fmt.Sprintf("object of %d bytes", len(o.raw)) }

// jsonValue returns the CEL value of one JSON value.
func jsonValue(raw []byte) ref.Val {
	switch raw[0] {
	case '{':
		return &object{raw}
	case '[':
		var list []ref.Val
		elements(raw, func(value []byte) { list = append(list, jsonValue(value)) })
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	case '"':
		if s, ok := unquote(raw); ok {
			return types.String(s)
		}
	case 't':
		return types.True
	case 'f':
		return types.False
	case 'n':
		return types.NullValue
	default:
		if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			return types.Int(i)
		}
		if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
			return types.Double(f)
		}
	}
	return types.NewErr("not a JSON value")
}

// members calls do for each key of a JSON object, up to where it is malformed.
func members(raw []byte, do func(key string, value []byte)) {
	rest, ok := token(skipSpace(raw), '{')
	for ok && len(rest) > 0 && rest[0] == '"' {
		n := valueLen(rest)
		key, good := unquote(rest[:n])
		rest, ok = token(skipSpace(rest[n:]), ':')
		n = valueLen(rest)
		if !good || !ok || n == 0 {
			return
		}
		do(key, rest[:n])
		rest, ok = token(skipSpace(rest[n:]), ',')
	}
}

// elements calls do for each element of a JSON array, up to where it is
// malformed.
func elements(raw []byte, do func(value []byte)) {
	rest, ok := token(skipSpace(raw), '[')
	for ok {
		n := valueLen(rest)
		if n == 0 {
			return
		}
		do(rest[:n])
		rest, ok = token(skipSpace(rest[n:]), ',')
	}
}

// token takes one character and the space behind it.
func token(raw []byte, c byte) ([]byte, bool) {
	if len(raw) == 0 || raw[0] != c {
		return raw, false
	}
	return skipSpace(raw[1:]), true
}

func skipSpace(raw []byte) []byte { return bytes.TrimLeft(raw, " \t\r\n") }

// valueLen returns the length of the JSON value raw begins with, 0 when there
// is none. Brackets are counted, not matched.
func valueLen(raw []byte) int {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '"':
			n := stringLen(raw[i:])
			if n == 0 {
				return 0
			}
			i += n - 1
		case '{', '[':
			depth++
			continue
		case '}', ']', ',', ':':
			if depth == 0 {
				return 0
			}
			if c == '}' || c == ']' {
				depth--
			}
		case ' ', '\t', '\r', '\n':
		default:
			for i+1 < len(raw) && bytes.IndexByte([]byte(",:]}[{\" \t\r\n"), raw[i+1]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return 0
}

// stringLen returns the length of the JSON string raw begins with, quotes
// included, 0 when it has no end.
func stringLen(raw []byte) int {
	for i := 1; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

func unquote(raw []byte) (string, bool) {
	if len(raw) < 2 {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
