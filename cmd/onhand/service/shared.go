package service

import (
	"sync/atomic"

	"onhand/connectors"
)

// shared is one channel under several names. It closes with the last of them.
type shared struct {
	connectors.Channel
	users atomic.Int64
}

func newShared(c connectors.Channel, users int) *shared {
	s := &shared{Channel: c}
	s.users.Store(int64(users))
	return s
}

func (s *shared) Close() error {
	if s.users.Add(-1) > 0 {
		return nil
	}
	return s.Channel.Close()
}
