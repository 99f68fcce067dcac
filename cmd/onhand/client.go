package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"onhand/processor/moments"
)

// client asks a running service.
type client struct {
	server string
	within time.Duration // for an answer; 0 = a minute
}

const defaultServer = "http://127.0.0.1:7070"

// withServer adds the flag of commands that ask a running service.
func withServer(c *cobra.Command, cl *client) *cobra.Command {
	server := os.Getenv("ONHAND_SERVER")
	if server == "" {
		server = defaultServer
	}
	c.Flags().StringVar(&cl.server, "server", server, "address of the service (ONHAND_SERVER); the key comes from ONHAND_KEY")
	return c
}

// refusal is a problem document.
type refusal struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Detail  string `json:"detail"`
		Do      string `json:"do"`
		Warning bool   `json:"warning"`
	} `json:"errors"`
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the service refuses (%d): %s", r.Status, r.Detail)
	if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
		text += "; set ONHAND_KEY to one of keys.read or keys.operate"
	}
	return text
}

// send sends a request under /api/v1 and returns the answer, whose body the
// caller closes, unless it is a refusal.
func (cl *client) send(ctx context.Context, method, path string, body []byte, header ...string) (*http.Response, error) {
	address, err := url.Parse(strings.TrimSuffix(cl.server, "/"))
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, usagef("--server %s is not an address; write for example %s", cl.server, defaultServer)
	}
	req, err := http.NewRequestWithContext(ctx, method, address.String()+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return nil, usageError{err}
	}
	if key := os.Getenv("ONHAND_KEY"); key != "" {
		if strings.ContainsFunc(key, unicode.IsControl) {
			return nil, usagef("ONHAND_KEY is not one line: set it to the key alone")
		}
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w; is the service running? start it with: onhand run", err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	r := &refusal{Status: resp.StatusCode, Detail: resp.Status}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(r); err != nil {
			return nil, fmt.Errorf("the answer cannot be read: %w", err)
		}
	}
	return resp, r
}

// do sends a request under /api/v1 and returns the whole answer.
func (cl *client) do(ctx context.Context, method, path string, body []byte, header ...string) ([]byte, http.Header, error) {
	within := cl.within
	if within == 0 {
		within = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	resp, err := cl.send(ctx, method, path, body, header...)
	if err != nil {
		if resp != nil {
			return nil, resp.Header, err
		}
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, nil, err
	}
	return answer, resp.Header, nil
}

// get reads an answer into v.
func (cl *client) get(ctx context.Context, path string, v any) error {
	return cl.call(ctx, http.MethodGet, path, nil, v)
}

func (cl *client) call(ctx context.Context, method, path string, body []byte, v any, header ...string) error {
	answer, _, err := cl.do(ctx, method, path, body, header...)
	if err != nil || v == nil {
		return err
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("the answer cannot be read: %w; is %s an Onhand service?", err, cl.server)
	}
	return nil
}

// refused prints the faults of a refusal as check does, if err is one that has any.
func (a *app) refused(file string, err error) error {
	var r *refusal
	if !errors.As(err, &r) || len(r.Errors) == 0 {
		return err
	}
	faults := make([]moments.Fault, 0, len(r.Errors))
	for _, f := range r.Errors {
		faults = append(faults, moments.Fault{File: file, Line: f.Line, Col: f.Column, What: f.Detail, Do: f.Do, Warning: f.Warning})
	}
	if err := a.printFaults(faults); err != nil {
		return err
	}
	return errFailed
}
