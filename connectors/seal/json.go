package seal

import (
	"bytes"
	"encoding/json"
)

// members calls do for each member of a JSON object, with its key and where the
// member and its value begin and end, until do returns false. Inlets let only valid JSON in; in
// anything else it ends early.
func members(b []byte, do func(key []byte, start, from, to int) bool) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return
	}
	for i = space(b, i+1); i < len(b) && b[i] == '"'; i = space(b, i+1) {
		start, end := i, i+1
		for end < len(b) && b[end] != '"' && b[end] != '\\' { // keys are short
			end++
		}
		if end >= len(b) {
			return
		}
		key := b[start+1 : end]
		if end++; b[end-1] == '\\' {
			end = afterText(b, start)
			key = []byte(plain(b[start:end]))
		}
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return
		}
		from := space(b, i+1)
		to := after(b, from)
		if to <= from || !do(key, start, from, to) {
			return
		}
		if i = space(b, to); i >= len(b) || b[i] != ',' {
			return
		}
	}
}

// space returns where what is not white begins, from i on.
func space(b []byte, i int) int {
	if i >= len(b) || b[i] > ' ' {
		return i
	}
	return spaces(b, i)
}

func spaces(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// after returns where the value that begins at i ends.
func after(b []byte, i int) int {
	if i >= len(b) {
		return i
	}
	switch b[i] {
	case '"':
		return afterText(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = afterText(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

func afterText(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			break
		}
		if n == 0 || b[i+n-1] != '\\' {
			return i + n + 1
		}
		escapes := 0
		for j := i + n - 1; j >= i && b[j] == '\\'; j-- {
			escapes++
		}
		if i += n; escapes%2 == 0 {
			return i + 1
		}
	}
	return len(b)
}

// plain returns the text of a JSON string, and of anything else its JSON.
func plain(v []byte) string {
	if len(v) < 2 || v[0] != '"' {
		return string(v)
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	var s string
	if json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// empty reports whether a value says nothing: null, or an empty text or object.
func empty(v []byte) bool {
	return len(v) == 2 && (v[0] == '"' || v[0] == '{' || v[0] == '[') || string(v) == "null"
}
