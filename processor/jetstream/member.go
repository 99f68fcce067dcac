package jetstream

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Worker is a live process of the deployment.
type Worker struct {
	ID   string
	Info []byte // as given to Join or Update
}

// Member is this process among the workers. It writes a heartbeat four times
// per lease and hears those of the others as they are written. A worker not
// heard of for a lease is gone; but only a member that is heard itself may say
// so: who cannot reach NATS keeps the list it has, for nobody loses a partition
// by silence alone.
type Member struct {
	log   *Log
	id    string
	lease time.Duration
	heard chan *nats.Msg

	mu      sync.Mutex
	info    []byte
	acked   time.Duration // log.now() of the last heartbeat that was acknowledged
	workers map[string]sighting

	changes chan struct{}
	beat    chan struct{} // beat now
	stop    chan struct{}
	once    sync.Once
	done    chan struct{}
}

// sighting is the last sign of life of a worker.
type sighting struct {
	info []byte
	at   time.Duration // log.now()
}

// A member is heard and looks for who has fallen silent so often per lease.
const (
	beatsPerLease = 4
	looksPerLease = 16
)

// Join makes this process a worker. id is a token (letters, digits, - and _)
// no other process has; info is what the others should know, up to a few KB.
func (l *Log) Join(ctx context.Context, id string, info []byte) (*Member, error) {
	if !isToken(id) {
		return nil, fmt.Errorf("jetstream: worker id %q: use letters, digits, - and _", id)
	}
	m := &Member{
		log: l, id: id, lease: l.lease, info: bytes.Clone(info), workers: map[string]sighting{},
		heard: make(chan *nats.Msg, 1024), changes: make(chan struct{}, 1), beat: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	// Listen before reading the bucket, so that nobody is missed.
	sub, err := l.read.nc.ChanSubscribe(m.subject("*"), m.heard)
	if err != nil {
		return nil, unsent(err)
	}
	if err = l.ask(ctx, "joining as "+id, m.enter); err == nil {
		err = l.adopt(m)
	}
	if err != nil {
		_ = sub.Unsubscribe()
		return nil, err
	}
	go m.run(sub)
	return m, nil
}

func (m *Member) subject(id string) string { return "$KV." + m.log.workersBucket() + "." + id }

// enter writes the first heartbeat and reads those of the others.
func (m *Member) enter(ctx context.Context) error {
	kv := m.log.workers
	now := m.log.now()
	if _, err := kv.Put(ctx, m.id, m.info); err != nil {
		return err
	}
	m.acked = now
	m.workers[m.id] = sighting{m.info, now}
	keys, err := kv.ListKeys(ctx)
	if err != nil {
		return err
	}
	for id := range keys.Keys() {
		if e, err := kv.Get(ctx, id); err == nil {
			m.workers[id] = sighting{e.Value(), now}
		}
	}
	return nil
}

// Workers returns the live workers by id, this one included.
func (m *Member) Workers() []Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Worker
	for id, s := range m.workers {
		all = append(all, Worker{id, s.info})
	}
	slices.SortFunc(all, func(a, b Worker) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Changes is signalled when Workers may return something else.
func (m *Member) Changes() <-chan struct{} { return m.changes }

// Alive reports whether the others can hear this member: a heartbeat was
// acknowledged within the lease.
func (m *Member) Alive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.alive()
}

// Silence returns how long ago the last heartbeat was sent that was
// acknowledged.
func (m *Member) Silence() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.now() - m.acked
}

func (m *Member) alive() bool { return m.log.now()-m.acked <= m.lease }

// Lease returns how long a silent member counts as alive.
func (m *Member) Lease() time.Duration { return m.lease }

// Update tells the others something else, at once.
func (m *Member) Update(info []byte) {
	m.mu.Lock()
	m.info = bytes.Clone(info)
	m.mu.Unlock()
	signal(m.beat)
}

// Leave tells the others that this worker is gone, and ends the Member.
func (m *Member) Leave(ctx context.Context) error {
	m.halt()
	return m.log.ask(ctx, "leaving as "+m.id, func(ctx context.Context) error {
		return m.log.workers.Delete(ctx, m.id)
	})
}

func (m *Member) halt() {
	m.once.Do(func() { close(m.stop) })
	<-m.done
}

func (m *Member) reconnected(c *connection) {
	if c == m.log.read {
		signal(m.beat)
	}
}

func (m *Member) run(sub *nats.Subscription) {
	defer close(m.done)
	defer m.log.release(m)
	defer func() { _ = sub.Unsubscribe() }()
	tick := time.NewTicker(m.lease / looksPerLease)
	defer tick.Stop()
	for said := m.log.now(); ; {
		changed := false
		select {
		case msg := <-m.heard:
			changed = m.hear(msg)
		case <-tick.C:
			if m.log.now()-said >= m.lease/beatsPerLease {
				said = m.log.now()
				m.say()
			}
			changed = m.expire()
		case <-m.beat:
			said = m.log.now()
			m.say()
		case <-m.stop:
			return
		}
		if changed {
			signal(m.changes)
		}
	}
}

// say writes a heartbeat.
func (m *Member) say() {
	m.mu.Lock()
	info := m.info
	m.mu.Unlock()
	now := m.log.now()
	_ = m.log.lane(0).publish(m.subject(m.id), m.log.workersBucket(), nil, info, func(_ uint64, err error) {
		if err == nil {
			m.mu.Lock()
			m.acked = max(m.acked, now)
			m.mu.Unlock()
		}
	})
}

// hear takes a sign of life, or of leaving.
func (m *Member) hear(msg *nats.Msg) (changed bool) {
	id := msg.Subject[len(m.subject("")):]
	m.mu.Lock()
	defer m.mu.Unlock()
	old, known := m.workers[id]
	if msg.Header.Get("KV-Operation") != "" {
		delete(m.workers, id)
		return known
	}
	m.workers[id] = sighting{msg.Data, m.log.now()}
	return !known || !bytes.Equal(old.info, msg.Data)
}

// expire drops who has been silent for a lease. While this member is not heard
// itself it may be deaf too, and silence says nothing.
func (m *Member) expire() (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, alive := m.log.now(), m.alive()
	for id, s := range m.workers {
		switch {
		case id == m.id:
		case !alive:
			s.at = now
			m.workers[id] = s
		case now-s.at > m.lease:
			delete(m.workers, id)
			changed = true
		}
	}
	return changed
}
