package shop

import "container/heap"

// agenda is a heap of tasks by time.
type agenda struct {
	tasks []task
	n     int
}

// add schedules a task at a time, in microseconds.
func (a *agenda) add(at int64, must bool, run func() (Event, bool)) {
	a.n++
	heap.Push(a, task{at: at, n: a.n, must: must, run: run})
}

// pop takes the first task.
func (a *agenda) pop() task { return heap.Pop(a).(task) }

func (a *agenda) Len() int { return len(a.tasks) }
func (a *agenda) Less(i, j int) bool {
	x, y := &a.tasks[i], &a.tasks[j]
	return x.at < y.at || x.at == y.at && x.n < y.n
}
func (a *agenda) Swap(i, j int) { a.tasks[i], a.tasks[j] = a.tasks[j], a.tasks[i] }
func (a *agenda) Push(x any)    { a.tasks = append(a.tasks, x.(task)) }
func (a *agenda) Pop() any {
	t := a.tasks[len(a.tasks)-1]
	a.tasks[len(a.tasks)-1] = task{}
	a.tasks = a.tasks[:len(a.tasks)-1]
	return t
}

// task is something that happens later. Its run may find that nothing is left
// to say.
type task struct {
	at   int64
	n    int // order among tasks of one time
	must bool
	run  func() (Event, bool)
}

// voice numbers events and writes them down.
type voice struct {
	said  int // copies not counted
	arena []byte
}

// say completes an event that has a timestamp: number and JSON. The JSON lies
// in a chunk that is never reused, so that callers may keep events without
// copying them.
func (v *voice) say(e Event, x extras) Event {
	const chunk = 256 << 10
	e.Seq = v.said
	v.said++
	if cap(v.arena)-len(v.arena) < 16<<10 {
		v.arena = make([]byte, 0, chunk)
	}
	from := len(v.arena)
	v.arena = appendCall(v.arena, &e, &x)
	e.JSON = v.arena[from:len(v.arena):len(v.arena)]
	return e
}
