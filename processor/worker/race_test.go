//go:build race

package worker

// Everything takes several times as long: see TestARollingRestart.
func init() { underRace = true }
