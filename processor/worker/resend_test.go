package worker

import (
	"context"
	"fmt"
	"testing"

	"onhand/processor"
	"onhand/processor/jetstream"

	"github.com/stretchr/testify/require"
)

// Whatever a partition has said to another one can be read back from its commit
// records, from any number on, as long as they are there.
func TestMessagesAreReadBack(t *testing.T) {
	t.Parallel()
	log := openLog(t, startServer(t), 2)
	w := startWorker(context.Background(), t, Config{ID: "a", Log: log, DataDir: t.TempDir()})
	activate(t, w)
	in := NewIntake(log)
	for i := range 300 {
		require.NoError(t, in.Append(soon(t), []processor.Event{{Kind: processor.BackInStockRequested, MessageID: fmt.Sprint("m", i), UserID: fmt.Sprint("c", i),
			SKU: fmt.Sprint("s", i), At: at(), Stamp: at(), Stamped: true}}))
	}
	require.NoError(t, w.WaitIdle(soon(t)))
	for part := range 2 {
		var sent uint64
		require.NoError(t, w.Ask(soon(t), part, func(m *processor.Machine) { sent = m.Shop().Sent[1-part] }))
		require.Greater(t, sent, uint64(100))
		last, _, err := log.LastCommit(soon(t), part)
		require.NoError(t, err)
		for _, from := range []uint64{1, sent / 2, sent} {
			again, err := toldBefore(soon(t), log, part, processor.Resend{Receiver: 1 - part, From: from}, last, 0)
			require.NoError(t, err)
			require.Len(t, again, int(sent-from+1))
			for i, m := range again {
				require.Equal(t, from+uint64(i), m.Number)
			}
		}
		require.NoError(t, log.TrimCommits(soon(t), part, last))
		_, err = toldBefore(soon(t), log, part, processor.Resend{Receiver: 1 - part, From: 1}, last, 0)
		require.ErrorIs(t, err, jetstream.ErrNotFound)
	}
}

// What a partition says while messages to the same receiver are read again
// leaves behind them: it would not be taken before.
func TestWhatIsSaidMeanwhileWaits(t *testing.T) {
	t.Parallel()
	p := &Partition{cfg: PartitionConfig{Partitions: 2}, boxes: make([]outbox, 2)}
	message := func(n uint64) processor.Transfer {
		return processor.Transfer{Receiver: 1, Number: n, Message: []byte("m")}
	}
	say := func(n uint64) {
		parcels, err := p.pack(p.boxes[1].parcels, message(n))
		require.NoError(t, err)
		p.boxes[1].parcels = parcels
		p.list(1)
	}
	next := func() (last uint64) {
		q, _, ok := p.NextTransfer(0)
		if ok {
			last = p.boxes[q].parcels[0].last
			p.TransferDone(q, true)
		}
		return last
	}
	say(3)
	p.Hold(1)
	p.Hold(1)
	require.Equal(t, 1, p.holding)
	require.Zero(t, next())
	say(4)
	require.Zero(t, next())
	require.NoError(t, p.Requeue(1, []processor.Transfer{message(1), message(2)}))
	require.EqualValues(t, 2, next())
	require.EqualValues(t, 4, next())
	require.Zero(t, next())
	require.Zero(t, p.owed+p.holding)
}
