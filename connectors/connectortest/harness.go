package connectortest

import (
	"testing"

	"onhand/connectors"
	"onhand/processor"
)

// Harness is what a channel brings to the suite.
type Harness struct {
	// New returns a fresh channel and the peer it is bound to, which behaves
	// Well. The suite closes the channel; whatever else there is to clean up is
	// for t.Cleanup.
	New func(t *testing.T) (connectors.Channel, Peer)

	// Secrets are texts that no result and no log line may contain: keys,
	// tokens, what in an address is not scheme and host.
	Secrets []string
}

// Peer is the receiving end: a real server, file or broker.
type Peer interface {
	// Behave makes the peer treat what comes next in the given way. It returns
	// false when this kind of peer cannot behave so; the test is skipped then.
	Behave(Behaviour) bool

	// Got returns the ids of the actions that the peer has and acts on, in order
	// of arrival. A peer that knows the ids it has lists a repeated one once.
	Got() []string
}

// Behaviour is how a peer treats an action.
type Behaviour int

// The behaviours.
const (
	Well        Behaviour = iota // takes it and says so
	Slow                         // takes it and says so after 300 ms
	Refuses                      // says that it will never take it
	Busy                         // says that it cannot take it now
	BusyFor                      // the same, and to come back after BusySeconds
	Gone                         // says that it takes nothing any more
	Unreachable                  // cannot be reached
	Hangs                        // takes it and never answers
	Breaks                       // takes it and breaks off
)

// BusySeconds is what a peer that is BusyFor asks for.
const BusySeconds = 7

var behaviourNames = [...]string{"well", "slow", "refuses", "busy", "busy for a time", "gone", "unreachable", "hangs", "breaks"}

func (b Behaviour) String() string { return behaviourNames[b] }

// Decision returns a sent decision about a message with the given action id,
// to a customer named after it.
func Decision(id string) *processor.Decision {
	return &processor.Decision{
		ID: "dec_" + id, At: 1772445600000, Customer: "customer-" + id, Moment: "cart_abandoned",
		Cause:   processor.Cause{Event: "Product Added", ID: "m-1", Timer: "after 45m", Value: "cart-1", N: 1},
		Outcome: processor.Sent, Mode: "live", Version: "v1",
		Action: &processor.Action{
			ID: id, Kind: "message", Channel: "test", Class: "marketing", Template: "cart",
			Customer: "customer-" + id, Currency: "EUR", Total: 39800, CartID: "cart-1",
			Lines: []processor.ActionLine{{SKU: "phone", Quantity: 2, Price: 19900, Title: "Phone \u201cX\u201d"}},
		},
		Evidence: processor.Evidence{Position: 12, Step: 40, StockAgeMS: 900, Rules: "v1"},
	}
}
