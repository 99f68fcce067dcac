package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"strings"

	"onhand/processor"
)

// ErrDestroyed means that what is sealed cannot be opened any more by anybody:
// its key was destroyed with the customer it was for.
var ErrDestroyed = errors.New("seal: the key was destroyed")

// ErrNotSealed means that a text is none that was sealed.
var ErrNotSealed = errors.New("seal: not a sealed text")

const (
	keyBytes   = 64
	nameBytes  = 16
	nonceBytes = 12
	tagBytes   = 16
)

var (
	spelling  = base64.RawURLEncoding
	nameChars = spelling.EncodedLen(nameBytes)
)

// key is what the personal data of one customer is sealed with.
type key [keyBytes]byte

func newKey() []byte {
	b := make([]byte, keyBytes)
	rand.Read(b)
	return b
}

// nameOf returns the name of the key of a customer's id.
func nameOf(id string) string {
	h := sha256.Sum256([]byte(id))
	return spelling.EncodeToString(h[:nameBytes])
}

// tools are a key ready for use, by one goroutine.
type tools struct {
	aead cipher.AEAD
	mac  hash.Hash
}

func (k *key) tools() tools {
	block, err := aes.NewCipher(k[:keyBytes/2])
	if err == nil {
		var a cipher.AEAD
		if a, err = cipher.NewGCM(block); err == nil {
			return tools{a, hmac.New(sha256.New, k[keyBytes/2:])}
		}
	}
	panic(err) // the length of the key is right
}

// seal appends a text, sealed: prefix, name of the key, dot, base64 of nonce,
// ciphertext and tag.
func (t *tools) seal(dst []byte, name, plain string) []byte {
	t.mac.Reset()
	t.mac.Write([]byte(plain))
	box := make([]byte, 0, sha256.Size+len(plain)+tagBytes)
	box = t.mac.Sum(box)[:nonceBytes]
	box = t.aead.Seal(box, box, []byte(plain), []byte(name))
	dst = append(dst, processor.SealedPrefix...)
	dst = append(append(dst, name...), '.')
	return spelling.AppendEncode(dst, box)
}

// open returns the text of a box sealed with the key.
func (k *key) open(name string, box []byte) (string, error) {
	plain, err := k.tools().aead.Open(nil, box[:nonceBytes], box[nonceBytes:], []byte(name))
	if err != nil {
		return "", ErrDestroyed // there is another key of that name now
	}
	return string(plain), nil
}

// parse takes a sealed text apart.
func parse(sealed string) (name string, box []byte, err error) {
	rest, ok := strings.CutPrefix(sealed, processor.SealedPrefix)
	if !ok || len(rest) <= nameChars || rest[nameChars] != '.' {
		return "", nil, ErrNotSealed
	}
	name = rest[:nameChars]
	box, err = spelling.DecodeString(rest[nameChars+1:])
	if err != nil || len(box) < nonceBytes+tagBytes {
		return "", nil, ErrNotSealed
	}
	if _, err := spelling.DecodeString(name); err != nil {
		return "", nil, ErrNotSealed
	}
	return name, box, nil
}
