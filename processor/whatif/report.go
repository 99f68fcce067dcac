package whatif

import "time"

// Report is the difference between what was decided in a span of the log and
// what other rules would have decided. Times are log time.
type Report struct {
	From       Time     `json:"from"`
	To         Time     `json:"to"`
	Partitions int      `json:"partitions"`
	Replayed   int      `json:"records_before"` // of the log, to come to the beginning of the span
	Records    int      `json:"records"`        // in the span
	Events     int      `json:"events"`
	Was        string   `json:"moments_before"` // version in force at the beginning; "" = none yet
	Now        string   `json:"moments_after"`
	LeftOut    int      `json:"activations_left_out"` // of other moments, within the span
	Moments    []Moment `json:"moments"`
	Changes    []Change `json:"changes"`
	Same       int      `json:"same"` // decided alike
	Recorded   Recorded `json:"recorded"`
	Assumed    int      `json:"assumed_delivered"` // actions without a recorded outcome, by the rules given
	PassedOver int      `json:"records_passed_over"`
	Notes      []string `json:"notes"` // what to keep in mind with these figures
}

// Moment is what was decided for one moment, by the rules as they were and by
// those given. Sent of After is that of Before, plus More, less Fewer.
type Moment struct {
	Name   string `json:"moment"`
	Before Tally  `json:"before"`
	After  Tally  `json:"after"`
	More   int    `json:"more"`
	Fewer  int    `json:"fewer"`
	Moved  int    `json:"moved"`
	Reason int    `json:"other_reason"`
	Says   int    `json:"says_otherwise"`
}

// Tally counts candidates by what became of them. Waiting ones are deferred at
// the end of the span; those whose window has not ended are not counted.
type Tally struct {
	Sent       int `json:"sent"`
	Shadow     int `json:"shadow"`
	Suppressed int `json:"suppressed"`
	Expired    int `json:"expired"`
	Waiting    int `json:"waiting"`
	Retracted  int `json:"retracted"`
}

func (t *Tally) count(v *verdict) {
	switch {
	case v.sent:
		t.Sent++
	case v.Outcome == "sent":
		t.Shadow++
	case v.Outcome == "suppressed":
		t.Suppressed++
	case v.Outcome == "expired":
		t.Expired++
	case v.Outcome == "retracted":
		t.Retracted++
	}
}

// The kinds of change.
const (
	More   = "+sent"
	Fewer  = "-sent"
	Moved  = "moved"  // sent both ways, at another time
	Says   = "says"   // sent at the same time, of other items or on another channel
	Reason = "reason" // silent both ways, or retracted, for another reason
)

var kinds = []string{More, Fewer, Moved, Says, Reason}

// Change is how many candidates of a moment were decided otherwise in one way.
// Was and Now are an outcome with its reason; moved ones add what they waited
// for.
type Change struct {
	Moment   string    `json:"moment"`
	Kind     string    `json:"kind"`
	Was      string    `json:"was"`
	Now      string    `json:"now"`
	Count    int       `json:"count"`
	Examples []Example `json:"examples"`
}

// Example is one candidate with both decisions. The customer is not named.
type Example struct {
	Moment   string  `json:"moment"`
	Customer string  `json:"customer"` // first letter and a hash
	Item     string  `json:"item"`     // or what else the occurrence is about
	Event    string  `json:"event"`    // that began it
	Was      Verdict `json:"was"`
	Now      Verdict `json:"now"`
}

// Verdict is a decision in short.
type Verdict struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Channel string `json:"channel,omitempty"`
	At      Time   `json:"at,omitzero"`
	Until   Time   `json:"until,omitzero"` // deferred
}

// Recorded says how the replay by the rules as they were compares with what was
// decided in truth: the measure of how far the report can be trusted.
type Recorded struct {
	Decisions int      `json:"decisions"` // candidates decided in truth
	Same      int      `json:"same"`
	Changes   []Change `json:"changes"`            // was: in truth; now: in the replay
	Missing   bool     `json:"missing"`            // commit records of the span were dropped
	Diverged  string   `json:"diverged,omitempty"` // where, before the span, the replay came to another state than was committed
}

// Time is Unix ms; RFC 3339 as JSON.
type Time int64

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) { return time.UnixMilli(int64(t)).UTC().MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	var x time.Time
	err := x.UnmarshalJSON(b)
	*t = Time(x.UnixMilli())
	return err
}

func (t Time) String() string { return clockOf(int64(t)) }
