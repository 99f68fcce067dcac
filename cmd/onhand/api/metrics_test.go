package api

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/worker"
)

// What should not have been sent is told by how that came to be: the figure
// that must be 0 counts all moments together, and is told when it is 0, too.
func TestCorrectionsAreTold(t *testing.T) {
	told := func(m worker.Metrics) map[string]uint64 {
		all := map[string]uint64{}
		(&figures{}).corrections(m, func(name, _ string, v uint64, labels ...string) {
			all[strings.Join(append([]string{name}, labels...), " ")] = v
		})
		return all
	}
	require.Equal(t, map[string]uint64{"onhand_wrong_sends_total": 0}, told(worker.Metrics{}))
	m := worker.Metrics{}
	m.Corrections = map[worker.CorrectionKey]uint64{
		{Moment: "a", Kind: processor.Wrong, Reason: processor.Purchased}:  1,
		{Moment: "b", Kind: processor.Wrong, Reason: processor.QuietHours}: 2,
		{Moment: "a", Kind: processor.Raced, Reason: processor.Redeemed}:   4,
		{Moment: "a", Kind: processor.Late, Reason: processor.Redeemed}:    5,
	}
	require.Equal(t, map[string]uint64{
		"onhand_wrong_sends_total":                                         3,
		"onhand_raced_sends_total moment a reason redeemed":                4,
		"onhand_late_corrections_total moment a kind late reason redeemed": 5,
	}, told(m))
}
