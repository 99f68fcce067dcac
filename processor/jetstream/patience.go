package jetstream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// What servers that have just been started may need: a stream that has just been
// made, or has just lost its leader, has none for 4 to 9 s.
const (
	askWithin = time.Minute
	askAgain  = 100 * time.Millisecond // and a little longer each time
)

// Patiently asks until NATS answers, for at most a minute. An answer that is not
// about reaching it is taken as it is.
func Patiently[T any](ctx context.Context, log *slog.Logger, ask func() (T, error)) (T, error) {
	return backoff.Retry(ctx, func() (T, error) {
		answer, err := ask()
		if err != nil && !Unreached(err) {
			err = backoff.Permanent(err)
		}
		return answer, err
	}, backoff.WithMaxElapsedTime(askWithin), backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: askAgain, Multiplier: 1.5, MaxInterval: time.Second,
	}), backoff.WithNotify(func(err error, _ time.Duration) {
		log.Info("the NATS servers are not ready yet", "error", err)
	}))
}

// Unreached reports whether an error says that NATS could not be reached or did
// not answer, so that asking again may help.
func Unreached(err error) bool { return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) }
