package seal

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/connectors/connectortest"
	"onhand/processor"
)

// listener is a channel that remembers what it was told last.
type listener struct{ got *processor.Decision }

func (l *listener) Name() string     { return "listener" }
func (l *listener) Idempotent() bool { return true }
func (l *listener) Close() error     { return nil }
func (l *listener) Deliver(_ context.Context, d *processor.Decision) connectors.Result {
	l.got = d
	return connectors.Result{Delivery: processor.Delivered}
}

func TestAChannelIsToldTheAddress(t *testing.T) {
	l := openLog(t)
	s := newSealer(t, l)
	e := sealed(t, s, identify("ann", `{"email":"Ann@Example.com","phone":"+33 (6) 12-34","push_token":"apns-1"}`))
	var texts []string
	for part := range strings.SplitSeq(string(e.Traits), `"`) {
		if strings.HasPrefix(part, processor.SealedPrefix) {
			texts = append(texts, part)
		}
	}
	known := map[string]processor.Addresses{"ann": {Email: texts[0], Phone: texts[1], Push: texts[2]}, "clear": {Email: "x@example.com"}}
	var failing error
	var heard listener
	c := NewChannel(&heard, s, func(_ context.Context, customer string) (processor.Addresses, error) { return known[customer], failing })
	deliver := func(customer, channel, kind string) connectors.Result {
		d := connectortest.Decision("a1")
		d.Customer, d.Action.Customer, d.Action.Channel, d.Action.Kind = customer, customer, channel, kind
		heard.got = nil
		result := c.Deliver(t.Context(), d)
		require.Empty(t, d.Action.To, "the decision is shared")
		return result
	}
	for channel, want := range map[string][]processor.Datum{
		"email": {{Name: "email", Text: "ann@example.com"}}, "sms": {{Name: "phone", Text: "+33 (6) 12-34"}}, "whatsapp": {{Name: "phone", Text: "+33 (6) 12-34"}},
		"push": {{Name: "push", Text: "apns-1"}}, "desk": nil,
		"ads": {{Name: "email_sha256", Text: hashed("ann@example.com")}, {Name: "phone_sha256", Text: hashed("+3361234")}},
	} {
		require.Equal(t, processor.Delivered, deliver("ann", channel, "message").Delivery, channel)
		require.Equal(t, want, heard.got.Action.To, channel)
	}
	require.Equal(t, "b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514", hashed("user@example.com"), "what platforms compare with")
	deliver("ann", "email", "message")
	require.Contains(t, string(heard.got.AppendJSON(nil)), `"to":{"email":"ann@example.com"}`)

	for _, customer := range []string{"nobody", "clear"} {
		result := deliver(customer, "email", "message")
		require.Equal(t, connectors.Result{Delivery: processor.Failed, Code: CodeNoAddress, Detail: result.Detail}, result)
		require.Nil(t, heard.got)
		require.Equal(t, processor.Delivered, deliver(customer, "desk", "message").Delivery)
	}
	require.Equal(t, processor.Delivered, deliver("", "email", "message").Delivery, "about an item")

	failing = errors.New("the partition has moved")
	result := deliver("ann", "email", "message")
	require.Equal(t, processor.Retry, result.Delivery)
	require.Equal(t, CodeKeys, result.Code)
	failing = nil

	_, err := s.Destroy(t.Context(), []string{"ann"})
	require.NoError(t, err)
	require.Equal(t, CodeNoAddress, deliver("ann", "email", "message").Code)
	require.Equal(t, processor.Delivered, deliver("ann", "ads", "audience_remove").Delivery, "an ad comes down all the same")
	require.Empty(t, heard.got.Action.To)

	// Without the keys nothing is lost: it is tried again.
	known["bob"] = processor.Addresses{Email: texts[0]}
	l.Close()
	result = deliver("bob", "email", "message")
	require.Equal(t, processor.Retry, result.Delivery)
	require.Equal(t, CodeKeys, result.Code)
	require.Error(t, s.Seal(t.Context(), []processor.Event{identify("cid", `{"email":"c@d.e"}`)}))
	require.NoError(t, s.Seal(t.Context(), []processor.Event{identify("cid", `{"tier":"gold"}`)}))
}
