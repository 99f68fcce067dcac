package faults

import (
	"testing"
	"time"

	"onhand/processor"
)

// beat is a commit record as a stopwatch sees it. The stamps of servers and the
// test's own clock are those of one machine.
type beat struct {
	stamp    int64 // Unix ms, by the server
	epoch    uint64
	position uint64
	decided  bool
}

// decides reports whether outputs hold a decision.
func decides(outputs []byte) bool {
	for len(outputs) > 0 {
		o, rest, err := processor.NextOutput(outputs)
		if err != nil {
			return false
		}
		if o.Type == processor.DecisionOutput {
			return true
		}
		outputs = rest
	}
	return false
}

// takeover is a moment from which on others had to go on.
type takeover struct {
	what   string
	at     time.Time
	target time.Duration
	from   []partition // those concerned, as they stood before
}

// report says how long each partition had to wait, and fails the test when it
// was more than twice the target: machines that do other things as well are
// slow at times.
func (v *verdict) report(t *testing.T, o takeover, pause func(beats []beat, at int64, before partition) time.Duration) {
	t.Helper()
	var worst time.Duration
	for _, x := range o.from {
		worst = max(worst, pause(v.beats[x.Partition], o.at.UnixMilli(), x))
	}
	t.Logf("measured: %s: at most %v in %d partitions (target %v)", o.what, worst, len(o.from), o.target)
	if worst > 2*o.target {
		t.Errorf("%s: %v is more than twice the target of %v", o.what, worst, o.target)
	}
}

const never = time.Hour

// nextOfNext is how long after a moment the next owner first decided.
func nextOfNext(beats []beat, at int64, before partition) time.Duration {
	for _, b := range beats {
		if b.epoch > before.Epoch && b.decided {
			return time.Duration(b.stamp-at) * time.Millisecond
		}
	}
	return never
}

// nextDecision is how long after a moment a decision was made again. What came
// in the first second is from before.
func nextDecision(beats []beat, at int64, _ partition) time.Duration {
	last := at
	for _, b := range beats {
		if !b.decided || b.stamp < at {
			continue
		}
		if b.stamp-last > 1000 || b.stamp-at > 1000 {
			return time.Duration(b.stamp-last) * time.Millisecond
		}
		last = b.stamp
	}
	return never
}

// handedOver is the pause between the last commit of an owner and the first
// news of the next.
func handedOver(beats []beat, _ int64, before partition) time.Duration {
	for i, b := range beats {
		if i > 0 && b.epoch > before.Epoch && b.position > beats[i-1].position {
			last := i - 1
			for last > 0 && beats[last].epoch > before.Epoch {
				last--
			}
			return time.Duration(b.stamp-beats[last].stamp) * time.Millisecond
		}
	}
	return never
}
