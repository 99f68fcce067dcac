package jetstream

import (
	"context"

	"onhand/state/blob"

	"github.com/nats-io/nats.go/jetstream"
)

// Blobs returns the deployment's own place for checkpoints, an object store
// beside its streams, with as many replicas. It shares the reading connection.
// ErrUnavailable: ask again.
func (l *Log) Blobs(ctx context.Context) (*blob.JetStream, error) {
	js, err := jetstream.New(l.read.nc)
	if err != nil {
		return nil, err
	}
	b, err := blob.OpenJetStream(ctx, js, l.name, l.in[0].CachedInfo().Config.Replicas)
	return b, asked(err, "checkpoints")
}
