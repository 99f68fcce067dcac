package connectors

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

func TestClassify(t *testing.T) {
	want := map[processor.Delivery][]int{
		processor.Delivered: {200, 201, 202, 204, 299},
		processor.Retry:     {408, 425, 429, 500, 502, 503, 504, 599},
		processor.Failed:    {100, 301, 304, 307, 400, 401, 403, 404, 409, 410, 413, 422},
	}
	for delivery, statuses := range want {
		for _, status := range statuses {
			r := Classify(status, http.Header{})
			require.Equal(t, delivery.String(), r.Delivery.String(), status)
			require.Equal(t, status == http.StatusGone, r.Gone)
			require.Len(t, r.Code, 3)
		}
	}
	r := Classify(429, http.Header{"Retry-After": {"12"}})
	require.Equal(t, 12*time.Second, r.RetryAfter)
	require.Zero(t, Classify(400, http.Header{"Retry-After": {"12"}}).RetryAfter)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{" 120 ", "", 2 * time.Minute},
		{"99999999999", "", MaxRetryAfter},
		{"-5", "", 0},
		{"soon", "", 0},
		{"1.5", "", 0},
		{"Mon, 02 Mar 2026 10:01:00 GMT", "", time.Minute},
		{"Mon, 02 Mar 2026 09:59:00 GMT", "", 0},
		{"Mon, 02 Mar 2026 12:01:00 GMT", "Mon, 02 Mar 2026 12:00:00 GMT", time.Minute}, // their clock is two hours ahead
		{"Tue, 02 Mar 2027 10:00:00 GMT", "", MaxRetryAfter},
	} {
		h := http.Header{"Retry-After": {c.after}, "Date": {c.date}}
		require.Equal(t, c.want, retryAfter(h, now), "%q at %q", c.after, c.date)
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Mon, 02 Mar 2026 10:01:00 GMT", "Mon, 02 Mar 2026 10:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		wait := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}, time.Unix(1772445600, 0))
		if wait < 0 || wait > MaxRetryAfter {
			t.Fatalf("%q at %q: %v", after, date, wait)
		}
	})
}

// A platform says from when an action holds on its side.
func TestEffectiveAt(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at, date string
		want     time.Duration // from now; -1 = not said
	}{
		{"", "", -1},
		{"soon", "", -1},
		{"2026-03-02T10:07:00Z", "", 7 * time.Minute},
		{" 2026-03-02T11:07:00.5+01:00 ", "", 7*time.Minute + time.Second/2},
		{"2026-03-02T09:00:00Z", "", 0},                                            // it holds already
		{"2026-03-02T12:07:00Z", "Mon, 02 Mar 2026 12:00:00 GMT", 7 * time.Minute}, // their clock is two hours ahead
		{"2026-05-02T10:00:00Z", "", -1},
		{"1970-01-01T00:00:00Z", "", -1},
	} {
		h := http.Header{}
		h.Set(EffectiveHeader, c.at)
		if c.date != "" {
			h.Set("Date", c.date)
		}
		want := time.Time{}
		if c.want >= 0 {
			want = now.Add(c.want)
		}
		require.Equal(t, want, effectiveAt(h, now), c.at)
	}
	at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	require.Equal(t, "23847", Classify(201, http.Header{ReferenceHeader: {" 23847 "}}).Reference)
	for _, no := range []string{"", "a\tb", "é", strings.Repeat("x", MaxReference+1)} {
		require.Empty(t, Classify(201, http.Header{ReferenceHeader: {no}}).Reference)
	}
	require.Empty(t, Classify(500, http.Header{ReferenceHeader: {"23847"}}).Reference, "it was not taken")
	require.False(t, Classify(202, http.Header{EffectiveHeader: {at}}).EffectiveAt.IsZero())
	require.True(t, Classify(500, http.Header{EffectiveHeader: {at}}).EffectiveAt.IsZero(), "it was not taken")
}

func TestScheduleAddsAtMostAFifth(t *testing.T) {
	s := Schedule{10 * time.Second, time.Hour}
	for range 1000 {
		wait, ok := s.After(1)
		require.True(t, ok)
		require.GreaterOrEqual(t, wait, 10*time.Second)
		require.LessOrEqual(t, wait, 12*time.Second)
	}
	wait, ok := s.After(0)
	require.True(t, ok)
	require.Less(t, wait, time.Minute, "an attempt without a number is the first")
	_, ok = s.After(3)
	require.False(t, ok)
	require.Len(t, DefaultSchedule, 9)
}

func TestRequestErrorsShowNoSecret(t *testing.T) {
	req, err := http.NewRequest(http.MethodPost, "http://ann:passw0rd@127.0.0.1:1/T0K/EN-1234/x%2Fyz?key=val%20ue&k2=12345", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer abcdefgh")
	_, err = http.DefaultTransport.(*http.Transport).Clone().RoundTrip(req)
	require.Error(t, err)
	for _, secret := range []string{"passw0rd", "EN-1234", "x%2Fyz", "val ue", "val%20ue", "12345", "abcdefgh"} {
		wrapped := Redact("failed on "+secret+"\nfor "+req.URL.String(), secretsOf(req)...)
		require.NotContains(t, wrapped, secret)
		require.NotContains(t, wrapped, "\n")
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("Post http://shop.example/T0KEN: refused", "T0KEN")
	f.Add(strings.Repeat("é", 300), "éééé")
	f.Fuzz(func(t *testing.T, text, secret string) {
		got := Redact(text, secret)
		if len(got) > MaxDetail || !utf8.ValidString(got) {
			t.Fatalf("%q: %d bytes", got, len(got))
		}
		if len(secret) >= 4 && !strings.ContainsAny(secret, "*.") && strings.Contains(got, secret) {
			t.Fatalf("%q shows %q", got, secret)
		}
	})
}

func TestPublicAddresses(t *testing.T) {
	for _, address := range []string{"8.8.8.8:443", "[2606:4700::1111]:443", "203.0.114.1:80"} {
		require.NoError(t, checkPublic(address), address)
	}
	for _, address := range []string{
		"127.0.0.1:80", "10.1.2.3:80", "172.16.0.1:80", "192.168.1.1:80", "169.254.169.254:80", "100.64.0.1:80",
		"0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "[::1]:80", "[::]:80", "[fe80::1%eth0]:80", "[fd00::1]:80",
		"[::ffff:127.0.0.1]:80", "[64:ff9b::7f00:1]:80", "[2002:7f00:1::]:80", "shop.example:80", "/run/socket",
	} {
		require.ErrorIs(t, checkPublic(address), errPrivateAddress, address)
	}
}
