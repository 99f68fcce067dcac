package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"onhand/connectors"
	"onhand/processor"
)

// Limits of the specification.
const (
	MaxBody   = 20_000 // bytes
	MinSecret = 24     // bytes, decoded
	MaxSecret = 64
)

// Config configures a webhook.
type Config struct {
	// URL of the endpoint, http or https. Redirects are not followed.
	URL string

	// Secrets sign each request, in this order; at least one. To rotate, put the
	// new one first, give it to the receiver, then take the old one out. Each is
	// "whsec_" and base64 of 24 to 64 random bytes.
	Secrets []string

	// Timeout of one request; 0 means 15 seconds.
	Timeout time.Duration

	// PublicOnly refuses endpoints inside the own network. Turn it on when
	// others than the operator may set URL.
	PublicOnly bool
}

// validate returns all faults of the configuration, none of which shows a secret.
func (c Config) validate() (endpoint *url.URL, signers []*standardwebhooks.Webhook, err error) {
	var faults []error
	endpoint, parseErr := url.Parse(c.URL)
	switch {
	case parseErr != nil:
		// The parser's error repeats the whole address.
		faults = append(faults, errors.New("url: cannot be parsed"))
	case endpoint.Scheme != "http" && endpoint.Scheme != "https", endpoint.Host == "":
		faults = append(faults, errors.New("url: must be http://host/path or https://host/path"))
	case endpoint.User != nil:
		faults = append(faults, errors.New("url: user and password are not supported, the signature identifies us"))
	}
	if len(c.Secrets) == 0 {
		faults = append(faults, errors.New("secrets: at least one is needed"))
	}
	for i, text := range c.Secrets {
		secret, decodeErr := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if decodeErr != nil {
			faults = append(faults, fmt.Errorf("secrets[%d]: after whsec_ comes base64 with padding", i))
			continue
		}
		if len(secret) < MinSecret || len(secret) > MaxSecret {
			faults = append(faults, fmt.Errorf("secrets[%d]: has %d bytes, must have %d to %d", i, len(secret), MinSecret, MaxSecret))
			continue
		}
		signer, _ := standardwebhooks.NewWebhookRaw(secret) // never fails
		signers = append(signers, signer)
	}
	return endpoint, signers, errors.Join(faults...)
}

// Channel posts decisions to one endpoint. It implements connectors.Channel.
type Channel struct {
	url     string
	signers []*standardwebhooks.Webhook
	client  *http.Client

	delivering sync.RWMutex // read-locked by each Deliver; guards closed
	closed     bool
}

// New returns a channel for the endpoint, or all faults of the configuration.
// Nothing is sent before the first Deliver.
func New(c Config) (*Channel, error) {
	endpoint, signers, err := c.validate()
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	return &Channel{
		url:     endpoint.String(),
		signers: signers,
		client:  connectors.NewClient(connectors.ClientConfig{Timeout: c.Timeout, PublicOnly: c.PublicOnly}),
	}, nil
}

// Name returns "webhook".
func (c *Channel) Name() string { return "webhook" }

// Idempotent returns true: receivers drop what they have by webhook-id.
func (c *Channel) Idempotent() bool { return true }

// Deliver posts the decision once.
func (c *Channel) Deliver(ctx context.Context, d *processor.Decision) connectors.Result {
	c.delivering.RLock()
	defer c.delivering.RUnlock()
	if c.closed {
		return connectors.Result{Delivery: processor.Retry, Code: connectors.CodeClosed}
	}
	body := d.AppendJSON(nil)
	if len(body) > MaxBody {
		return connectors.Result{Delivery: processor.Failed, Code: connectors.CodeTooLarge,
			Detail: fmt.Sprintf("the decision has %d bytes, a webhook at most %d: send fewer lines", len(body), MaxBody)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil { // New has parsed the same address
		panic(err)
	}
	c.sign(req.Header, d.Action.ID, time.Now(), body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "onhand")
	return connectors.Send(c.client, req)
}

// sign adds the three headers of the specification.
func (c *Channel) sign(h http.Header, id string, at time.Time, body []byte) {
	signatures := make([]string, len(c.signers))
	for i, signer := range c.signers {
		signatures[i], _ = signer.Sign(id, at, body) // never fails
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
}

// Close waits for the requests under way and closes the idle connections.
func (c *Channel) Close() error {
	c.delivering.Lock()
	defer c.delivering.Unlock()
	c.closed = true
	c.client.CloseIdleConnections()
	return nil
}
