package service

import (
	"context"
	"errors"

	"onhand/connectors/collector"
	"onhand/processor"
	"onhand/processor/jetstream"
	"onhand/processor/worker"
)

// appender is the intake as the collector asks for it.
type appender struct{ intake *worker.Intake }

func (a appender) Append(ctx context.Context, events []processor.Event) error {
	err := a.intake.Append(ctx, events)
	var full *worker.OverloadedError
	if errors.As(err, &full) {
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
