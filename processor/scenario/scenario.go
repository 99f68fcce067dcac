package scenario

import (
	"cmp"
	"os"
	"slices"

	"onhand/processor/moments"
)

// Scenario is one test that a shop owner can read: what happens when, and what
// is to be said about it.
type Scenario struct {
	Name  string
	File  string // as given to Load
	Line  int    // where it begins
	Start int64  // Unix ms; offsets count from here
	// Covers names what must work and is shown here: rows and edge cases, as B5 or X12.
	Covers []string
	Steps  []Step

	rules rules // in force at the start
}

// rules is a moments file as a scenario wants it.
type rules struct {
	text     []byte
	currency string
	country  string
}

// Step is one line of the story. One of its actions is set.
type Step struct {
	Line  int
	At    int64 // Unix ms
	Label string

	send    *send
	expect  *[]expected
	check   []check
	control *control
	deliver *deliver
	apply   *rules
	keep    bool   // apply lets what is pending have the rules it began under
	dead    string // why something goes to the dead letter up to here; "" = nothing does
}

// send is a list of calls that arrive.
type send struct {
	calls   []call
	repeat  int   // times each is delivered
	shuffle int64 // seed of the order; see shuffled
	mixed   bool  // shuffle was given
	refused bool  // the inlet must refuse each of them
}

// call is one event as JSON, as an SDK would send it.
type call struct {
	line int
	json []byte
}

// expected is a pattern that one decision must match, by the fields it names.
type expected struct {
	line   int
	fields any
}

// check compares the answer about a customer, an item or a reward.
type check struct {
	line   int
	kind   string // customer, item or reward
	id     string
	fields any
}

type control struct {
	stop bool
	tag  string // "" = everything

	channel string // that takes nothing until then
	until   int64

	erase string // the customer who is to be forgotten
}

type deliver struct {
	channel string
	delivery
}

// Load reads the scenarios of a file. It returns those that can be run, and
// everything that is wrong with the others, each as FILE:LINE:COLUMN: what,
// what to do.
func Load(path string) ([]Scenario, []error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, []error{err}
	}
	return parse(path, text)
}

// parse reads the scenarios in a text.
func parse(path string, text []byte) (list []Scenario, errs []error) {
	r := &reader{file: path}
	for _, doc := range r.documents(text) {
		before := len(r.faults)
		s := r.scenario(doc)
		if len(r.faults) == before {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(r.faults, func(a, b moments.Fault) int { return cmp.Or(a.Line-b.Line, a.Col-b.Col) })
	for _, f := range r.faults {
		errs = append(errs, f)
	}
	if len(list) == 0 && len(errs) == 0 {
		errs = append(errs, r.at(1, 1, "no scenario in the file", "a scenario has a name and steps"))
	}
	return list, errs
}
