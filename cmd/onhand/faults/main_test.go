package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"onhand/processor/jetstream/clustertest"
)

var (
	kills = flag.Int("kill", 0, "how often TestKill kills; 0 = a few times")
	chaos = flag.Duration("chaos", 0, "how long TestChaos goes on with faults; 0 = a fixed, short schedule")
	fault = flag.String("fault", "", "of TestChaos: only the faults whose names contain this; measures nothing")
	words = flag.String("words", "", "folder in which all that the processes of a failed test have said is kept, and what their goroutines were doing")
	given = flag.String("onhand", "", "path of the program to test; it is built without")
	seed  = flag.Uint64("seed", 1, "of the load and of the moments of the faults; 0 = one from the clock")
)

// program is the path of the program under test.
var program string

func TestMain(m *testing.M) {
	if clustertest.Main() {
		return
	}
	if clock := os.Getenv(childClock); clock != "" {
		runChildService(clock)
		return
	}
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	// The tests wait more than they compute: all of them run at once.
	err := flag.Set("test.parallel", "8")
	dir, tempErr := os.MkdirTemp("", "onhand-faults-")
	err = errors.Join(err, tempErr)
	if program = *given; program == "" && err == nil {
		program = filepath.Join(dir, "onhand")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", program, "onhand/cmd/onhand").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the program under test:", err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// rounds returns how often to do something: a few times, or as the flag says.
func rounds(short int) int {
	if *kills > 0 {
		return *kills
	}
	return short
}
