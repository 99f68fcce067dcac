package service

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"onhand/processor/worker"
)

// limitMemory bounds what the process uses to what was asked for, else to half
// of what the machine, or the container, has, and returns it.
func limitMemory(wanted int64) int64 {
	limit := wanted
	if limit == 0 {
		limit = machineMemory() / 2
	}
	limit, _ = worker.LimitMemory(limit)
	return limit
}

const assumedMemory = 4 << 30

// machineMemory returns the bytes of memory of the machine or the container.
func machineMemory() int64 {
	memory := int64(assumedMemory)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		_, rest, _ := bytes.Cut(text, []byte("MemTotal:"))
		if f := bytes.Fields(rest); len(f) > 0 {
			if kib, err := strconv.ParseInt(string(f[0]), 10, 64); err == nil {
				memory = kib << 10
			}
		}
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			memory = min(memory, n)
		}
	}
	return memory
}
