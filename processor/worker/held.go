package worker

import (
	"sync"
	"time"

	"onhand/connectors"
	"onhand/processor"
)

// held is what was put into the log about channels whose provider asked for a
// pause: the gate chooses another channel then, or says that none is in time.
type held struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// tell returns the control that a report calls for; false when the log knows.
func (h *held) tell(r *connectors.Report) (processor.Control, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := h.until[r.Channel]
	switch {
	case r.HeldUntil.After(told.Add(connectors.HoldTold)):
		if h.until == nil {
			h.until = map[string]time.Time{}
		}
		h.until[r.Channel] = r.HeldUntil
		return processor.Control{Type: processor.ChannelSays, Name: r.Channel, At: r.HeldUntil.UnixMilli()}, true
	case r.Delivery == processor.Delivered && told.After(r.At):
		delete(h.until, r.Channel)
		return processor.Control{Type: processor.ChannelSays, Name: r.Channel}, true
	}
	return processor.Control{}, false
}

// tellHeld puts into the log what a report says of its channel. When the log
// does not take it the next report says it again, or it has become untrue.
func (w *Worker) tellHeld(r *connectors.Report) {
	c, ok := w.held.tell(r)
	if !ok {
		return
	}
	record := processor.AppendRecordHeader(nil, w.cfg.Clock().UnixMilli())
	record = processor.AppendRecordEntry(record, processor.AppendControl(nil, &c))
	_ = w.log.AppendAsync(0, record, func(_ uint64, err error) {
		if err != nil {
			w.held.mu.Lock()
			delete(w.held.until, c.Name)
			w.held.mu.Unlock()
		}
	})
}
