package moments

import "slices"

// Vocabulary is what the file may speak of besides its own names. The caller
// fills it in; Standard returns the events every installation has.
type Vocabulary struct {
	// Events holds, by the name of each event, the values of `per` that an
	// event of that name can carry. nil, as against empty, means that it is
	// not known what it carries, and nothing is refused for the lack of it.
	Events map[string][]string
	// Others holds what other systems call an event, with its name here. An
	// event arrives under either name; the file has one.
	Others map[string]string
	// Connectors names the channels that are configured. A moment that uses
	// another gets a warning. nil turns the check off.
	Connectors []string
	// Templates names the texts there are, each as TEMPLATE.CHANNEL. nil
	// turns the check off.
	Templates []string
	// Countries says whether a code is that of a country whose telephone numbers
	// are understood. nil turns the check off.
	Countries func(code string) bool
}

// The values of `per` in the order they are listed to users.
var perWords = []string{
	"customer", "cart_id", "sku", "family", "order_id", "shipment_id", "sale_id",
	"reward_id", "subscription_id", "conversation_id", "device_id",
}

// What events of one kind carry.
var (
	aboutItem   = []string{"customer", "sku", "family"}
	aboutCart   = []string{"customer", "cart_id", "sku", "family"}
	aboutOrder  = []string{"customer", "order_id", "sku", "family"}
	aboutParcel = []string{"customer", "order_id", "shipment_id", "sku", "family"}
	aboutReward = []string{"customer", "reward_id", "order_id"}
	aboutPeople = []string{"customer"}
	aboutSale   = []string{"customer", "sale_id", "sku", "family"}
	aboutPlan   = []string{"customer", "subscription_id", "sku", "family"}
	aboutTalk   = []string{"customer", "conversation_id"}
	ofItem      = []string{"sku", "family"}
	ofShop      = []string{}
)

// MessageCorrected is the event with which the engine itself tells of a message
// that should not have gone: it was raced or late, could not be taken back any
// more, or was wrong. Properties: correction, reason, moment, channel, message.
const MessageCorrected = "Message Corrected"

// factCarries is what a fact carries: it is about an item (or its sale) and
// told to customers with an interest in it.
var factCarries = aboutSale

// Standard returns the vocabulary of the events that every installation
// understands. Connectors and Templates are not checked.
func Standard() Vocabulary {
	return Vocabulary{Events: map[string][]string{
		"Products Searched":             aboutItem,
		"Product Viewed":                aboutItem,
		"Product Added":                 aboutCart,
		"Product Removed":               aboutCart,
		"Cart Viewed":                   aboutCart,
		"Cart Updated":                  aboutCart,
		"Checkout Started":              {"customer", "cart_id", "order_id", "sku", "family"},
		"Checkout Failed":               aboutCart,
		"Payment Info Entered":          {"customer", "cart_id", "order_id"},
		"Order Completed":               aboutOrder,
		"Order Updated":                 aboutOrder,
		"Order Cancelled":               aboutOrder,
		"Order Refunded":                aboutOrder,
		"Product Added to Wishlist":     aboutItem,
		"Product Removed from Wishlist": aboutItem,
		"Coupon Applied":                {"customer", "cart_id", "order_id"},
		"Product Reviewed":              aboutItem,
		"Product Updated":               ofItem,
		"Product Discontinued":          ofItem,
		"Stock Level Reported":          ofItem,
		"Price Changed":                 ofItem,
		"Sale Scheduled":                aboutSale,
		"Sale Cancelled":                aboutSale,
		"Sale Registered":               aboutSale,
		"Sale Unregistered":             aboutSale,
		"Offer Claimed":                 aboutItem,
		"Offer Declined":                aboutItem,
		"Product Dismissed":             aboutItem,
		"Source Reported":               ofShop,
		"Back In Stock Requested":       aboutItem,
		"Back In Stock Cancelled":       aboutItem,
		"Shipment Updated":              aboutParcel,
		"Return Received":               aboutOrder,
		"Pickup Ready":                  aboutOrder,
		"Pickup Collected":              aboutOrder,
		"Identity Unlinked":             aboutPeople,
		"Reward Issued":                 aboutReward,
		"Reward Redeemed":               aboutReward,
		"Reward Expired":                aboutReward,
		"Consent Changed":               aboutPeople,
		"Store Searched":                aboutItem,
		"Store Visited":                 aboutItem,
		"Product Scanned":               aboutItem,
		"Device Reported":               {"customer", "device_id", "sku", "family"},
		"Subscription Started":          aboutPlan,
		"Subscription Changed":          aboutPlan,
		"Subscription Renewed":          aboutPlan,
		"Subscription Ended":            aboutPlan,
		"Message Received":              aboutTalk,
		"Message Answered":              aboutTalk,
		"Message Delivered":             aboutPeople,
		"Message Opened":                aboutPeople,
		"Message Clicked":               aboutPeople,
		"Message Bounced":               aboutPeople,
		"Message Complained":            aboutPeople,
		"Message Unsubscribed":          aboutPeople,
		MessageCorrected:                aboutPeople,
		"Crisis Declared":               ofShop,
		"Crisis Ended":                  ofShop,
		"Audience Reported":             aboutItem,
		"Audience Resumed":              aboutItem,
		"Signed Up":                     aboutPeople,
		"Contact Made":                  aboutPeople,
		"Product Customized":            aboutItem,
		"Donation Made":                 aboutPeople,
		"Lead Submitted":                aboutPeople,
		"Appointment Scheduled":         aboutPeople,
		"Trial Started":                 aboutPeople,
		"Application Submitted":         aboutPeople,
	}}
}

// carries reports whether an event can carry a value of that kind, as far as
// is known.
func (v *Vocabulary) carries(event, per string) bool {
	have, known := v.Events[event]
	return !known || have == nil || slices.Contains(have, per)
}
