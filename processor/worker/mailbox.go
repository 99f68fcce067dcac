package worker

import "sync"

// mailbox is how everybody else talks to a loop: what is posted is run between
// its steps, on its goroutine, in order.
type mailbox struct {
	mu     sync.Mutex
	posts  []func()
	spare  []func()
	closed bool
	wake   chan struct{} // capacity 1
}

// post hands f to the loop; false when the loop has ended.
func (b *mailbox) post(f func()) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.posts = append(b.posts, f)
	b.mu.Unlock()
	b.nudge()
	return true
}

// nudge makes the loop look around.
func (b *mailbox) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// run runs what was posted and reports whether there was anything.
func (b *mailbox) run() bool {
	b.mu.Lock()
	posts := b.posts
	b.posts, b.spare = b.spare[:0], nil
	b.mu.Unlock()
	for _, f := range posts {
		f()
	}
	clear(posts)
	b.mu.Lock()
	b.spare = posts[:0]
	b.mu.Unlock()
	return len(posts) > 0
}

// close drops what is posted from now on.
func (b *mailbox) close() {
	b.mu.Lock()
	b.closed, b.posts = true, nil
	b.mu.Unlock()
}
