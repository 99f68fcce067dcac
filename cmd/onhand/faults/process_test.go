package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"onhand/processor/jetstream"
	"onhand/processor/jetstream/clustertest"

	"github.com/stretchr/testify/require"
)

// process is one onhand run, over all its lives.
type process struct {
	t    testing.TB
	name string
	data string
	addr string
	args []string
	path string   // of the program; "" = the one under test
	env  []string // besides ours

	mu     sync.Mutex
	stderr bytes.Buffer // of all lives
	cmd    *exec.Cmd
	exited chan struct{} // closed when the present life is over
}

// newProcess describes a service on a data folder and a free port. It is
// killed at the end of the test when it still runs.
func newProcess(t testing.TB, name, data string, args ...string) *process {
	p := &process{t: t, name: name, data: data, addr: freeAddress(t)}
	p.args = append([]string{"run", "--data", data, "--http", p.addr, "--sync", "interval"}, args...)
	return p.untilEnd()
}

// untilEnd kills the process at the end of the test. What it said is shown when
// the test has failed; with -words all of it is kept, and what it was doing.
func (p *process) untilEnd() *process {
	t := p.t
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, middle(p.said(), 20))
			if *words != "" && p.running() {
				p.signal(syscall.SIGQUIT)
				<-p.exited
			}
		}
		p.kill()
		if t.Failed() && *words != "" {
			file := filepath.Join(*words, strings.ReplaceAll(t.Name()+" "+p.name, "/", " ")+".log")
			require.NoError(t, os.WriteFile(file, []byte(p.said()), 0o600))
		}
	})
	return p
}

func freeAddress(t testing.TB) string {
	port, err := clustertest.FreePort()
	require.NoError(t, err)
	return fmt.Sprint("127.0.0.1:", port)
}

// moments is the path of the rules all services here run.
func moments(t testing.TB) string {
	path, err := filepath.Abs("testdata/moments.yaml")
	require.NoError(t, err)
	return path
}

// Write takes what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// middle leaves out the middle of a long text.
func middle(s string, lines int) string {
	all := strings.Split(s, "\n")
	if n := len(all) - lines; n > 0 {
		all = slices.Replace(all, lines/2, lines/2+n, fmt.Sprintf("... %d lines ...", n))
	}
	return strings.Join(all, "\n")
}

// start begins a life.
func (p *process) start() {
	p.t.Helper()
	path := p.path
	if path == "" {
		path = program
	}
	cmd := exec.Command(path, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p, p
	cmd.SysProcAttr = dieWithUs()
	require.NoError(p.t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // ProcessState says it
	}()
	p.cmd, p.exited = cmd, exited
}

// signal sends a signal. One that is over already hears nothing.
func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the present life at once.
func (p *process) kill() {
	if p.cmd != nil {
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
}

// stop ends the present life in order.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT)
		<-p.exited
		require.FailNow(p.t, p.name+" does not stop on SIGTERM")
	}
	require.Zero(p.t, p.cmd.ProcessState.ExitCode(), "%s, stopped: %v", p.name, p.cmd.ProcessState)
}

// running reports whether a life has begun and goes on.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// mustRun fails the test when the present life has ended, but for a service that
// could not reach NATS for a minute: it is started again, as a supervisor does.
func (p *process) mustRun() {
	p.t.Helper()
	if p.running() {
		return
	}
	if last := p.lastWord(); p.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(last, jetstream.ErrUnavailable.Error()) {
		require.FailNow(p.t, p.name+" has ended", "%v: %s", p.cmd.ProcessState, last)
	}
	p.start()
}

// lastWord returns the last line of what the process said.
func (p *process) lastWord() string {
	said := strings.TrimSpace(p.said())
	return said[strings.LastIndexByte(said, '\n')+1:]
}

var client = &http.Client{Timeout: 10 * time.Second}

// get asks the service, and returns status 0 when it does not answer.
func (p *process) get(path string) (status int, body []byte) {
	resp, err := client.Get("http://" + p.addr + path)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, body
}

// waitReady waits until the service says it is ready, and returns how long
// that took.
func (p *process) waitReady() time.Duration {
	p.t.Helper()
	begin := time.Now()
	waitFor(p.t, p.name+" to be ready", func() string {
		p.mustRun()
		status, body := p.get("/readyz")
		if status == http.StatusOK {
			return ""
		}
		return fmt.Sprint(status, " ", string(body))
	})
	return time.Since(begin)
}

// partition is what of /api/v1/status matters here.
type partition struct {
	Partition                 int
	Owner, Standby            string
	Phase, Reason             string
	Epoch                     uint64
	Position, End, Lag, Saved uint64
}

// partitions returns how the partitions stand, nil when nobody answers.
func (p *process) partitions() []partition {
	var s struct{ Partitions []partition }
	status, body := p.get("/api/v1/status")
	if status != http.StatusOK || json.Unmarshal(body, &s) != nil {
		return nil
	}
	return s.Partitions
}

// live returns the partitions that run here.
func (p *process) live() (all []partition) {
	for _, x := range p.partitions() {
		if x.Phase == "live" && x.Owner == p.addr {
			all = append(all, x)
		}
	}
	return all
}

// patience is how long anything is waited for that must happen. It says nothing
// of how fast that is, which is measured: a disk that stands still for ten
// seconds makes things late, not wrong.
const patience = 2 * time.Minute

// waitFor waits until cond says nothing any more. Else it tells why.
func waitFor(t testing.TB, what string, cond func() string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		why := cond()
		if why == "" {
			return
		}
		if time.Now().After(end) {
			require.FailNow(t, fmt.Sprintf("waited %v for %s", patience, what), why)
		}
	}
}

// waitQuiet waits until all partitions have applied all of their logs and
// nothing has come for a while: every story of the load has ended.
func waitQuiet(t testing.TB, services ...*process) {
	t.Helper()
	var ends map[int]uint64
	since := time.Now()
	waitFor(t, "quiet", func() string {
		now := map[int]uint64{}
		for _, s := range services {
			for _, x := range s.live() {
				if x.Lag == 0 {
					now[x.Partition] = x.End
				}
			}
		}
		if len(now) != partitions {
			since = time.Now()
			return fmt.Sprintf("%d of %d partitions have applied everything", len(now), partitions)
		}
		for p, end := range now {
			if ends[p] != end {
				ends, since = now, time.Now()
				break
			}
		}
		if d := time.Since(since); d < quiet {
			return fmt.Sprintf("the logs have rested for %v", d)
		}
		return ""
	})
}

const (
	partitions = 8
	// quiet is longer than the longest wait of the moments between two of their
	// steps.
	quiet = 2500 * time.Millisecond
)
