package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// TestKill kills services under load and holds what they leave against an
// undisturbed replay.
func TestKill(t *testing.T) {
	t.Parallel()
	t.Run("single", testKillSingle)
	t.Run("pool", testKillPool)
}

func random() *rand.Rand { return rand.New(rand.NewPCG(*seed, 1)) }

// One service with everything inside is killed at any moment and started
// again.
func testKillSingle(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	rng := random()
	s := newProcess(t, "service", t.TempDir(), "--partitions", fmt.Sprint(partitions), "--moments", moments(t))
	s.start()
	s.waitReady()
	l := startLoad(t, 1000, s)
	var restarts []time.Duration
	for i := range rounds(3) {
		time.Sleep(time.Duration(200+rng.IntN(1500)) * time.Millisecond)
		if i%5 == 4 { // long enough for all partitions to save their state
			time.Sleep(time.Duration(14+rng.IntN(4)) * time.Second)
		}
		switch rng.IntN(4) {
		case 0: // in order, while senders go on
			s.stop()
		case 1: // killed, and again while it starts
			s.kill()
			s.start()
			time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
			s.kill()
		default:
			s.kill()
		}
		s.start()
		restarts = append(restarts, s.waitReady())
	}
	time.Sleep(time.Second)
	l.finish()
	waitQuiet(t, s)
	s.stop()
	v := judgeData(t, s.data)
	v.wants(t, l.accepted)
	v.told(t, lines(t, s.data))
	t.Logf("%d events, %d decisions %v, %d actions, %d messages between partitions; ready again after %v; longest without an answer %v",
		len(l.accepted), sum(v.decisions), v.decisions, len(v.actions), v.transfers, restarts, l.pause)
}

func sum(m map[string]int) (n int) {
	for _, x := range m {
		n += x
	}
	return n
}

// lines reads the files of the file channel: each action once.
func lines(t testing.TB, data string) map[string]string {
	t.Helper()
	got := map[string]string{}
	files, err := filepath.Glob(filepath.Join(data, "actions.ndjson*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		for r := bufio.NewReader(f); ; {
			line, err := r.ReadString('\n')
			if err == io.EOF {
				require.Empty(t, line, "%s: the last line is not whole", path)
				break
			}
			require.NoError(t, err)
			line = strings.TrimSuffix(line, "\n")
			id := actionID(t, []byte(line))
			require.Empty(t, got[id], "action %s stands twice in %s", id, path)
			got[id] = line
		}
	}
	return got
}

func actionID(t testing.TB, line []byte) string {
	var d struct{ Action struct{ ID string } }
	require.NoError(t, json.Unmarshal(line, &d), "%s", line)
	require.NotEmpty(t, d.Action.ID, "%s", line)
	return d.Action.ID
}

// mailbox is the receiver of a webhook: it knows an action it has by its id.
type mailbox struct {
	*httptest.Server
	mu     sync.Mutex
	got    map[string]string
	copies int
	others []copyOf // that said something else
}

// copyOf is another attempt of an action.
type copyOf struct{ id, body string }

// allowed checks that copies which say something else were let go like that.
func (m *mailbox) allowed(t testing.TB, v *verdict) {
	t.Helper()
	for _, c := range m.others {
		require.Contains(t, v.actions[c.id].bodies, c.body, "action %s, again", c.id)
	}
}

func newMailbox(t testing.TB) *mailbox {
	m := &mailbox{got: map[string]string{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		id := r.Header.Get("webhook-id")
		m.mu.Lock()
		defer m.mu.Unlock()
		before, known := m.got[id]
		switch {
		case !known:
			m.got[id] = string(bytes.TrimSpace(body))
		case before == string(bytes.TrimSpace(body)):
			m.copies++
		default:
			m.others = append(m.others, copyOf{id, string(bytes.TrimSpace(body))})
		}
	}))
	t.Cleanup(m.Close)
	return m
}

// config writes a configuration in which all channels of the moments go to the
// mailbox.
func (m *mailbox) config(t testing.TB) string {
	path := filepath.Join(t.TempDir(), "onhand.yaml")
	text := "channels:\n"
	for _, name := range []string{"email", "push", "sms", "ads"} {
		text += fmt.Sprintf("  %s: {type: webhook, url: %s/%s, secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw], in_flight: 16}\n", name, m.URL, name)
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func newNATS(t testing.TB, dir, listen string) *jetstream.Server {
	s, err := jetstream.StartServer(jetstream.ServerOptions{Dir: dir, Listen: listen, SyncInterval: time.Minute})
	require.NoError(t, err)
	return s
}

// Two services share the partitions of one deployment. One is killed, or
// frozen for longer than its lease, and the other takes over.
func testKillPool(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	rng := random()
	nats := newNATS(t, t.TempDir(), freeAddress(t))
	defer nats.Close()
	box := newMailbox(t)
	services := make([]*process, 2)
	for i := range services {
		services[i] = newProcess(t, fmt.Sprint("service ", i), t.TempDir(), "--nats", nats.ClientURL(),
			"--partitions", fmt.Sprint(partitions), "--moments", moments(t), "--config", box.config(t))
		services[i].start()
		services[i].waitReady()
	}
	shared := func() {
		t.Helper()
		waitFor(t, "the services to share the partitions", func() string {
			if n, m := len(services[0].live()), len(services[1].live()); n+m != partitions || n == 0 || m == 0 {
				return fmt.Sprintf("%d and %d are live", n, m)
			}
			return ""
		})
	}
	shared()
	l := startLoad(t, 800, services...)
	var takeovers []time.Duration
	alone := func(who *process) time.Duration {
		t.Helper()
		begin := time.Now()
		waitFor(t, who.name+" to take over", func() string {
			if n := len(who.live()); n != partitions {
				return fmt.Sprintf("%d of %d partitions are live there", n, partitions)
			}
			return ""
		})
		return time.Since(begin)
	}
	for i := range rounds(1) {
		time.Sleep(time.Duration(200+rng.IntN(1000)) * time.Millisecond)
		victim, survivor := services[i%2], services[1-i%2]
		victim.kill()
		takeovers = append(takeovers, alone(survivor))
		victim.start()
		victim.waitReady()
		shared()
	}
	// A frozen one wakes up and does not know that it was replaced.
	zombies := 0
	for i := range max(1, rounds(1)/5) {
		zombie, survivor := services[i%2], services[1-i%2]
		zombie.signal(syscall.SIGSTOP)
		takeovers = append(takeovers, alone(survivor))
		time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		zombie.signal(syscall.SIGCONT)
		zombie.waitReady()
		shared()
		zombies += strings.Count(zombie.said(), "another worker has taken the partition over")
	}
	time.Sleep(time.Second)
	l.finish()
	waitQuiet(t, services...)
	services[0].stop()
	alone(services[1])
	waitQuiet(t, services[1])
	services[1].stop()
	v := judge(t, jetstream.Options{Server: nats})
	v.wants(t, l.accepted)
	v.told(t, box.got)
	box.allowed(t, v)
	require.Positive(t, zombies, "no commit of a frozen service was refused: it was not tried")
	t.Logf("%d events, %d decisions %v, %d actions (%d attempted again), %d messages between partitions; taken over after %v; %d commits of zombies refused; longest without an answer %v",
		len(l.accepted), sum(v.decisions), v.decisions, len(v.actions), box.copies, v.transfers, takeovers, zombies, l.pause)
}
