package service

import (
	"context"
	"errors"
	"sync/atomic"

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
	err := a.intake.Append(ctx, events)
	if full, ok := errors.AsType[*worker.OverloadedError](err); ok {
		return collector.ErrOverloaded{RetryAfter: full.RetryAfter}
	}
	return err
}

// refuser keeps what the collector refuses among the dead letters.
type refuser struct{ dead jetstream.DeadLetters }

func (d refuser) Refuse(ctx context.Context, r collector.Refused) error {
	return worker.PutLetter(ctx, d.dead, &worker.DeadLetter{
		Kind: "http", Reason: "refused", Detail: r.Reason, Field: r.Field, Source: r.Source,
		At: r.At, Partition: -1, Body: string(r.Body),
	})
}
