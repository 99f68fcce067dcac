package segment

import (
	"fmt"
	"strings"
)

// Class is the class of a fault, for counting.
type Class uint8

// The classes.
const (
	Malformed Class = iota // not JSON, not UTF-8, not a call
	TooLarge               // over a limit of size
	Missing                // a required property is not there
	Invalid                // a property has a value it cannot have
	Future                 // it happened later than can be
	Forbidden              // the sender may not say it

	Classes // the number of classes
)

var classNames = [Classes]string{"malformed", "too_large", "missing", "invalid", "future", "forbidden"}

func (c Class) String() string { return classNames[c] }

// FieldError is one fault of a call.
type FieldError struct {
	Event  string // name of the event, "" when it is not known
	Field  string // for example properties.products[2].sku; "" for the call as a whole
	Reason string // what is wrong and what to do
	Class  Class
}

func (e *FieldError) Error() string {
	s := e.Reason
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Event != "" {
		s = e.Event + ": " + s
	}
	return s
}

// Faults are all the faults of one call, at least one. errors.As finds the
// first as *FieldError.
type Faults []*FieldError

func (f Faults) Error() string {
	all := make([]string, len(f))
	for i, e := range f {
		all[i] = e.Error()
	}
	return strings.Join(all, "; ")
}

// Unwrap returns the faults one by one.
func (f Faults) Unwrap() []error {
	all := make([]error, len(f))
	for i, e := range f {
		all[i] = e
	}
	return all
}

// maxFaults bounds how many faults of one call are told.
const maxFaults = 20

func (p *Parser) fault(c Class, field, reason string, args ...any) {
	if len(p.faults) < maxFaults {
		if len(args) > 0 {
			reason = fmt.Sprintf(reason, args...)
		}
		p.faults = append(p.faults, &FieldError{Field: field, Reason: reason, Class: c})
	}
}
