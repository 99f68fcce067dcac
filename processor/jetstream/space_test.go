package jetstream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Inlets leave the last of a disk to commits and messages.
func TestInletsLeaveSpace(t *testing.T) {
	server := startServer(t, ServerOptions{})
	log := openLog(t, Options{Server: server, Partitions: 1})
	entry := []byte{1, 2, 3}
	require.NoError(t, log.Packer(0).Add(entry, func(error) {}))

	server.disk.mu.Lock()
	server.disk.asked, server.disk.free = time.Now().Add(time.Minute), spaceKept-1
	server.disk.mu.Unlock()
	require.ErrorIs(t, log.Packer(0).Add(entry, func(error) {}), ErrOverloaded)
	_, err := log.Append(t.Context(), 0, []byte("what the deployment has to say"))
	require.NoError(t, err)

	server.disk.mu.Lock()
	server.disk.asked = time.Time{}
	server.disk.mu.Unlock()
	require.NoError(t, log.Packer(0).Add(entry, func(error) {}), "there is space again")
}

// The server says by a message only that it writes no more.
func TestServerThatCannotWrite(t *testing.T) {
	server := startServer(t, ServerOptions{})
	server.log.Errorf("JetStream failed to store a msg")
	require.Empty(t, server.Failed(), "it may try again")
	for range 3 {
		server.log.Errorf("Filestore [x] Critical write error: no space left on device")
	}
	require.ErrorContains(t, <-server.Failed(), "no space left on device")
}
