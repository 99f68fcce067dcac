package whole

import (
	"bytes"
	"math/rand/v2"

	"onhand/processor/moments"
)

// Rules is the moments file of a world: the whole file and, in most worlds, some
// words that it could as well have.
type Rules struct {
	Text       []byte
	Minimum    int              // of an audience, 0 = none
	Steps      []string         // that have to stand before anybody is in it
	PriceDrops bool             // are told
	Overbook   int64            // offers for one unit
	Daily      bool             // one message of marketing on each day of the customer's calendar, not in 20 hours
	Queue      string           // first_come, tiers or lottery
	Late       int64            // ms after which a source is behind, 0 = none ever reports
	Hours      bool             // the store is open from nine to seven only
	Budget     map[string]int64 // by moment: how often it may be sent
	Apologies  bool             // are made
	Fetching   bool             // from a store is spoken of
	Advice     bool             // on sizes is given
}

// wording is a change of the file.
type wording struct {
	old, now string
	means    func(*Rules)
}

var wordings = []wording{
	{"ads:      {hand_over: 1m,  cost: 2,", "ads:      {hand_over: 1m,  cost: 2, minimum: 2,", func(r *Rules) { r.Minimum = 2 }},
	{"    stock: sellable\n    channels: [ads]", "    stock: sellable\n    steps: [catalogue_item, ad_set]\n    channels: [ads]", func(r *Rules) { r.Steps = []string{"catalogue_item", "ad_set"} }},
	{"    mode: shadow ", "    mode: live ", func(r *Rules) { r.PriceDrops = true }},
	{"    queue: first_come ", "    queue: lottery ", func(r *Rules) { r.Queue = "lottery" }},
	{"    queue: first_come ", "    tiers: [gold, silver]\n    queue: tiers ", func(r *Rules) { r.Queue = "tiers" }},
	{"    hold: 30m ", "    hold: 0s ", nil},
	{"    safety: 1 ", "    overbook: 2.0\n    safety: 1 ", func(r *Rules) { r.Overbook = 2 }},
	{"units: 200}", "units: 1}", nil},
	{"customer.away_from_home && ", "", nil},
	{"  one_at_a_time: 2h ", "  one_at_a_time: 0s ", nil},
	{"{at_most: 1, every: 20h, class", "{at_most: 1, every: day, class", func(r *Rules) { r.Daily = true }},
	{"late_after: 10m}\n    stores: {carries: [Order Completed, Reward Redeemed], late_after: 4h}\n    stock:  {carries: [Stock Level Reported], late_after: 15m}",
		"late_after: 12h}\n    stores: {carries: [Order Completed, Reward Redeemed], late_after: 12h}\n    stock:  {carries: [Stock Level Reported], late_after: 12h}", func(r *Rules) { r.Late = 12 * hour }},
	{"  items:                          #", "  stores: {paris: {hours: 09:00-19:00, timezone: Europe/Paris}}\n  items:                          #", func(r *Rules) { r.Hours = true }},
	{"  # ---- the cart -", codeHint + "\n  # ---- the cart -", func(r *Rules) { r.Budget["code_hint"] = 2 }},
	{"  # ---- a sale at", textHint + "\n  # ---- a sale at", func(r *Rules) { r.Budget["text_hint"] = 2 }},
	{"  # ---- after the order -", fetching + "\n  # ---- after the order -", func(r *Rules) { r.Fetching = true }},
	{"  # ---- place, conv", advising + "\n  # ---- place, conv", func(r *Rules) { r.Advice = true }},
	{sorryOff, sorryLive, func(r *Rules) { r.Apologies = true }},
}

// The file apologises to nobody.
const (
	sorryOff  = "    mode: off                     # as a rule"
	sorryLive = "    mode: live                    # as a rule"
)

// Moments of which there is only so much to give out, or to spend: a text
// message costs six.
const (
	codeHint = "  code_hint: {when: [Product Viewed, Product Removed], per: sku, after: 10m, stock: ignore, class: service, code: {valid: 3h, units: 2}, expires: 2h}\n"
	textHint = "  text_hint: {when: [Product Added to Wishlist, Product Removed from Wishlist, Product Viewed], per: sku, after: 10m, stock: ignore, class: service, channels: [sms], spend: 13, expires: 2h}\n"
)

// RulesOf returns the rules of a seed.
func RulesOf(seed uint64) Rules {
	r := Rules{Text: moments.Shipped(), Overbook: 1, Queue: "first_come", Budget: map[string]int64{}}
	rng := rand.New(rand.NewPCG(seed, 3))
	for _, w := range wordings {
		if rng.IntN(4) > 0 || !bytes.Contains(r.Text, []byte(w.old)) {
			continue
		}
		r.Text = bytes.Replace(r.Text, []byte(w.old), []byte(w.now), 1)
		if w.means != nil {
			w.means(&r)
		}
	}
	return r
}
