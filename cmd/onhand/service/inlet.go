package service

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"onhand/cmd/onhand/api"
	"onhand/connectors/collector"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/moments"
	"onhand/processor/worker"
)

// door lets calls in from when the service was ready for the first time: an
// event that stands in the log before the moments of a new deployment would start
// none of them, and one that is read by other moments than those in force says
// another price.
type door struct {
	log    *jetstream.Log
	worker *worker.Worker
	open   atomic.Bool
}

// rules returns the moments in force, by which calls are read.
func (d *door) rules(ctx context.Context) (*moments.File, error) {
	if !d.open.Load() {
		if err := api.Serves(ctx, d.log, d.worker); err != nil {
			return nil, err
		}
		d.open.Store(true)
	}
	return d.worker.InForce()
}

// appender is the intake as the collector asks for it.
type appender struct {
	intake *worker.Intake
	seal   func(context.Context, []processor.Event) error // nil: nothing is sealed
}

func (a appender) Append(ctx context.Context, events []processor.Event) error {
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
