package faults

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"onhand/processor/jetstream"
)

// TestChaos runs three services on three NATS servers, sends, and breaks one
// thing after the other. Whatever was broken, what was decided has to be what
// an undisturbed replay of the same logs decides, and nothing that was accepted
// may be missing.
//
//	go test ./cmd/onhand/faults -run TestChaos -seed 7 -chaos 5m -timeout 30m -v
//
// Without -chaos it goes through a short schedule that is the same every time,
// and measures nothing.
func TestChaos(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settled()
	w.load = startLoad(t, 400, w.workers...)
	time.Sleep(2 * time.Second) // stories have begun
	switch {
	case *chaos == 0:
		for _, f := range brief {
			w.suffer(f)
		}
		w.end()
		return
	case *fault != "":
		w.breakFor(*chaos)
		w.end()
		return
	}
	moved := w.move()
	killed := w.killWithStandby()
	led := w.killLeader()
	w.breakFor(*chaos)
	time.Sleep(time.Second)
	v := w.end()
	v.report(t, moved, handedOver)
	v.report(t, killed, nextOfNext)
	v.report(t, led, nextDecision)
}

// end lets every story end, stops all services in order, one after the other,
// and judges what they have left.
func (w *world) end() *verdict {
	t := w.t
	w.load.finish()
	waitQuiet(t, w.workers...)
	for i := range w.workers {
		w.workers[i].stop()
		if rest := w.workers[i+1:]; len(rest) > 0 {
			w.serve(rest)
			// Takes a while. What a new owner says once more the last one
			// has to hear.
			if *chaos > 0 || len(rest) == 1 {
				waitQuiet(t, rest...)
			}
		}
	}
	v := judge(t, jetstream.Options{URL: w.url()})
	v.wants(t, w.load.accepted)
	v.told(t, w.box.got)
	w.box.allowed(t, v)
	t.Logf("seed %d: %d events, %d decisions %v, %d actions (%d attempted again), %d messages between partitions, %d takeovers; longest without an answer %v",
		w.seed, len(w.load.accepted), sum(v.decisions), v.decisions, len(v.actions), w.box.copies, v.transfers, v.epochs, w.load.pause)
	return v
}

// world is everything that can break.
type world struct {
	*cluster
	t       *testing.T
	seed    uint64
	rng     *rand.Rand
	workers []*process
	cables  [][]*cable // by worker and server
	clock   func(time.Duration)
	disk    string // small, of the first worker; "" when there is none
	blobs   string // folder of the checkpoints of all
	way     string // link to it, by which the workers get there
	box     *mailbox
	load    *load
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, seed: chaosSeed(), cluster: startCluster(t), box: newMailbox(t), blobs: filepath.Join(t.TempDir(), "blobs")}
	w.way = w.blobs + ".way"
	require.NoError(t, os.Mkdir(w.blobs, 0o700))
	require.NoError(t, os.Symlink(w.blobs, w.way))
	w.rng = rand.New(rand.NewPCG(w.seed, 2))
	config := w.box.config(t)
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	text = fmt.Appendf(text, "checkpoints: {to: %s, every: 3s}\n", w.way)
	require.NoError(t, os.WriteFile(config, text, 0o600))
	for i := range 3 {
		data := t.TempDir()
		if i == 0 {
			if disk, err := smallDisk(t, 900); err != nil {
				t.Log("full disk: left out: ", err)
			} else {
				w.disk, data = disk, filepath.Join(disk, "data")
			}
		}
		var urls []string
		w.cables = append(w.cables, nil)
		for _, address := range w.clients {
			c := newCable(t, address)
			w.cables[i] = append(w.cables[i], c)
			urls = append(urls, c.url())
		}
		p := newProcess(t, fmt.Sprint("worker ", i), data, "--nats", strings.Join(urls, ","), "--replicas", "3",
			"--partitions", fmt.Sprint(partitions), "--moments", moments(t), "--config", config, "--memory", "256MiB")
		if i == 2 {
			w.clock = wrongClock(t, p)
		}
		w.workers = append(w.workers, p)
		p.start()
	}
	return w
}

// chaosSeed is the same every time for the short schedule.
func chaosSeed() uint64 {
	if *chaos == 0 {
		return 1
	}
	return *seed
}

// serve waits until services run all partitions, and returns how they stand.
func (w *world) serve(services []*process) (all []partition) {
	w.t.Helper()
	waitFor(w.t, "all partitions to be live", func() string {
		all = nil
		for _, s := range services {
			s.mustRun()
			all = append(all, s.live()...)
		}
		if len(all) != partitions {
			return fmt.Sprintf("%d of %d are; %s", len(all), partitions, notLive(services))
		}
		return ""
	})
	return all
}

// notLive says what services know of the partitions that are not live there.
func notLive(services []*process) string {
	var b strings.Builder
	for _, s := range services {
		for _, x := range s.partitions() {
			if x.Phase != "live" || x.Owner != s.addr {
				fmt.Fprintf(&b, "\n%s: %+v", s.name, x)
			}
		}
	}
	return b.String()
}

// settled waits until everything is as it should be: every server has caught
// up, every partition is live and has a standby that has what it needs to go
// on.
func (w *world) settled() {
	w.t.Helper()
	w.waitHealthy()
	waitFor(w.t, "calm", func() string {
		n := 0
		for _, s := range w.workers {
			s.mustRun()
			live := s.live()
			n += len(live)
			for _, x := range live {
				if x.Standby == "" {
					return fmt.Sprintf("partition %d has no standby", x.Partition)
				}
			}
		}
		if n != partitions {
			return fmt.Sprintf("%d of %d partitions are live; %s", n, partitions, notLive(w.workers))
		}
		return ""
	})
	time.Sleep(time.Second) // for standbys to be level
}

// busiest returns the worker with the most partitions: of few partitions, one
// of three workers may well have none.
func (w *world) busiest() *process {
	return slices.MaxFunc(w.workers, func(a, b *process) int { return cmp.Compare(len(a.live()), len(b.live())) })
}

// others returns the workers but one.
func (w *world) others(s *process) []*process {
	return slices.DeleteFunc(slices.Clone(w.workers), func(p *process) bool { return p == s })
}

// pick returns one of the workers.
func (w *world) pick() (i int, p *process) {
	i = w.rng.IntN(len(w.workers))
	return i, w.workers[i]
}

// between sleeps a while.
func (w *world) between(least, most time.Duration) {
	time.Sleep(least + time.Duration(w.rng.Int64N(int64(most-least)+1)))
}

// move stops a worker in order, and measures.
func (w *world) move() takeover {
	s := w.busiest()
	o := takeover{"a partition moves in order, pause", time.Now(), 200 * time.Millisecond, s.live()}
	s.stop()
	w.serve(w.others(s))
	s.start()
	w.settled()
	return o
}

// killWithStandby kills a worker, and measures.
func (w *world) killWithStandby() takeover {
	s := w.busiest()
	o := takeover{"worker killed, next decision of its partitions", time.Now(), 3 * time.Second, s.live()}
	s.kill()
	o.at = time.Now()
	w.between(4*time.Second, 4*time.Second)
	s.start()
	w.settled()
	return o
}

// killLeader kills the server that leads a stream, and measures.
func (w *world) killLeader() takeover {
	o := takeover{"leader of a stream killed, longest without a decision", time.Now(), 12 * time.Second, w.serve(w.workers)}
	s := w.leader("onhand-out-0")
	s.kill()
	o.at = time.Now()
	w.between(8*time.Second, 8*time.Second)
	s.start()
	w.settled()
	return o
}
