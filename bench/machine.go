package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine says where and how the figures were taken.
type Machine struct {
	CPU       string  `json:"cpu"`
	Cores     int     `json:"cores"`
	MemoryMiB int     `json:"memory_mib"`
	Go        string  `json:"go"`
	OS        string  `json:"os"`
	Kernel    string  `json:"kernel"`
	Revision  string  `json:"revision,omitempty"` // of the source
	Sync      string  `json:"sync"`               // when acknowledged writes are on disk: always, or interval (two minutes)
	Given     float64 `json:"cores_given"`        // of the cores, what busy threads get
	MemoryNs  float64 `json:"memory_ns"`          // a random read that no cache answers
	FsyncP50  float64 `json:"fsync_p50_ms"`       // of 4 KiB appended in the folder used
	FsyncP99  float64 `json:"fsync_p99_ms"`
	LoadStart string  `json:"load_start"` // average of the last minute
	LoadEnd   string  `json:"load_end"`
	Quick     bool    `json:"quick"`
	Command   string  `json:"command"`
}

func describe(dir string) (Machine, error) {
	m := Machine{
		CPU: line("/proc/cpuinfo", "model name"), Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(),
		OS: runtime.GOOS + "/" + runtime.GOARCH, Kernel: strings.TrimSpace(read("/proc/sys/kernel/osrelease")),
		LoadStart: load(), Command: strings.Join(append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...), " "),
	}
	kib, _ := strconv.Atoi(strings.TrimSuffix(line("/proc/meminfo", "MemTotal"), " kB"))
	m.MemoryMiB = kib >> 10
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				m.Revision = s.Value
			}
		}
	}
	m.Given = coresGiven()
	var err error
	if m.MemoryNs, err = memoryWait(); err != nil {
		return m, err
	}
	m.FsyncP50, m.FsyncP99, err = fsync(dir)
	return m, err
}

// fsync measures what it costs to have 4 KiB on disk, in ms.
func fsync(dir string) (p50, p99 float64, err error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return 0, 0, fmt.Errorf("bench: %w; choose a folder with room", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := bytes.Repeat([]byte{1}, 4096)
	var took []float64
	for range 200 {
		start := time.Now()
		if _, err = f.Write(block); err == nil {
			err = f.Sync()
		}
		if err != nil {
			return 0, 0, err
		}
		took = append(took, ms(time.Since(start)))
	}
	slices.Sort(took)
	return took[100], took[198], nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// line returns what follows "key:" in a file of the kernel.
func line(path, key string) string {
	_, rest, _ := strings.Cut(read(path), key)
	value, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(value, " \t:")
}

func load() string {
	first, _, _ := strings.Cut(read("/proc/loadavg"), " ")
	return first
}

// rss returns the memory of this process in MiB.
func rss() float64 {
	kib, _ := strconv.Atoi(strings.TrimSuffix(line("/proc/self/status", "VmRSS"), " kB"))
	return float64(kib) / 1024
}

// cpu returns the processor time this process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
