package faults

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// breakage is something that breaks and is mended.
type breakage struct {
	name string
	run  func(w *world)
}

// breakFor goes through all faults in an order of its own, again and again.
func (w *world) breakFor(d time.Duration) {
	var bag []breakage
	for end := time.Now().Add(d); time.Now().Before(end); {
		if len(bag) == 0 {
			for _, f := range faults {
				if strings.Contains(f.name, *fault) {
					bag = append(bag, f)
				}
			}
			require.NotEmpty(w.t, bag, "no fault is called %q", *fault)
			w.rng.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		w.suffer(bag[0])
		bag = bag[1:]
	}
}

// suffer lets one fault happen, and waits until all is well again.
func (w *world) suffer(f breakage) {
	w.t.Helper()
	before := w.load.count()
	begin := time.Now()
	f.run(w)
	mended := time.Now()
	w.settled()
	w.t.Logf("%s for %v, well again after %v; %d events accepted", f.name,
		mended.Sub(begin).Round(time.Millisecond), time.Since(mended).Round(time.Millisecond), w.load.count()-before)
}

// lease is how long a worker that says nothing counts as alive.
const lease = 2 * time.Second

var faults = []breakage{
	{"worker killed", func(w *world) {
		_, s := w.pick()
		s.kill()
		w.between(0, 2*lease)
		s.start()
	}},
	{"worker killed while it starts", func(w *world) {
		_, s := w.pick()
		s.kill()
		s.start()
		w.between(0, time.Second)
		s.kill()
		s.start()
	}},
	workerFrozen,
	{"server killed", func(w *world) {
		s := w.servers[w.rng.IntN(3)]
		s.kill()
		w.between(0, 6*time.Second)
		s.start()
	}},
	{"all servers killed", func(w *world) {
		for _, s := range w.servers {
			s.kill()
		}
		w.between(0, lease)
		for _, s := range w.servers {
			s.start()
		}
	}},
	{"server frozen", func(w *world) {
		s := w.servers[w.rng.IntN(3)]
		s.signal(syscall.SIGSTOP)
		w.between(lease, 8*time.Second)
		s.signal(syscall.SIGCONT)
	}},
	{"server without its disk", func(w *world) {
		s := w.servers[w.rng.IntN(3)]
		s.kill()
		require.NoError(w.t, os.RemoveAll(s.data))
		s.start()
	}},
	logTruncated,
	{"worker and server killed", func(w *world) {
		_, s := w.pick()
		n := w.servers[w.rng.IntN(3)]
		s.kill()
		n.kill()
		w.between(0, 2*lease)
		n.start()
		s.start()
	}},
	workerCutOff,
	cableStuck,
	{"nobody reaches one server", func(w *world) {
		n := w.rng.IntN(3)
		for i := range w.cables {
			w.cables[i][n].cut()
		}
		w.between(lease, 2*lease)
		for i := range w.cables {
			w.cables[i][n].mend()
		}
	}},
	clockSteps,
	{"slow disk", slowDisk},
	{"full disk", fullDisk},
	{"checkpoints cannot be saved", func(w *world) {
		file := filepath.Join(w.t.TempDir(), "file") // no folder, also for root
		require.NoError(w.t, os.WriteFile(file, nil, 0o600))
		w.lead(file)
		w.between(3*time.Second, 5*time.Second)
		w.lead(w.blobs)
	}},
	checkpointBroken,
}

// brief is the short schedule: a worker that does not know that it was
// replaced, one that reaches no server, and one that is killed and comes back
// without its state to checkpoints that are broken.
var brief = []breakage{workerFrozen, workerCutOff, checkpointBroken}

// A worker reaches no server any more, and notices.
var workerCutOff = breakage{"worker cut off", func(w *world) {
	i, _ := w.pick()
	w.cut(i, (*cable).cut)
}}

// A worker is frozen for longer than its lease, and does not know that it was
// replaced.
var workerFrozen = breakage{"worker frozen", func(w *world) {
	_, s := w.pick()
	s.signal(syscall.SIGSTOP)
	w.between(lease+lease/2, 3*lease)
	s.signal(syscall.SIGCONT)
}}

// Nothing comes through to one worker, which cannot know who still works.
var cableStuck = breakage{"worker's cables stuck", func(w *world) {
	i, _ := w.pick()
	w.cut(i, (*cable).stick)
}}

// cut does something to all cables of a worker, and mends them.
func (w *world) cut(worker int, how func(*cable)) {
	for _, c := range w.cables[worker] {
		how(c)
	}
	w.between(lease/2, 3*lease)
	for _, c := range w.cables[worker] {
		c.mend()
	}
}

// The clock of a worker goes an hour forth, and back, and right again.
var clockSteps = breakage{"clock steps", func(w *world) {
	for _, wrong := range []time.Duration{time.Hour, -time.Hour, 0} {
		w.clock(wrong)
		w.between(lease/2, lease)
	}
}}

// lead makes the way to the checkpoints end somewhere else.
func (w *world) lead(to string) {
	require.NoError(w.t, os.Symlink(to, w.way+".new"))
	require.NoError(w.t, os.Rename(w.way+".new", w.way))
}

// The newest checkpoints have a wrong byte, and a worker has lost its data
// folder: it takes older ones, or the log.
var checkpointBroken = breakage{"broken checkpoints, lost state", func(w *world) {
	_, s := w.pick()
	waitFor(w.t, "checkpoints", func() string {
		if all, _ := filepath.Glob(filepath.Join(w.blobs, "*")); len(all) == 0 {
			return "there are none in " + w.blobs
		}
		return ""
	})
	s.kill()
	require.NoError(w.t, os.RemoveAll(filepath.Join(s.data, "state")))
	broken := 0
	err := filepath.WalkDir(w.blobs, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || w.rng.IntN(3) > 0 {
			return nil // others add and remove meanwhile
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) == 0 {
			return nil
		}
		b[w.rng.IntN(len(b))] ^= 0x10
		if os.WriteFile(path, b, 0o600) == nil {
			broken++
		}
		return nil
	})
	require.NoError(w.t, err)
	require.Positive(w.t, broken)
	s.start()
}}

// One server comes back with logs that have lost their ends, as after a power
// cut. The others have them.
var logTruncated = breakage{"logs cut short on one server", func(w *world) {
	s := w.servers[w.rng.IntN(3)]
	s.kill()
	for _, stream := range []string{"onhand-in-*", "onhand-out-*"} {
		streams, err := filepath.Glob(filepath.Join(s.data, "jetstream", "*", "streams", stream, "msgs"))
		require.NoError(w.t, err)
		require.NotEmpty(w.t, streams)
		cutShort(w.t, streams[w.rng.IntN(len(streams))])
	}
	w.between(0, lease)
	s.start()
}}

// slowDisk makes the disk busy: somebody else on the machine writes and syncs
// all the time. (A device that is slow by itself needs a kernel module.)
func slowDisk(w *world) {
	f, err := os.Create(filepath.Join(w.servers[0].data, "noise"))
	require.NoError(w.t, err)
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4<<20)
	for end := time.Now().Add(2 * lease); time.Now().Before(end); {
		_, err := f.WriteAt(block, 0)
		require.NoError(w.t, err)
		require.NoError(w.t, f.Sync())
	}
}

// fullDisk fills the disk of the first worker, which has a small one.
func fullDisk(w *world) {
	if w.disk == "" {
		return
	}
	remove := ballast(w.t, w.disk, 2)
	w.between(lease, 3*lease)
	remove()
	// One that could not write while it opened has ended, saying so.
	if s := w.workers[0]; !s.running() {
		require.Contains(w.t, s.said(), "space")
		s.start()
	}
}
