package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/connectors/seal"
	"onhand/processor/jetstream"
)

// noon is a time zone where it is about noon: nobody is woken.
func noon() string {
	switch h := 12 - time.Now().UTC().Hour(); {
	case h > 0:
		return fmt.Sprintf("Etc/GMT-%d", h)
	case h < 0:
		return fmt.Sprintf("Etc/GMT+%d", -h)
	}
	return "UTC"
}

// written is everything in the logs and commit records of all partitions.
func written(t *testing.T, s *Service) []byte {
	t.Helper()
	var all []byte
	for p := range s.Log.Partitions() {
		first, last, err := s.Log.Bounds(t.Context(), p)
		require.NoError(t, err)
		for seq := first; seq <= last; seq++ {
			m, err := s.Log.RecordAt(t.Context(), p, seq)
			require.NoError(t, err)
			all = append(all, m.Data...)
		}
		first, last, err = s.Log.CommitBounds(t.Context(), p)
		require.NoError(t, err)
		for seq := first; seq <= last; seq++ {
			m, err := s.Log.CommitAt(t.Context(), p, seq)
			require.NoError(t, err)
			all = append(all, m.Data...)
		}
	}
	return all
}

// What is personal stands in the log sealed, whichever way it came; a channel
// that is to be told gets it opened, and after an erasure nobody does.
func TestPersonalDataIsSealed(t *testing.T) {
	data := t.TempDir()
	s := start(t, config.Config{
		Data: data, Partitions: 2, NATS: config.NATS{Listen: "127.0.0.1:0"},
		Channels: map[string]config.Channel{
			"email": {Type: "file", Path: "mail.ndjson", To: true},
			"ads":   {Type: "file", Path: "ads.ndjson", To: true},
		},
	})
	status, answer, _ := ask(t, s, "POST", "/v1/track", `{"type":"track","event":"Stock Level Reported","properties":{"sku":"phone","available":9,"location":"lyon-dc"}}`)
	require.Equal(t, 200, status, answer)
	for _, id := range []string{"ann", "bob"} {
		body := fmt.Sprintf(`{"type":"identify","userId":%q,"anonymousId":"tablet-%s","traits":{"email":"%s@Secret.example","firstName":"Firstname","address":{"country":"FR","street":"Rue Secrete"},"timezone":%q,"consent":{"email":{"marketing":true},"ads":{"ads":true}}}}`, id, id, id, noon())
		status, answer, _ := ask(t, s, "POST", "/v1/identify", body)
		require.Equal(t, 200, status, answer)
		track(t, s, id, "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR","quantity":1}`)
	}
	nc, err := nats.Connect(s.NATS())
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.Publish("onhand.ingest.cid", []byte(`{"type":"identify","userId":"cid","traits":{"email":"cid@secret.example","tier":"gold"}}`)))
	require.Eventually(t, func() bool {
		status, answer, _ := ask(t, s, "GET", "/api/v1/customers/cid", "")
		return status == 200 && strings.Contains(answer, `"channels":["email"]`) && strings.Contains(answer, `"tier":"gold"`)
	}, time.Minute, 10*time.Millisecond)

	told := func(file, text string) func() bool {
		return func() bool {
			b, err := os.ReadFile(filepath.Join(data, file))
			return err == nil && bytes.Contains(b, []byte(text))
		}
	}
	require.Eventually(t, told("mail.ndjson", `"to":{"email":"ann@secret.example"}`), time.Minute, 20*time.Millisecond)
	require.Eventually(t, told("ads.ndjson", `"to":{"email_sha256":"`), time.Minute, 20*time.Millisecond)
	log := written(t, s)
	for _, secret := range []string{"ecret.", "Firstname", "Rue "} {
		require.NotContains(t, string(log), secret)
	}
	require.Contains(t, string(log), "sealed:")
	require.NotContains(t, get(t, s, "/api/v1/customers/ann"), "sealed")

	keys := func() (n int) {
		require.NoError(t, s.Log.Keys().All(t.Context(), func(string, []byte) error { n++; return nil }))
		return n - 1 // one is the deployment's own
	}
	require.Equal(t, 3, keys())
	status, answer, _ = ask(t, s, "DELETE", "/api/v1/customers/tablet-ann", "")
	require.Equal(t, 200, status, answer)
	var proof api.Erasure
	require.NoError(t, json.Unmarshal([]byte(answer), &proof))
	require.Equal(t, "tablet-ann", proof.Customer)
	require.Equal(t, []string{"ann", "tablet-ann"}, proof.IDs)
	require.Equal(t, 1, proof.Keys)
	require.Equal(t, 2, keys())
	for _, text := range sealedTexts(log) {
		plain, err := s.sealer.Open(t.Context(), text)
		if err == nil {
			require.NotContains(t, plain, "ann")
		}
	}

	// Who comes back is somebody new, with a key of their own.
	status, answer, _ = ask(t, s, "POST", "/v1/identify", `{"userId":"ann","traits":{"email":"ann@secret.example"}}`)
	require.Equal(t, 200, status, answer)
	require.Equal(t, 3, keys())
	require.Contains(t, get(t, s, "/api/v1/customers/ann?min_position=end"), `"channels":["email"]`)
}

// sealedTexts returns what is sealed in a log.
func sealedTexts(log []byte) (all []string) {
	for {
		i := bytes.Index(log, []byte("sealed:"))
		if i < 0 {
			return all
		}
		log = log[i:]
		end := bytes.IndexFunc(log[7:], func(c rune) bool {
			return c != '.' && c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
		})
		if end < 0 {
			end = len(log) - 7
		}
		all, log = append(all, string(log[:7+end])), log[7+end:]
	}
}

// Where personal data is to stay as it was sent, it does, and no key is made.
func TestPersonalDataInClear(t *testing.T) {
	s := start(t, config.Config{Personal: config.PersonalClear})
	status, answer, _ := ask(t, s, "POST", "/v1/identify", `{"userId":"ann","traits":{"email":"ann@secret.example"}}`)
	require.Equal(t, 200, status, answer)
	require.Contains(t, string(written(t, s)), "ann@secret.example")
	status, answer, _ = ask(t, s, "DELETE", "/api/v1/customers/ann", "")
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, `"keys":0`)
}

// A backup holds the keys of those who were not erased since; who was is erased
// in what is restored, too.
func TestABackupForgetsWhoWasErased(t *testing.T) {
	away := t.TempDir()
	s := start(t, config.Config{Checkpoints: config.Checkpoints{To: away}})
	for _, id := range []string{"ann", "bob", "cid"} {
		status, answer, _ := ask(t, s, "POST", "/v1/identify", fmt.Sprintf(`{"userId":%q,"traits":{"email":"%s@secret.example"}}`, id, id))
		require.Equal(t, 200, status, answer)
		track(t, s, id, "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR"}`)
	}
	erase := func(id string) {
		status, answer, _ := ask(t, s, "DELETE", "/api/v1/customers/"+id, "")
		require.Equal(t, 200, status, answer)
		require.Contains(t, answer, `"keys":1`)
	}
	erase("cid")
	annKey, err := s.Log.Keys().Get(t.Context(), seal.Names([]string{"ann"})[0])
	require.NoError(t, err)
	kept := func() (found bool) {
		require.NoError(t, filepath.WalkDir(away, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				found = found || bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(annKey)))
			}
			return err
		}))
		return found
	}
	status, answer, _ := ask(t, s, "POST", "/api/v1/checkpoints?backup=1", "")
	require.Equal(t, 200, status, answer)
	require.True(t, kept())
	erase("ann")
	require.False(t, kept(), "the backup there is has lost the key, too")
	stop(t, s)

	data := filepath.Join(t.TempDir(), "data")
	_, _, err = (&Restore{From: away, Data: data}).Run(t.Context())
	require.NoError(t, err)
	s = start(t, config.Config{Data: data, Checkpoints: config.Checkpoints{To: away}})
	require.Contains(t, get(t, s, "/api/v1/customers/ann?min_position=end"), `"carts":[]`)
	require.Contains(t, get(t, s, "/api/v1/customers/bob?min_position=end"), `"channels":["email"]`)
	a, err := s.addresses(t.Context(), "bob")
	require.NoError(t, err)
	plain, err := s.sealer.Open(t.Context(), a.Email)
	require.NoError(t, err)
	require.Equal(t, "bob@secret.example", plain)
	for _, id := range []string{"ann", "cid"} {
		_, err = s.Log.Keys().Get(t.Context(), seal.Names([]string{id})[0])
		require.ErrorIs(t, err, jetstream.ErrNotFound, id)
	}
}

// What an inlet refuses is kept for people to look at, and forgotten with whom it
// is about.
func TestRefusedCallsAreSealed(t *testing.T) {
	s := start(t, config.Config{
		NATS: config.NATS{Listen: "127.0.0.1:0"},
		Keys: config.Keys{Write: map[string]string{writeKey: "shop"}, Read: []string{readKey}, Operate: []string{operateKey}},
	})
	auth := []string{"Authorization", "Bearer " + writeKey}
	status, answer, _ := ask(t, s, "POST", "/v1/batch", `{"batch":[{"type":"identify","userId":"ann","traits":{"email":"ann@secret.example"},"timestamp":"tomorrow"}]}`, auth...)
	require.Equal(t, 200, status, answer)
	require.Contains(t, answer, `"refused":1`)
	nc, err := nats.Connect(s.NATS())
	require.NoError(t, err)
	defer nc.Close()
	require.NoError(t, nc.Publish("onhand.ingest.x", []byte(`{"type":"identify","email":"bob@secret.example"`)))
	require.Eventually(t, func() bool {
		letters, err := s.Log.DeadLetters().List(t.Context(), 1, 10)
		return err == nil && len(letters) == 2
	}, time.Minute, 10*time.Millisecond)
	letters, err := s.Log.DeadLetters().List(t.Context(), 1, 10)
	require.NoError(t, err)
	for _, l := range letters {
		require.NotContains(t, string(l.Data), "ecret")
	}
	show := func(n int, key string) api.Letter {
		status, answer, _ := ask(t, s, "GET", fmt.Sprint("/api/v1/dlq/", n), "", "Authorization", "Bearer "+key)
		require.Equal(t, 200, status, answer)
		var l api.Letter
		require.NoError(t, json.Unmarshal([]byte(answer), &l))
		return l
	}
	require.Contains(t, show(1, operateKey).Body, `"email":"ann@secret.example"`)
	require.Contains(t, show(1, operateKey).Detail, "timestamp")
	require.Equal(t, `{"type":"identify","email":"bob@secret.example"`, show(2, operateKey).Body)
	require.Empty(t, show(1, operateKey).Sealed)
	require.Empty(t, show(1, readKey).Body)
	require.Contains(t, show(1, readKey).Sealed, "keys.operate")
	status, answer, _ = ask(t, s, "GET", "/api/v1/dlq", "", "Authorization", "Bearer "+readKey)
	require.Equal(t, 200, status)
	require.NotContains(t, answer, "sealed")
	status, answer, _ = ask(t, s, "POST", "/api/v1/dlq/1/retry", "", "Authorization", "Bearer "+operateKey)
	require.Equal(t, 409, status, answer)

	status, answer, _ = ask(t, s, "DELETE", "/api/v1/customers/ann", "", "Authorization", "Bearer "+operateKey)
	require.Equal(t, 200, status, answer)
	require.Empty(t, show(1, operateKey).Body)
	require.Contains(t, show(1, operateKey).Sealed, "nobody can read")
	require.Contains(t, show(1, operateKey).Detail, "timestamp", "what was wrong with it stays")
}
