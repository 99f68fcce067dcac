package service

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"onhand/connectors/collector"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/worker"
)

// appender is the intake as the collector asks for it. It takes nothing before
// the service was ready for the first time: an event that stands in the log
// before the moments of a new deployment would start none of them.
type appender struct {
	intake *worker.Intake
	seal   func(context.Context, []processor.Event) error // nil: nothing is sealed
	ready  func(context.Context) error
	open   atomic.Bool
}

func (a *appender) Append(ctx context.Context, events []processor.Event) error {
	if !a.open.Load() {
		if err := a.ready(ctx); err != nil {
			return err
		}
		a.open.Store(true)
	}
	if a.seal != nil {
		if err := a.seal(ctx, events); errors.Is(err, jetstream.ErrOverloaded) {
			return collector.ErrOverloaded{RetryAfter: time.Second}
		} else if err != nil {
			return err
		}
	}
	err := a.intake.Append(ctx, events)
	if full, ok := errors.AsType[*worker.OverloadedError](err); ok {
		return collector.ErrOverloaded{RetryAfter: full.RetryAfter}
	}
	return err
}

// refuser keeps what the collector refuses among the dead letters.
type refuser struct {
	dead jetstream.DeadLetters
	seal func(ctx context.Context, call []byte) (string, error) // nil: nothing is sealed
}

func (d refuser) Refuse(ctx context.Context, r collector.Refused) error {
	return worker.PutRefused(ctx, d.dead, &worker.DeadLetter{
		Kind: "http", Reason: "refused", Detail: r.Reason, Field: r.Field, Source: r.Source, At: r.At,
	}, r.Body, d.seal)
}
