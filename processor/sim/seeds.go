package sim

import (
	"fmt"
	"io"
	"time"
)

// Seeds runs the worlds of n seeds, beginning with from, with the whole moments
// file or without, each twice: what happens must be the same. It writes a line for each world that fails, with
// what it broke and how to see it again, and a summary, and returns the seeds
// that failed.
func Seeds(from uint64, n int, whole bool, out io.Writer) (failed []uint64) {
	start := time.Now()
	var sum Result
	for seed := from; seed < from+uint64(n); seed++ {
		r, err := Check(Config{Seed: seed, Whole: whole})
		if err != nil {
			failed = append(failed, seed)
			fmt.Fprintln(out, err)
		}
		sum.add(r)
	}
	fmt.Fprintf(out, "%d worlds, %d failed: %d turns, at rest in %d rounds at most, %d records, %d decisions, %d sent, %d crashes, %d takeovers, %d of them by a standby, %d commits refused, in %v\n",
		n, len(failed), sum.Turns, sum.Rounds, sum.Records, sum.Decisions, sum.Sent, sum.Crashes, sum.Takeovers, sum.Promoted, sum.Fenced, time.Since(start).Round(time.Millisecond))
	return failed
}

// Check runs one world twice and returns what became of it. The error says
// which promises were broken; that the same seed does the same is one of them.
func Check(cfg Config) (Result, error) {
	r := Run(cfg)
	cfg.Trace = nil
	if again := Run(cfg); again.Hash != r.Hash {
		r.Violations = append(r.Violations, Violation{Checker: "repeatable", Text: fmt.Sprintf("the second run of the seed differs: hash %016x, not %016x", again.Hash, r.Hash)})
	}
	return r, r.Err()
}

func (r *Result) add(x Result) {
	r.Turns += x.Turns
	r.Rounds = max(r.Rounds, x.Rounds)
	r.Facts += x.Facts
	r.Records += x.Records
	r.Commits += x.Commits
	r.Decisions += x.Decisions
	r.Sent += x.Sent
	r.Crashes += x.Crashes
	r.Takeovers += x.Takeovers
	r.Promoted += x.Promoted
	r.Fenced += x.Fenced
}
