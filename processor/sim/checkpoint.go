package sim

import (
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Checkpoints are copies of states that survive their process. Who comes back
// with an empty disk begins on one, and not always on the newest: that one may
// be broken.

// copied is a state as it was made durable once.
type copied struct {
	fs       *vfs.MemFS
	position uint64
}

// keepCopies is how many checkpoints of a partition stay.
const keepCopies = 3

// durableClone returns what a power cut would leave of a file system.
func durableClone(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{RNG: rand.New(rand.NewPCG(1, 1))})
}

// checkpoint saves what is durable of a state.
func (r *runner) checkpoint() {
	w := r.process.w
	all := append(w.copies[r.part], copied{durableClone(r.disk.fs), r.disk.durable})
	w.copies[r.part] = all[max(0, len(all)-keepCopies):]
	w.note("checkpoint", r.part, r.process.id, int(r.disk.durable))
	if w.trims {
		w.trim(r.part)
	}
}

// fetch gives a process whose disk is gone a checkpoint of each partition, or
// none.
func (p *process) fetch() {
	for part, all := range p.w.copies {
		if len(all) == 0 || p.w.rng.IntN(5) == 0 {
			continue
		}
		p.take(part, all[p.w.rng.IntN(len(all))]) // those after it are broken
	}
}

// take has a process begin a partition on a checkpoint.
func (p *process) take(part int, c copied) {
	p.disks[part] = &disk{fs: durableClone(c.fs), position: c.position, durable: c.position}
	p.w.note("fetch", part, p.id, int(c.position))
}
