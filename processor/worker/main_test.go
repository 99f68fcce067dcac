package worker

import (
	"testing"

	"go.uber.org/goleak"

	"onhand/processor/jetstream/clustertest"
)

func TestMain(m *testing.M) {
	if clustertest.Main() {
		return
	}
	goleak.VerifyTestMain(m)
}
