package connectors

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDetail bounds Result.Detail, in bytes.
const MaxDetail = 200

// Redact makes a text fit for Result.Detail: control characters are replaced by
// spaces, every secret by ***, and it is cut to MaxDetail bytes. Secrets
// shorter than four bytes are left, since they would turn up anywhere.
func Redact(text string, secrets ...string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	// Longer ones first: replacing a part of one would leave the rest readable.
	secrets = slices.SortedFunc(slices.Values(secrets), func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	text = strings.ToValidUTF8(text, " ") // a secret may have been half a character
	if len(text) <= MaxDetail {
		return text
	}
	cut := MaxDetail - len("...")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

// describe returns the text of a transport's error without the address it was
// made for and without anything secret the request carried.
func describe(err error, req *http.Request) string {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return Redact(err.Error(), secretsOf(req)...)
}

// secretsOf lists what in a request may be a secret: path, query, user
// information and authorisation.
func secretsOf(req *http.Request) []string {
	u := req.URL
	secrets := []string{u.String(), u.RequestURI(), u.RawQuery}
	secrets = append(secrets, strings.Split(u.Path, "/")...)
	secrets = append(secrets, strings.Split(u.EscapedPath(), "/")...)
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		_, value, _ := strings.Cut(pair, "=")
		secrets = append(secrets, value)
	}
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, name := range []string{"Authorization", "Access-Token"} {
		text := req.Header.Get(name)
		_, token, _ := strings.Cut(text, " ")
		secrets = append(secrets, text, token)
	}
	return secrets
}
