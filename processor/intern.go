package processor

import "strings"

// clone copies a string out of the message it is a view of. Whatever an entity
// keeps of an event is cloned.
func clone(s string) string { return strings.Clone(s) }

// words are the strings that stand in nearly every entity. One copy serves all.
var words = func() map[string]string {
	m := map[string]string{}
	for _, w := range []string{
		"email", "push", "sms", "whatsapp", "onsite", "ads", "social", "desk", "orders",
		"marketing", "stock_alert", "sale_alert", "location", "auto_order",
		"requested", "checkout_failed", "cart", "wishlist", "scanned", "viewed",
		"cart_abandoned", "back_in_stock", "cart_restored", "retarget_ads",
		"transactional", "service", "message", "audience", "default",
		string(OutOfStock), string(NotYetOnSale), string(SaleOver), string(Unpublished), string(StockStale),
	} {
		m[w] = w
	}
	return m
}()

// intern returns b as a string, the shared copy when it is a common word.
func intern(b []byte) string {
	if s, ok := words[string(b)]; ok {
		return s
	}
	return string(b)
}
