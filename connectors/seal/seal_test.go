package seal

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

func identify(id, traits string) processor.Event {
	return processor.Event{Kind: processor.Identify, UserID: id, Traits: []byte(traits)}
}

func sealed(t *testing.T, s *Sealer, e processor.Event) processor.Event {
	t.Helper()
	events := []processor.Event{e}
	require.NoError(t, s.Seal(t.Context(), events))
	for _, b := range [][]byte{events[0].Traits, events[0].Properties} {
		require.True(t, len(b) == 0 || json.Valid(b), "%s", b)
	}
	return events[0]
}

// opened returns an object with everything sealed in it opened.
func opened(t *testing.T, s *Sealer, object []byte) string {
	t.Helper()
	text := string(object)
	for {
		from := strings.Index(text, `"`+processor.SealedPrefix)
		if from < 0 {
			return text
		}
		to := from + 1 + strings.IndexByte(text[from+1:], '"')
		plain, err := s.Open(t.Context(), text[from+1:to])
		require.NoError(t, err)
		if plain[0] != '{' {
			quoted, _ := json.Marshal(plain)
			plain = string(quoted)
		}
		text = text[:from] + plain + text[to+1:]
	}
}

func TestWhatIsSealed(t *testing.T) {
	s := newSealer(t, openLog(t))
	for _, c := range []struct {
		name         string
		event        processor.Event
		clear        []string // parts of the event that stay
		secret       []string // parts that do not
		traits, prop string   // opened again; "" = as they were
	}{
		{"addresses and names", identify("ann", `{"email":" Ann@Example.com","phone":"+33 6 1","firstName":"Ann!","last_name":"Bo!","name":"Ann! Bo!","timezone":"Europe/Paris","tier":"gold","consent":{"email":{"marketing":true}}}`),
			[]string{`"timezone":"Europe/Paris"`, `"tier":"gold"`, `"consent":{"email":{"marketing":true}}`},
			[]string{"xample.", "+33", "Ann!", "Bo!"},
			`{"email":"ann@example.com","phone":"+33 6 1","firstName":"Ann!","last_name":"Bo!","name":"Ann! Bo!","timezone":"Europe/Paris","tier":"gold","consent":{"email":{"marketing":true}}}`, ""},
		{"a postal address", identify("ann", `{"address":{"country":"FR","street":"Rue 1","state":"IDF","postalCode":"75001"},"home":{"latitude":1,"longitude":2}}`),
			[]string{`"country":"FR"`, `"state":"IDF"`, `"home":{"latitude":1,"longitude":2}`}, []string{"Rue 1", `"75001"`, "postalCode"},
			`{"address":{"country":"FR","state":"IDF","sealed":{"street":"Rue 1","postalCode":"75001"}},"home":{"latitude":1,"longitude":2}}`, ""},
		{"an address with nothing to seal", identify("ann", `{"address":{"country":"FR"},"email":"","phone":null}`), nil, nil, "", ""},
		{"an address that is a text", identify("ann", `{"address":"Rue 1"}`), nil, []string{"Rue 1"}, "", ""},
		{"keys with escapes", identify("ann", `{"\u0065mail":"a@b.c"}`), nil, []string{"a@b.c"}, "", ""},
		{"values with escapes", identify("ann", `{"name":"An\"n \u00e9"}`), nil, []string{`An\"`}, `{"name":"An\"n é"}`, ""},
		{"values that are no texts", identify("ann", `{"phone":336,"name":{"first":"Ann"}}`), nil, []string{`:336`, `"Ann"`}, `{"phone":"336","name":{"first":"Ann"}}`, ""},
		{"an order", processor.Event{Kind: processor.OrderCompleted, UserID: "ann", Properties: []byte(`{"coupon":"X","email":"a@b.c","shipping_address":{"country":"DE","city":"Bonn"},"name":"gift"}`)},
			[]string{`"coupon":"X"`, `"country":"DE"`, `"name":"gift"`}, []string{"a@b.c", `"Bonn"`}, "", `{"coupon":"X","email":"a@b.c","shipping_address":{"country":"DE","sealed":{"city":"Bonn"}},"name":"gift"}`},
		{"a message", processor.Event{Kind: processor.MessageReceived, UserID: "ann", Properties: []byte(`{"text":"where is it?","sentiment":"angry"}`)},
			[]string{`"sentiment":"angry"`}, []string{"where is"}, "", ""},
		{"a device", processor.Event{Kind: processor.ProductViewed, AnonymousID: "x1", Properties: []byte(`{"context.device.token":"apns-1","position":3}`)},
			[]string{`"position":3`}, []string{`"apns`}, "", ""},
		{"a company", processor.Event{Kind: processor.Group, UserID: "ann", Traits: []byte(`{"name":"ACME","phone":"+1"}`)},
			[]string{"ACME"}, []string{"+1"}, "", ""},
		{"an item", processor.Event{Kind: processor.ProductUpdated, SKU: "phone", Properties: []byte(`{"text":"A phone","note":"n"}`)},
			[]string{"A phone"}, nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := sealed(t, s, c.event)
			all := string(e.Traits) + string(e.Properties)
			for _, x := range c.clear {
				require.Contains(t, all, x)
			}
			for _, x := range c.secret {
				require.NotContains(t, all, x)
			}
			if c.traits == "" {
				c.traits = string(c.event.Traits)
			}
			if c.prop == "" {
				c.prop = string(c.event.Properties)
			}
			require.Equal(t, c.traits, opened(t, s, e.Traits))
			require.Equal(t, c.prop, opened(t, s, e.Properties))
			if c.secret == nil { // as it was, without a copy
				require.Equal(t, c.event, e)
			}
		})
	}
}

// A text of one customer is sealed to the same whenever and wherever it is
// sealed, and to something else for everybody else.
func TestTheSameTextIsSealedToTheSame(t *testing.T) {
	l := openLog(t)
	here, there := newSealer(t, l), newSealer(t, l)
	first := sealed(t, here, identify("ann", `{"email":"ann@example.com"}`))
	require.Equal(t, first, sealed(t, there, identify("ann", `{"email":"ANN@example.com "}`)))
	require.NotEqual(t, first.Traits, sealed(t, here, identify("bob", `{"email":"ann@example.com"}`)).Traits)
	require.NotEqual(t, first.Traits, sealed(t, here, identify("ann", `{"email":"ann2@example.com"}`)).Traits)
}

// A sender cannot make a text that counts as sealed.
func TestWhatLooksSealedIsSealed(t *testing.T) {
	s := newSealer(t, openLog(t))
	e := sealed(t, s, identify("ann", `{"email":"sealed:abc"}`))
	plain, err := s.Open(t.Context(), strings.Trim(strings.TrimPrefix(string(e.Traits), `{"email":`), `"}`))
	require.NoError(t, err)
	require.Equal(t, "sealed:abc", plain)
}

// What is about nobody known has no key that could be destroyed.
func TestPersonalDataOfNobodyIsLeftOut(t *testing.T) {
	s := newSealer(t, openLog(t))
	e := sealed(t, s, processor.Event{Kind: processor.ItemSold, SKU: "phone", OrderID: "o", Properties: []byte(`{"email":"a@b.c","till":4,"customer":{"name":"Ann"}}`)})
	require.JSONEq(t, `{"email":null,"till":4,"customer":null}`, string(e.Properties))
}

func TestADestroyedKeyOpensNothing(t *testing.T) {
	l := openLog(t)
	here, there := newSealer(t, l), newSealer(t, l)
	e := sealed(t, here, identify("ann", `{"email":"ann@example.com"}`))
	text := strings.Trim(strings.TrimPrefix(string(e.Traits), `{"email":`), `"}`)
	plain, err := there.Open(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, "ann@example.com", plain)

	n, err := here.Destroy(t.Context(), []string{"ann", "tablet"})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = here.Open(t.Context(), text)
	require.ErrorIs(t, err, ErrDestroyed)
	require.Eventually(t, func() bool { // it is told, and then asked for anew
		_, err := there.Open(t.Context(), text)
		return errors.Is(err, ErrDestroyed)
	}, soon, tick)

	// Who comes back gets another key, at once and everywhere; it does not open
	// what was sealed with the old one.
	next := sealed(t, there, identify("ann", `{"email":"ann@example.com"}`))
	require.NotEqual(t, e.Traits, next.Traits)
	_, err = here.Open(t.Context(), text)
	require.ErrorIs(t, err, ErrDestroyed)
}

func TestWhatIsNotSealedIsNotOpened(t *testing.T) {
	s := newSealer(t, openLog(t))
	for _, text := range []string{"", "ann@example.com", "sealed:", "sealed:abc.def", "sealed:" + strings.Repeat("A", nameChars) + ".x", "sealed:" + strings.Repeat("*", nameChars) + "." + strings.Repeat("A", 60)} {
		_, err := s.Open(t.Context(), text)
		require.ErrorIs(t, err, ErrNotSealed, text)
	}
	_, err := s.Open(t.Context(), "sealed:"+strings.Repeat("A", nameChars)+"."+strings.Repeat("A", 60))
	require.ErrorIs(t, err, ErrDestroyed)
}

// The largest events there are stay within the limit of what is sealed.
func TestSealedEventsAreBounded(t *testing.T) {
	s := newSealer(t, openLog(t))
	many := strings.Repeat(`"email":"a",`, processor.MaxPropertyBytes/12-2)
	for _, traits := range []string{
		`{` + many + `"tier":"x"}`,
		`{"name":"` + strings.Repeat("x", processor.MaxPropertyBytes-12) + `"}`,
		`{"address":{` + strings.Repeat(`"a":1,`, processor.MaxPropertyBytes/6-10) + `"b":2}}`,
		`{"email":"` + strings.Repeat("Ⱥ", processor.MaxPropertyBytes/2-10) + `"}`,
	} {
		require.LessOrEqual(t, len(traits), processor.MaxPropertyBytes)
		e := identify("ann", traits)
		e.MessageID, e.Source = "m", "http"
		e = sealed(t, s, e)
		require.Greater(t, len(e.Traits), processor.MaxPropertyBytes/4)
		var back processor.Event
		require.NoError(t, processor.DecodeEvent(processor.AppendEvent(nil, &e), &back))
		require.Equal(t, e.Traits, back.Traits)
	}
}

func FuzzSeal(f *testing.F) {
	s := newSealer(f, openLog(f))
	f.Add(`{"email":"a","address":{"country":"FR","city":"x"},"name":{"a":["}"]}}`)
	f.Add(`{"\u0065mail" : "\\\"" , "text":[1,{"a":"]"}],"customer":{}}`)
	f.Add(`{"email"`)
	f.Fuzz(func(t *testing.T, traits string) {
		events := []processor.Event{identify("ann", traits)}
		require.NoError(t, s.Seal(t.Context(), events))
		if !json.Valid([]byte(traits)) {
			return
		}
		require.True(t, json.Valid(events[0].Traits), "%s", events[0].Traits)
		var before, after map[string]json.RawMessage
		if json.Unmarshal([]byte(traits), &before) != nil {
			return
		}
		require.NoError(t, json.Unmarshal(events[0].Traits, &after))
		require.Len(t, after, len(before))
		var mail string
		if json.Unmarshal(before["email"], &mail) == nil && mail != "" {
			require.Contains(t, []string{`"` + processor.SealedPrefix, `""`}, string(after["email"])[:min(len(after["email"]), len(processor.SealedPrefix)+1)])
		}
	})
}
