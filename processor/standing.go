package processor

import "slices"

// Standing is how things stand between a customer and the shop beyond what was
// bought and permitted: conversations that went wrong, kinds of message that
// another system sends, messages that may still arrive though they were taken
// back. Most customers have none.
type Standing struct {
	Cases     []Case    // by conversation
	Elsewhere []string  // classes of message another system owns for this customer
	Taken     []Taken   // messages taken back while their channel had them
	Shown     []Pending // messages that stand on the site; see banner.go
}

// Case is a conversation in which something is open: marketing waits until it
// is closed. It is a function of the set of events, whatever their order.
type Case struct {
	ID     string // of the conversation
	Opened int64  // latest event that opened it, when it happened
	Closed int64  // latest event that closed it
	Until  int64  // log time after which it holds nothing any more
}

const (
	// maxCases bounds the cases kept of one customer; the oldest goes first.
	maxCases = 16
	// caseMemoryMS is how long a case that nobody closes holds marketing.
	caseMemoryMS = 30 * 24 * 3600_000
)

func (s *Standing) bytes() int {
	if s == nil {
		return 0
	}
	return 64 + 64*cap(s.Cases) + 24*cap(s.Elsewhere) + 220*cap(s.Taken) + 900*len(s.Shown)
}

func (s *Standing) encode(w *writer) {
	w.bool(s != nil)
	if s == nil {
		return
	}
	w.uint(uint64(len(s.Cases)))
	for i := range s.Cases {
		x := &s.Cases[i]
		w.str(x.ID)
		w.int(x.Opened)
		w.int(x.Closed)
		w.int(x.Until)
	}
	writeStrings(w, s.Elsewhere)
	w.uint(uint64(len(s.Taken)))
	for i := range s.Taken {
		s.Taken[i].encode(w)
	}
	w.uint(uint64(len(s.Shown)))
	for i := range s.Shown {
		s.Shown[i].encode(w)
	}
}

func decodeStanding(r *reader) *Standing {
	if !r.bool() {
		return nil
	}
	s := &Standing{}
	if n := r.count(4); n > 0 {
		s.Cases = make([]Case, n)
		for i := range s.Cases {
			s.Cases[i] = Case{r.str(), r.int(), r.int(), r.int()}
		}
	}
	s.Elsewhere = readStrings(r)
	if n := r.count(8); n > 0 {
		s.Taken = make([]Taken, n)
		for i := range s.Taken {
			s.Taken[i].decode(r)
		}
	}
	if n := r.count(8); n > 0 {
		s.Shown = make([]Pending, n)
		for i := range s.Shown {
			s.Shown[i].decode(r)
		}
	}
	return s
}

func (c *Customer) standing() *Standing {
	if c.Standing == nil {
		c.Standing = &Standing{}
	}
	return c.Standing
}

// talk applies a message from the customer or an answer. One with a negative
// sentiment opens a case, be it a mail, a call or a post; an answer closes it,
// unless the customer left it unhappy.
func (c *Customer) talk(m *Machine, e *Event) (less, more bool) {
	p := properties(e.Properties)
	id := p.id("conversation_id")
	if id == "" {
		id = e.Channel
	}
	switch {
	case negative(p.str("sentiment")):
		return c.openCase(m, id, e.At), false
	case e.Kind == MessageAnswered:
		return false, c.closeCase(m, id, e.At)
	}
	return false, false
}

// negative reads a sentiment: a word, or a number below zero.
func negative(sentiment string) bool {
	return sentiment == "negative" || len(sentiment) > 1 && sentiment[0] == '-'
}

// openCase opens the case of a conversation at the time something happened and
// reports whether one is open that was not.
func (c *Customer) openCase(m *Machine, id string, at int64) bool {
	was := c.caseOpen(m)
	x := c.talkCase(id)
	x.Opened = max(x.Opened, at)
	x.Until = m.shop.Now + caseMemoryMS
	return !was && c.caseOpen(m)
}

// closeCase closes the case of a conversation, also one whose opening has not
// arrived yet, and reports whether none is open any more.
func (c *Customer) closeCase(m *Machine, id string, at int64) bool {
	was := c.caseOpen(m)
	x := c.talkCase(id)
	x.Closed = max(x.Closed, at)
	return was && !c.caseOpen(m)
}

func (c *Customer) talkCase(id string) *Case {
	s := c.standing()
	for i := range s.Cases {
		if s.Cases[i].ID == id {
			return &s.Cases[i]
		}
	}
	if len(s.Cases) >= maxCases {
		oldest := 0
		for i := range s.Cases {
			if s.Cases[i].latest() < s.Cases[oldest].latest() {
				oldest = i
			}
		}
		s.Cases = slices.Delete(s.Cases, oldest, oldest+1)
	}
	s.Cases = append(s.Cases, Case{ID: clone(id)})
	return &s.Cases[len(s.Cases)-1]
}

func (x *Case) latest() int64 { return max(x.Opened, x.Closed) }

// caseOpen reports whether a case is open.
func (c *Customer) caseOpen(m *Machine) bool {
	return c.Standing != nil && slices.ContainsFunc(c.Standing.Cases, func(x Case) bool {
		return x.Opened > x.Closed && m.shop.Now < x.Until
	})
}

// owned learns from the trait owned_by which classes of message another system
// sends to this customer: {marketing: crm}. An empty name, or onhand, gives the
// class back.
func (c *Customer) owned(e *Event) {
	properties(e.Traits).object("owned_by").each(func(class string, v properties) {
		owner := v.text()
		elsewhere := owner != "" && owner != "onhand"
		if !elsewhere && c.Standing == nil {
			return
		}
		s := c.standing()
		i := slices.Index(s.Elsewhere, class)
		switch {
		case elsewhere && i < 0 && slices.Contains([]string{"transactional", "service", "marketing"}, class):
			s.Elsewhere = append(s.Elsewhere, clone(class))
		case !elsewhere && i >= 0:
			s.Elsewhere = slices.Delete(s.Elsewhere, i, i+1)
		}
	})
}

// elsewhere reports whether a class of message is another system's.
func (c *Customer) elsewhere(class string) bool {
	return c.Standing != nil && slices.Contains(c.Standing.Elsewhere, class)
}

func (s *Standing) view(now int64, v *CustomerView) {
	if s == nil {
		return
	}
	for _, x := range s.Cases {
		if x.Opened > x.Closed && now < x.Until {
			v.Cases = append(v.Cases, CaseView{x.ID, Instant(x.Opened)})
		}
	}
	v.Elsewhere = slices.Clone(s.Elsewhere)
	for i := range s.Shown {
		if x := &s.Shown[i]; x.Expires == 0 || x.Expires > now {
			v.Shown = append(v.Shown, ShownView{x.ID, x.Moment, x.Value, Instant(x.Expires)})
		}
	}
}
