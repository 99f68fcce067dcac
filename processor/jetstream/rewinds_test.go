package jetstream

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

// TestRewinds: a partition that was rewound twice, the second time to before the
// first.
//
//	position     10 20 30 40 | 30 36 50 | 20 25
//	incarnation   0  0  0  0 |  1  1  1 |  2  2
func TestRewinds(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Partitions: 1})
	none, err := l.Rewinds(soon(t), 0)
	require.NoError(t, err)
	require.Empty(t, none)
	records := []processor.CommitRecord{
		{Epoch: 1, Position: 10, First: 0, Count: 2}, {Epoch: 1, Position: 20, First: 2, Count: 2},
		{Epoch: 2, Position: 30, First: 4, Count: 2}, {Epoch: 2, Position: 40, First: 6, Count: 2},
		{Epoch: 3, Position: 30, First: 6, Incarnation: 1}, {Epoch: 4, Position: 36, First: 6, Count: 2, Incarnation: 1}, {Epoch: 4, Position: 50, First: 8, Count: 2, Incarnation: 1},
		{Epoch: 5, Position: 20, First: 4, Incarnation: 2}, {Epoch: 6, Position: 25, First: 4, Count: 2, Incarnation: 2},
	}
	for i := range records {
		if i == 4 {
			none, err = l.Rewinds(soon(t), 0)
			require.NoError(t, err)
			require.Empty(t, none, "it was not rewound yet")
		}
		_, err := l.Commit(soon(t), 0, records[i].Append(nil), uint64(i))
		require.NoError(t, err)
	}
	x, err := l.Past().Rewinds(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, Rewinds{{8, 5, 20, 4, 2}, {5, 3, 30, 6, 1}}, x)
	stands, taken := []uint64{10, 20, 20, 20, 20, 20, 20, 20, 25}, []bool{false, false, true, true, true, true, true, false, false}
	for i := range records {
		require.Equal(t, stands[i], x.Stands(uint64(i+1), records[i].Position), i)
		require.Equal(t, taken[i], x.TookBack(uint64(i+1), &records[i]), i)
	}
	for _, state := range []struct {
		epoch, position uint64
		lost            bool
	}{{1, 20, false}, {2, 21, true}, {2, 30, true}, {4, 20, false}, {4, 36, true}, {6, 25, false}, {6, 60, false}} {
		require.Equal(t, state.lost, x.Lost(state.epoch, state.position), state)
	}
	require.EqualValues(t, 0, x.Incarnation(19))
	require.EqualValues(t, 2, x.Incarnation(20))

	// What is left of the records says the same of what can still be asked for.
	require.NoError(t, l.TrimCommits(soon(t), 0, 6))
	x, err = l.Rewinds(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, Rewinds{{8, 5, 20, 4, 2}, {6, 4, 36, 6, 1}}, x)
}
