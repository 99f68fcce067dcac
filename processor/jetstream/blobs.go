package jetstream

import (
	"context"

	"onhand/state/blob"

	"github.com/nats-io/nats.go/jetstream"
)

// Blobs returns the deployment's own place for checkpoints, an object store
// beside its streams, with as many replicas. It shares the reading connection.
func (l *Log) Blobs(ctx context.Context) (*blob.JetStream, error) {
	js, err := jetstream.New(l.read.nc)
	if err != nil {
		return nil, err
	}
	return blob.OpenJetStream(ctx, js, l.name, l.in[0].CachedInfo().Config.Replicas)
}
