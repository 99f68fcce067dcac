package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// role is what a request needs.
type role int

const (
	public role = iota
	reader
	operator
)

// guard decides who may do what.
type guard struct {
	open          bool
	read, operate [][sha256.Size]byte
	origin        *http.CrossOriginProtection
}

func newGuard(c Config) guard {
	hashes := func(keys []string) (all [][sha256.Size]byte) {
		for _, k := range keys {
			all = append(all, sha256.Sum256([]byte(k)))
		}
		return all
	}
	return guard{open: c.Open, read: hashes(c.Read), operate: hashes(c.Operate), origin: http.NewCrossOriginProtection()}
}

// host refuses, when nobody needs a key, requests that a page of another site
// makes under a name of its own that leads here.
func (g *guard) host(r *http.Request) error {
	if !g.open {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return &problem{Status: http.StatusMisdirectedRequest, Detail: "without keys only this machine is answered, under 127.0.0.1 or localhost"}
}

// allow refuses a request that may not be made. All keys are compared, by
// their hashes, so that the time it takes says nothing.
func (g *guard) allow(r *http.Request, need role) error {
	if need == operator {
		if err := g.origin.Check(r); err != nil {
			return &problem{Status: http.StatusForbidden, Detail: err.Error()}
		}
	}
	if need == public || g.open {
		return nil
	}
	key, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !given {
		_, key, given = r.BasicAuth() // a browser can ask for a password, not for a token
	}
	if !given {
		return &problem{Status: http.StatusUnauthorized, Detail: "a key is needed: Authorization: Bearer KEY"}
	}
	hash := sha256.Sum256([]byte(key))
	has := func(keys [][sha256.Size]byte) (found bool) {
		for i := range keys {
			if subtle.ConstantTimeCompare(hash[:], keys[i][:]) == 1 {
				found = true
			}
		}
		return found
	}
	read, operate := has(g.read), has(g.operate)
	switch {
	case operate, read && need == reader:
		return nil
	case read:
		return &problem{Status: http.StatusForbidden, Detail: "this key may read only"}
	}
	return &problem{Status: http.StatusUnauthorized, Detail: "the key is not known"}
}
