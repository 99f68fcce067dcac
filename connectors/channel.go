package connectors

import (
	"context"
	"time"

	"onhand/processor"
)

// Channel hands actions to one outside system. The contract:
//
//   - Deliver is called from several goroutines, at most ChannelConfig.InFlight
//     at once, and never for two actions of one customer at the same time.
//     Other than that there is no order.
//   - Each call is one attempt. A channel never repeats a request by itself and
//     never waits for a better time: rate, backoff and deadlines belong to the
//     Dispatcher.
//   - Decision.Action is never nil. Its ID is the same in every attempt; a
//     channel passes it on as the receiver's idempotency key where there is one.
//     The decision is shared and must not be changed.
//   - Deliver returns soon after ctx ends. When the action may have left by then
//     the answer is Unknown, otherwise Retry. Unknown is the truth about the
//     attempt: whether it may be repeated is for Idempotent to say.
//   - Failures are part of Result, never a panic and never a log line. Code and
//     Detail hold no secret, no address of a person and no text of the peer.
type Channel interface {
	// Name says what kind of channel this is, for logs: "webhook", "file".
	Name() string

	// Deliver makes one attempt to hand the action over.
	Deliver(ctx context.Context, d *processor.Decision) Result

	// Idempotent reports whether the receiver honours the action's ID, so that
	// an attempt whose outcome is unknown may be made again without anybody
	// being told twice. The answer never changes.
	Idempotent() bool

	// Close waits for the calls of Deliver under way and lets go of what the
	// channel holds. A Deliver that comes later answers Retry with CodeClosed.
	Close() error
}

// Result is what one attempt came to.
type Result struct {
	Delivery   processor.Delivery
	Code       string        // the provider's code, or one of the Code constants
	Detail     string        // one line for the operator, redacted; may be empty
	RetryAfter time.Duration // the provider's own wish, 0 when it has none
	Gone       bool          // the endpoint exists no more: send it nothing further

	// EffectiveAt is from when it holds on the platform, by the platform's word;
	// zero when it says none. It may lie ahead. Of an HTTP answer see Classify.
	EffectiveAt time.Time

	// Reference is what the platform calls what it made of the action, such as
	// the id of an ad set; "" when it says none. An action that comes again with
	// the same ID is answered with the same one.
	Reference string
}

// Codes of results that no provider gave.
const (
	CodeTimeout   = "timeout"   // no answer in time
	CodeCancelled = "cancelled" // the attempt was called off
	CodeNetwork   = "network"   // no connection, or it broke
	CodePrivate   = "private_address"
	CodeTooLarge  = "too_large"
	CodeClosed    = "closed"  // the channel or the dispatcher is shutting down
	CodeExpired   = "expired" // its turn did not come before it was of no use
	CodeWaited    = "waited"  // its turn did not come while its release was fresh
	CodeGone      = "gone"    // the endpoint answered earlier that it is no more
	CodePanic     = "panic"   // the channel's code panicked
)
