package processor

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor/moments"
)

// One wrong clock, the publisher's or the server's, fires no window early; the
// right time does.
func TestClockHeldBack(t *testing.T) {
	m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	const start, hour = int64(1_800_000_000_000), int64(3600_000)
	seq := uint64(0)
	apply := func(clock, stamp int64, entry []byte) {
		seq++
		m.Apply(seq, stamp, AppendRecordEntry(AppendRecordHeader(nil, clock), entry), &Outputs{})
	}
	tick := []byte{byte(TickEntry)}
	apply(start, start, AppendControl(nil, &Control{Type: Activate, Text: moments.Three()}))
	apply(start, start, AppendEvent([]byte{byte(EventEntry)}, &Event{
		Kind: ProductAdded, Source: "shop", MessageID: "m1", Stamp: start, At: start, UserID: "ann", SKU: "phone", CartID: "c1", Price: 19900,
	}))
	before := m.Shop().Decided
	apply(start+hour+1000, start+1000, tick) // the publisher is an hour ahead
	apply(start+2000, start+hour+2000, tick) // the server is
	require.Equal(t, before, m.Shop().Decided)
	require.Less(t, m.Shop().Now, start+10_000)
	apply(start+hour, start+hour, tick)
	require.Greater(t, m.Shop().Decided, before)
}
