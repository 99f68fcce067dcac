package voucher

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Voucher is what was signed.
type Voucher struct {
	Reward    string    `json:"reward_id"`
	Amount    int64     `json:"amount,omitempty"`   // minor units that were left; 0 = not an amount of money
	Currency  string    `json:"currency,omitempty"` // ISO 4217
	IssuedAt  time.Time `json:"issued_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

const version = "ov1."

// MaxBytes bounds the text of a voucher.
const MaxBytes = 2048

// The reasons to refuse one.
var (
	ErrForged  = errors.New("voucher: not a voucher of this shop")
	ErrExpired = errors.New("voucher: expired")
)

// NewKey returns the private key of a seed: 32 random bytes in base64, as
// `openssl rand -base64 32` makes them.
func NewKey(seed string) (ed25519.PrivateKey, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(seed))
	if err != nil || len(b) != ed25519.SeedSize {
		return nil, errors.New("voucher: a key is 32 bytes in base64")
	}
	return ed25519.NewKeyFromSeed(b), nil
}

// Sign returns the text of a voucher.
func Sign(key ed25519.PrivateKey, v Voucher) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	text := version + base64.RawURLEncoding.EncodeToString(body)
	text += "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
	if len(text) > MaxBytes {
		return "", errors.New("voucher: too long")
	}
	return text, nil
}

// Verify returns what a text says, if it was signed with the private key of a
// public one and has not expired at a time. The error is ErrForged or
// ErrExpired.
func Verify(key ed25519.PublicKey, text string, at time.Time) (v Voucher, err error) {
	dot := strings.LastIndexByte(text, '.')
	if len(text) > MaxBytes || dot < len(version) || !strings.HasPrefix(text, version) || len(key) != ed25519.PublicKeySize {
		return v, ErrForged
	}
	signature, err := base64.RawURLEncoding.DecodeString(text[dot+1:])
	if err != nil || !ed25519.Verify(key, []byte(text[:dot]), signature) {
		return v, ErrForged
	}
	body, err := base64.RawURLEncoding.DecodeString(text[len(version):dot])
	if err != nil || json.Unmarshal(body, &v) != nil {
		return Voucher{}, ErrForged
	}
	if !at.Before(v.ExpiresAt) {
		return v, ErrExpired
	}
	return v, nil
}
