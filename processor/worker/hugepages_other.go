//go:build !linux

package worker

func hugePages(int64) {}
