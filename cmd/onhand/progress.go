package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progress shows how far long work has come: one line that is written over on
// a terminal, a line every few seconds elsewhere.
type progress struct {
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

const (
	terminalEvery = 200 * time.Millisecond
	plainEvery    = 5 * time.Second
	barWidth      = 24
)

// showProgress writes what line returns until Stop. done is from 0 to 1, below
// 0 when it is not known.
func showProgress(w io.Writer, line func() (done float64, text string)) *progress {
	ctx, stop := context.WithCancel(context.Background())
	p := &progress{stop: stop}
	p.tasks.Go(func() {
		live := terminal(w)
		every := plainEvery
		if live {
			every = terminalEvery
		}
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
			case <-ctx.Done():
				if live {
					io.WriteString(w, "\r\x1b[K")
				}
				return
			}
			done, text := line()
			if live {
				io.WriteString(w, "\r"+bar(done)+text+"\x1b[K")
			} else {
				fmt.Fprintln(w, text)
			}
		}
	})
	return p
}

// Stop ends the writing and waits for it.
func (p *progress) Stop() {
	p.stop()
	p.tasks.Wait()
}

func bar(done float64) string {
	if done < 0 {
		return ""
	}
	n := int(min(done, 1) * barWidth)
	return "[" + strings.Repeat("#", n) + strings.Repeat(".", barWidth-n) + "] "
}

// grouped writes a number with a comma every three digits.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
