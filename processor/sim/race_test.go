//go:build race

package sim

// The detector makes a world eight times as slow, and all of it runs in one
// goroutine but for Pebble's own.
func init() { defaultSeeds = 12 }
