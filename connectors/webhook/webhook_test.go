package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"onhand/connectors"
	"onhand/connectors/connectortest"
	"onhand/processor"
)

const (
	secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	oldSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	token     = "T0KEN-in-the-path"
)

// receiver is a shop's endpoint: it verifies with the library and drops what it
// has by webhook-id.
type receiver struct {
	t        *testing.T
	server   *httptest.Server
	verifier *standardwebhooks.Webhook
	release  chan struct{} // lets the handlers that hang go

	mu     sync.Mutex
	mood   connectortest.Behaviour
	got    []string
	asked  int
	bodies [][]byte
}

func newReceiver(t *testing.T, secret string) *receiver {
	t.Helper()
	library, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	r := &receiver{t: t, verifier: library, release: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(func() {
		close(r.release)
		r.server.Close()
	})
	return r
}

func (r *receiver) url() string { return r.server.URL + "/hooks/" + token + "?key=" + token }

func (r *receiver) Behave(b connectortest.Behaviour) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mood = b
	if b == connectortest.Unreachable {
		r.server.Listener.Close()
	}
	return true
}

func (r *receiver) Got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// take verifies a request and keeps its action unless it is known.
func (r *receiver) take(req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Errorf("read: %v", err)
	}
	if err := r.verifier.Verify(body, req.Header); err != nil {
		r.t.Errorf("the library refuses the signature: %v", err)
	}
	id := req.Header.Get("webhook-id")
	var record struct {
		Action struct{ ID string }
	}
	if err := json.Unmarshal(body, &record); err != nil || record.Action.ID != id {
		r.t.Errorf("the body is not the decision of %s: %v", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, body)
	if !slices.Contains(r.got, id) {
		r.got = append(r.got, id)
	}
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked++
	mood := r.mood
	r.mu.Unlock()
	switch mood {
	case connectortest.Well:
		r.take(req)
		w.WriteHeader(http.StatusNoContent)
	case connectortest.Slow:
		r.take(req)
		time.Sleep(300 * time.Millisecond)
	case connectortest.Refuses:
		// A careless endpoint repeats what it should not.
		http.Error(w, "no such hook: "+req.URL.String(), http.StatusBadRequest)
	case connectortest.Busy:
		w.WriteHeader(http.StatusServiceUnavailable)
	case connectortest.BusyFor:
		w.Header().Set("Retry-After", strconv.Itoa(connectortest.BusySeconds))
		w.WriteHeader(http.StatusTooManyRequests)
	case connectortest.Gone:
		w.WriteHeader(http.StatusGone)
	case connectortest.Hangs:
		r.take(req)
		select {
		case <-req.Context().Done():
		case <-r.release:
		}
	case connectortest.Breaks:
		r.take(req)
		panic(http.ErrAbortHandler)
	}
}

func open(t *testing.T, c Config) *Channel {
	t.Helper()
	channel, err := New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, channel.Close()) })
	return channel
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, connectortest.Harness{
		New: func(t *testing.T) (connectors.Channel, connectortest.Peer) {
			r := newReceiver(t, secret)
			channel, err := New(Config{URL: r.url(), Secrets: []string{secret}})
			require.NoError(t, err)
			return channel, r
		},
		Secrets: []string{secret, strings.TrimPrefix(secret, "whsec_"), token},
	})
}

func TestSignatureIsThatOfTheSpecification(t *testing.T) {
	channel := open(t, Config{URL: "http://127.0.0.1:1/", Secrets: []string{secret}})
	h := http.Header{}
	channel.sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", h.Get("webhook-signature"))
	require.Equal(t, "1614265330", h.Get("webhook-timestamp"))
	require.Equal(t, "msg_p5jXN8AQM9LWM0D4loKWxJek", h.Get("webhook-id"))
}

func TestSecretsRotate(t *testing.T) {
	// Whichever secret the receiver has, it can verify.
	for _, has := range []string{secret, oldSecret} {
		r := newReceiver(t, has)
		channel := open(t, Config{URL: r.url(), Secrets: []string{secret, oldSecret}})
		require.Equal(t, processor.Delivered, channel.Deliver(context.Background(), connectortest.Decision("a")).Delivery)
		require.Equal(t, []string{"a"}, r.Got())
	}
}

func TestBodyIsTheDecisionRecord(t *testing.T) {
	r := newReceiver(t, secret)
	channel := open(t, Config{URL: r.url(), Secrets: []string{secret}})
	d := connectortest.Decision("a")
	require.Equal(t, processor.Delivered, channel.Deliver(context.Background(), d).Delivery)
	require.Equal(t, string(d.AppendJSON(nil)), string(r.bodies[0]))
}

func TestLargeDecisionIsNotSent(t *testing.T) {
	r := newReceiver(t, secret)
	channel := open(t, Config{URL: r.url(), Secrets: []string{secret}})
	d := connectortest.Decision("a")
	d.Action.Template = strings.Repeat("x", MaxBody)
	result := channel.Deliver(context.Background(), d)
	require.Equal(t, processor.Failed, result.Delivery)
	require.Equal(t, connectors.CodeTooLarge, result.Code)
	require.Zero(t, r.asked)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	r := newReceiver(t, secret)
	sender := httptest.NewServer(http.RedirectHandler(r.url(), http.StatusTemporaryRedirect))
	defer sender.Close()
	channel := open(t, Config{URL: sender.URL, Secrets: []string{secret}})
	result := channel.Deliver(context.Background(), connectortest.Decision("a"))
	require.Equal(t, processor.Failed, result.Delivery)
	require.Equal(t, "307", result.Code)
	require.Zero(t, r.asked)
}

func TestPublicOnlyRefusesTheOwnNetwork(t *testing.T) {
	r := newReceiver(t, secret)
	url := strings.Replace(r.url(), "127.0.0.1", "localhost", 1) // checked after the name is resolved
	channel := open(t, Config{URL: url, Secrets: []string{secret}, PublicOnly: true})
	result := channel.Deliver(context.Background(), connectortest.Decision("a"))
	require.Equal(t, processor.Failed, result.Delivery)
	require.Equal(t, connectors.CodePrivate, result.Code)
	require.Zero(t, r.asked)
}

func TestTimeoutOfTheClient(t *testing.T) {
	r := newReceiver(t, secret)
	r.Behave(connectortest.Hangs)
	channel := open(t, Config{URL: r.url(), Secrets: []string{secret}, Timeout: 50 * time.Millisecond})
	result := channel.Deliver(context.Background(), connectortest.Decision("a"))
	require.Equal(t, processor.Unknown, result.Delivery)
	require.Equal(t, connectors.CodeTimeout, result.Code)
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	_, err := New(Config{URL: "ftp://shop.example/" + token, Secrets: []string{"whsec_" + token, base64.StdEncoding.EncodeToString([]byte(token)), secret}})
	require.ErrorContains(t, err, "url: must be")
	require.ErrorContains(t, err, "secrets[0]: after whsec_")
	require.ErrorContains(t, err, "secrets[1]: has 17 bytes, must have 24 to 64")
	require.NotContains(t, err.Error(), token)

	_, err = New(Config{URL: "http://shop.example/\x7f" + token})
	require.ErrorContains(t, err, "url: cannot be parsed")
	require.ErrorContains(t, err, "secrets: at least one")
	require.NotContains(t, err.Error(), token)

	_, err = New(Config{URL: "https://ann:" + token + "@shop.example/", Secrets: []string{secret}})
	require.ErrorContains(t, err, "user and password")
	require.NotContains(t, err.Error(), token)
}
