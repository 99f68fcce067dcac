package moments

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func full(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("shipped.yaml")
	require.NoError(t, err)
	return string(text)
}

// parse reads a text that must be without faults.
func parse(t testing.TB, text string) *File {
	t.Helper()
	f, faults := Parse("moments.yaml", []byte(text), Standard())
	require.Empty(t, faults)
	return f
}

func lines(faults []Fault) (out []string) {
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

func TestFullFile(t *testing.T) {
	f := parse(t, full(t))
	require.Equal(t, "EUR", f.Currency)
	require.Len(t, f.Moments, 19)
	require.Len(t, f.Interests, 6)
	require.Equal(t, Hash(f.Source), f.Hash)
	require.Len(t, f.Hash, 16)

	p := &f.Policy
	require.Equal(t, Class{Name: "service", Channels: []string{"push", "sms", "email"}, QuietHours: true}, *p.Class("service"))
	require.Equal(t, []Cap{{1, 20 * time.Hour, "marketing", "", "", false}, {3, 7 * Day, "marketing", "", "", false}, {2, 30 * Day, "marketing", "sms", "", false}}, p.Caps)
	require.Equal(t, Holdout{10, "2026-q4"}, p.Holdout)
	require.Equal(t, "20:00-10:00, sun 00:00-24:00", p.Channel("sms").QuietHours.String())
	require.Equal(t, "21:00-08:00", p.Channel("email").QuietHours.String())
	require.Empty(t, p.Channel("onsite").QuietHours)
	require.Equal(t, Micro(100_000), p.Channel("email").Cost)
	require.Equal(t, "ads", p.Consent(p.Class("marketing"), "ads"))
	require.Equal(t, "marketing", p.Consent(p.Class("marketing"), "email"))
	require.Equal(t, "", p.Consent(p.Class("service"), "sms"))
	require.Empty(t, p.Quiet(p.Class("transactional"), "sms"))
	require.Equal(t, "Back In Stock Requested", p.Purpose("stock_alert").GrantedBy)
	require.Equal(t, []string{"email"}, p.Purpose("marketing").DoubleOptIn)

	m := f.Moment("back_in_stock")
	require.Equal(t, Sellable, m.Fact)
	require.Equal(t, []string{"requested"}, m.Interests)
	require.Equal(t, Due{At: Date{Name: OfferEnds}}, m.Expires)
	require.Equal(t, Due{At: Date{Name: OfferEnds, Offset: -10 * time.Minute}}, m.Then[0].Due)
	require.Equal(t, "hold_ending", m.Then[0].Send)
	require.Equal(t, m.Expires, m.Then[0].Expires)

	m = f.Moment("cart_abandoned")
	require.Equal(t, 45*time.Minute, m.Due.After)
	require.Equal(t, StockSellable, m.Stock, "marketing asks for stock")
	require.Equal(t, []string{"push", "email"}, m.Channels)
	require.Equal(t, "cart_abandoned", m.Send)
	require.Equal(t, []string{"email"}, m.Then[0].Channels)
	require.Equal(t, "!message.clicked", m.Then[0].If.Text)
	require.Equal(t, Operand{Name: "lines.total", Field: LinesTotal}, m.Score.Value)
	require.Equal(t, Operand{Const: 80_000}, m.Score.Propensity)
	require.Equal(t, Operand{Const: One}, m.Score.Lever)

	require.Equal(t, []Property{{Path: []string{"reason"}, Values: []string{"payment"}}}, f.Moment("payment_failed").Where)
	require.Equal(t, StockIgnore, f.Moment("payment_failed").Stock)
	require.Equal(t, []Fact{PriceUp, SoldOut}, f.Moment("price_drop").UntilFacts)
	require.Equal(t, Shadow, f.Moment("price_drop").Mode)
	require.Equal(t, Date{Name: ItemRunsOut, Lead: -1}, f.Moment("device_reorder").Due.At)
	require.Equal(t, Code{3 * time.Hour, 200}, f.Moment("store_offer_day").Code)
	require.True(t, f.Moment("store_offer_night").In(time.Monday, 3*60))
	require.False(t, f.Moment("store_offer_day").In(time.Monday, 3*60))
	require.True(t, m.In(time.Monday, 3*60))

	viewed := f.Interest("viewed")
	require.Equal(t, &Interest{Name: "viewed", From: "Product Viewed", Times: 3, Within: 7 * Day, Strength: 10, Lasts: 14 * Day}, viewed)
}

func TestStockFor(t *testing.T) {
	p := &parse(t, full(t)).Policy
	require.Equal(t, 15*time.Minute, p.StockFor("x", "phones", "", "vitamins").Hold, "the first match wins")
	require.EqualValues(t, 2, p.StockFor("x", "phones", "", "").Safety)
	require.Equal(t, []string{"lyon-dc", "lille-dc"}, p.StockFor("x", "phones", "", "").Online, "the rest is the policy's")
	vitamins := p.StockFor("x", "", "", "vitamins")
	require.Equal(t, 30*Day, vitamins.Lasts)
	require.Equal(t, 3*Day, vitamins.LeadTime)
	require.Equal(t, &p.Stock, p.StockFor("x", "", "", ""))
	require.True(t, vitamins.IsOnline("lyon-dc"))
	require.False(t, vitamins.IsOnline("lyon-store"))
}

// TestSevenFaults makes the slips that the description of the language shows,
// in the file it shows, and expects the messages it shows.
func TestSevenFaults(t *testing.T) {
	text := strings.Split(full(t), "\n")
	replace := func(line int, was, is string) {
		require.Contains(t, text[line-1], was)
		text[line-1] = strings.Replace(text[line-1], was, is, 1)
	}
	replace(72, "service", "promo")
	replace(74, "channels", "chanels")
	replace(95, "price_seen", "pricee_seen")
	replace(111, "again: 3d", "at: sale.opens_at")
	replace(122, "class: service", "tags: [payment]")
	replace(123, "expires: 6h", "")
	replace(153, "opens_at", "open_at")
	replace(193, "Reward Issued", "Order Completed")
	_, faults := Parse("moments.yaml", []byte(strings.Join(text, "\n")), Standard())
	require.Equal(t, []string{
		`moments.yaml:72:12: class "promo" does not exist; one of transactional, service, marketing`,
		`moments.yaml:74:5: unknown key "chanels" in moment back_in_stock; did you mean "channels"?`,
		`moments.yaml:95:38: if: undefined field "pricee_seen" of interest; did you mean "price_seen"?`,
		`moments.yaml:102:3: moment cart_abandoned has both "after" and "at"; keep one`,
		`moments.yaml:116:3: moment payment_failed has no "expires"; when is it of no use any more?`,
		`moments.yaml:153:9: date "sale.open_at" does not exist; did you mean "sale.opens_at"?`,
		`moments.yaml:194:10: per: reward_id, but "Order Completed" carries no reward_id`,
	}, lines(faults))
}

// A file that says nothing has the careful defaults and the shipped channels.
func TestDefaults(t *testing.T) {
	const least = "version: 1\ncurrency: JPY\n"
	bare, shipped := parse(t, least).Policy, parse(t, string(Three())).Policy
	require.Equal(t, shipped.Classes, bare.Classes)
	require.Equal(t, shipped.Channels, bare.Channels)
	require.Equal(t, shipped.Purposes, bare.Purposes)
	require.Equal(t, defaultStock, bare.Stock)
	require.Equal(t, 14*Day, bare.SilenceAfterPurchase)
	require.Equal(t, 2*time.Hour, bare.OneAtATime)
	require.Equal(t, "21:00-08:00", bare.QuietHours.String())
	require.Zero(t, bare.Holdout)
	require.Empty(t, bare.Caps)

	f := parse(t, least+"policy: {quiet_hours: never, classes: {marketing: {channels: [sms]}}}\nmoments: {hello: {when: Signed Up, expires: 1h}}")
	require.Empty(t, f.Policy.Channel("email").QuietHours, "a channel without quiet hours has the policy's")
	require.Equal(t, Class{"marketing", []string{"sms"}, "marketing", true, true, true, true, true}, *f.Policy.Class("marketing"))
	require.Equal(t, shipped.Class("service"), f.Policy.Class("service"))
	m := f.Moment("hello")
	require.Equal(t, "customer", m.Per)
	require.Same(t, f.Policy.Class("marketing"), m.Class)
	require.Equal(t, []string{"sms"}, m.Channels)
	require.Equal(t, Live, m.Mode)
	require.Equal(t, DoMessage, m.Do)
	require.Nil(t, m.If)
	require.Nil(t, f.Moment("other"))
}

// What the shipped file says stands in the full one too.
func TestShippedIsAPartOfFull(t *testing.T) {
	ship, all := parse(t, string(Three())), parse(t, full(t))
	for _, d := range Diff(all, ship) {
		require.True(t, strings.HasPrefix(d, "- moment ") || strings.Contains(d, ": then: "), d)
	}
	require.Len(t, ship.Moments, 3)
}

func TestDiff(t *testing.T) {
	text := full(t)
	a := parse(t, text)
	require.Empty(t, Diff(a, parse(t, "# another comment\n"+strings.Replace(text, "percent: 10, group: 2026-q4", "group: 2026-q4, percent: 10", 1))))
	for _, change := range [][2]string{
		{"after: 45m ", "after: 1h "},
		{"quiet_hours: 21:00-08:00", "quiet_hours: 22:00-08:00"},
		{"  payment_failed:\n", "  payment_refused:\n"},
		{"again: 7d", "consent: location"},
		{"reply: 8h, ", ""},
		{"lasts: 90d,", "lasts: 91d,"},
		{"currency: EUR", "currency: USD"},
	} {
		require.Contains(t, text, change[0])
		text = strings.Replace(text, change[0], change[1], 1)
	}
	b := parse(t, text)
	require.Equal(t, []string{
		"~ currency: EUR -> USD",
		"~ policy: quiet_hours: 21:00-08:00 -> 22:00-08:00",
		"~ channel email: reply: 8h -> (left out)",
		"~ interest requested: lasts: 90d -> 91d",
		"~ moment price_drop: consent: (left out) -> location",
		"~ moment price_drop: again: 7d -> (left out)",
		"~ moment cart_abandoned: after: 45m -> 1h",
		"+ moment payment_refused",
		"- moment payment_failed",
	}, Diff(a, b))
	require.Len(t, Diff(nil, a), 2+3+6+5+9+2+3+6+19, "everything is new")
}

func TestDates(t *testing.T) {
	for _, text := range []string{"sale.opens_at", "sale.opens_at - 1h", "item.runs_out_at + 7d", "item.runs_out_at - item.lead_time", "item.runs_out_at + item.lead_time", "1d12h"} {
		f := parse(t, "version: 1\ncurrency: EUR\nmoments: {a: {when: Product Added, expires: "+text+"}}")
		require.Equal(t, text, f.Moments[0].Expires.String())
	}
}

func TestVocabulary(t *testing.T) {
	const head = "version: 1\ncurrency: EUR\nmoments:\n  a: {when: Order Completed, expires: 1h, "
	v := Standard()
	v.Connectors = []string{"push"}
	v.Templates = []string{"a.push", "a.email", "b.push"}
	_, faults := Parse("m", []byte(head+"channels: [push, sms], send: aa}"), v)
	require.Equal(t, []string{
		`m:4:60: warning: channel "sms" has no connector configured; configure one, or moment a does without it`,
		`m:4:72: template "aa.push" does not exist; did you mean "a.push"?`,
		`m:4:72: template "aa.sms" does not exist; one of a.push, a.email, b.push`,
	}, lines(faults))

	f, faults := Parse("m", []byte(head+"channels: [sms], do: order}"), v)
	require.NotNil(t, f, "a warning is no fault")
	require.Len(t, faults, 1)

	v.Events["Bike Serviced"] = nil
	f, faults = Parse("m", []byte("version: 1\ncurrency: EUR\nmoments: {a: {when: Bike Serviced, per: device_id, expires: 1h, channels: [push]}}"), v)
	require.NotNil(t, f, faults)
}

func TestLimits(t *testing.T) {
	_, faults := Parse("m", []byte(strings.Repeat(" ", MaxFileBytes+1)), Standard())
	require.Equal(t, []string{"m:1:1: the file has 1048577 bytes; at most 1048576; split off what is not rules"}, lines(faults))

	_, faults = Parse("m", []byte("about: \xff"), Standard())
	require.Equal(t, []string{"m:1:8: the file is not UTF-8 text; save it as UTF-8"}, lines(faults))

	entries := strings.Repeat("{after: 1h}, ", maxThen+1)
	_, faults = Parse("m", []byte("version: 1\ncurrency: EUR\nmoments: {a: {when: Signed Up, expires: 1h, then: ["+entries+"]}}"), Standard())
	require.Equal(t, []string{"m:3:182: moment a has more than 10 entries in then; keep the ones that help"}, lines(faults))

	var b strings.Builder
	b.WriteString("version: 1\ncurrency: EUR\nmoments:\n")
	for i := range MaxMoments + 1 {
		b.WriteString("  m" + strings.Repeat("x", i%40) + string(rune('a'+i/40)) + ": {mode: off, when: Signed Up, expires: 1h}\n")
	}
	_, faults = Parse("m", []byte(b.String()), Standard())
	require.Equal(t, []string{"m:4:3: the file has 1001 moments; at most 1000"}, lines(faults))

	b.Reset()
	b.WriteString("version: 1\ncurrency: EUR\nmoments:\n")
	for i := range 999 {
		b.WriteString("  m" + strings.Repeat("x", i%40) + string(rune('a'+i/40)) + ": {hours: 22:00-03:00, when: Signed Up, expires: 24h}\n")
	}
	b.WriteString("  last: {when: Signed Up}\n")
	f, faults := Parse("m", []byte(b.String()), Standard())
	require.Nil(t, f, "warnings do not crowd out a fault")
	require.Len(t, faults, maxFaults+1)

	b.Reset()
	for i := range 20_000 {
		b.WriteString("key" + strings.Repeat("y", i%30) + ": 1\n")
	}
	_, faults = Parse("m", []byte(b.String()), Standard())
	require.Len(t, faults, maxFaults)
	require.True(t, slices.IsSortedFunc(faults, func(a, b Fault) int { return a.Line - b.Line }))
}

func BenchmarkParse(b *testing.B) {
	text := []byte(full(b))
	for b.Loop() {
		if f, faults := Parse("moments.yaml", text, Standard()); f == nil {
			b.Fatal(faults)
		}
	}
}
