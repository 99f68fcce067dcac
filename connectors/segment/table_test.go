package segment

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"onhand/processor"
)

// TestNames checks the table of names as a whole; what each means is checked
// by TestVocabulary.
func TestNames(t *testing.T) {
	for n, to := range names {
		if (to.kind == processor.Custom) != (to.own != "") {
			t.Errorf("%s is neither a kind nor a name of its own, or both", n)
		}
		if processor.KindOf(n) != processor.Custom {
			t.Errorf("%s is a name of ours already", n)
		}
		if processor.KindOf(to.own) != processor.Custom {
			t.Errorf("%s: %s is a kind", n, to.own)
		}
		if to.channel != "" && !specs[to.kind].own.has(fChannel) {
			t.Errorf("%s: not a message", n)
		}
	}
}

// TestSpecs checks the table of properties as a whole.
func TestSpecs(t *testing.T) {
	for k := processor.Identify; int(k) < len(specs); k++ {
		if !k.OfInlets() {
			continue
		}
		sp := specs[k]
		if sp.perItem && len(sp.oneOf) == 0 {
			t.Errorf("%s is about an item but requires none", k)
		}
		if k.OfItem() && (len(sp.oneOf) == 0 || sp.oneOf[0] != skuWords) {
			t.Errorf("%s goes to an item but does not require sku", k)
		}
		// Each field of the kind's own must become a field or be refused.
		for f := fNone + 1; f < fields; f++ {
			if sp.own.has(f) && fieldNames[f] == "" {
				t.Errorf("%s: field %d has no name", k, f)
			}
		}
	}
	if len(fieldByName) != int(fields)-1 {
		t.Error("two fields have one name, or one has none")
	}
}

// TestEachKind sends each kind of event with every property there is, of a
// shape that fits, and wants each field of the kind's own gone from Properties.
func TestEachKind(t *testing.T) {
	values := map[field]string{
		fProducts: `[{"sku":"a"}]`, fContents: `[{"id":"a"}]`, fItems: `[{"item_id":"a"}]`, fContentIDs: `["a"]`, fLocations: `["l"]`,
		fSubstitutes: `["s"]`, fTags: `["t"]`, fCurrency: `"EUR"`, fLasts: `"1d"`, fGranted: "true", fSellable: "true", fPublished: "false",
		fOpensAt: "1795288919884", fClosesAt: "1795288919885", fUpdatedAt: "1795288919", fExpiresAt: `"2027-01-01T00:00:00Z"`, fCompleteTo: "1795288919",
	}
	// What another property goes before, and what only stays.
	stays := set(fProductID, fItemID, fContents, fItems, fContentIDs, fTransactionID, fContentCategory, fLocation, fStore, fValue, fAmount, fUserID)
	for k := processor.ProductsSearched; int(k) < len(specs); k++ {
		if !k.OfInlets() {
			continue
		}
		var b strings.Builder
		b.WriteByte('{')
		for f := fNone + 1; f < fields; f++ {
			v, ok := values[f]
			if !ok {
				v = "7"
			}
			if f > fNone+1 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + fieldNames[f] + `":` + v)
		}
		b.WriteByte('}')
		e := parse(t, track(k.String(), b.String()))[0]
		if e.Kind != k {
			t.Errorf("%s became %s", k, e.Kind)
		}
		var left map[string]any
		if err := json.Unmarshal(e.Properties, &left); err != nil {
			t.Fatalf("%s: %v in %s", k, err, e.Properties)
		}
		for f := fNone + 1; f < fields; f++ {
			_, there := left[fieldNames[f]]
			if want := !((specs[k].own | common) &^ stays).has(f); there != want && !stays.has(f) {
				t.Errorf("%s: property %s: kept %t, want %t", k, fieldNames[f], there, want)
			}
		}
	}
}

func TestScale(t *testing.T) {
	for _, c := range []struct {
		text     string
		exponent int
		want     int64
		exact    bool
		fault    string
	}{
		{"199", 2, 19900, true, ""}, {"19.99", 2, 1999, true, ""}, {"19.9", 2, 1990, true, ""}, {"0.005", 2, 1, false, ""}, {"0.0049", 2, 0, false, ""},
		{"19.989999999999998", 2, 1999, false, ""}, {"-0.005", 2, -1, false, ""}, {"1e2", 0, 100, true, ""}, {"1.5E1", 0, 15, true, ""}, {"15e-1", 0, 2, false, ""},
		{"1e-99999999999", 2, 0, false, ""}, {"0e99999999999", 2, 0, true, ""}, {"1e99999999999", 2, 0, false, tooBig}, {"1000", 0, 1000, true, ""},
		{"10000000000000.01", 2, 0, false, tooBig}, {"9999999999999.999", 2, 1_000_000_000_000_000, false, ""}, {"1.2345", 3, 1235, false, ""}, {"5", 0, 5, true, ""}, {"4.5", 0, 5, false, ""}, {"007", 0, 7, true, ""},
		{"+3", 0, 3, true, ""}, {".5", 1, 5, true, ""}, {"", 0, 0, false, notNumber}, {"-", 0, 0, false, notNumber}, {"1.2.3", 0, 0, false, notNumber},
		{"1 000", 0, 0, false, notNumber}, {"1e", 0, 0, false, notNumber}, {"0x10", 0, 0, false, notNumber}, {"NaN", 0, 0, false, notNumber}, {"$1", 0, 0, false, notNumber},
	} {
		n, exact, fault := scale([]byte(c.text), c.exponent, maxAmount)
		if n != c.want || exact != c.exact || fault != c.fault {
			t.Errorf("%q: %d %t %q, want %d %t %q", c.text, n, exact, fault, c.want, c.exact, c.fault)
		}
	}
}

func TestMinorDigits(t *testing.T) {
	for call, want := range map[string]int64{
		`{"sku":"a","price":1234.5,"currency":"JPY"}`:   1235,
		`{"sku":"a","price":1.2345,"currency":"KWD"}`:   1235,
		`{"sku":"a","price":12.345,"currency":"EUR"}`:   1235,
		`{"price":"12.345","currency":"EUR","sku":"a"}`: 1235,
		`{"sku":"a","price":12.5}`:                      1250,
	} {
		if e := parse(t, track("Product Added", call)); e[0].Price != want {
			t.Errorf("%s: %d, want %d", call, e[0].Price, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]int64{"30d": 2592000000, "1h30m": 5400000, "500ms": 500, "1m500ms": 60500, "2w": 1209600000, "0": 0,
		"": -1, "d": -1, "30": -1, "1m1h": -1, "99999999999999d": -1, "1d1d": -1} {
		if ms, ok := duration(s); ok != (want >= 0) || ok && ms != want {
			t.Errorf("%q: %d %t", s, ms, ok)
		}
	}
}

// TestCalendarTime compares with the time package.
func TestCalendarTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-23*60, 23*60).Draw(t, "zone")*60)
		at := time.UnixMilli(rapid.Int64Range(24*3600_000, 253402300799999-24*3600_000).Draw(t, "ms")).In(zone)
		layout := rapid.SampledFrom([]string{"2006-01-02T15:04:05.000Z07:00", "2006-01-02t15:04:05.000-0700", "2006-01-02 15:04:05.000000Z07:00", "2006-01-02T15:04:05,000Z07:00"}).Draw(t, "layout")
		if ms, why := instant([]byte(at.Format(layout))); why != "" || ms != at.UnixMilli() {
			t.Fatalf("%s: %d %s, want %d", at.Format(layout), ms, why, at.UnixMilli())
		}
	})
	for s, want := range map[string]int64{
		"2026-02-29T00:00:00Z": -1, "2024-02-29T00:00:00Z": 1709164800000, "2016-12-31T23:59:60Z": 1483228800000, "2026-13-01T00:00:00Z": -1,
		"2026-01-01T24:00:00Z": -1, "2026-01-01T00:00:00": -1, "2026-01-01": -1, "2026-01-01T00:00:00.Z": -1, "2026-01-01T00:00:00+1": -1, "2026-01-01T00:00:00ZZ": -1,
		"1795288919": 1795288919000, "1795288919.884": 1795288919884, "1795288919884": 1795288919884, "1795288919884000": 1795288919884, "-5": -1, "0": 0, "99999999999999999999": -1, "soon": -1,
	} {
		if ms, why := instant([]byte(s)); (why == "") != (want >= 0) || why == "" && ms != want {
			t.Errorf("%q: %d %s", s, ms, why)
		}
	}
}
