//go:build linux || darwin || freebsd

package jetstream

import (
	"math"

	"golang.org/x/sys/unix"
)

// freeBytes returns the space on the disk of a folder that is free for us.
func freeBytes(dir string) uint64 {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil {
		return math.MaxUint64
	}
	return fs.Bavail * uint64(fs.Bsize)
}
