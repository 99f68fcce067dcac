package segment

import (
	"fmt"

	"onhand/processor"
)

// Kinds is a set of kinds of event. The zero value is empty.
type Kinds [4]uint64

// KindsOf returns the set of kinds.
func KindsOf(kinds ...processor.Kind) (s Kinds) {
	for _, k := range kinds {
		s[k/64] |= 1 << (k % 64)
	}
	return s
}

// Has reports whether a kind is in the set.
func (s *Kinds) Has(k processor.Kind) bool { return s[k/64]>>(k%64)&1 == 1 }

// With returns the set with the kinds of these names, those of the contract:
// "Order Completed", "alias". It is an error that a name has none.
func (s Kinds) With(names []string) (Kinds, error) {
	for _, name := range names {
		k := processor.KindOf(name)
		if !k.OfInlets() {
			return s, fmt.Errorf("%q is no event that has a meaning here", name)
		}
		s[k/64] |= 1 << (k % 64)
	}
	return s, nil
}

// OfPages returns what a write key may say that stands in pages and apps, where
// anybody can read it: what a customer does there on their own account, and
// events whose names have no meaning here. Whoever has such a key can speak for
// any customer, so it cannot move stock, orders, prices, offers, rewards and
// permissions, join or part two ids, report what became of a message, nor speak
// for the shop. An identify may name the visitor and the user, and tell about
// them, but neither what they permit, nor where they are reached, nor what they
// are worth to the shop; see public.
func OfPages() Kinds {
	return KindsOf(
		processor.Custom, processor.Identify, processor.Page, processor.Screen, processor.Group,
		processor.ProductsSearched, processor.ProductViewed, processor.ProductAdded, processor.ProductRemoved,
		processor.CartViewed, processor.CartUpdated, processor.CheckoutStarted, processor.CheckoutFailed, processor.PaymentInfoEntered,
		processor.ProductAddedToWishlist, processor.ProductRemovedFromWishlist, processor.CouponApplied, processor.ProductReviewed,
		processor.SaleRegistered, processor.SaleUnregistered, processor.ProductDismissed,
		processor.BackInStockRequested, processor.BackInStockCancelled,
		processor.StoreSearched, processor.StoreVisited, processor.ProductScanned,
	)
}

// permitted checks that the sender may send an event of this kind.
func (p *Parser) permitted(k processor.Kind) {
	if p.o.Only == nil {
		return
	}
	if !p.o.Only.Has(k) {
		p.fault(Forbidden, "", "not with this write key, which stands in pages and apps where anybody can read it; send it from a server with a key of its own")
	}
	if k == processor.Identify && p.public() {
		p.publicTraits()
	}
}
