package processor

import (
	"slices"

	"github.com/cespare/xxhash/v2"
)

// pixels are the message ids of a customer's latest pixel events. A shop's page
// and its server both report such an event, under one id and each with a
// timestamp of its own, so the later one cannot be told from a new event by its
// age as a retry can; see seen. What is not listed is new, unless so many came
// within seenHours that the list forgot some; then the store is asked.
//
// The first copy says what happened: what was decided by it stays true. Of the
// second one only holds what it says besides, who the customer is and what may
// be done with their data: the page knows of the refusal, the server of the user.
type pixels struct {
	list []pixel
	lost uint32 // the latest hour in which one came that is not listed any more; 0 = none
}

type pixel struct {
	hour uint32 // of the log, in which it was applied
	id   uint64 // of the message alone: it is the same for the ids of one person
}

const (
	maxPixels     = 32 // of one customer
	maxHeldEvents = 64 // and offers, that wait for another id
)

// copied reports whether a pixel event with this message id was applied before,
// and notes the id of one that was not. Only who has a list is asked for what
// is no pixel event.
func (c *Customer) copied(m *Machine, e *Event) bool {
	id := xxhash.Sum64String(e.MessageID)
	hour := hourOf(m.shop.Now)
	since := hour - min(hour, seenHours)
	if c.Pixels != nil {
		for _, p := range c.Pixels.list {
			if p.id == id && p.hour >= since {
				return true
			}
		}
	}
	if !e.Pixel {
		return false
	}
	if c.Pixels == nil {
		c.Pixels = &pixels{}
	}
	x := c.Pixels
	if x.lost != 0 && x.lost >= since && m.wasSeen(seenID(c.hash, e.MessageID)) {
		return true
	}
	x.list = append(x.list, pixel{hour, id})
	x.thin(since)
	return false
}

// thin drops what is too old to be asked for, and the oldest beyond the limit.
func (x *pixels) thin(since uint32) {
	n := 0
	for n < len(x.list) && x.list[n].hour < since {
		n++
	}
	if over := len(x.list) - maxPixels; over > n {
		n = over
		x.lost = max(x.lost, x.list[n-1].hour)
	}
	x.list = slices.Delete(x.list, 0, n)
}

// copyEvent takes from a second copy what it says of the customer.
func (c *Customer) copyEvent(m *Machine, e *Event) {
	learned, refused := c.Profile.observe(e, m.shop.Now)
	c.crawled(m, e, learned, refused)
}

// heldPixel learns from a pixel event who is who. While what another id has is
// on its way here, the event waits for it: that id may have the other copy.
func (c *Customer) heldPixel(m *Machine, e *Event) bool {
	if e.UserID == "" || e.AnonymousID == "" {
		return false
	}
	c.Known = true
	c.identityEvent(m, e)
	l := c.Identity.link(e.AnonymousID)
	if l == nil || l.State != linkAsked || len(c.Identity.Held) >= maxHeldEvents {
		return false
	}
	c.Identity.Held = append(c.Identity.Held, Message{
		Type: PassOn, Customer: c.ID, Body: AppendEvent([]byte{byte(EventEntry)}, e), From: m.hops,
	})
	c.ready(m)
	return true
}

// takeHeld goes on with the offers and events that waited for another id.
func (c *Customer) takeHeld(m *Machine, held []Message) {
	for i := range held {
		if held[i].Type == PassOn {
			c.passedOn(m, &held[i])
		} else {
			c.offered(m, &held[i])
		}
	}
}

// mergePixels takes over what another id has seen.
func (c *Customer) mergePixels(b *pixels) {
	if b == nil {
		return
	}
	if c.Pixels == nil {
		c.Pixels = &pixels{}
	}
	x := c.Pixels
	x.list = append(x.list, b.list...)
	slices.SortStableFunc(x.list, func(a, b pixel) int { return int(a.hour) - int(b.hour) })
	x.lost = max(x.lost, b.lost)
	x.thin(0)
}

func (x *pixels) bytes() int {
	if x == nil {
		return 0
	}
	return 32 + 16*cap(x.list)
}

func (x *pixels) encode(w *writer) {
	w.bool(x != nil)
	if x == nil {
		return
	}
	w.uint(uint64(x.lost))
	w.uint(uint64(len(x.list)))
	last := uint32(0)
	for _, p := range x.list {
		w.uint(uint64(p.hour - last))
		w.u64(p.id)
		last = p.hour
	}
}

func decodePixels(r *reader) *pixels {
	if !r.bool() {
		return nil
	}
	x := &pixels{lost: uint32(r.uint())}
	x.list = make([]pixel, r.count(9))
	last := uint32(0)
	for i := range x.list {
		last += uint32(r.uint())
		x.list[i] = pixel{last, r.u64()}
	}
	return x
}
