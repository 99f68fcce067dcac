package processor

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A sender that was rewound says numbers again, in a new incarnation. They are
// taken, but none is passed over; what it had said before and is late is not taken
// any more. A partition that was rewound itself asks everybody.
func TestNumbersOfARewoundSender(t *testing.T) {
	m, err := NewMachine(Config{Partition: 1, Partitions: 3, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	seq, now := uint64(0), int64(1_800_000_000_000)
	apply := func(entry []byte) (asked []uint64) {
		var out Outputs
		seq++
		m.Apply(seq, now, AppendRecordEntry(AppendRecordHeader(nil, now), entry), &out)
		for rest := out.Buf; len(rest) > 0; {
			o, after, err := NextOutput(rest)
			require.NoError(t, err)
			if rest = after; o.Type == TransferOutput {
				x, err := ParseTransfer(o.Body)
				require.NoError(t, err)
				var msg Message
				msg.decode(&reader{b: x.Message})
				require.Equal(t, ResendMessages, msg.Type)
				asked = append(asked, uint64(x.Receiver), uint64(msg.Line))
			}
		}
		return asked
	}
	w := writer{}
	(&Control{Type: SourceSays, Name: "till"}).encode(&w)
	body := writer{}
	(&Message{Type: ShopControl, Body: w.b}).encode(&body)
	hear := func(incarnation, number uint64) []uint64 {
		return apply(AppendTransfer(nil, 0, incarnation, Transfer{Number: number, Message: body.b}))
	}
	stands := func(incarnation, number uint64) {
		t.Helper()
		s := m.Shop().sender(0)
		require.Equal(t, []uint64{incarnation, number}, []uint64{s.Incarnation, s.Number})
	}
	for n := range uint64(6) {
		require.Empty(t, hear(0, n+1))
	}
	stands(0, 6)
	require.Equal(t, []uint64{0, 7}, hear(1, 8), "seven is missing, whoever says eight")
	stands(0, 6)
	require.Empty(t, hear(1, 4), "four and what follows was taken back")
	stands(1, 4)
	hear(0, 7)
	stands(1, 4)
	hear(1, 5)
	stands(1, 5)
	for range 2 { // the answers to the first may be lost, too
		require.Equal(t, []uint64{0, 6, 2, 1}, apply(AppendControl(nil, &Control{Type: Rewound})))
	}
}
