package segment

import "onhand/processor"

// name is what an event name of another vocabulary means here. Own is the
// name of a Custom event. Names of another vocabulary were not made for our
// table of required properties: where one is missing the event is kept as
// Custom under our name instead of being refused, so none is lost.
type name struct {
	kind    processor.Kind
	own     string
	channel string // the channel such an event is about
}

// names are the vocabularies understood besides our own (processor.KindOf).
var names = map[string]name{
	// Segment's names for what has another one here.
	"Wishlist Product Added to Cart": {kind: processor.ProductAdded},

	// Segment's e-mail specification. It knows no action_id.
	"Email Delivered":      {kind: processor.MessageDelivered, channel: "email"},
	"Email Opened":         {kind: processor.MessageOpened, channel: "email"},
	"Email Link Clicked":   {kind: processor.MessageClicked, channel: "email"},
	"Email Bounced":        {kind: processor.MessageBounced, channel: "email"},
	"Email Marked as Spam": {kind: processor.MessageComplained, channel: "email"},
	"Email Unsubscribed":   {kind: processor.MessageUnsubscribed, channel: "email"},
	"Unsubscribed":         {kind: processor.MessageUnsubscribed, channel: "email"},

	// The seventeen standard events of Meta, and its page view.
	"AddPaymentInfo":       {kind: processor.PaymentInfoEntered},
	"AddToCart":            {kind: processor.ProductAdded},
	"AddToWishlist":        {kind: processor.ProductAddedToWishlist},
	"CompleteRegistration": {own: "Signed Up"},
	"Contact":              {own: "Contact Made"},
	"CustomizeProduct":     {own: "Product Customized"},
	"Donate":               {own: "Donation Made"},
	"FindLocation":         {kind: processor.StoreSearched},
	"InitiateCheckout":     {kind: processor.CheckoutStarted},
	"Lead":                 {own: "Lead Submitted"},
	"Purchase":             {kind: processor.OrderCompleted},
	"Schedule":             {own: "Appointment Scheduled"},
	"Search":               {kind: processor.ProductsSearched},
	"StartTrial":           {own: "Trial Started"},
	"SubmitApplication":    {own: "Application Submitted"},
	"Subscribe":            {kind: processor.SubscriptionStarted},
	"ViewContent":          {kind: processor.ProductViewed},
	"PageView":             {kind: processor.Page},

	// Their cousins of GA4.
	"add_payment_info":    {kind: processor.PaymentInfoEntered},
	"add_shipping_info":   {own: "Shipping Info Entered"},
	"add_to_cart":         {kind: processor.ProductAdded},
	"add_to_wishlist":     {kind: processor.ProductAddedToWishlist},
	"begin_checkout":      {kind: processor.CheckoutStarted},
	"generate_lead":       {own: "Lead Submitted"},
	"page_view":           {kind: processor.Page},
	"purchase":            {kind: processor.OrderCompleted},
	"refund":              {kind: processor.OrderRefunded},
	"remove_from_cart":    {kind: processor.ProductRemoved},
	"screen_view":         {kind: processor.Screen},
	"search":              {kind: processor.ProductsSearched},
	"select_item":         {own: "Product Clicked"},
	"select_promotion":    {own: "Promotion Clicked"},
	"sign_up":             {own: "Signed Up"},
	"view_cart":           {kind: processor.CartViewed},
	"view_item":           {kind: processor.ProductViewed},
	"view_item_list":      {own: "Product List Viewed"},
	"view_promotion":      {own: "Promotion Viewed"},
	"view_search_results": {kind: processor.ProductsSearched},
}
