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
	Minimum    int      // of an audience, 0 = none
	Steps      []string // that have to stand before anybody is in it
	PriceDrops bool     // are told
	Overbook   int64    // offers for one unit
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
	{"    queue: first_come ", "    queue: lottery ", nil},
	{"    queue: first_come ", "    tiers: [gold, silver]\n    queue: tiers ", nil},
	{"    hold: 30m ", "    hold: 0s ", nil},
	{"    safety: 1 ", "    overbook: 2.0\n    safety: 1 ", func(r *Rules) { r.Overbook = 2 }},
	{"units: 200}", "units: 1}", nil},
	{"customer.away_from_home && ", "", nil},
	{"  one_at_a_time: 2h ", "  one_at_a_time: 0s ", nil},
}

// RulesOf returns the rules of a seed.
func RulesOf(seed uint64) Rules {
	r := Rules{Text: moments.Full(), Overbook: 1}
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
