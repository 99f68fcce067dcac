package connectors

import (
	"container/heap"
	"slices"
	"time"
)

// queue holds the jobs of one lane that wait for their turn. It is ordered
// twice, since a job leaves it in two ways: the one with the earliest deadline
// starts next, the one with the earliest end goes without having been started.
//
// Two actions of one customer are never under way together: while one is, the
// others are parked when their turn comes, out of the order of deadlines but not
// out of time.
type queue struct {
	byDeadline jobHeap // those that may start
	byEnd      jobHeap // all of them
	byAction   map[string]*job
	busy       map[string][]*job // customers under way and what is parked for them
}

// job is a Job in a lane.
type job struct {
	Job
	deadline time.Time // decides whose turn it is
	end      time.Time // leaves the queue at this time
	number   uint64    // of its arrival; decides between equal times
	probe    bool      // started to find out whether the channel is back
	place    [2]int    // in the two heaps; -1 when not in it
}

// The places of a job, one for each order.
const (
	deadlineOrder = iota
	endOrder
)

func newQueue() *queue {
	return &queue{
		byDeadline: jobHeap{order: deadlineOrder},
		byEnd:      jobHeap{order: endOrder},
		byAction:   map[string]*job{},
		busy:       map[string][]*job{},
	}
}

func (q *queue) len() int { return len(q.byEnd.jobs) }

func (q *queue) add(j *job) {
	q.byAction[j.Decision.Action.ID] = j
	heap.Push(&q.byEnd, j)
	heap.Push(&q.byDeadline, j)
}

// start takes out the job whose turn it is, or returns nil. From now on its
// customer is busy until done is called.
func (q *queue) start() *job {
	for len(q.byDeadline.jobs) > 0 {
		j := q.byDeadline.jobs[0]
		customer := j.Decision.Customer
		if parked, busy := q.busy[customer]; busy {
			heap.Remove(&q.byDeadline, 0)
			q.busy[customer] = append(parked, j)
			continue
		}
		q.remove(j)
		if customer != "" { // an action on an item has nobody to confuse
			q.busy[customer] = nil
		}
		return j
	}
	return nil
}

// done frees the customer of a job that was started.
func (q *queue) done(j *job) {
	customer := j.Decision.Customer
	parked := q.busy[customer]
	delete(q.busy, customer)
	for _, other := range parked {
		heap.Push(&q.byDeadline, other)
	}
}

// remove takes a job out wherever it is.
func (q *queue) remove(j *job) {
	delete(q.byAction, j.Decision.Action.ID)
	heap.Remove(&q.byEnd, j.place[endOrder])
	if at := j.place[deadlineOrder]; at >= 0 {
		heap.Remove(&q.byDeadline, at)
		return
	}
	customer := j.Decision.Customer
	q.busy[customer] = slices.DeleteFunc(q.busy[customer], func(other *job) bool { return other == j })
}

// takeAll takes out every job for which the condition holds, in no order.
func (q *queue) takeAll(condition func(*job) bool) []*job {
	var taken []*job
	for _, j := range q.byEnd.jobs {
		if condition(j) {
			taken = append(taken, j)
		}
	}
	for _, j := range taken {
		q.remove(j)
	}
	return taken
}

// nextEnd returns the time at which a job leaves the queue unless it starts
// before; zero when the queue is empty.
func (q *queue) nextEnd() time.Time {
	if q.len() == 0 {
		return time.Time{}
	}
	return q.byEnd.jobs[0].end
}

// jobHeap is a heap of jobs by one of their two times. Jobs know their place,
// so that any of them can be taken out.
type jobHeap struct {
	order int
	jobs  []*job
}

func (h *jobHeap) Len() int { return len(h.jobs) }

func (h *jobHeap) Less(i, k int) bool {
	a, b := h.jobs[i], h.jobs[k]
	at, bt := a.deadline, b.deadline
	if h.order == endOrder {
		at, bt = a.end, b.end
	}
	if c := at.Compare(bt); c != 0 {
		return c < 0
	}
	return a.number < b.number
}

func (h *jobHeap) Swap(i, k int) {
	h.jobs[i], h.jobs[k] = h.jobs[k], h.jobs[i]
	h.jobs[i].place[h.order], h.jobs[k].place[h.order] = i, k
}

func (h *jobHeap) Push(x any) {
	j := x.(*job)
	j.place[h.order] = len(h.jobs)
	h.jobs = append(h.jobs, j)
}

func (h *jobHeap) Pop() any {
	last := len(h.jobs) - 1
	j := h.jobs[last]
	h.jobs[last] = nil
	h.jobs = h.jobs[:last]
	j.place[h.order] = -1
	return j
}
