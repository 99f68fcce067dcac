package shop

import (
	"strconv"
	"strings"
	"time"
)

// Names of the calls a Shop makes: "identify", else the name of a track event.
const (
	Identify          = "identify"
	ProductUpdated    = "Product Updated"
	ProductViewed     = "Product Viewed"
	ProductAdded      = "Product Added"
	ProductRemoved    = "Product Removed"
	AddedToWishlist   = "Product Added to Wishlist"
	CheckoutStarted   = "Checkout Started"
	CheckoutFailed    = "Checkout Failed"
	OrderCompleted    = "Order Completed"
	OrderCancelled    = "Order Cancelled"
	OrderRefunded     = "Order Refunded"
	StockLevel        = "Stock Level Reported"
	PriceChanged      = "Price Changed"
	Requested         = "Back In Stock Requested"
	RequestCancelled  = "Back In Stock Cancelled"
	ConsentChanged    = "Consent Changed"
	OfferDeclined     = "Offer Declined"
	reasonOutOfStock  = "out_of_stock"
	reasonPayment     = "payment"
	currency          = "EUR"
	purposeMarketing  = "marketing"
	purposeAds        = "ads"
	channelEmail      = "email"
	channelPush       = "push"
	channelSMS        = "sms"
	channelAds        = "ads"
	messageIDDecimals = 9
)

// Event is one call of the shop, ready to send, together with what it says in
// a form that needs no parsing. Which fields are set depends on Name.
type Event struct {
	Seq  int    // number of what is said, from 0; a copy repeats it
	Copy bool   // a second delivery: same messageId, same timestamp, same JSON
	Name string // "identify" or the name of the track event
	// At is when the shop sends it; it never decreases from one event to the
	// next. Occurred is the event's timestamp: earlier than At when it is late.
	At, Occurred time.Time
	JSON         []byte // one Segment call; the caller may keep it, not change it

	Customer string
	Cart     string
	Order    string
	Offer    string
	SKU      string // of item events, requests and wish lists
	Reason   string // Checkout Failed
	Lines    []Line // cart lines touched, or the lines of an order

	Location  string // Stock Level Reported
	Available int64
	Version   int64
	Price     int64 // Price Changed, Product Updated: minor units

	Email    bool      // identify: the customer has an e-mail address
	Zone     string    // identify: IANA name, "" when not told
	Consents []Consent // identify and Consent Changed
}

// Line is one line of a cart or an order. Price is in minor units.
type Line struct {
	SKU      string
	Quantity int64
	Price    int64
}

// Consent is one permission: a purpose on a channel.
type Consent struct {
	Channel, Purpose string
	Granted          bool
}

// MessageID returns the messageId of the event with this Seq.
func MessageID(seq int) string { return string(appendMessageID(nil, seq)) }

func appendMessageID(b []byte, seq int) []byte {
	b = append(b, "shop-"...)
	n := len(strconv.Itoa(seq))
	for ; n < messageIDDecimals; n++ {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(seq), 10)
}

// seqOf is the reverse of MessageID, -1 for anything else. An inlet may append
// a line number after a further "-" or "/"; it is ignored.
func seqOf(id string) int {
	rest, ok := strings.CutPrefix(id, "shop-")
	if !ok {
		return -1
	}
	if i := strings.IndexAny(rest, "-/.#"); i >= 0 {
		rest = rest[:i]
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return -1
	}
	return n
}

func line(lines []Line, sku string) *Line {
	for i := range lines {
		if lines[i].SKU == sku {
			return &lines[i]
		}
	}
	return nil
}

// without returns lines less the lines bought, quantities subtracted.
func without(lines, bought []Line) []Line {
	var rest []Line
	for _, l := range lines {
		if b := line(bought, l.SKU); b != nil {
			l.Quantity -= b.Quantity
		}
		if l.Quantity > 0 {
			rest = append(rest, l)
		}
	}
	return rest
}
