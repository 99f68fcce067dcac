package processor

import (
	"fmt"
	"strings"

	"onhand/processor/moments"
)

// Kind says what happened. The names users write are those of the Segment
// e-commerce specification and the ones Onhand adds; KindOf and Kind.String
// translate. An event whose name is not in the table is Custom: it is kept,
// counted and may trigger moments by its Name, but changes nothing by itself.
//
// Kinds are stored in the log. Never renumber them; add new ones at the end.
type Kind uint8

// The kinds of event.
const (
	Custom Kind = iota
	Identify
	Alias
	Page
	Screen
	Group
	ProductsSearched
	ProductViewed
	ProductAdded
	ProductRemoved
	CartViewed
	CartUpdated
	CheckoutStarted
	CheckoutFailed
	PaymentInfoEntered
	OrderCompleted
	OrderUpdated
	OrderCancelled
	OrderRefunded
	ProductAddedToWishlist
	ProductRemovedFromWishlist
	CouponApplied
	ProductReviewed
	ProductUpdated
	ProductDiscontinued
	StockLevelReported
	PriceChanged
	SaleScheduled
	SaleCancelled
	SaleRegistered
	SaleUnregistered
	OfferClaimed
	OfferDeclined
	ProductDismissed
	SourceReported
	BackInStockRequested
	BackInStockCancelled
	ShipmentUpdated
	ReturnReceived
	PickupReady
	PickupCollected
	IdentityUnlinked
	RewardIssued
	RewardRedeemed
	RewardExpired
	ConsentChanged
	StoreSearched
	StoreVisited
	ProductScanned
	DeviceReported
	SubscriptionStarted
	SubscriptionChanged
	SubscriptionRenewed
	SubscriptionEnded
	MessageReceived
	MessageAnswered
	MessageDelivered
	MessageOpened
	MessageClicked
	MessageBounced
	MessageComplained
	MessageUnsubscribed
	CrisisDeclared
	CrisisEnded
	// ItemSold is one line of an order without a customer (a public sale),
	// split off by the inlet and addressed to the item. MessageID is the
	// order's with the line number appended; OrderID and Line name the line.
	ItemSold
	// ItemReturned is one line of a cancelled or refunded order without a
	// customer: the sale named by OrderID and Line did not last.
	ItemReturned
	// CustomerErased forgets its customer; see erase.go. No inlet takes it:
	// only who operates the shop may ask for it.
	CustomerErased
	// MessageCorrected begins what is said of a message that was corrected; see
	// apology.go. It is the engine's own, and never part of a log.
	MessageCorrected
	// AudienceReported says what an ad platform holds: of its customer or, without
	// one, of what was set up for an audience; see drift.go.
	AudienceReported
	// AudienceResumed ends that what was changed on the platform is left alone.
	AudienceResumed

	kinds // the number of kinds
)

var kindNames = [kinds]string{
	Custom:                     "",
	Identify:                   "identify",
	Alias:                      "alias",
	Page:                       "page",
	Screen:                     "screen",
	Group:                      "group",
	ProductsSearched:           "Products Searched",
	ProductViewed:              "Product Viewed",
	ProductAdded:               "Product Added",
	ProductRemoved:             "Product Removed",
	CartViewed:                 "Cart Viewed",
	CartUpdated:                "Cart Updated",
	CheckoutStarted:            "Checkout Started",
	CheckoutFailed:             "Checkout Failed",
	PaymentInfoEntered:         "Payment Info Entered",
	OrderCompleted:             "Order Completed",
	OrderUpdated:               "Order Updated",
	OrderCancelled:             "Order Cancelled",
	OrderRefunded:              "Order Refunded",
	ProductAddedToWishlist:     "Product Added to Wishlist",
	ProductRemovedFromWishlist: "Product Removed from Wishlist",
	CouponApplied:              "Coupon Applied",
	ProductReviewed:            "Product Reviewed",
	ProductUpdated:             "Product Updated",
	ProductDiscontinued:        "Product Discontinued",
	StockLevelReported:         "Stock Level Reported",
	PriceChanged:               "Price Changed",
	SaleScheduled:              "Sale Scheduled",
	SaleCancelled:              "Sale Cancelled",
	SaleRegistered:             "Sale Registered",
	SaleUnregistered:           "Sale Unregistered",
	OfferClaimed:               "Offer Claimed",
	OfferDeclined:              "Offer Declined",
	ProductDismissed:           "Product Dismissed",
	SourceReported:             "Source Reported",
	BackInStockRequested:       "Back In Stock Requested",
	BackInStockCancelled:       "Back In Stock Cancelled",
	ShipmentUpdated:            "Shipment Updated",
	ReturnReceived:             "Return Received",
	PickupReady:                "Pickup Ready",
	PickupCollected:            "Pickup Collected",
	IdentityUnlinked:           "Identity Unlinked",
	RewardIssued:               "Reward Issued",
	RewardRedeemed:             "Reward Redeemed",
	RewardExpired:              "Reward Expired",
	ConsentChanged:             "Consent Changed",
	StoreSearched:              "Store Searched",
	StoreVisited:               "Store Visited",
	ProductScanned:             "Product Scanned",
	DeviceReported:             "Device Reported",
	SubscriptionStarted:        "Subscription Started",
	SubscriptionChanged:        "Subscription Changed",
	SubscriptionRenewed:        "Subscription Renewed",
	SubscriptionEnded:          "Subscription Ended",
	MessageReceived:            "Message Received",
	MessageAnswered:            "Message Answered",
	MessageDelivered:           "Message Delivered",
	MessageOpened:              "Message Opened",
	MessageClicked:             "Message Clicked",
	MessageBounced:             "Message Bounced",
	MessageComplained:          "Message Complained",
	MessageUnsubscribed:        "Message Unsubscribed",
	CrisisDeclared:             "Crisis Declared",
	CrisisEnded:                "Crisis Ended",
	ItemSold:                   "Item Sold",
	ItemReturned:               "Item Returned",
	CustomerErased:             "Customer Erased",
	MessageCorrected:           moments.MessageCorrected,
	AudienceReported:           "Audience Reported",
	AudienceResumed:            "Audience Resumed",
}

var kindByName = func() map[string]Kind {
	m := make(map[string]Kind, kinds)
	for k := Custom + 1; k < kinds; k++ {
		m[kindNames[k]] = k
	}
	return m
}()

// KindOf returns the kind of a track event by its name, or Custom when the
// name is not in the table. The names of the other Segment calls (identify,
// page, ...) are kinds of their own, not event names.
func KindOf(name string) Kind { return kindByName[name] }

// String returns the name users write, "custom" for Custom.
func (k Kind) String() string {
	switch {
	case k == Custom:
		return "custom"
	case k < kinds:
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// OfItem reports whether events of this kind are about an item, not about a
// customer, and so are addressed by SKU.
func (k Kind) OfItem() bool {
	switch k {
	case ProductUpdated, ProductDiscontinued, StockLevelReported, PriceChanged,
		SaleScheduled, SaleCancelled, ItemSold, ItemReturned:
		return true
	}
	return false
}

// OfReward reports whether events of this kind are about a reward, and may do
// without its customer: a till knows the certificate only.
func (k Kind) OfReward() bool {
	return k == RewardIssued || k == RewardRedeemed || k == RewardExpired
}

// OfShop reports whether events of this kind are about the whole shop. They
// enter at partition 0, which transfers them to all others.
func (k Kind) OfShop() bool {
	switch k {
	case SourceReported, CrisisDeclared, CrisisEnded:
		return true
	}
	return false
}

// OfInlets reports whether inlets take events of this kind under its own name;
// the others are made by the inlet, by who operates the shop, or by the engine.
func (k Kind) OfInlets() bool {
	return k > Custom && (k < ItemSold || k == AudienceReported || k == AudienceResumed)
}

// OfAudience reports whether events of this kind are about an audience, and may do
// without a customer.
func (k Kind) OfAudience() bool { return k == AudienceReported || k == AudienceResumed }

// Limits of one event. The inlet refuses what is larger; the codec checks them
// again when it decodes.
const (
	MaxEventBytes    = 32 << 10 // of the JSON text, as Segment's
	MaxIDBytes       = 256      // customer, message, order, cart... ids
	MaxProducts      = 200      // lines of one cart or order
	MaxPropertyBytes = 16 << 10 // properties that are not fields of Event
)

// Event is something a system says happened, about a customer or an item. It
// is the normal form every inlet produces; which fields are set depends on
// Kind. Times are Unix milliseconds, money is in the minor unit of the shop's
// currency. Zero means absent unless the field says otherwise.
type Event struct {
	Kind      Kind
	Name      string // the name as sent, for Custom only
	Source    string // name of the write key's source
	MessageID string
	// Stamp is the sender's own timestamp, uncorrected: a retry repeats it, so
	// it decides whether an event can be a copy. Stamped says that the sender
	// gave one; otherwise the inlet filled it in.
	Stamp   int64
	Stamped bool
	// At is when it happened: Stamp corrected by the sender's clock error. It
	// decides what the event means, never when a timer fires.
	At int64

	UserID      string
	AnonymousID string
	PreviousID  string // alias, Identity Unlinked

	SKU         string // names what has stock: sku, or product_id without one
	CartID      string
	OrderID     string
	ShipmentID  string
	SaleID      string
	OfferID     string
	RewardID    string
	ActionID    string
	ItemSource  string // Source Reported: the source that reports, "" = the write key's
	Channel     string
	Purpose     string
	Reason      string
	Status      string
	By          string
	Category    string
	Brand       string
	Family      string
	Location    string
	Currency    string
	AccessoryOf string
	Locations   []string // accepted locations, or substitutes of a product
	Tags        []string
	Products    []Product

	Price      int64 // minor units; see HasPrice
	HasPrice   bool
	Total      int64
	MaxPrice   int64
	Quantity   int64 // as sent, may be negative; 0 with HasQuantity unset means one
	HasQty     bool
	Available  int64 // stock level, may be negative
	HasLevel   bool  // Available was given; without it the level is unknown
	Safety     int64
	HasSafety  bool
	Version    int64 // stock, price: grows with each report of the source
	UpdatedAt  int64 // stock, price, cart: time of the state reported
	OpensAt    int64
	ClosesAt   int64
	ExpiresAt  int64
	CompleteTo int64
	Line       int64 // Item Sold: number of the order line, from 0
	Lasts      int64 // ms one unit lasts
	Low        int64
	Margin     int64 // what the shop earns on one unit, minor units; 0 = not told
	Granted    bool
	Pixel      bool // a page's pixel and its server both send it, with one message id and timestamps of their own; see pixels
	Sellable   Flag // stock: the source's own word on whether it may be sold
	Published  Flag

	// Traits (identify) and Properties (every other key of the event) are JSON
	// objects as sent, less what became a field above. Empty when nothing is
	// left.
	Traits     []byte
	Properties []byte
}

// Flag is a boolean that may be absent.
type Flag uint8

// The values of a Flag.
const (
	Unset Flag = iota
	No
	Yes
)

// Product is one line of a cart, a checkout or an order.
type Product struct {
	SKU       string
	ProductID string // when it differs from SKU
	Variant   string
	Category  string
	Brand     string
	Price     int64 // minor units, 0 = not told
	Quantity  int64 // at least 1
	Gift      bool  // bought for somebody else
}

// Customer returns the id of the customer the event is about: the user when
// known, else the anonymous visitor, else "".
func (e *Event) Customer() string {
	if e.UserID != "" {
		return e.UserID
	}
	return e.AnonymousID
}

// Target returns the kind and id of the entity the event is addressed to.
func (e *Event) Target() (EntityKind, string) {
	switch {
	case e.Kind.OfItem():
		return ItemKind, e.SKU
	case e.Kind.OfShop():
		return ShopKind, ""
	case e.Kind.OfReward() && e.Customer() == "" && e.RewardID != "":
		return RewardKind, e.RewardID
	case e.Kind.OfAudience() && e.Customer() == "":
		return QuorumKind, quorumID(properties(e.Properties).id("audience"), e.SKU)
	case e.Kind == OfferClaimed || e.Kind == OfferDeclined:
		if i := strings.LastIndexByte(e.OfferID, '~'); i > 0 && e.Customer() == "" {
			return ItemKind, e.OfferID[:i] // the item knows who holds it
		}
	}
	return CustomerKind, e.Customer()
}
