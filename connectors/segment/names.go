package segment

import (
	"strings"
	"unicode"

	"onhand/processor"
	"onhand/processor/moments"
)

// name is what an event name of another vocabulary means here. Own is the
// name of a Custom event. Names of another vocabulary were not made for our
// table of required properties: where one is missing the event is kept as
// Custom under our name instead of being refused, so none is lost.
type name struct {
	kind    processor.Kind
	own     string
	channel string // the channel such an event is about
	reason  string // the reason such an event gives
	by      string // who did it
	pixel   bool   // the page and its server both send it; see processor.Event.Pixel
}

// names are the vocabularies understood besides our own (processor.KindOf).
var names = map[string]name{
	// Segment's names for what has another one here.
	"Wishlist Product Added to Cart": {kind: processor.ProductAdded},

	// What other systems call the events that no pixel has.
	"Cart Line Removed": {kind: processor.ProductRemoved, by: "system"},
	"Payment Failed":    {kind: processor.CheckoutFailed, reason: "payment"},
	"Inventory Changed": {kind: processor.StockLevelReported},
	"Device Reading":    {kind: processor.DeviceReported},
	"Social Mention":    {kind: processor.MessageReceived, channel: "social"},
	"Call Started":      {kind: processor.MessageReceived, channel: "phone"},
	"Call Ended":        {kind: processor.MessageAnswered, channel: "phone"},

	// Segment's e-mail and push specifications. They know no action_id.
	"Email Delivered":            {kind: processor.MessageDelivered, channel: "email"},
	"Email Opened":               {kind: processor.MessageOpened, channel: "email"},
	"Email Link Clicked":         {kind: processor.MessageClicked, channel: "email"},
	"Email Bounced":              {kind: processor.MessageBounced, channel: "email"},
	"Email Marked as Spam":       {kind: processor.MessageComplained, channel: "email"},
	"Email Unsubscribed":         {kind: processor.MessageUnsubscribed, channel: "email"},
	"Unsubscribed":               {kind: processor.MessageUnsubscribed, channel: "email"},
	"Push Notification Received": {kind: processor.MessageDelivered, channel: "push"},
	"Push Notification Tapped":   {kind: processor.MessageClicked, channel: "push"},
	"Push Notification Bounced":  {kind: processor.MessageBounced, channel: "push"},

	// The seventeen standard events of Meta, and its page view. What comes under
	// one of these names from the page and from the server with one message id is
	// one event, whatever their timestamps.
	"AddPaymentInfo":       {kind: processor.PaymentInfoEntered, pixel: true},
	"AddToCart":            {kind: processor.ProductAdded, pixel: true},
	"AddToWishlist":        {kind: processor.ProductAddedToWishlist, pixel: true},
	"CompleteRegistration": {own: "Signed Up", pixel: true},
	"Contact":              {own: "Contact Made", pixel: true},
	"CustomizeProduct":     {own: "Product Customized", pixel: true},
	"Donate":               {own: "Donation Made", pixel: true},
	"FindLocation":         {kind: processor.StoreSearched, pixel: true},
	"InitiateCheckout":     {kind: processor.CheckoutStarted, pixel: true},
	"Lead":                 {own: "Lead Submitted", pixel: true},
	"Purchase":             {kind: processor.OrderCompleted, pixel: true},
	"Schedule":             {own: "Appointment Scheduled", pixel: true},
	"Search":               {kind: processor.ProductsSearched, pixel: true},
	"StartTrial":           {own: "Trial Started", pixel: true},
	"SubmitApplication":    {own: "Application Submitted", pixel: true},
	"Subscribe":            {kind: processor.SubscriptionStarted, pixel: true},
	"ViewContent":          {kind: processor.ProductViewed, pixel: true},
	"PageView":             {kind: processor.Page, pixel: true},

	// Their cousins of GA4: its e-commerce events, and those it recommends to
	// every shop. What GA4 collects by itself keeps the name it has.
	"add_payment_info":       {kind: processor.PaymentInfoEntered},
	"add_shipping_info":      {own: "Shipping Info Entered"},
	"add_to_cart":            {kind: processor.ProductAdded},
	"add_to_wishlist":        {kind: processor.ProductAddedToWishlist},
	"begin_checkout":         {kind: processor.CheckoutStarted},
	"close_convert_lead":     {own: "Lead Converted"},
	"close_unconvert_lead":   {own: "Lead Lost"},
	"disqualify_lead":        {own: "Lead Disqualified"},
	"earn_virtual_currency":  {own: "Points Earned"},
	"generate_lead":          {own: "Lead Submitted"},
	"join_group":             {own: "Group Joined"},
	"login":                  {own: "Signed In"},
	"page_view":              {kind: processor.Page},
	"purchase":               {kind: processor.OrderCompleted},
	"qualify_lead":           {own: "Lead Qualified"},
	"refund":                 {kind: processor.OrderRefunded},
	"remove_from_cart":       {kind: processor.ProductRemoved},
	"screen_view":            {kind: processor.Screen},
	"search":                 {kind: processor.ProductsSearched},
	"select_content":         {own: "Content Selected"},
	"select_item":            {own: "Product Clicked"},
	"select_promotion":       {own: "Promotion Clicked"},
	"share":                  {own: "Product Shared"},
	"sign_up":                {own: "Signed Up"},
	"spend_virtual_currency": {own: "Points Spent"},
	"tutorial_begin":         {own: "Tutorial Started"},
	"tutorial_complete":      {own: "Tutorial Completed"},
	"view_cart":              {kind: processor.CartViewed},
	"view_item":              {kind: processor.ProductViewed},
	"view_item_list":         {own: "Product List Viewed"},
	"view_promotion":         {own: "Promotion Viewed"},
	"view_search_results":    {kind: processor.ProductsSearched},
	"working_lead":           {own: "Lead Contacted"},
}

// spelled are our own names by how they are spelled without capitals, spaces,
// underscores and hyphens: a shop that writes order_completed means that an order
// was completed.
var spelled = func() map[string]processor.Kind {
	all := map[string]processor.Kind{}
	for k := processor.ProductsSearched; k <= processor.AudienceResumed; k++ {
		if k.OfInlets() {
			all[spelling(k.String())] = k
		}
	}
	return all
}()

// spelling returns a name without what spellings differ in.
func spelling(title string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, title)
}

// Vocabulary returns what a moments file may speak of, with the names that
// other systems give the events, so that who writes one of these is told ours.
func Vocabulary() moments.Vocabulary {
	v := processor.Vocabulary()
	v.Countries = IsCountry
	v.Others = make(map[string]string, len(names))
	for other, n := range names {
		here := n.own
		if here == "" {
			here = n.kind.String()
		}
		if _, known := v.Events[here]; known {
			v.Others[other] = here
		}
	}
	return v
}
