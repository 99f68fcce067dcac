package worker

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childServer); name != "" {
		runChildServer(name)
		return
	}
	goleak.VerifyTestMain(m)
}
