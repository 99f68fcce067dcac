package moments

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// reader reads YAML nodes as values of the language and gathers the faults. A
// value that is at fault is read as its zero, so that reading goes on.
type reader struct {
	faults
	vocabulary Vocabulary
	lines      []string // of the text, for positions inside a scalar

	// The names the file defines, collected before what uses them is read.
	policyNames
	eventNames    []string
	interestNames []string
	momentNames   []string
}

// root returns the root of the text, nil when there is none.
func (r *reader) root(text []byte) *yaml.Node {
	if !utf8.Valid(text) {
		line, col := placeOf(text, firstInvalid(text))
		r.at(line, col, "the file is not UTF-8 text").do("save it as UTF-8")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			r.at(1, 1, "the file is empty").do("start from the file that is shipped")
			return nil
		}
		r.syntax(text, err)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		r.fault(&second, "a second document begins here").do("keep one, without ---")
	} else if !errors.Is(err, io.EOF) {
		r.syntax(text, err)
	}
	if len(doc.Content) != 1 {
		r.at(1, 1, "the file is empty").do("start from the file that is shipped")
		return nil
	}
	if !r.isPlainYAML(doc.Content[0]) {
		return nil
	}
	return doc.Content[0]
}

// firstInvalid returns where the first byte stands that is no UTF-8.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// placeOf returns the line and column, in characters, of a byte of a text.
func placeOf(text []byte, at int) (line, col int) {
	begin := bytes.LastIndexByte(text[:at], '\n') + 1
	return bytes.Count(text[:at], []byte("\n")) + 1, utf8.RuneCount(text[begin:at]) + 1
}

// tabs tells of each line that is indented with a tab, where a YAML parser
// finds only that something cannot begin there, and stops.
func (r *reader) tabs(text []byte) {
	for i, l := range bytes.Split(text, []byte("\n")) {
		blank := len(l) - len(bytes.TrimLeft(l, " \t"))
		if at := bytes.IndexByte(l[:blank], '\t'); at >= 0 && blank < len(bytes.TrimRight(l, "\r")) {
			r.at(i+1, at+1, "the line is indented with a tab").do("use spaces, as many as the lines beside it")
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// syntaxHelp says more of what a YAML parser finds.
var syntaxHelp = []struct{ found, what, do string }{
	{"mapping values are not allowed", "a second \": \" in one line", "put a text with a colon into quotes, or the key on a line of its own"},
	{"found unexpected end of stream", "a quote is opened here and never closed", "close it"},
	{"did not find expected key", "this line fits neither into the map above it nor beside it", "indent it like the keys it belongs to"},
	{"did not find expected '-' indicator", "this line fits neither into the list above it nor beside it", "begin it with - like the entries it belongs to, or indent it like the keys"},
	{"did not find expected ',' or ']'", "the list of a [ goes on without a comma, or never ends", "write [a, b]"},
	{"did not find expected ',' or '}'", "the map of a { goes on without a comma, or never ends", "write {a: 1, b: 2}"},
}

func (r *reader) syntax(text []byte, err error) {
	line, found := 1, strings.ReplaceAll(err.Error(), "\n", " ")
	if m := yamlLine.FindStringSubmatch(found); m != nil {
		if m[1] != "" {
			line, _ = strconv.Atoi(m[1])
		}
		found = found[len(m[0]):]
	}
	if strings.Contains(found, "cannot start any token") || strings.Contains(found, "tab") {
		if r.tabs(text); len(r.all) > 0 {
			return
		}
	}
	for _, h := range syntaxHelp {
		if !strings.HasPrefix(found, h.found) {
			continue
		}
		switch {
		case strings.Contains(found, "expected key") || strings.Contains(found, "indicator"):
			line = breaks(text, err.Error(), line)
		case strings.HasPrefix(found, "did not find") && line <= bytes.Count(text, []byte("\n")):
			line++ // a parser counts from 0, where a scanner counts from 1
		}
		r.at(line, 1, "not YAML: %s", h.what).do("%s", h.do)
		return
	}
	r.at(line, 1, "not YAML: %s", found).do("look at the indentation, quotes and brackets around this line")
}

// breaks returns the line at which a block ends that cannot end there: the
// parser names the one at which it began. What is cut off before that line has
// not this fault, and what is cut off behind it has.
func breaks(text []byte, fault string, from int) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	n := sort.Search(len(lines)-from, func(i int) bool {
		var doc yaml.Node
		err := yaml.Unmarshal(bytes.Join(lines[:from+i], nil), &doc)
		return err != nil && err.Error() == fault
	})
	return min(from+n, len(lines))
}

// isPlainYAML refuses what makes one thing sayable in two ways. A node that is
// reached through an alias is not looked at again.
func (r *reader) isPlainYAML(n *yaml.Node) bool {
	ok := true
	refuse := func(what, do string) {
		r.fault(n, "%s", what).do("%s", do)
		ok = false
	}
	if n.Anchor != "" {
		refuse("anchors are not allowed", "write the value out where it is used")
	}
	if n.Kind == yaml.AliasNode {
		refuse("aliases are not allowed", "write the value out")
		return ok
	}
	if n.Style&yaml.TaggedStyle != 0 {
		refuse("tags are not allowed", "remove "+strconv.Quote(n.ShortTag()))
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode && c.Value == "<<" {
			n := c
			r.fault(n, "merge keys are not allowed").do("write the keys out")
			ok = false
		}
		ok = r.isPlainYAML(c) && ok
	}
	return ok
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return strconv.Quote(shorten(n.Value))
}

func shorten(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}

// pairs calls do for each key of a map, and reports keys that stand twice.
func (r *reader) pairs(n *yaml.Node, what string, do func(key, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		f := r.fault(n, "%s must be a map, not %s", what, describe(n))
		switch {
		case describe(n) == "nothing":
			f.do("fill it in, write {} or remove the line")
		case n.Kind == yaml.SequenceNode:
			f.do("write NAME: VALUE, one a line, without -")
		default:
			f.do("write NAME: VALUE, one a line, or {NAME: VALUE}")
		}
		return
	}
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			r.fault(key, "a key in %s must be a word, not %s", what, describe(key)).do("write NAME: VALUE; what stands in {{ }} is not filled in here")
			continue
		}
		if first, twice := seen[key.Value]; twice {
			r.fault(key, "duplicate key %q in %s", key.Value, what).do("it stands in line %d already; keep one", first)
			continue
		}
		seen[key.Value] = key.Line
		do(key, n.Content[i+1])
	}
}

// field is one key that a map of the file may have.
type field struct {
	name string
	read func(value *yaml.Node)
}

// fields reads a map with known keys, in the order given here, not the one of
// the file. It returns the value of each key that is there.
func (r *reader) fields(n *yaml.Node, what string, known ...field) map[string]*yaml.Node {
	have := make(map[string]*yaml.Node, len(known))
	r.pairs(n, what, func(key, value *yaml.Node) {
		if !slices.ContainsFunc(known, func(f field) bool { return f.name == key.Value }) {
			var names []string
			for _, f := range known {
				names = append(names, f.name)
			}
			r.fault(key, "unknown key %q in %s", shorten(key.Value), what).choose(key.Value, names)
			return
		}
		if filled(value) == nil {
			r.fault(key, "%q in %s has no value", key.Value, what).do("fill it in or remove the line")
		}
		have[key.Value] = value
	})
	for _, f := range known {
		if value := filled(have[f.name]); value != nil {
			f.read(value)
		}
	}
	return have
}

// filled returns a value, nil when its key stands there without one.
func filled(n *yaml.Node) *yaml.Node {
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// named reads a map from names of the shop's own choice.
func (r *reader) named(n *yaml.Node, what, one string, read func(key, value *yaml.Node)) {
	r.pairs(n, what, func(key, value *yaml.Node) {
		if !namePattern.MatchString(key.Value) {
			r.fault(key, "%q cannot be the name of %s", shorten(key.Value), one).
				do("use up to 64 lower case letters, digits and _, a letter first")
		}
		read(key, value)
	})
}

// text reads any scalar as it is written.
func (r *reader) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.fault(n, "%s must be a text, not %s", what, describe(n)).do("write one word or sentence")
		return "", false
	}
	if n.Value == "" {
		r.fault(n, "%s is empty", what).do("fill it in or remove the line")
		return "", false
	}
	return n.Value, true
}

// word reads one of the known words. The zero result means a fault.
func (r *reader) word(n *yaml.Node, what string, known []string) string {
	s, ok := r.text(n, what)
	if ok && !slices.Contains(known, s) && n.HeadComment == asShipped {
		r.fault(n, "%s %q does not exist, but the classes or channels as shipped use it", what, s).
			do("add it, or write classes and channels too")
		return ""
	}
	if ok && !slices.Contains(known, s) {
		f := r.fault(n, "%s %q does not exist", what, shorten(s))
		if f.choose(s, known); what == "event" && r.vocabulary.Others[s] != "" {
			f.do("it is called %q here", r.vocabulary.Others[s])
		}
		return ""
	}
	return s
}

// list calls do for each entry of a list that may not be empty.
func (r *reader) list(n *yaml.Node, what string, do func(*yaml.Node)) {
	switch {
	case n.Kind != yaml.SequenceNode:
		f := r.fault(n, "%s must be a list, not %s", what, describe(n))
		if f.do("begin each entry with -"); n.Kind == yaml.ScalarNode {
			f.do("write [%s]", shorten(n.Value))
		}
	case len(n.Content) == 0:
		r.fault(n, "%s is an empty list", what).do("fill it in or remove the line")
	}
	if n.Kind == yaml.SequenceNode {
		for _, c := range n.Content {
			do(c)
		}
	}
}

// oneOrList is list for a key that may also have a single value.
func (r *reader) oneOrList(n *yaml.Node, what string, do func(*yaml.Node)) {
	if n.Kind == yaml.ScalarNode {
		do(n)
		return
	}
	r.list(n, what, do)
}

// distinct adds a word to a list, unless it stands there already.
func (r *reader) distinct(n *yaml.Node, what string, list []string, s string) []string {
	if s == "" {
		return list
	}
	if slices.Contains(list, s) {
		r.fault(n, "%q stands twice in %s", s, what).do("keep one")
		return list
	}
	return append(list, s)
}

// texts reads a list of different texts.
func (r *reader) texts(n *yaml.Node, what string) (out []string) {
	r.list(n, what, func(c *yaml.Node) {
		s, _ := r.text(c, "an entry of "+what)
		out = r.distinct(c, what, out, s)
	})
	return out
}

// words reads a list of different known words; one names a single of them.
func (r *reader) words(n *yaml.Node, what, one string, known []string) (out []string) {
	r.list(n, what, func(c *yaml.Node) {
		out = r.distinct(c, what, out, r.word(c, one, known))
	})
	return out
}

func (r *reader) event(n *yaml.Node) string { return r.word(n, "event", r.eventNames) }

func (r *reader) events(n *yaml.Node, what string) []string {
	return r.words(n, what, "event", r.eventNames)
}

func (r *reader) bool(n *yaml.Node, what string, into *bool) {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		r.fault(n, "%s must be true or false, not %s", what, describe(n)).do("write one of the two, without quotes")
		return
	}
	*into = n.Value == "true"
}

func (r *reader) int(n *yaml.Node, what string, least, most int64) int64 {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Style != 0 || err != nil || strconv.FormatInt(v, 10) != n.Value {
		r.fault(n, "%s must be a whole number, not %s", what, describe(n)).do("write one from %d to %d, without quotes", least, most)
		return least
	}
	if v < least || v > most {
		_ = r.fault(n, "%s must be from %d to %d, not %d", what, least, most, v)
		return least
	}
	return v
}

func (r *reader) micro(n *yaml.Node, what string) Micro {
	m, err := ParseMicro(n.Value)
	if n.Kind != yaml.ScalarNode || n.Style != 0 || err != nil {
		if err == nil || n.Kind != yaml.ScalarNode {
			err = errors.New("write a decimal like 0.25")
		}
		r.fault(n, "%s must be a decimal, not %s", what, describe(n)).do("%v", err)
		return 0
	}
	return m
}

// duration reads a duration; positive refuses 0s.
func (r *reader) duration(n *yaml.Node, what string, positive bool) time.Duration {
	d, err := ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		if err == nil || n.Kind != yaml.ScalarNode {
			err = errDuration
		}
		r.fault(n, "%s must be a duration, not %s", what, describe(n)).do("%v", err)
	case positive && d == 0:
		r.fault(n, "%s must be longer than %s", what, n.Value).do("write how long, or remove it")
	}
	return d
}

func (r *reader) span(n *yaml.Node, what string) (Span, bool) {
	s, err := ParseSpan(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		if err == nil || n.Kind != yaml.ScalarNode {
			err = errSpan
		}
		r.fault(n, "%s must be a span of the day, not %s", what, describe(n)).do("%v", err)
		return Span{}, false
	}
	return s, true
}

// spans reads a span or a list of them.
func (r *reader) spans(n *yaml.Node, what string) (out Spans) {
	r.oneOrList(n, what, func(c *yaml.Node) {
		if s, ok := r.span(c, what); ok {
			out = append(out, s)
		}
	})
	return out
}

// quietHours reads a span, a list of spans, or never.
func (r *reader) quietHours(n *yaml.Node) Spans {
	if n.Kind == yaml.ScalarNode && n.Value == "never" {
		return nil
	}
	out := r.spans(n, "quiet_hours")
	if out.always() {
		r.fault(n, "quiet_hours cover the whole week").do("nothing could be sent; leave a gap, or use mode: off in the moments")
	}
	return out
}
