package segment

import (
	"math/bits"

	"onhand/processor"
)

// field is a property that may become a field of the event.
type field uint8

const (
	fNone field = iota
	fSKU
	fProductID
	fItemID // GA4
	fProducts
	fContents   // Meta
	fItems      // GA4
	fContentIDs // Meta
	fCartID
	fOrderID
	fTransactionID // GA4
	fShipmentID
	fSaleID
	fOfferID
	fRewardID
	fActionID
	fSource
	fChannel
	fPurpose
	fReason
	fStatus
	fBy
	fCategory
	fContentCategory // Meta
	fBrand
	fFamily
	fStoreID
	fLocation
	fStore
	fCurrency
	fAccessoryOf
	fLocations
	fSubstitutes
	fTags
	fPrice
	fTotal
	fValue // Meta, GA4, and Segment's other word for total
	fAmount
	fMaxPrice
	fMargin
	fQuantity
	fAvailable
	fSafety
	fVersion
	fUpdatedAt
	fOpensAt
	fClosesAt
	fExpiresAt
	fCompleteTo
	fLasts
	fLow
	fGranted
	fSellable
	fPublished
	fUserID
	fPreviousID
	// Only asked for; they stay properties.
	fSubscriptionID
	fConversationID
	fDeviceID
	fLevel
	fLatitude
	fLongitude
	fGift
	fAudience

	fields // the number of fields, at most 64
)

var fieldNames = [fields]string{
	"", "sku", "product_id", "item_id", "products", "contents", "items", "content_ids", "cart_id", "order_id", "transaction_id",
	"shipment_id", "sale_id", "offer_id", "reward_id", "action_id", "source", "channel", "purpose", "reason", "status", "by", "category",
	"content_category", "brand", "family", "store_id", "location", "store", "currency", "accessory_of", "locations", "substitutes", "tags",
	"price", "total", "value", "amount", "max_price", "margin", "quantity", "available", "safety", "version", "updated_at", "opens_at", "closes_at",
	"expires_at", "complete_to", "lasts", "low", "granted", "sellable", "published", "userId", "previousId", "subscription_id",
	"conversation_id", "device_id", "level", "latitude", "longitude", "gift", "audience",
}

var fieldByName = func() map[string]field {
	m := make(map[string]field, fields)
	for f := fNone + 1; f < fields; f++ {
		m[fieldNames[f]] = f
	}
	return m
}()

// fieldSet is a set of fields.
type fieldSet uint64

func set(all ...field) (s fieldSet) {
	for _, f := range all {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f field) bool { return s>>f&1 != 0 }

// names returns the names of the fields, in their order.
func (s fieldSet) names() (all []string) {
	for ; s != 0; s &= s - 1 {
		all = append(all, fieldNames[bits.TrailingZeros64(uint64(s))])
	}
	return all
}

// Groups of fields.
var (
	// skuWords name an item, one after the other; lineWords name lines.
	skuWords  = set(fSKU, fProductID, fItemID)
	lineWords = set(fProducts, fContents, fItems, fContentIDs)
	place     = set(fStoreID, fLocation)
	item      = skuWords | lineWords | set(fCategory, fContentCategory, fBrand, fFamily, fPrice, fQuantity, fCurrency, fValue)
	cart      = lineWords | set(fCartID, fTotal, fValue, fCurrency)
	order     = cart | set(fOrderID, fTransactionID)

	// common are read from every typed event. Where an event's own table does
	// not name them, one of another shape than expected stays a property.
	common = (item | order | place | set(fShipmentID, fSaleID, fOfferID, fRewardID, fActionID, fChannel, fReason, fStatus, fBy)) &^ set(fValue)
)

// spec says what the properties of one kind of event are.
type spec struct {
	// own are the fields of this kind: a wrong shape is a fault.
	own fieldSet
	// required must be there; each of oneOf needs one of its fields.
	required fieldSet
	oneOf    []fieldSet
	// perItem: the event is about one item; with several lines it becomes
	// several events.
	perItem bool
	// open: the properties are the sender's and stay as they are.
	open bool
	// public: it needs no customer, its lines then go to their items.
	public bool
}

var (
	hasSKU   = []fieldSet{skuWords | lineWords}
	hasOrder = []fieldSet{set(fOrderID, fTransactionID)}
	hasLines = lineWords
)

// specs is the table of the public contract.
var specs = [...]spec{
	processor.Custom:   {open: true},
	processor.Identify: {open: true},
	processor.Alias:    {open: true},
	processor.Page:     {open: true},
	processor.Screen:   {open: true},
	processor.Group:    {open: true},

	processor.ProductsSearched:           {},
	processor.ProductViewed:              {own: item, oneOf: hasSKU, perItem: true},
	processor.ProductAdded:               {own: item | cart, oneOf: hasSKU, perItem: true},
	processor.ProductRemoved:             {own: item | cart | set(fBy), oneOf: hasSKU, perItem: true},
	processor.CartViewed:                 {own: cart},
	processor.CartUpdated:                {own: cart | set(fUpdatedAt), required: set(fCartID), oneOf: []fieldSet{hasLines}},
	processor.CheckoutStarted:            {own: order},
	processor.CheckoutFailed:             {own: cart | set(fReason), required: set(fCartID, fReason), oneOf: []fieldSet{hasLines}},
	processor.PaymentInfoEntered:         {},
	processor.OrderCompleted:             {own: order | place, oneOf: hasOrder, public: true},
	processor.OrderUpdated:               {own: order, oneOf: hasOrder},
	processor.OrderCancelled:             {own: order, oneOf: hasOrder, public: true},
	processor.OrderRefunded:              {own: order, oneOf: hasOrder, public: true},
	processor.ProductAddedToWishlist:     {own: item, oneOf: hasSKU, perItem: true},
	processor.ProductRemovedFromWishlist: {own: item, oneOf: hasSKU, perItem: true},
	processor.CouponApplied:              {},
	processor.ProductReviewed:            {own: skuWords, oneOf: hasSKU, perItem: true},
	processor.ProductUpdated:             {own: catalogue, oneOf: []fieldSet{skuWords}},
	processor.ProductDiscontinued:        {own: catalogue, oneOf: []fieldSet{skuWords}},
	processor.StockLevelReported: {own: skuWords | set(fAvailable, fLocation, fSellable, fVersion, fUpdatedAt, fSafety),
		oneOf: []fieldSet{skuWords, set(fAvailable, fSellable)}},
	processor.PriceChanged: {own: skuWords | set(fPrice, fCurrency, fVersion, fUpdatedAt), required: set(fPrice, fCurrency), oneOf: []fieldSet{skuWords}},
	processor.SaleScheduled: {own: skuWords | set(fSaleID, fOpensAt, fClosesAt, fQuantity),
		required: set(fSaleID, fOpensAt, fClosesAt), oneOf: []fieldSet{skuWords}},
	processor.SaleCancelled:        {own: skuWords | set(fSaleID, fOpensAt, fClosesAt, fQuantity), required: set(fSaleID), oneOf: []fieldSet{skuWords}},
	processor.SaleRegistered:       {own: set(fSaleID, fChannel), required: set(fSaleID)},
	processor.SaleUnregistered:     {own: set(fSaleID, fChannel), required: set(fSaleID)},
	processor.OfferClaimed:         {own: set(fOfferID), required: set(fOfferID)},
	processor.OfferDeclined:        {own: set(fOfferID), required: set(fOfferID)},
	processor.ProductDismissed:     {own: skuWords | set(fCategory), oneOf: []fieldSet{skuWords | set(fCategory)}},
	processor.SourceReported:       {own: set(fCompleteTo, fSource), required: set(fCompleteTo)},
	processor.BackInStockRequested: {own: item | set(fMaxPrice, fLocations, fExpiresAt), oneOf: hasSKU, perItem: true},
	processor.BackInStockCancelled: {own: item | set(fMaxPrice, fLocations, fExpiresAt), oneOf: hasSKU, perItem: true},
	processor.ShipmentUpdated:      {own: lineWords | set(fOrderID, fShipmentID, fStatus), required: set(fOrderID, fShipmentID, fStatus)},
	processor.ReturnReceived:       {own: order, oneOf: []fieldSet{set(fOrderID, fTransactionID), hasLines}},
	processor.PickupReady:          {own: place | set(fOrderID), required: set(fOrderID), oneOf: []fieldSet{place}},
	processor.PickupCollected:      {own: place | set(fOrderID), required: set(fOrderID), oneOf: []fieldSet{place}},
	// The customer's own userId is the one the link was made with.
	processor.IdentityUnlinked:    {own: set(fUserID, fPreviousID)},
	processor.RewardIssued:        {own: reward, required: set(fRewardID)},
	processor.RewardRedeemed:      {own: reward, required: set(fRewardID)},
	processor.RewardExpired:       {own: reward, required: set(fRewardID)},
	processor.ConsentChanged:      {own: set(fChannel, fPurpose, fGranted), required: set(fChannel, fPurpose, fGranted)},
	processor.StoreSearched:       {own: place | skuWords, oneOf: nearby},
	processor.StoreVisited:        {own: place | skuWords, oneOf: nearby},
	processor.ProductScanned:      {own: place | item, oneOf: []fieldSet{skuWords | lineWords | place | set(fLatitude)}},
	processor.DeviceReported:      {own: skuWords, required: set(fDeviceID, fLevel), oneOf: []fieldSet{skuWords}},
	processor.SubscriptionStarted: {own: item, required: set(fSubscriptionID), oneOf: hasSKU, perItem: true},
	processor.SubscriptionChanged: {own: item, required: set(fSubscriptionID), oneOf: hasSKU, perItem: true},
	processor.SubscriptionRenewed: {own: item, required: set(fSubscriptionID), oneOf: hasSKU, perItem: true},
	processor.SubscriptionEnded:   {own: item, required: set(fSubscriptionID), oneOf: hasSKU, perItem: true},
	processor.MessageReceived:     {own: set(fChannel), required: set(fChannel, fConversationID)},
	processor.MessageAnswered:     {own: set(fChannel), required: set(fChannel, fConversationID)},
	processor.MessageDelivered:    {own: outcome, required: set(fActionID)},
	processor.MessageOpened:       {own: outcome, required: set(fActionID)},
	processor.MessageClicked:      {own: outcome, required: set(fActionID)},
	processor.MessageBounced:      {own: outcome, required: set(fActionID)},
	processor.MessageComplained:   {own: outcome, required: set(fActionID)},
	processor.MessageUnsubscribed: {own: outcome, required: set(fActionID)},
	processor.CrisisDeclared:      {own: set(fTags), required: set(fTags)},
	processor.CrisisEnded:         {own: set(fTags), required: set(fTags)},
	processor.AudienceReported:    {own: skuWords | set(fStatus, fVersion, fUpdatedAt), required: set(fAudience, fStatus)},
	processor.AudienceResumed:     {own: skuWords, required: set(fAudience)},
}

var (
	catalogue = skuWords | set(fCategory, fBrand, fFamily, fPrice, fCurrency, fAccessoryOf, fSubstitutes, fLasts, fPublished, fLow, fMargin)
	reward    = place | set(fRewardID, fAmount, fExpiresAt, fOrderID, fStore, fCurrency)
	outcome   = set(fActionID, fChannel, fReason, fPurpose)
	nearby    = []fieldSet{place | set(fLatitude)}
)
