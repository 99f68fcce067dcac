package worker

import (
	"testing"

	"go.uber.org/goleak"

	"onhand/processor/jetstream/clustertest"
)

// An object store of nats.go may start a goroutine after it has ended the upload
// that the goroutine is for; it then waits for ever.
func TestMain(m *testing.M) {
	if clustertest.Main() {
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"))
}
