package segment

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"onhand/processor"
)

// metaEvents are the seventeen standard events of Meta, with what a shop sends.
var metaEvents = map[string]string{
	"AddPaymentInfo": "Payment Info Entered", "AddToCart": "Product Added", "AddToWishlist": "Product Added to Wishlist", "CompleteRegistration": "Signed Up",
	"Contact": "Contact Made", "CustomizeProduct": "Product Customized", "Donate": "Donation Made", "FindLocation": "Store Searched", "InitiateCheckout": "Checkout Started",
	"Lead": "Lead Submitted", "Purchase": "Order Completed", "Schedule": "Appointment Scheduled", "Search": "Products Searched", "StartTrial": "Trial Started",
	"SubmitApplication": "Application Submitted", "Subscribe": "Subscription Started", "ViewContent": "Product Viewed",
}

// TestMetaKeeps checks that the event keeps what Meta wants to be told of it
// again: id, value, currency and content ids, as a field or as it was sent.
func TestMetaKeeps(t *testing.T) {
	if len(metaEvents) != 17 {
		t.Fatal(len(metaEvents))
	}
	for name, ours := range metaEvents {
		events := parse(t, track(name, `{"content_ids":["lamp"],"value":19.5,"currency":"USD"}`))
		if len(events) != 1 {
			t.Errorf("%s: %d events", name, len(events))
			continue
		}
		e := &events[0]
		title := e.Kind.String()
		if e.Kind == processor.Custom {
			title = e.Name
		}
		if title != ours || e.MessageID != "m1" {
			t.Errorf("%s: %s with id %q", name, title, e.MessageID)
		}
		rest := string(e.Properties)
		inLine := len(e.Products) == 1 && e.Products[0].SKU == "lamp"
		if e.SKU != "lamp" && !inLine && !strings.Contains(rest, `"content_ids":["lamp"]`) {
			t.Errorf("%s: content ids are lost: %+v", name, e)
		}
		if e.Total != 1950 && !strings.Contains(rest, `"value":19.5`) {
			t.Errorf("%s: the value is lost: %+v", name, e)
		}
		if e.Currency != "USD" && !strings.Contains(rest, `"currency":"USD"`) {
			t.Errorf("%s: the currency is lost: %+v", name, e)
		}
	}
}

// TestMetaCopies sends each event from the browser, then from the server with
// the same id, and with a timestamp of its own: up to 48 hours later the customer
// must be as before and no other id be noted as applied, though many other
// events came meanwhile. One with another id must be.
func TestMetaCopies(t *testing.T) {
	const hour = int64(3600_000)
	for name := range metaEvents {
		for _, later := range []int64{0, 1, 47, 48} {
			for _, between := range []int{0, 100} {
				kept := &ledger{}
				m, err := processor.NewMachine(processor.Config{Partitions: 1, Memory: 1 << 20}, kept)
				if err != nil {
					t.Fatal(err)
				}
				seq := uint64(0)
				apply := func(at int64, source, id string) []byte {
					call := strings.Replace(track(name, `{"content_ids":["lamp"],"value":19.5,"currency":"USD"}`), `"m1"`, `"`+id+`"`, 1)
					call = strings.Replace(call, "2026-11-21T19:21:59.884Z", time.UnixMilli(at).UTC().Format(time.RFC3339Nano), 1)
					events, err := Parse(nil, []byte(call), Options{Source: source, Now: at})
					if err != nil || len(events) != 1 {
						t.Fatal(name, err)
					}
					seq++
					m.Apply(seq, at, processor.AppendRecordEntry(processor.AppendRecordHeader(nil, at), processor.AppendEvent([]byte{byte(processor.EventEntry)}, &events[0])), &processor.Outputs{})
					m.BeginFlush(kept)
					if !m.FlushSome(1000) {
						t.Fatal("more than was changed")
					}
					m.FlushDone()
					return kept.customer
				}
				first := apply(arrival, "web", "m1")
				if len(first) == 0 {
					t.Fatal("no customer")
				}
				for i := range between {
					first = apply(arrival+int64(i), "web", fmt.Sprint("other", i))
				}
				if second := apply(arrival+later*hour+300, "server", "m1"); !bytes.Equal(first, second) || kept.applied != 1+between {
					t.Errorf("%s: the copy %d h and %d events later was applied", name, later, between)
				}
				if apply(arrival+later*hour+300, "server", "m2"); kept.applied != 2+between {
					t.Errorf("%s: another event %d h later was not applied", name, later)
				}
			}
		}
	}
}

// ledger keeps what a machine writes behind: of entities only the customers,
// of whom there is one.
type ledger struct {
	customer []byte
	seen     map[uint64]uint32
	applied  int // ids noted, again or for the first time
}

func (*ledger) Mark() ([]byte, error)                                       { return nil, nil }
func (*ledger) Get(uint8, uint64, []byte) ([]byte, bool, error)             { return nil, false, nil }
func (*ledger) Timers(func(due int64, kind uint8, hash uint64) error) error { return nil }
func (*ledger) Scan(uint8, func(uint64, []byte) error) error                { return nil }
func (l *ledger) Seen(id uint64, since uint32) (bool, error) {
	hour, ok := l.seen[id]
	return ok && hour >= since, nil
}

func (l *ledger) Set(kind uint8, _ uint64, value []byte) {
	if kind == uint8(processor.CustomerKind) {
		l.customer = bytes.Clone(value)
	}
}
func (*ledger) Delete(uint8, uint64)             {}
func (*ledger) SetTimer(int64, uint8, uint64)    {}
func (*ledger) DeleteTimer(int64, uint8, uint64) {}
func (l *ledger) AddSeen(hour uint32, ids []uint64) {
	if l.seen == nil {
		l.seen = map[uint64]uint32{}
	}
	l.applied += len(ids)
	for _, id := range ids {
		l.seen[id] = hour
	}
}
func (*ledger) DropSeen(uint32) {}
func (*ledger) FiredUpTo(int64) {}
