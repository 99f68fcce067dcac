package processor

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is stored must be readable by every later version. Each value below
// sets every field, so that a field that moves, or is added without a new
// version, changes the golden bytes. Rewrite them with -rewrite-golden after
// reading the difference, and never without a new version.
func TestGoldenValues(t *testing.T) {
	customer := &Customer{
		head: &head{kind: CustomerKind, due: 9}, ID: "ann", Known: true, Last: 2, Count: 3, recent: recent{1, []sent{{1, 41}}},
		Profile: Profile{
			Zone: Stated{"Europe/Paris", 42}, Device: "Asia/Tokyo", Tier: Stated{"gold", 41}, Reach: []string{"email"}, Blocked: []string{"sms"}, Prefers: Stated{"push", 40},
			Consents: []Consent{{"email", "marketing", "phone", true, true, true, 5, "p"}},
			Home:     "Asia/Tokyo", HomeAt: 40, Country: "JP", DeviceAt: 41, Email: 43, EmailAt: 44, Phone: 45, PhoneAt: 46, BlockedAt: 47, Addresses: &Addresses{"sealed:a.b", "sealed:c.d", "sealed:e.f"},
		},
		Carts: []Cart{{ID: "c1", At: 6, StateAt: 7, Lines: []Line{{SKU: "phone", hash: Hash("phone"), Price: 19900, Cleared: 8, Changes: []change{{9, 1}}}}}},
		Orders: []Order{{
			ID: 10, At: 11, Cancelled: 12, Short: true, Placed: true, Confirmed: true, Lines: []OrderLine{{"phone", Hash("phone"), 2, 65, true, false, 1, 1, 1}},
			Said: 66, Disputed: true, Updated: true, Changes: 67, Less: []OrderLess{{"phone", Hash("phone"), 1, 1, 1, 1, true}}, First: []OrderUnits{{"phone", Hash("phone"), 1}}, FirstAt: 71,
		}},
		OrderIDs: []uint64{10}, Ordered: List{[]pair{{"a", "b"}}, &tree{[]span{{"k", 2, 39}}, 2}},
		Interests:   []Interest{{SKU: "phone", hash: Hash("phone"), Wants: []Want{{"cart", 60, 2, 13, 14, 75}}, Since: 15, PriceSeen: 16, Quantity: 18, Tier: 1, Queued: true, Parked: true, Offer: 19, OfferUntil: 20, Bought: 21, Declined: true, Asked: true, Claimed: true, Took: true, GaveUp: true, Unseen: true, Dear: true, Apart: true, particulars: &particulars{17, []string{"lyon"}, 68, "lyon", "p", "size=M", 18, 9}}},
		Sights:      []sight{{22, 23}},
		Occurrences: []Occurrence{{Moment: "cart_abandoned", Value: "c1", N: 24, State: windowState, Cause: ProductAdded, Said: QuietHours.code(), In: true, Shut: true, Staked: true, Due: 25, rare: &circumstances{"x", 30, 31, "email"}, Position: 26, At: 27, Expires: 28, Offer: 29, Then: 1, Quorum: 2, Told: &told{40, 41, 42, 43, 44, "email", "phone", position{45, 46}, "{}", "l"}, Coded: true, Rules: 70}},
		Pending:     []Pending{{"a", "cart_abandoned", "c1", 32, 33, 34, true, 35, 36, []byte{1}, 1, 69, &told{40, 41, 42, 43, 44, "email", "phone", position{45, 46}, "{}", "l"}, toItem, nil}},
		Contacts:    []Contact{{"a", 37, "cart_abandoned", "c1", "marketing", "email", []uint64{38}, 39, 1, true, true, true, true}},
		After: &AfterOrder{
			Shipments:     []Shipment{{"s", 40, "shipped", "t", 41, 42, 43, []ShipmentLine{{"phone", 44}}, 45, 46, 47, 48}},
			Rewards:       []Reward{{"r", 49, 50, 51, 52, 53, 54, []RewardUse{{55, 56, 57, 58, 1, "lyon"}}, true}},
			Subscriptions: []Subscription{{"b", "phone", 59, 60, true, 61, 62, 63}},
			Collections:   []Collection{{64, 65, 66}},
		},
		Sales:       []registration{{"s1", 42, true}},
		Standing:    &Standing{[]Case{{"v1", 48, 49, 50}}, []string{"marketing"}, []Taken{{51, Purchased, Contact{"b", 52, "m", "v", "marketing", "sms", []uint64{53}, 54, 1, true, true, true, true}}}, []Pending{{"d", "m", "v", 55, 56, 57, true, 58, 59, []byte{60}, 1, 61, &told{62, 63, 64, 65, 66, "sms", "phone", position{67, 68}, "{}", "l"}, toShop, nil}}},
		Models:      &Models{[]ModelScore{{"purchase", 51, 52}}},
		Platform:    &Platform{[]took{{"bob", "retarget_ads", "phone", 60, "d"}}, []report{{"bob", "retarget_ads", "phone", edition{61, 62}, platformOut, true}}},
		Numbers:     &Numbers{[]wish{{Interest{SKU: "phone", hash: Hash("phone"), Wants: []Want{{"cart", 60, 2, 13, 14, 75}}, Since: 15, PriceSeen: 16, Quantity: 18, Tier: 1, Queued: true, Parked: true, Offer: 19, OfferUntil: 20, Bought: 21, Declined: true, Asked: true, Claimed: true, Took: true, GaveUp: true, Unseen: true, Dear: true, Apart: true, particulars: &particulars{17, []string{"lyon"}, 68, "lyon", "p", "size=M", 18, 9}}, []string{"phone-2"}}}},
		Whereabouts: &Whereabouts{position{53, 54}, 55},
		Traits:      &Traits{[]Trait{{"vip", "true", 56, Inferred, 700_000, 57}}, []Dismissal{{"toys", 60}}},
		Journeys:    &Journeys{[]Journey{{"j", "q", "s", 57, stageShipped}}},
		Claims:      &Claims{claim{"email:a", 58, true}, claim{"phone:b", 59, true}},
		Member:      &Membership{"h1", 60, Inferred, 700_000, 59, true, true, 61, "12345678", 62},
		Pixels:      &pixels{[]pixel{{60, 61}, {62, 63}}, 64},
	}
	msg := Message{OfferUnit, "phone", "ann", "o1", 1, 2, 3, 4, 5, 6, 7, 8, 9, true, 10, []byte{11}}
	customer.Identity = &Identity{
		Forward: "bob", Device: true, Own: true, Shared: true, Links: []Link{{"tablet", linkJoined, true, true}},
		Asked: []Message{msg}, Held: []Message{msg}, Parts: []statePart{{"cat", 1, []byte{2}}},
		Missing: []string{"phone"}, Dropped: []dropped{{7, "lamp"}}, SettleAt: 3, Rest: []byte{4}, Sent: 5, ErasedAt: 6, Erasing: true, Old: List{[]pair{{"a", "b"}}, &tree{[]span{{"k", 2, 39}}, 2}},
	}
	list := List{[]pair{{"a", "b"}}, &tree{[]span{{"k", 2, 39}}, 2}}
	facts := ItemFacts{1, 2, 3, true, OutOfStock, 4, 5, 6, 7, 8, ProductFacts{"t", "u", "i", "c", "b", "f", "a", 9, 10, "s", "p", "size=M", "v\tsize=M", "q", "n", "w", "x", "BE FR"}, []Place{{"lyon"}}, Unpublished, true, true, true, []string{"s"}}
	item := &Item{
		head: &head{kind: ItemKind, due: 1}, SKU: "phone", Product: facts.Product, ProductAt: 20, Said: said{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, Published: Yes, Price: 3, Priced: edition{4, 5},
		Levels: []Level{{"dc", 6, true, Yes, 7, edition{8, 9}, 10}}, Sold: []Sold{{10, 11, 12, "s", "a"}}, Extra: Sold{13, 14, 15, "s", "a"}, Names: &names{33, "u", []Sold{{34, 35, 36, "s", "a"}}},
		Windows: []window{{"s", 16, 17, true, 37, 38, edition{22, 23}}}, Counted: list, Low: 24, Units: 25, SettleAt: 18, Facts: facts, Watchers: []uint32{19}, Queue: Queue{list, list, list, list, 20, 21, "seed", &pickup{list, list, 26, []held{{"lyon", 27}}}, &accounts{list, list}},
		Held: &partsHeld{[]string{"pot"}, []set{{28}}, 29, []given{{"pot", 30, 31}}, 32},
	}
	watch := &Watch{head: &head{kind: WatchKind, due: 1}, SKU: "phone", Facts: facts, Stake: list, Interested: list, Main: true, Stands: true, Fan: true, Next: "n",
		Mentions: []Mention{{2, "ann", "d"}}, Own: &facts, Bundles: []string{"b"}, Most: 5,
		Waves: []wave{{factPrice, true, 3, 4, []string{""}, []string{"lyon"}, true, "n"}}, Roster: &roster{list, true, "w", []string{"i3"}, true}, Owners: &owners{list, true, "x"},
	}
	ledger := &Ledger{head: &head{kind: RewardKind}, Reward: customer.After.Rewards[0], Customer: "ann"}
	chunk := &Chunk{head: &head{kind: ChunkKind}, keys: []string{"k"}, values: []string{"v"}}
	sale := &Sale{
		head: &head{kind: SaleKind, due: 1}, ID: "s1", Facts: SaleFacts{"phone", 2, 3, 4, true, true, true, edition{5, 6}, 8},
		Watchers: []uint32{7}, Registered: list, Fan: true, Told: SaleCancelled, Next: "n",
	}
	quorum := &Quorum{head: &head{kind: QuorumKind, due: 1}, ID: quorumID("m", "v"), Moment: "m", Value: "v", Members: list, Open: true, Fan: true, Next: "n",
		Setup: &Setup{[]standing{{"s", "d", "r", 4, edition{5, 6}, true, true}}, "a", true, 2, 3, "ads", "marketing"}}
	household := &Household{head: &head{kind: HouseholdKind, due: 1}, ID: "h1", Members: []member{{"ann", "12345678"}},
		Said: []Contact{{"a", 37, "cart_abandoned", "c1", "marketing", "email", []uint64{38}, 39, 1, true, true, true, true}}}
	for _, e := range []entity{customer, item, watch, ledger, chunk, sale, quorum, household} {
		h := e.base()
		h.live = e
		requireAllSet(t, reflect.ValueOf(e).Elem(), h.kind.String())
		w := writer{}
		h.write(&w)
		golden(t, h.kind.String(), w.b)

		back := makeEntity(h.kind)
		back.read(&reader{}, w.b)
		again := writer{}
		back.write(&again)
		require.Equal(t, w.b, again.b, "%s is read back as it was", h.kind)
	}

	shop := Shop{
		1, 2, 3, 4, 5, 6, 7, []uint64{8}, []Sender{{9, 10, 11, 17, 18}}, []byte("r"), "v", true, []string{"t"}, []string{"c"}, []SourceState{{"shop", 12}},
		Deployment{13, 14, 15, []uint32{16}}, []CodeCount{{"m", 17, 19}}, []ChannelState{{"email", 18}}, "secret", 19, []Kept{{20, []byte("k")}}, [stages]int64{21, 22, 23, 24, 25, 26, 27, 28}, []crisisWord{{"c", 29}}, 30,
	}
	w := writer{}
	shop.encode(&w)
	golden(t, "shop", w.b)
	var shop2 Shop
	shop2.decode(&reader{b: w.b})
	require.Equal(t, shop, shop2)

	d := Decision{
		"id", 1, "ann", "cart_abandoned",
		Cause{"Product Added", "m", "after 45m", "o", "c1", 2},
		Deferred, StepTimely, QuietHours, 3, "r", "live", "v",
		&Action{"a", "message", "email", "marketing", "t", "ann", []ActionLine{{"phone", 1, 2, "t", "u", "i", "r"}}, 4, "EUR", "c1", "o", 5, 6, []Datum{{"tracking_id", "t", 0}, {"balance", "", 7}}, nil},
		Evidence{7, 8, 9, 10, "v", 11, 12, []Factor{{"value", 13, "missing"}}, "l", []DroppedLine{{"case", OutOfStock}}, 14, 15, "h1"},
	}
	w = writer{}
	d.encode(&w)
	golden(t, "decision", w.b)
	d2, err := ParseDecision(w.b)
	require.NoError(t, err)
	require.Equal(t, d, d2)
	golden(t, "decision.json", d.AppendJSON(nil))

	c := CommitRecord{1, 2, "v", 3, 4, 5, 6, 7, 8, []uint64{9}, []Skip{{10, 11}}, []byte{12}, 13}
	golden(t, "commit", c.Append(nil))
	c2, err := ParseCommit(c.Append(nil))
	require.NoError(t, err)
	require.Equal(t, c, c2)

	w = writer{}
	msg.encode(&w)
	golden(t, "message", w.b)
	var msg2 Message
	msg2.decode(&reader{b: w.b})
	require.Equal(t, msg, msg2)
}

// requireAllSet fails when a stored field of v has its zero value, so that a
// new field cannot be forgotten here.
func requireAllSet(t *testing.T, v reflect.Value, path string) {
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case name == "head" || name == "loc" || name == "zone" || name == "soonest" || name == "recase" || name == "itemAt" || name == "occurrentAt" || name == "itemsBought" || name == "heard" || name == "read":
		case f.Kind() == reflect.Struct:
			requireAllSet(t, f, path+"."+name)
		case f.IsZero():
			t.Errorf("%s.%s is not set", path, name)
		case f.Kind() == reflect.Pointer:
			requireAllSet(t, f.Elem(), path+"."+name)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			requireAllSet(t, f.Index(0), path+"."+name)
		}
	}
}

func golden(t *testing.T, name string, b []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	text := string(b)
	if !strings.HasSuffix(name, ".json") {
		text = hex.EncodeToString(b)
	}
	if *rewriteGolden {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), text, "the stored form of %s has changed", name)
}
