package worker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/processor"
)

func TestHeldChannelIsToldOnce(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	half := now.Add(30 * time.Minute)
	var h held
	retry := &connectors.Report{Channel: "email", Delivery: processor.Retry, At: now, HeldUntil: half}
	c, ok := h.tell(retry)
	require.True(t, ok)
	require.Equal(t, processor.Control{Type: processor.ChannelSays, Name: "email", At: half.UnixMilli()}, c)
	_, ok = h.tell(retry)
	require.False(t, ok, "the same pause")
	retry.HeldUntil = half.Add(time.Second)
	_, ok = h.tell(retry)
	require.False(t, ok, "a second more")
	_, ok = h.tell(&connectors.Report{Channel: "sms", Delivery: processor.Delivered, At: now})
	require.False(t, ok, "another channel")
	c, ok = h.tell(&connectors.Report{Channel: "email", Delivery: processor.Delivered, At: now.Add(time.Minute)})
	require.True(t, ok)
	require.Equal(t, processor.Control{Type: processor.ChannelSays, Name: "email"}, c, "it takes something again")
	_, ok = h.tell(&connectors.Report{Channel: "email", Delivery: processor.Delivered, At: now.Add(time.Minute)})
	require.False(t, ok)
}
