package shop

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// minute is a shop on the scale of a demonstration: windows of seconds.
func minute(seed uint64, events int) Config {
	return Config{
		Seed: seed, Customers: 300, Items: 40, Events: events, Start: start, Rate: 500,
		Timing: Timing{AbandonAfter: 6 * time.Second, Hold: 8 * time.Second, Settle: time.Second},
		Store:  "paris-store",
	}
}

func all(s *Shop) []Event {
	var events []Event
	for {
		e, ok := s.Next()
		if !ok {
			return events
		}
		events = append(events, e)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	sum := func(seed uint64) [32]byte {
		h := sha256.New()
		s := New(minute(seed, 20000))
		for i := 0; ; i++ {
			e, ok := s.Next()
			if !ok {
				break
			}
			h.Write(e.JSON)
			if i%100 == 99 && e.SKU != "" && e.Customer != "" { // answers to offers are seeded too
				s.Offered(e.Customer, e.SKU, MessageID(i), e.At.Add(5*time.Second))
			}
		}
		return [32]byte(h.Sum(nil))
	}
	require.Equal(t, sum(1), sum(1))
	require.NotEqual(t, sum(1), sum(2))
}

// What is sent parses, repeats its id and time exactly in copies, never goes
// back in time, and holds everything the demonstration is about.
func TestEventsAreWhatTheySay(t *testing.T) {
	seen := map[string]int{}
	first := map[string][]byte{}
	var last time.Time
	late, copies, older := 0, 0, 0
	version := map[string]int64{}
	for _, e := range all(New(minute(3, 30000))) {
		require.False(t, e.At.Before(last), "time went back")
		last = e.At
		var call struct {
			Type, Event, UserID, AnonymousID, MessageID string
			Timestamp                                   time.Time
			Properties                                  struct {
				SKU       string
				Available *int64
				Price     float64
				Products  []struct {
					SKU      string
					Quantity int64
				}
			}
			Traits struct{ Consent map[string]map[string]bool }
		}
		require.NoError(t, json.Unmarshal(e.JSON, &call), "%s", e.JSON)
		require.Equal(t, MessageID(e.Seq), call.MessageID)
		require.Equal(t, e.Seq, seqOf(call.MessageID))
		require.Equal(t, e.Occurred, call.Timestamp)
		require.Equal(t, e.Customer, call.UserID)
		require.True(t, utf8.ValidString(e.Customer) && len(e.Customer) <= 256 && len(e.Cart) <= 256, e.Customer)
		if e.Name != Identify {
			require.Equal(t, e.Name, call.Event)
		}
		before, ok := first[call.MessageID]
		if e.Copy {
			copies++
			require.True(t, ok)
			require.True(t, bytes.Equal(before, e.JSON))
			continue
		}
		require.False(t, ok, "a message id twice")
		first[call.MessageID] = e.JSON
		seen[e.Name]++
		if e.Name == OrderCompleted {
			require.Len(t, call.Properties.Products, len(e.Lines))
			if e.At.Sub(e.Occurred) > time.Second/2 {
				late++
			}
		}
		if e.Name == StockLevel {
			require.GreaterOrEqual(t, e.Available, int64(0), "sold what it does not have")
			if k := e.SKU + "\x00" + e.Location; e.Version < version[k] {
				older++
			} else {
				version[k] = e.Version
			}
		}
	}
	for _, name := range []string{Identify, ProductUpdated, ProductViewed, ProductAdded, ProductRemoved, AddedToWishlist, CheckoutStarted,
		CheckoutFailed, OrderCompleted, OrderCancelled, StockLevel, PriceChanged, Requested, RequestCancelled, ConsentChanged} {
		require.Positive(t, seen[name], name)
	}
	require.Positive(t, late)
	require.Positive(t, copies)
	require.Positive(t, older)
}

// Whatever is bought, no location ever has less than nothing; and what a level
// report said last is what is there.
func TestNeverSellsWhatItHasNot(t *testing.T) {
	s := New(minute(5, 40000))
	soldOut := 0
	reported := map[[2]string]Event{}
	for {
		e, ok := s.Next()
		if !ok {
			break
		}
		for i := range s.items {
			it := &s.items[i]
			for _, p := range it.at {
				if p.units < 0 {
					t.Fatalf("%s: %d units in %s", it.sku, p.units, p.location)
				}
			}
			if (it.units() == 0) != (it.empty >= 0) {
				t.Fatalf("%s: the list of sold-out items is wrong", it.sku)
			}
		}
		if e.Name == CheckoutFailed && e.Reason == reasonOutOfStock {
			soldOut++
		}
		if k := [2]string{e.SKU, e.Location}; e.Name == StockLevel && e.Version > reported[k].Version {
			reported[k] = e
		}
	}
	require.Positive(t, soldOut)
	for i := range s.items {
		it := &s.items[i]
		units, ok := s.Stock(it.sku)
		require.True(t, ok)
		var said int64
		for _, p := range it.at {
			said += reported[[2]string{it.sku, p.location}].Available
		}
		if units <= 12 { // with plenty, not every sale makes the stock system speak
			require.Equal(t, units, said, it.sku)
		}
	}
}

func TestNextAtFollowsTheCaller(t *testing.T) {
	s := New(minute(1, 0))
	now := start
	for range 1000 {
		now = now.Add(7 * time.Millisecond)
		e, ok := s.NextAt(now)
		require.True(t, ok)
		require.Equal(t, now, e.At)
	}
	e, _ := s.NextAt(start)
	require.Equal(t, now, e.At, "time does not go back")
}

func TestZipf(t *testing.T) {
	for _, n := range []int{1, 2, 17, 5000} {
		z, d := newZipf(n), newDice(1, 1)
		counts := make([]int, n)
		for range 200000 {
			counts[z.draw(d)]++
		}
		if n > 10 {
			require.InDelta(t, 2, float64(counts[0])/float64(counts[1]), 0.1)
			require.InDelta(t, 10, float64(counts[0])/float64(counts[9]), 1)
		}
		if n == 17 {
			for i, c := range counts {
				require.Positive(t, c, i)
			}
		}
	}
}

func BenchmarkNext(b *testing.B) {
	s := New(Config{Seed: 1, Customers: 100000, Items: 5000, Start: start, Rate: 100000})
	b.ReportAllocs()
	bytes := 0
	for b.Loop() {
		e, _ := s.Next()
		bytes += len(e.JSON)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(bytes)/float64(b.N), "B/event")
}
