package connectors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"onhand/processor"
)

// maxAnswer bounds what is read of an answer's body. The body is never used;
// reading it to its end lets the connection be used again.
const maxAnswer = 64 << 10

// Send makes one HTTP request and says what came of it: Classify for an answer,
// Retry when the request never left, Unknown when it may have left and no
// answer came. The client should be one of NewClient.
func Send(client *http.Client, req *http.Request) Result {
	var left atomic.Bool
	ctx := httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaders: func() { left.Store(true) },
	})
	answer, err := client.Do(req.WithContext(ctx))
	if err == nil {
		defer answer.Body.Close()
		// The status decides; how the body ends is of no interest.
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
		return Classify(answer.StatusCode, answer.Header)
	}

	r := Result{Delivery: processor.Retry, Code: CodeNetwork, Detail: describe(err, req)}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errPrivateAddress):
		r.Delivery, r.Code = processor.Failed, CodePrivate
		return r
	case errors.Is(err, context.Canceled):
		r.Code, r.Detail = CodeCancelled, "the attempt was called off"
	case errors.As(err, &timeout) && timeout.Timeout():
		r.Code, r.Detail = CodeTimeout, "no answer in time"
	}
	if left.Load() {
		r.Delivery = processor.Unknown
	}
	return r
}

// ClientConfig configures NewClient.
type ClientConfig struct {
	// Timeout is the limit of one request, from dialling to the end of the
	// answer. 0 means 15 seconds.
	Timeout time.Duration

	// PublicOnly refuses to connect to addresses that are not on the public
	// internet: loopback, private, link-local, shared and reserved ranges. The
	// address is checked after the name was resolved, on every connection. No
	// proxy is used then, since the check would see only the proxy.
	PublicOnly bool

	// MaxConns bounds the connections to the host and how many are kept open
	// when idle. 0 means 16.
	MaxConns int
}

// NewClient returns a client for a channel: redirects are answers, not
// instructions, and idle connections are kept for the next action. Whoever
// makes it calls CloseIdleConnections in the end.
func NewClient(c ClientConfig) *http.Client {
	if c.Timeout <= 0 {
		c.Timeout = 15 * time.Second
	}
	if c.MaxConns <= 0 {
		c.MaxConns = 16
	}
	dialer := &net.Dialer{Timeout: c.Timeout}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		MaxConnsPerHost:     c.MaxConns,
		MaxIdleConnsPerHost: c.MaxConns,
		IdleConnTimeout:     90 * time.Second,
	}
	if c.PublicOnly {
		transport.Proxy = nil
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return checkPublic(address) }
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errPrivateAddress = errors.New("not a public address")

// reserved are the ranges that are not public and that netip has no name for.
var reserved = func() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"192.88.99.0/24", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
		"3fff::/20", "5f00::/16", "fec0::/10",
	} {
		prefixes = append(prefixes, netip.MustParsePrefix(text))
	}
	return prefixes
}()

// checkPublic returns an error unless address, an IP with a port, is one of the
// public internet.
func checkPublic(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errPrivateAddress, err)
	}
	ip := ap.Addr().Unmap().WithZone("")
	public := ip.IsGlobalUnicast() && !ip.IsPrivate()
	for _, p := range reserved {
		public = public && !p.Contains(ip)
	}
	if !public {
		return fmt.Errorf("%s is %w: turn the guard off for receivers inside your own network", ip, errPrivateAddress)
	}
	return nil
}
