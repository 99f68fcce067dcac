package segment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"onhand/processor"
)

// Whoever reads a key in a page can speak for anybody with it: what it may send
// moves nothing that belongs to somebody else.
func TestWhatPagesMaySend(t *testing.T) {
	only := OfPages()
	for _, call := range []string{
		`{"type":"track","event":"Product Viewed","userId":"ann","properties":{"sku":"phone"}}`,
		`{"type":"track","event":"AddToCart","userId":"ann","properties":{"content_ids":["phone"]}}`,
		`{"type":"track","event":"Back In Stock Requested","userId":"ann","properties":{"sku":"phone"}}`,
		`{"type":"track","event":"Newsletter Read","userId":"ann"}`,
		`{"type":"identify","userId":"ann","anonymousId":"tablet","traits":{"firstName":"Ann"},"context":{"consent":{"categoryPreferences":{"Advertising":true}}}}`,
		`{"type":"page","anonymousId":"x"}`,
	} {
		_, err := Parse(nil, []byte(call), Options{Only: &only})
		require.NoError(t, err, call)
	}
	for call, field := range map[string]string{
		`{"type":"track","event":"Offer Declined","properties":{"offer_id":"phone~7"}}`:                                                   "",
		`{"type":"track","event":"Offer Claimed","userId":"ann","properties":{"offer_id":"phone~7"}}`:                                     "",
		`{"type":"track","event":"Crisis Declared","properties":{"tags":["storm"]}}`:                                                      "",
		`{"type":"track","event":"Crisis Ended","properties":{"tags":["storm"]}}`:                                                         "",
		`{"type":"track","event":"Order Refunded","properties":{"order_id":"o1","products":[{"sku":"phone"}]}}`:                           "",
		`{"type":"track","event":"refund","userId":"ann","properties":{"transaction_id":"o1","items":[{"item_id":"phone"}]}}`:             "",
		`{"type":"track","event":"Order Completed","properties":{"order_id":"o1","products":[{"sku":"phone","quantity":1000000}]}}`:       "",
		`{"type":"track","event":"Stock Level Reported","properties":{"sku":"phone","available":9}}`:                                      "",
		`{"type":"track","event":"Reward Issued","properties":{"reward_id":"r"}}`:                                                         "",
		`{"type":"track","event":"Email Unsubscribed","userId":"ann","properties":{"action_id":"a"}}`:                                     "",
		`{"type":"track","event":"Consent Changed","userId":"ann","properties":{"channel":"email","purpose":"m","granted":true}}`:         "",
		`{"type":"alias","userId":"eve","previousId":"ann"}`:                                                                              "",
		`{"type":"track","event":"Identity Unlinked","userId":"ann","properties":{"previousId":"tablet"}}`:                                "",
		`{"type":"identify","userId":"ann","traits":{"c\u006fnsent":{"email":{"marketing":true}}}}`:                                       "traits.consent",
		`{"type":"identify","userId":"ann","traits":{"firstName":"Ann","consent":{"email":{"marketing":false}},"name":{"consent":null}}}`: "traits.consent",
		`{"type":"identify","userId":"ann","traits":{"tier":"gold"}}`:                                                                     "traits.tier",
		`{"type":"identify","userId":"ann","traits":{"household":"h1"}}`:                                                                  "traits.household",
		`{"type":"identify","userId":"ann","traits":{"\u0065mail":"eve@example.com"}}`:                                                    "traits.email",
		`{"type":"identify","anonymousId":"x","traits":{"phone":"+33612345678"}}`:                                                         "traits.phone",
		`{"type":"identify","userId":"ann","traits":{"device_token":"eve"}}`:                                                              "traits.device_token",
		`{"type":"identify","userId":"ann","traits":{"push_token":"eve"}}`:                                                                "traits.push_token",
		`{"type":"track","event":"Newsletter Read","userId":"ann","properties":{"context.device.token":"eve"}}`:                           "properties.context.device.token",
		`{"type":"page","userId":"ann","properties":{"cont\u0065xt.consent.categoryPreferences":{"Advertising":true}}}`:                   "properties.context.consent.categoryPreferences",
	} {
		_, err := Parse(nil, []byte(call), Options{Only: &only})
		var faults Faults
		require.ErrorAs(t, err, &faults, call)
		require.Len(t, faults, 1, call)
		require.Equal(t, Forbidden, faults[0].Class, call)
		require.Equal(t, field, faults[0].Field, call)
		require.Contains(t, err.Error(), "from a server", call)
		_, err = Parse(nil, []byte(call), Options{})
		require.False(t, err != nil && faults.Error() == err.Error(), call)
	}
	for k := processor.ItemSold; k < 200; k++ {
		require.False(t, only.Has(k), k)
	}

	more, err := only.With([]string{"Order Completed", "alias", "Consent Changed"})
	require.NoError(t, err)
	for _, call := range []string{
		`{"type":"alias","userId":"eve","previousId":"ann"}`,
		`{"type":"identify","userId":"ann","traits":{"consent":{"email":{"marketing":true}}}}`,
	} {
		_, err := Parse(nil, []byte(call), Options{Only: &more})
		require.NoError(t, err, call)
	}
	for _, name := range []string{EmailProperty, PhoneProperty} { // whose an address is, it may not say
		_, err := Parse(nil, []byte(`{"type":"identify","userId":"eve","properties":{"`+name+`":"tablet"}}`), Options{Only: &more})
		var faults Faults
		require.ErrorAs(t, err, &faults)
		require.Equal(t, "properties."+name, faults[0].Field)
		require.Equal(t, Forbidden, faults[0].Class)
	}
	for _, name := range []string{"Order Complete", "Item Sold", "Customer Erased", "custom", ""} {
		_, err := only.With([]string{name})
		require.ErrorContains(t, err, "no event", name)
	}
}

// What libraries attach to every call is passed over where a page may not say
// it: a page can refuse advertising for a customer, and cannot undo it.
func TestWhatPagesSayByTheWay(t *testing.T) {
	only := OfPages()
	more, err := only.With([]string{"Consent Changed"})
	require.NoError(t, err)
	call := func(context string) []byte {
		return []byte(`{"type":"track","event":"Product Viewed","userId":"ann","properties":{"sku":"phone"},"context":` + context + `}`)
	}
	for context, kept := range map[string]string{
		`{"consent":{"categoryPreferences":{"Advertising":false}}}`:                          `{"context.consent.categoryPreferences":{"Advertising":false}}`,
		`{"consent":{"categoryPreferences":{"Functional":true}}}`:                            `{"context.consent.categoryPreferences":{"Functional":true}}`,
		`{"consent":{"categoryPreferences":{"Advertising":true}}}`:                           "",
		`{"consent":{"categoryPreferences":{"Advertising":false,"\u0061DVERTISING":"yes"}}}`: "",
		`{"timezone":"Europe/Paris","device":{"token":"eve"}}`:                               `{"context.timezone":"Europe/Paris"}`,
	} {
		list, err := Parse(nil, call(context), Options{Only: &only})
		require.NoError(t, err, context)
		require.Equal(t, kept, string(list[0].Properties), context)
		all, err := Parse(nil, call(context), Options{})
		require.NoError(t, err)
		trusted, err := Parse(nil, call(context), Options{Only: &more})
		require.NoError(t, err)
		require.Equal(t, all[0].Properties, trusted[0].Properties, context)
	}
}
