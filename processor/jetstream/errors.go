package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrOverloaded means that the log takes no more for now: too much waits,
	// or the stream has no room. Nothing was written. Try again later.
	ErrOverloaded = errors.New("jetstream: overloaded, nothing was written; try again later")

	// ErrUnavailable means that NATS, or the stream's leader, cannot be reached.
	// What was to be appended or committed was not. The connection is being
	// restored; try again later.
	ErrUnavailable = errors.New("jetstream: NATS cannot be reached; try again later")

	// ErrUnknown means that no answer came: the message may or may not be in
	// the log, now or a little later.
	ErrUnknown = errors.New("jetstream: no answer from NATS, the message may or may not have been written")

	// ErrTooLarge means that the bytes exceed the limit of the stream.
	ErrTooLarge = errors.New("jetstream: too large")

	// ErrNotFound means that there is no message with that sequence.
	ErrNotFound = errors.New("jetstream: no such message")

	// ErrClosed means that the Log, or the Reader, has been closed.
	ErrClosed = errors.New("jetstream: closed")
)

// FencedError refuses a commit: another owner has committed since.
type FencedError struct {
	Stream string
	Expect uint64 // the sequence the commit expected to be the last
	Last   uint64 // the sequence that is the last
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("jetstream: %s: commit refused: expected %d to be the last commit, but it is %d: another owner has taken over", e.Stream, e.Expect, e.Last)
}

// GapError means that messages which should be in the log are not there.
type GapError struct {
	Stream string
	Want   uint64 // the next sequence wanted
	Got    uint64 // the first sequence there is from Want on
}

func (e *GapError) Error() string {
	return fmt.Sprintf("jetstream: %s: messages %d to %d are missing: start from a checkpoint at or after %d", e.Stream, e.Want, e.Got-1, e.Got-1)
}

// WentBackError means that the log ends before the position asked for: it has
// lost messages it had acknowledged, or is not the log the position is from.
type WentBackError struct {
	Stream string
	Want   uint64 // the next sequence wanted
	Last   uint64 // the last sequence of the log
}

func (e *WentBackError) Error() string {
	return fmt.Sprintf("jetstream: %s: the log went back: it ends at %d, but %d had been read from it: it has lost messages it had acknowledged. "+
		"To go on from what it has left: onhand rewind, which raises the incarnation", e.Stream, e.Last, e.Want-1)
}

// Error codes of the JetStream API that mean something special here.
const (
	codeWrongLast    = 10071 // wrong last sequence: N
	codeWrongLastNow = 10164 // wrong last sequence, while another message of the subject is in flight
	codeStoreFailed  = 10077 // maximum bytes exceeded, and failures to store
	codeTooMany      = 10167 // the stream's queue is full
	codeTooLarge     = 10054 // message size exceeds maximum allowed
	codeNoResources  = 10023 // insufficient resources
	codeUnavailable  = 10008 // JetStream system temporarily unavailable
	codeNoPeers      = 10005 // no suitable peers for placement
	codeNoStorage    = 10047 // the limits of all streams exceed the server's
)

// apiError is an error in a JetStream answer.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// asError translates the refusal of a publish.
func (e *apiError) asError(stream string) error {
	base := errors.New("jetstream: refused")
	switch e.ErrCode {
	case codeStoreFailed, codeTooMany, codeNoResources:
		base = ErrOverloaded
	case codeUnavailable:
		base = ErrUnavailable
	case codeTooLarge:
		base = ErrTooLarge
	}
	return fmt.Errorf("%w (%s: %s, code %d)", base, stream, e.Description, e.ErrCode)
}

// unsent translates the error of a publish that did not leave this process.
func unsent(err error) error {
	switch {
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: more than the server's maximum payload", ErrTooLarge)
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return ErrUnavailable // the client's words are about a buffer that we do not want
	}
	return fmt.Errorf("%w (%w)", ErrUnavailable, err)
}

// asked translates the error of a question to JetStream.
func asked(err error, what string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("%w (%s)", ErrNotFound, what)
	}
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return fmt.Errorf("%w (%s)", ErrUnavailable, what)
	}
	// A question that died with the leader it was sent to is never answered.
	for _, down := range []error{context.DeadlineExceeded, nats.ErrNoResponders, nats.ErrTimeout,
		nats.ErrDisconnected, nats.ErrConnectionReconnecting, nats.ErrConnectionClosed, jetstream.ErrNoStreamResponse} {
		if errors.Is(err, down) {
			return fmt.Errorf("%w (%s: %w)", ErrUnavailable, what, err)
		}
	}
	return fmt.Errorf("jetstream: %s: %w", what, err)
}
