package moments

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Fault is one thing that is wrong with a file, or, as a warning, one thing
// that is probably not meant. Line and Col count from 1, Col in characters.
type Fault struct {
	File      string
	Line, Col int
	What      string // what is wrong
	Do        string // what to do; may be empty
	Warning   bool   // the file can be used as it is
}

// String returns the fault in one line: FILE:LINE:COL: what, what to do.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Col)
	if f.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(f.What)
	if f.Do != "" {
		b.WriteString("; " + f.Do)
	}
	return b.String()
}

// Error is String, so that a Fault can be handed on as an error.
func (f Fault) Error() string { return f.String() }

func (f *Fault) do(format string, args ...any) { f.Do = fmt.Sprintf(format, args...) }

// choose tells which of the known words was probably meant, else all of them.
func (f *Fault) choose(got string, known []string) {
	if f.What == "" {
		return // not reported: there are too many
	}
	switch best := nearest(got, known); {
	case best != "":
		f.do("did you mean %q?", best)
	case len(known) == 0:
		f.do("the file has none")
	case len(known) <= 32:
		f.do("one of %s", strings.Join(known, ", "))
	default:
		if like := sharing(got, known); len(like) > 0 {
			f.do("perhaps %s", strings.Join(like, ", "))
			return
		}
		f.do("it is none of the %d known; check the spelling", len(known))
	}
}

// sharing returns a few of the known words that have a part in common with got,
// those with the most parts first: Added Product and Product Added have two.
func sharing(got string, known []string) (like []string) {
	parts := func(s string) []string {
		return strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return c == ' ' || c == '_' || c == '-' })
	}
	count := func(word string) (n int) {
		have := parts(word)
		for _, p := range parts(got) {
			if len(p) > 2 && slices.Contains(have, p) {
				n++
			}
		}
		return n
	}
	most := 0
	for _, word := range known {
		most = max(most, count(word))
	}
	for _, word := range known {
		if most > 0 && count(word) == most && len(like) < 8 {
			like = append(like, word)
		}
	}
	return like
}

// maxFaults bounds the faults, and apart from them the warnings, that are
// reported for one file; more are left out.
const maxFaults = 1000

// faults gathers what is wrong with one file.
type faults struct {
	file     string
	all      []*Fault
	warnings int // of all
}

// at adds a fault at a place of the text. The caller completes it with do.
func (fs *faults) at(line, col int, format string, args ...any) *Fault {
	if len(fs.all)-fs.warnings == maxFaults {
		return &Fault{}
	}
	f := &Fault{File: fs.file, Line: max(line, 1), Col: max(col, 1), What: fmt.Sprintf(format, args...)}
	fs.all = append(fs.all, f)
	return f
}

func (fs *faults) fault(n *yaml.Node, format string, args ...any) *Fault {
	return fs.at(n.Line, n.Column, format, args...)
}

func (fs *faults) warn(n *yaml.Node, format string, args ...any) *Fault {
	if fs.warnings == maxFaults {
		return &Fault{}
	}
	f := &Fault{File: fs.file, Line: n.Line, Col: n.Column, What: fmt.Sprintf(format, args...), Warning: true}
	fs.all = append(fs.all, f)
	fs.warnings++
	return f
}

// sorted returns the faults in the order of the file.
func (fs *faults) sorted() []Fault {
	var out []Fault
	for _, f := range fs.all {
		out = append(out, *f)
	}
	slices.SortStableFunc(out, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	said := make(map[Fault]bool, len(out))
	return slices.DeleteFunc(out, func(f Fault) bool {
		twice := said[f]
		said[f] = true
		return twice
	})
}

// nearest returns the known word that got is a slip of, or "". A slip is a
// letter left out, added, changed or swapped with its neighbour, one for every
// four letters, or another way to write capitals, spaces, "-" and "_".
func nearest(got string, known []string) string {
	if len(got) > 64 {
		return ""
	}
	best, bestSlips := "", 1+max(1, len(got)/4)
	for _, word := range known {
		slips := slipsBetween(plain(got), plain(word))
		if slips < bestSlips {
			best, bestSlips = word, slips
		}
	}
	return best
}

var plainer = strings.NewReplacer(" ", "", "_", "", "-", "")

func plain(s string) string { return plainer.Replace(strings.ToLower(s)) }

// slipsBetween is the optimal string alignment distance of two words.
func slipsBetween(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
