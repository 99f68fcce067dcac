package processor

// Outcome is what became of a candidate action.
type Outcome uint8

// The outcomes. A candidate gets any number of Deferred and then exactly one
// of Sent, Suppressed, Expired. Retracted only withdraws what was Sent.
const (
	Sent Outcome = iota + 1
	Suppressed
	Deferred
	Expired
	Retracted
)

var outcomeNames = [...]string{"", "sent", "suppressed", "deferred", "expired", "retracted"}

func (o Outcome) String() string { return outcomeNames[o] }

// Decision is the outcome for one candidate action, always with its reason.
// Its JSON form (AppendJSON) is the same everywhere: commit records, exports,
// API, webhooks, scenarios.
type Decision struct {
	ID       string // derives from the cause: the same log gives the same ids
	At       int64  // log time, Unix ms
	Customer string // "" for an action on an item
	Moment   string
	Cause    Cause
	Outcome  Outcome
	Step     string // of the gate: wanted, available, permitted, timely, best; "" when sent
	Reason   Reason // "" when sent
	Until    int64  // Deferred: gated again then, Unix ms; 0 when an arrival decides
	Retracts string // Retracted: id of the decision withdrawn
	Mode     string // live or shadow
	Version  string // moments_version: hash of the moments file in force
	Action   *Action
	Evidence Evidence
}

// Cause names what made the candidate.
type Cause struct {
	Event string // name of the event that started the occurrence
	ID    string // its message id
	Timer string // the window that ended, for example "after 45m"
	Offer string // the offer received
	Value string // the occurrence's value of `per`
	N     int64  // number of the occurrence for this value
}

// Action is what a sent decision asks of a channel. ID is stable over every
// retry and is the receiver's idempotency key.
type Action struct {
	ID        string
	Kind      string // message, audience_add, audience_remove; case, case_close, order; set_up, take_down; message_remove
	Channel   string
	Class     string
	Template  string
	Customer  string
	Lines     []ActionLine
	Total     int64  // of the lines, minor units
	Currency  string // ISO 4217
	CartID    string
	OfferID   string
	HoldUntil int64 // end of the hold, Unix ms
	ExpiresAt int64 // of no use later than this, Unix ms
	Data      []Datum

	// To is where the customer is reached: put in on the way to a channel that
	// is to be told, and never part of a record.
	To []Datum
}

// Datum is one more thing a message may want to say, such as where the parcel
// is: a text, or without one a number.
type Datum struct {
	Name   string
	Text   string
	Number int64 // amounts in minor units, times in Unix ms
}

// ActionLine is one item an action speaks of.
type ActionLine struct {
	SKU      string
	Quantity int64
	Price    int64 // minor units
	Title    string
	URL      string
	Image    string
	Replaces string // the item this one stands for, which is gone
}

// Evidence says what the decision was based on.
type Evidence struct {
	Position   uint64 // position in the partition's log
	Step       uint64 // number of the step since the log began
	StockAgeMS int64  // age of the oldest stock fact used; -1 when none was used
	Facts      uint64 // position of that fact in its item's log
	Rules      string // version of the moments file
	Place      int64  // place in the queue, from 1
	Score      int64  // millionths
	Factors    []Factor
	LostTo     string // id of the decision that won, or said it already; better_is_coming: it may yet not be sent
	Dropped    []DroppedLine

	// How old the words were that the decision relies on; -1 when none was used.
	PriceAgeMS   int64 // the oldest price told
	ConsentAgeMS int64 // the oldest consent asked for, granted or not

	Household string // under whose caps it is counted, or which refuses: by them, or by what others of it have; "" = none
}

// evidence returns where a decision stands, with nothing used for it yet.
func (m *Machine) evidence() Evidence {
	return Evidence{Position: m.shop.Position, Step: m.shop.Step, StockAgeMS: -1, PriceAgeMS: -1, ConsentAgeMS: -1}
}

// DroppedLine is a line left out of the message, with the word that says why.
type DroppedLine struct {
	SKU    string
	Reason Reason
}

// Reason is one of the fixed words of the gate. Words are never renamed; new
// ones are added at the end of a step.
type Reason string

// Step names of the gate, in order.
const (
	StepWanted    = "wanted"
	StepAvailable = "available"
	StepPermitted = "permitted"
	StepTimely    = "timely"
	StepBest      = "best"
)

// The reasons, by step. In each step the first that refuses gives the reason.
const (
	Purchased      Reason = "purchased"
	RecentlyBought Reason = "recently_bought"
	CartEmptied    Reason = "cart_emptied"
	Declined       Reason = "declined"
	Cancelled      Reason = "cancelled"
	Returned       Reason = "returned"
	Subscribed     Reason = "subscribed"
	Redeemed       Reason = "redeemed"
	Ended          Reason = "ended"
	GuardFalse     Reason = "guard_false"

	OutOfStock      Reason = "out_of_stock"
	NoUnit          Reason = "no_unit"
	NotYetOnSale    Reason = "not_yet_on_sale"
	SaleOver        Reason = "sale_over"
	Unpublished     Reason = "unpublished"
	NotOfferedHere  Reason = "not_offered_here"
	TooFew          Reason = "too_few"
	PriceAboveLimit Reason = "price_above_limit"
	PriceRose       Reason = "price_rose"
	StockStale      Reason = "stock_stale"
	PriceStale      Reason = "price_stale"

	NoConsent        Reason = "no_consent"
	ConsentPending   Reason = "consent_pending"
	ConsentWithdrawn Reason = "consent_withdrawn"
	NoAddress        Reason = "no_address"
	AddressBlocked   Reason = "address_blocked"
	Erased           Reason = "erased"
	Stopped          Reason = "stopped"
	Crisis           Reason = "crisis"
	CaseOpen         Reason = "case_open"
	OwnedElsewhere   Reason = "owned_elsewhere"
	ConsentStale     Reason = "consent_stale"

	ExpiredReason    Reason = "expired"
	OfferEnded       Reason = "offer_ended"
	QuietHours       Reason = "quiet_hours"
	TimezoneUnknown  Reason = "timezone_unknown"
	OutsideHours     Reason = "outside_hours"
	FrequencyCap     Reason = "frequency_cap"
	TooSoon          Reason = "too_soon"
	OrderSourceStale Reason = "order_source_stale"
	LateEvent        Reason = "late_event"
	NoChannelInTime  Reason = "no_channel_in_time"

	LostArbitration Reason = "lost_arbitration"
	BetterIsComing  Reason = "better_is_coming"
	Holdout         Reason = "holdout"
	Shadow          Reason = "shadow"
	SwitchedOff     Reason = "switched_off"
	Combined        Reason = "combined"
	Superseded      Reason = "superseded"
	DuplicateCause  Reason = "duplicate"
	BudgetSpent     Reason = "budget_spent"
	BelowMinimum    Reason = "below_minimum"
	NotSetUp        Reason = "not_set_up"
	Drifted         Reason = "drifted"
)

// reasonOrder is the order of precedence: steps in order, words in order.
var reasonOrder = [...]struct {
	step    string
	reasons []Reason
}{
	{StepWanted, []Reason{Purchased, RecentlyBought, CartEmptied, Declined, Cancelled, Returned, Subscribed, Redeemed, Ended, GuardFalse}},
	{StepAvailable, []Reason{OutOfStock, NoUnit, NotYetOnSale, SaleOver, Unpublished, NotOfferedHere, TooFew, PriceAboveLimit, PriceRose, StockStale, PriceStale}},
	{StepPermitted, []Reason{NoConsent, ConsentPending, ConsentWithdrawn, NoAddress, AddressBlocked, Erased, Stopped, Crisis, CaseOpen, OwnedElsewhere, ConsentStale}},
	{StepTimely, []Reason{ExpiredReason, OfferEnded, QuietHours, TimezoneUnknown, OutsideHours, FrequencyCap, TooSoon, OrderSourceStale, LateEvent, NoChannelInTime}},
	{StepBest, []Reason{LostArbitration, BetterIsComing, Holdout, Shadow, SwitchedOff, Combined, Superseded, DuplicateCause, BudgetSpent, BelowMinimum, NotSetUp, Drifted}},
}

var reasonRank, reasonStep = func() (map[Reason]int, map[Reason]string) {
	rank, step := map[Reason]int{}, map[Reason]string{}
	for _, s := range reasonOrder {
		for _, r := range s.reasons {
			rank[r] = len(rank)
			step[r] = s.step
		}
	}
	return rank, step
}()

// reasonCode is a reason in one byte, for what is kept of millions; 0 = none.
// Codes follow the order of reasonOrder, so they are not stored.
type reasonCode uint8

var reasonWords = func() (words []Reason) {
	for _, s := range reasonOrder {
		words = append(words, s.reasons...)
	}
	return words
}()

func (r Reason) code() reasonCode {
	if r == "" {
		return 0
	}
	return reasonCode(reasonRank[r] + 1)
}

func (c reasonCode) reason() Reason {
	if c == 0 {
		return ""
	}
	return reasonWords[c-1]
}

// Step returns the step of the gate a reason belongs to.
func (r Reason) Step() string { return reasonStep[r] }

// Before reports whether r takes precedence over s.
func (r Reason) Before(s Reason) bool { return reasonRank[r] < reasonRank[s] }

// Delivery is what became of one attempt to hand an action over.
type Delivery uint8

// The deliveries. Retry is not final: another attempt asks for release again.
const (
	Delivered Delivery = iota + 1
	Failed             // refused for good, with the provider's code
	Unknown            // sent, no answer: may or may not have arrived
	Retry              // not accepted now, may be tried again
)

var deliveryNames = [...]string{"", "delivered", "failed", "unknown", "retry"}

func (d Delivery) String() string { return deliveryNames[d] }
