package shop

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// minutePolicy are the shipped moments on the scale of minute.
func minutePolicy() Policy {
	p := DefaultPolicy()
	p.Grace = 200 * time.Millisecond
	p.Settle, p.Hold, p.OneAtATime = time.Second, 8*time.Second, 4*time.Second
	p.Caps, p.Quiet, p.ChannelQuiet = nil, nil, nil
	m := p.Moments["cart_abandoned"]
	m.After, m.Again = 6*time.Second, 15*time.Second
	p.Moments["cart_abandoned"] = m
	return p
}

// run plays a shop against the engine in the test.
func run(t *testing.T, seed uint64, events int, fault string) Summary {
	return runAccepted(t, seed, events, fault, func(at time.Time) time.Time { return at })
}

// runAccepted is run with an engine that knows of an event at once, and tells its
// sender so when accepted says.
func runAccepted(t *testing.T, seed uint64, events int, fault string, accepted func(time.Time) time.Time) Summary {
	p := minutePolicy()
	s := New(minute(seed, events))
	book := NewBook(p)
	oracle := NewOracle(book, p)
	engine := newEngine(p, fault, func(record string, at time.Time) {
		require.NoError(t, oracle.Decided(0, []byte(record), at), record)
		d, _ := parseDecision([]byte(record))
		if d.sent() && d.Action.OfferID != "" {
			s.Offered(d.Customer, d.item(), d.Action.OfferID, time.UnixMilli(int64(d.Action.HoldUntil)))
		}
	})
	engine.now = start.UnixMilli()
	end := start
	for {
		e, ok := s.Next()
		if !ok {
			break
		}
		book.Acked(e, accepted(e.At))
		engine.apply(e)
		end = e.At
	}
	end = end.Add(20 * time.Second)
	engine.tick(end)
	return oracle.Report(end)
}

func TestAcceptsACorrectEngine(t *testing.T) {
	for seed := range uint64(2) {
		s := run(t, seed, 9000, "")
		for _, f := range s.Findings[:min(5, len(s.Findings))] {
			t.Log(f.Kind, f.Text)
		}
		require.True(t, s.Oracle.OK(), "%+v", s.Oracle)
		require.Greater(t, s.Oracle.Checked, 500)
		require.Greater(t, s.Decisions["cart_abandoned"]["sent"], 20)
		require.Greater(t, s.Decisions["back_in_stock"]["sent"], 20)
		require.Greater(t, s.Decisions["retarget_ads"]["sent"], 20)
		require.Positive(t, s.RestockToOffer.N)
		require.LessOrEqual(t, s.RestockToOffer.P50, 100.0)
		_, err := json.Marshal(s)
		require.NoError(t, err)
	}
}

// The machine stands still for three seconds: what was sent meanwhile is in the log
// and is decided on, and the answers come late.
func TestAnAnswerThatIsLateIsNoFault(t *testing.T) {
	stalls := func(at time.Time) time.Time {
		if s := at.Sub(start); s > 10*time.Second && s < 13*time.Second {
			return start.Add(13 * time.Second)
		}
		return at
	}
	s := runAccepted(t, 1, 9000, "", stalls)
	require.Empty(t, s.Findings)
	require.Greater(t, s.Oracle.SlowMS, int64(2900))
	s = runAccepted(t, 1, 9000, "reminds of what was bought", stalls)
	require.Positive(t, s.Oracle.Wrong, "it still finds what is wrong")
}

func TestFindsEachKindOfFault(t *testing.T) {
	for fault, counts := range map[string]func(Verdict) int{
		"reminds of what was bought":          func(v Verdict) int { return v.Wrong },
		"reminds of what is sold out":         func(v Verdict) int { return v.Wrong },
		"does not ask for consent":            func(v Verdict) int { return v.Wrong },
		"sends what is of no use any more":    func(v Verdict) int { return v.Wrong },
		"says it again and again":             func(v Verdict) int { return v.Wrong },
		"does not wait for a level to settle": func(v Verdict) int { return v.Wrong },
		"offers to nobody who asked":          func(v Verdict) int { return v.Wrong },
		"shows ads to anybody":                func(v Verdict) int { return v.Wrong },
		"serves the last first":               func(v Verdict) int { return v.Places },
		"ends a candidate twice":              func(v Verdict) int { return v.Unbalanced },
		"forgets carts":                       func(v Verdict) int { return v.Missing },
		"refuses everything":                  func(v Verdict) int { return v.Missing },
		"forgets who waits":                   func(v Verdict) int { return v.Missing },
		"leaves ads running":                  func(v Verdict) int { return v.Missing },
		"offers a unit twice":                 func(v Verdict) int { return v.Oversold },
		"sends twice":                         func(v Verdict) int { return v.Duplicates },
		"changes what it decided":             func(v Verdict) int { return v.Duplicates },
		"offers to one customer again":        func(v Verdict) int { return v.Duplicates },
	} {
		t.Run(fault, func(t *testing.T) {
			s := run(t, 1, 4000, fault)
			if counts(s.Oracle) == 0 { // a few need a longer story
				s = run(t, 1, 9000, fault)
			}
			require.Positive(t, counts(s.Oracle), "%+v", s.Oracle)
			require.NotEmpty(t, s.Findings[0].Text)
		})
	}
}

// one judges a single message to ann, who has identified in a zone and may be
// written to.
func one(t *testing.T, at time.Time, zone string, policy func(*Policy), records ...string) Summary {
	p := DefaultPolicy()
	if policy != nil {
		policy(&p)
	}
	b := NewBook(p)
	b.Acked(Event{Seq: 0, Name: Identify, Customer: "ann", Email: true, Zone: zone, Occurred: start, Consents: []Consent{{channelEmail, purposeMarketing, true}}}, start)
	o := NewOracle(b, p)
	for i, r := range records {
		when := at.Add(time.Duration(i) * time.Hour)
		require.NoError(t, o.Decided(0, fmt.Appendf(nil, `{"id":"d%d","at":%q,"customer":"ann","moment":"cart_restored","cause":{"value":"x","occurrence":%d},"outcome":"sent","action":{"id":"a%d","kind":"message","channel":"email","class":"marketing","skus":[]%s}}`,
			i, when.Format(time.RFC3339Nano), i, i, r), when))
	}
	return o.Report(at.Add(24 * time.Hour))
}

func TestQuietHours(t *testing.T) {
	message := func(p *Policy) { p.Moments["cart_restored"] = MomentPolicy{Class: "marketing"} }
	day := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at    time.Duration
		zone  string
		wrong int
	}{
		{12 * time.Hour, "Europe/Paris", 0},
		{13 * time.Hour, "Asia/Tokyo", 1},
		{3 * time.Hour, "Europe/Paris", 1},
		{20*time.Hour + time.Second, "Europe/Paris", 1},          // 21:00:01
		{20*time.Hour + 100*time.Millisecond, "Europe/Paris", 0}, // within the grace
		{7*time.Hour - 100*time.Millisecond, "Europe/Paris", 0},  // 08:00, within
		{7*time.Hour - 2*time.Second, "Europe/Paris", 1},         // just before
		{12 * time.Hour, "", 1},                                  // unknown is quiet
		{12 * time.Hour, "Mars/Olympus", 1},                      // no such zone
	} {
		s := one(t, day.Add(c.at), c.zone, message, "")
		require.Equal(t, c.wrong, s.Oracle.Wrong, "%v %s %v", c.at, c.zone, s.Findings)
	}
}

func TestCaps(t *testing.T) {
	message := func(p *Policy) {
		p.Moments["cart_restored"] = MomentPolicy{Class: "marketing"}
		p.Caps = []Cap{{AtMost: 2, Every: 90 * time.Minute, Class: "marketing"}, {AtMost: 3, Every: 24 * time.Hour, Class: "marketing"}}
	}
	at := start.Add(time.Minute)
	require.Zero(t, one(t, at, "Europe/Paris", message, "", "", "").Oracle.Wrong)
	require.Equal(t, 1, one(t, at, "Europe/Paris", message, "", "", "", "").Oracle.Wrong)
}

// Who has an item in the cart is told each time it is back, and once each time.
func TestBackOnceMore(t *testing.T) {
	for _, c := range []struct {
		between []int64 // levels between the two messages
		step    time.Duration
		wrong   int
	}{
		{nil, time.Hour, 1},
		{[]int64{4}, time.Hour, 1},
		{[]int64{1, 5}, time.Hour, 0}, // the safety is never promised
		{[]int64{0, 5}, time.Hour, 0},
		{[]int64{4, 5}, 20 * time.Second, 1},
		{[]int64{0, 5}, 20 * time.Second, 0}, // in the last minute
	} {
		p := DefaultPolicy()
		p.Caps, p.Quiet, p.Grace = nil, nil, time.Minute
		b := NewBook(p)
		at, seq, step := start, 0, time.Hour
		acked := func(e Event) {
			at = at.Add(step)
			e.Seq, e.At, e.Occurred = seq, at, at
			seq++
			b.Acked(e, at)
		}
		level := func(n int64) {
			acked(Event{Name: StockLevel, SKU: "phone", Location: "lyon-dc", Available: n, Version: int64(seq + 1)})
		}
		var records [][]byte
		told := func() {
			at = at.Add(step)
			n := len(records)
			records = append(records, fmt.Appendf(nil, `{"id":"d%d","at":%q,"customer":"ann","moment":"cart_restored","cause":{"value":"phone","offer":"phone~%d","occurrence":%d},"outcome":"sent","action":{"id":"a%d","kind":"message","channel":"email","class":"marketing","skus":["phone"],"offer_id":"phone~%d"}}`,
				n, at.Format(time.RFC3339Nano), n, n, n, n))
		}
		acked(Event{Name: Identify, Customer: "ann", Email: true, Zone: "Europe/Paris", Consents: []Consent{{channelEmail, purposeMarketing, true}}})
		level(0)
		acked(Event{Name: ProductAdded, Customer: "ann", Cart: "c", Lines: []Line{{"phone", 1, 100}}})
		level(5)
		told()
		if len(c.between) > 0 {
			level(5)
			step = c.step
		}
		for _, n := range c.between {
			level(n)
		}
		told()
		o := NewOracle(b, p)
		for _, r := range records {
			require.NoError(t, o.Decided(0, r, at))
		}
		s := o.Report(at.Add(time.Hour))
		require.Equal(t, c.wrong, s.Oracle.Wrong, "%v %s %v", c.between, c.step, s.Findings)
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	o := NewOracle(NewBook(Policy{}), Policy{})
	require.Error(t, o.Decided(0, []byte(`{`), start))
	require.Error(t, o.Decided(0, []byte(`{"id":"x"}`), start))
	require.NoError(t, o.Decided(0, []byte(`{"id":"x","at":1700000000000,"customer":null,"moment":"m","outcome":"deferred","until":"2026-01-01T00:00:00Z"}`), start))
	require.Equal(t, 1, o.Report(start).Oracle.Pending)
}
