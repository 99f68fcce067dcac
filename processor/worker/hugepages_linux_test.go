package worker

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// heapSink keeps what a test allocates on the heap.
var heapSink []byte

func TestTheHeapLiesInHugePages(t *testing.T) {
	const file = "/sys/kernel/mm/transparent_hugepage/enabled"
	if mode, err := os.ReadFile(file); err != nil || bytes.Contains(mode, []byte("[never]")) {
		t.Skipf("%s is %q (%v): this system gives none", file, mode, err)
	}
	huge := func() int {
		text, err := os.ReadFile("/proc/self/smaps_rollup")
		require.NoError(t, err)
		_, rest, _ := bytes.Cut(text, []byte("AnonHugePages:"))
		_, resident, _ := bytes.Cut(text, []byte("Rss:"))
		t.Logf("resident %s, in huge pages %s", bytes.Fields(resident)[0], bytes.Fields(rest)[0])
		kib := 0
		for _, digit := range bytes.Fields(rest)[0] {
			kib = 10*kib + int(digit-'0')
		}
		return kib
	}
	before := huge()
	hugePages(1 << 30)
	require.Less(t, huge()-before, 64<<10, "addresses take no memory")

	heapSink = make([]byte, 200<<20)
	for i := 0; i < len(heapSink); i += 4096 {
		heapSink[i] = 1
	}
	require.Greater(t, huge()-before, 20<<10, "a tenth of what is used, on a machine whose memory is in pieces")
	heapSink = nil
}
