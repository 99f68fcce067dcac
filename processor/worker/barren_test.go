package worker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor"
	"onhand/processor/jetstream"
)

// take puts a fence into the commit records, as an owner does, and with mark
// what a careful one says before it reads on. Nothing more is heard of it.
func take(t testing.TB, log *jetstream.Log, part int, mark bool) {
	seq, err := fence(soon(t), log, part)
	require.NoError(t, err)
	if mark {
		_, last, err := log.LastCommit(soon(t), part)
		require.NoError(t, err)
		_, err = log.Commit(soon(t), part, last, seq)
		require.NoError(t, err)
	}
}

// TestWhatEndsTheProcess: an owner that follows one which ended without a word
// goes carefully, and says so. When that is the end of it too, nobody tries again
// for a while.
func TestWhatEndsTheProcess(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	log := openLog(t, server, 1)
	channel := newPost()
	config := func(id string) Config {
		return Config{ID: id, Log: log, DataDir: t.TempDir(), Channels: email(channel), poisonRest: 4 * time.Second}
	}
	a := startWorker(context.Background(), t, config("a"))
	activate(t, a)
	remind(t, log, "early", 5)
	waitFor(t, "reminders", func() bool { return channel.count() == 5 })
	require.NoError(t, a.WaitIdle(soon(t)))
	closeWorker(t, a)
	take(t, log, 0, false)
	found, err := barrenEpochs(soon(t), log, 0, time.Second)
	require.NoError(t, err)
	require.Zero(t, found.epochs, "there was nothing to read")

	remind(t, log, "late", 20)
	time.Sleep(2 * time.Millisecond)
	take(t, log, 0, false) // and ends
	found, err = barrenEpochs(soon(t), log, 0, time.Second)
	require.NoError(t, err)
	require.Equal(t, 2, found.epochs)
	require.False(t, found.ended)
	last, _, err := log.LastCommit(soon(t), 0)
	require.NoError(t, err)
	b := startWorker(context.Background(), t, config("b"))
	waitFor(t, "reminders", func() bool { return channel.count() == 25 })
	require.NoError(t, b.WaitIdle(soon(t)))
	// Fence, mark, and no more than one record of the log in each that follows.
	var c []processor.CommitRecord
	for seq := last; len(c) < 4; seq++ {
		m, err := log.CommitAt(soon(t), 0, seq)
		require.NoError(t, err)
		x, err := processor.ParseCommit(m.Data)
		require.NoError(t, err)
		c = append(c, x)
	}
	require.Equal(t, c[0].Epoch+1, c[1].Epoch)
	require.Equal(t, c[1].Position, c[2].Position)
	require.Equal(t, c[1].Epoch, c[2].Epoch)
	require.Zero(t, c[2].Count)
	require.Equal(t, c[2].Position+1, c[3].Position)
	closeWorker(t, b)

	remind(t, log, "later", 5)
	time.Sleep(2 * time.Millisecond)
	take(t, log, 0, true)
	take(t, log, 0, true) // a rival
	take(t, log, 0, false)
	found, err = barrenEpochs(soon(t), log, 0, 500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 3, found.epochs)
	require.Zero(t, found.lasted)
	time.Sleep(600 * time.Millisecond) // the process ends
	take(t, log, 0, true)
	marked := time.Now()
	found, err = barrenEpochs(soon(t), log, 0, 500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 1, found.lasted)
	require.False(t, found.ended, "it has just begun")
	time.Sleep(600 * time.Millisecond) // and ends the next one
	found, err = barrenEpochs(soon(t), log, 0, 500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, 2, found.lasted)
	require.True(t, found.ended)
	seq, _, err := log.LastCommit(soon(t), 0)
	require.NoError(t, err)
	d := startWorker(context.Background(), t, config("d"))
	waitFor(t, "it to be left alone", func() bool { return d.Status(soon(t))[0].Phase == "stopped" })
	require.Contains(t, d.Status(soon(t))[0].Reason, "2 owners in a row have ended")
	now, _, err := log.LastCommit(soon(t), 0)
	require.NoError(t, err)
	require.Equal(t, seq, now, "nobody has taken it over")
	waitFor(t, "reminders", func() bool { return channel.count() == 30 })
	require.Greater(t, time.Since(marked), 3*time.Second, "nobody tries for a while")
}

// TestAStandbyKnowsProgress: whether it needs to look back before it takes over.
func TestAStandbyKnowsProgress(t *testing.T) {
	t.Parallel()
	p, err := OpenStandby(PartitionConfig{Partitions: 1}, newMemStore(), &History{}, 0)
	require.NoError(t, err)
	require.False(t, p.progress)
	seq := uint64(0)
	follow := func(c processor.CommitRecord) bool {
		seq++
		require.NoError(t, p.Follow(seq, c.Append(nil), 0))
		return p.progress
	}
	require.False(t, follow(processor.CommitRecord{Epoch: 1}), "a fence")
	require.True(t, follow(processor.CommitRecord{Epoch: 1, Position: 3, Hash: 7}))
	require.True(t, follow(processor.CommitRecord{Epoch: 1, Position: 3, Hash: 7}), "a mark changes nothing")
	require.False(t, follow(processor.CommitRecord{Epoch: 2, Position: 3, Hash: 7}), "a fence")
	require.False(t, follow(processor.CommitRecord{Epoch: 2, Position: 3, Hash: 7}), "a mark")
	require.True(t, follow(processor.CommitRecord{Epoch: 2, Position: 4, Hash: 8}))
}
