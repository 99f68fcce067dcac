//go:build !linux && !darwin && !freebsd

package jetstream

import "math"

// freeBytes is not known here.
func freeBytes(string) uint64 { return math.MaxUint64 }
