package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What cannot be read is looked at as well, long before its step says so.
func TestLookingAheadMindsNoDamage(t *testing.T) {
	m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	m.customer("ann")
	m.watch("phone")
	whole := [][]byte{
		AppendEvent([]byte{byte(EventEntry)}, &Event{Kind: ProductViewed, MessageID: "m", UserID: "ann", SKU: "phone"}),
		AppendShardEvent(nil, 1, 2, AppendEvent(nil, &Event{Kind: ProductViewed, AnonymousID: "ann", SKU: "phone"})),
		AppendTransfer(nil, 1, 2, Transfer{Number: 3, Message: []byte{byte(SellItem), 5, 'p', 'h', 'o', 'n', 'e', 0}}),
	}
	rapid.Check(t, func(t *rapid.T) {
		record := AppendRecordHeader(nil, 1)
		for range rapid.IntRange(0, 3*lookAhead).Draw(t, "entries") {
			entry := append([]byte(nil), rapid.SampledFrom(whole).Draw(t, "entry")...)
			entry = entry[:rapid.IntRange(1, len(entry)).Draw(t, "cut")]
			if i := rapid.IntRange(0, 2*len(entry)).Draw(t, "which"); i < len(entry) {
				entry[i] = rapid.Byte().Draw(t, "byte")
			}
			record = AppendRecordEntry(record, entry)
		}
		rest, err := ParseRecord(record)
		require.NoError(t, err)
		m.ahead.left = 0
		for {
			m.look(rest)
			if entry, err := rest.Next(); entry == nil || err != nil {
				break
			}
		}
		require.Zero(t, m.ahead.left)
	})
	m.ahead.n = 0
	m.ahead.note(whole[0])
	require.Equal(t, Hash("ann"), m.ahead.names[0].hash)
	require.Equal(t, Hash("phone"), m.ahead.names[1].hash)
}
