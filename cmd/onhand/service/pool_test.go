package service

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/cmd/onhand/api"
	"onhand/cmd/onhand/config"
	"onhand/connectors/seal"
	"onhand/processor/jetstream"
)

// startPool starts services that share a log and its partitions, each with its
// clock set forward, and waits until all own some.
func startPool(t *testing.T, c config.Config, forward ...time.Duration) (all []*Service) {
	t.Helper()
	server, err := jetstream.StartServer(jetstream.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", SyncInterval: time.Second})
	require.NoError(t, err)
	t.Cleanup(server.Close)
	c.NATS = config.NATS{URL: server.ClientURL()}
	c.HTTP, c.Sync, c.Partitions = "127.0.0.1:0", config.SyncInterval, 8
	for _, d := range forward {
		c.Data = t.TempDir()
		o := Options{Config: c, Rules: rules, Version: "test"}
		if d != 0 {
			o.Clock = func() time.Time { return time.Now().Add(d) }
		}
		s, err := Open(t.Context(), o)
		require.NoError(t, err)
		t.Cleanup(func() { stop(t, s) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		require.NoError(t, s.WaitReady(ctx))
		cancel()
		all = append(all, s)
	}
	require.Eventually(t, func() bool {
		owned := map[string]int{}
		for _, s := range all {
			for _, p := range s.Worker.Status(t.Context()) {
				if p.Phase == "live" && addressOf(p.Owner) == strings.TrimPrefix(s.URL(), "http://") {
					owned[s.URL()]++
				}
			}
		}
		n := 0
		for _, x := range owned {
			n += x
		}
		return n == 8 && len(owned) == len(all)
	}, time.Minute, 50*time.Millisecond, "each owns some of the partitions, and all are owned")
	return all
}

// eventually asks a service until it answers with 200 and a text that fits: a
// partition that moves is not there for a moment.
func eventually(t *testing.T, s *Service, path string, fits func(string) bool) string {
	t.Helper()
	answer := ""
	require.Eventually(t, func() (ok bool) {
		var status int
		status, answer, _ = ask(t, s, "GET", path, "")
		return status == 200 && fits(answer)
	}, time.Minute, 20*time.Millisecond, path)
	return answer
}

// backUp makes a backup of the whole pool over HTTP.
func backUp(t *testing.T, s *Service) {
	t.Helper()
	status, answer, _ := ask(t, s, "POST", "/api/v1/checkpoints?backup=1", "")
	require.Equal(t, 200, status, answer)
	var c api.Checkpoints
	require.NoError(t, json.Unmarshal([]byte(answer), &c))
	require.NotEmpty(t, c.Backup)
	require.Len(t, c.Partitions, 8)
}

// restore makes a service of the newest backup in a folder.
func restore(t *testing.T, from string) *Service {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	_, _, err := (&Restore{From: from, Data: data}).Run(t.Context())
	require.NoError(t, err)
	return start(t, config.Config{Data: data, Partitions: 8, Checkpoints: config.Checkpoints{To: from}})
}

// Customers are forgotten through two services that share the partitions, at the
// same time, under either of their ids, and while a backup is made; the clock of
// one service is wrong. Nothing is left of them anywhere, and who comes back is
// known from then on.
func TestErasingInAPool(t *testing.T) {
	for name, wrong := range map[string]time.Duration{"ahead": 40 * time.Minute, "behind": -40 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			const n = 12
			away := t.TempDir()
			pool := startPool(t, config.Config{Checkpoints: config.Checkpoints{To: away}}, 0, wrong)
			come := func(i int) {
				s := pool[0] // whose clock is right: what an inlet dates from before an erasure is not taken
				status, answer, _ := ask(t, s, "POST", "/v1/identify", fmt.Sprintf(`{"userId":"ann%d","anonymousId":"tablet%d","traits":{"email":"ann%d@secret.example"}}`, i, i, i))
				require.Equal(t, 200, status, answer)
				status, answer, _ = ask(t, s, "POST", "/v1/identify", fmt.Sprintf(`{"anonymousId":"tablet%d","traits":{"phone":"+33%d"}}`, i, i))
				require.Equal(t, 200, status, answer)
				track(t, s, fmt.Sprint("ann", i), "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR"}`)
				for _, s := range pool {
					eventually(t, s, fmt.Sprintf("/api/v1/customers/tablet%d?min_position=end", i), func(answer string) bool {
						return strings.Contains(answer, fmt.Sprintf(`"id":"ann%d"`, i)) && strings.Contains(answer, `"cart_id":"c"`) && strings.Contains(answer, `"channels":["email"`)
					})
				}
			}
			before := time.Now().UTC().Format(time.RFC3339Nano)
			for i := range n {
				come(i)
			}
			track(t, pool[0], "bob", "Product Added", `{"cart_id":"c","sku":"phone","price":199,"currency":"EUR"}`)
			keys := map[string][]byte{}
			for i := range n {
				for _, name := range seal.Names([]string{fmt.Sprint("ann", i), fmt.Sprint("tablet", i)}) {
					key, err := pool[0].Log.Keys().Get(t.Context(), name)
					require.NoError(t, err)
					keys[name] = key
				}
			}
			kept := func() (n int) {
				require.NoError(t, filepath.WalkDir(away, func(path string, e os.DirEntry, err error) error {
					if err == nil && !e.IsDir() {
						b, err := os.ReadFile(path)
						require.NoError(t, err)
						for _, key := range keys {
							if bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString(key))) {
								n++
							}
						}
					}
					return err
				}))
				return n
			}
			backUp(t, pool[0])
			require.Equal(t, 2*n, kept())

			var group sync.WaitGroup
			answers := make(chan string, 4*n)
			erase := func(s *Service, id string) {
				group.Go(func() {
					for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
						status, answer, _ := ask(t, s, "DELETE", "/api/v1/customers/"+id, "")
						if status == 200 {
							return
						}
						// Not now, not here, or the owner is too slow; all may be repeated.
						if !slices.Contains([]int{503, 421, 502}, status) || time.Now().After(end) {
							answers <- fmt.Sprint(status, answer)
							return
						}
					}
				})
			}
			group.Go(func() {
				if status, answer, _ := ask(t, pool[1], "POST", "/api/v1/checkpoints?backup=1", ""); status != 200 {
					answers <- fmt.Sprint(status, answer)
				}
			})
			for i := range n {
				erase(pool[0], fmt.Sprint("ann", i))
				erase(pool[1], fmt.Sprint([]string{"tablet", "ann"}[i%2], i))
			}
			group.Wait()
			close(answers)
			for answer := range answers {
				require.Fail(t, answer)
			}
			require.Zero(t, kept(), "no backup holds a key of theirs")
			require.NoError(t, pool[0].Log.Keys().All(t.Context(), func(name string, _ []byte) error { require.NotContains(t, keys, name); return nil }))
			for i := range n { // what happened before the log's last word of them is not taken any more
				status, answer, _ := ask(t, pool[0], "POST", "/v1/track", fmt.Sprintf(`{"type":"track","event":"Product Added","userId":"ann%d","timestamp":%q,"properties":{"cart_id":"late","sku":"phone"}}`, i, before))
				require.Equal(t, 200, status, answer)
			}
			for i := range n {
				for _, s := range pool {
					for _, id := range []string{"ann", "tablet"} {
						answer := eventually(t, s, fmt.Sprintf("/api/v1/customers/%s%d?min_position=end", id, i), func(string) bool { return true })
						require.Contains(t, answer, `"carts":[]`)
						require.Contains(t, answer, `"channels":[]`)
					}
				}
			}

			// Who comes back at once is somebody new, whose words are heard, and can be
			// forgotten at once again. The clock is that of the service that owns their
			// partition: some are of either.
			const back = 6
			for i := range back {
				come(i)
			}
			again := func(s *Service) {
				answers = make(chan string, back)
				for i := 1; i < back; i++ {
					erase(s, fmt.Sprint("ann", i))
				}
				group.Wait()
				require.Empty(t, answers)
			}
			again(pool[0])
			for i := 1; i < back; i++ {
				require.Contains(t, eventually(t, pool[0], fmt.Sprintf("/api/v1/customers/ann%d?min_position=end", i), func(string) bool { return true }), `"carts":[]`)
				come(i)
			}
			backUp(t, pool[1])
			again(pool[1])
			for _, s := range pool {
				stop(t, s)
			}

			s := restore(t, away)
			require.Contains(t, get(t, s, "/api/v1/customers/bob?min_position=end"), `"cart_id":"c"`)
			require.Contains(t, get(t, s, "/api/v1/customers/ann0?min_position=end"), `"cart_id":"c"`, "who came back before the backup is there")
			a, err := s.addresses(t.Context(), "ann0")
			require.NoError(t, err)
			plain, err := s.sealer.Open(t.Context(), a.Email)
			require.NoError(t, err)
			require.Equal(t, "ann0@secret.example", plain)
			for i := 1; i < back; i++ { // who was erased after it is not
				_, err = s.Log.Keys().Get(t.Context(), seal.Names([]string{fmt.Sprint("ann", i)})[0])
				require.ErrorIs(t, err, jetstream.ErrNotFound)
			}
			for i := 1; i < n; i++ {
				require.Contains(t, get(t, s, fmt.Sprintf("/api/v1/customers/ann%d?min_position=end", i)), `"carts":[]`)
			}
		})
	}
}

// One service is asked for a backup, another one owns half of the partitions.
// What is restored elsewhere, by one service alone, is the same to the byte.
func TestABackupOfAPool(t *testing.T) {
	away := t.TempDir()
	pool := startPool(t, config.Config{Checkpoints: config.Checkpoints{To: away}}, 0, 0)
	const n = 40
	var paths []string
	for i := range n {
		s, id := pool[i%2], fmt.Sprint("ann", i)
		status, answer, _ := ask(t, s, "POST", "/v1/identify", fmt.Sprintf(`{"userId":%q,"traits":{"email":"%s@secret.example","timezone":%q,"consent":{"email":{"marketing":true}}}}`, id, id, noon()))
		require.Equal(t, 200, status, answer)
		track(t, s, id, "Product Added", fmt.Sprintf(`{"cart_id":"c%d","sku":"sku%d","price":199,"currency":"EUR","quantity":2}`, i, i%5))
		track(t, s, id, "Back In Stock Requested", `{"sku":"lamp"}`)
		paths = append(paths, "/api/v1/customers/"+id)
	}
	for i := range 5 {
		status, answer, _ := ask(t, pool[1], "POST", "/v1/track", fmt.Sprintf(`{"type":"track","event":"Stock Level Reported","properties":{"sku":"sku%d","available":9,"location":"lyon-dc"}}`, i))
		require.Equal(t, 200, status, answer)
		paths = append(paths, fmt.Sprint("/api/v1/items/sku", i))
	}
	paths = append(paths, "/api/v1/items/lamp")
	// Where a log is read to, and when that was, is not part of what is known.
	place := regexp.MustCompile(`"(position|as_of)":("[^"]*"|\d+),?`)
	told := func(s *Service, path string) string {
		return place.ReplaceAllString(eventually(t, s, path+"?min_position=end", func(string) bool { return true }), "")
	}
	var before map[string]string
	require.Eventually(t, func() bool {
		now, same := map[string]string{}, true
		for i, path := range paths {
			now[path] = told(pool[i%2], path)
			same = same && now[path] == before[path]
		}
		before = now
		return same && strings.Contains(now["/api/v1/items/lamp"], fmt.Sprintf(`"waiting":%d`, n))
	}, 30*time.Second, time.Second, "nothing changes any more")
	backUp(t, pool[0])
	for _, path := range paths {
		require.Equal(t, before[path], told(pool[0], path), "a backup changes nothing")
	}
	for _, s := range pool {
		stop(t, s)
	}
	s := restore(t, away)
	for _, path := range paths {
		require.Equal(t, before[path], told(s, path), path)
	}
	a, err := s.addresses(t.Context(), "ann7")
	require.NoError(t, err)
	plain, err := s.sealer.Open(t.Context(), a.Email)
	require.NoError(t, err)
	require.Equal(t, "ann7@secret.example", plain)
	track(t, s, "eve", "Product Added", `{"cart_id":"c","sku":"sku1","price":199,"currency":"EUR"}`)
	require.Contains(t, get(t, s, "/api/v1/customers/eve?min_position=end"), "sku1")
}
