package moments

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// InShadow returns the text of b with `mode: shadow` for the moments that a does
// not have, or has otherwise, and their names: they decide and record, and send
// nothing, while the others go on as they were. Comments and layout stay. What is
// off in b stays off. a may be nil: then everything is new.
//
// Only moments can be tried out like that. When anything else differs, the error
// says what: it would hold for what is live, too.
func InShadow(a, b *File) (text []byte, names []string, err error) {
	for _, line := range Diff(a, b) {
		switch sign, what, _ := strings.Cut(line, " "); {
		case a == nil:
		case !strings.HasPrefix(what, "moment "):
			err = errors.Join(err, fmt.Errorf("%s: not of a moment, so it would hold for those that are live; put it in force before, without shadow", line))
		case sign == "-":
			err = errors.Join(err, fmt.Errorf("%s: what is live would end; keep it in the file while others are tried out", line))
		}
	}
	if err != nil {
		return nil, nil, err
	}
	was, is := child(rootOf(a), "moments"), child(rootOf(b), "moments")
	text = b.Source
	for _, name := range slices.Backward(keysOf(is)) { // from behind: places before stay right
		mo := child(is, name)
		if flow(child(was, name)) == flow(mo) || b.Moment(name).Mode == Off {
			continue
		}
		names = append(names, name)
		if mode := child(mo, "mode"); mode != nil {
			at := offsetOf(text, mode)
			text = slices.Replace(slices.Clone(text), at, at+widthOf(mode), []byte("shadow")...)
			continue
		}
		first := mo.Content[0]
		at := offsetOf(text, first)
		line := "mode: shadow\n" + strings.Repeat(" ", first.Column-1)
		if mo.Style&yaml.FlowStyle != 0 {
			line = "mode: shadow, "
		}
		text = slices.Insert(slices.Clone(text), at, []byte(line)...)
	}
	slices.Reverse(names)
	return text, names, nil
}

// offsetOf returns the byte of a text at which a node begins.
func offsetOf(text []byte, n *yaml.Node) int {
	at := 0
	for range n.Line - 1 {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	return at + len(string([]rune(string(text[at:min(len(text), at+4*n.Column)]))[:n.Column-1]))
}

// widthOf returns how many bytes a word takes in its text.
func widthOf(word *yaml.Node) int {
	if word.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		return len(word.Value) + 2
	}
	return len(word.Value)
}
