package processor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// The binary form of an Event, the body of an EventEntry:
//
//	version(1) kind(1) present(uvarint) stamp(8, ms, big endian) field*
//
// A field stands there when its bit in present is set, in the order of the
// bits, and never with its zero value; so an event has exactly one form, and
// what decodes encodes to the same bytes. Booleans are their bit alone.
// Numbers are zigzag varints, texts and JSON are a uvarint length and bytes,
// At is its difference from Stamp. A list is its length and its elements; a
// product is a byte of bits and its fields, with Quantity left out when it
// is 1.

const eventVersion = 1

// The bits of present. They are stored in the log: never renumber them, add
// new ones at the end. What most events carry comes first and so costs one
// byte of mask.
const (
	hasMessageID = 1 << iota
	hasUserID
	hasAnonymousID
	hasSource
	hasSKU
	hasStamped
	hasProperties
	hasCartID
	hasAtShift
	hasPriceFlag
	hasPrice
	hasQtyFlag
	hasQuantity
	hasProducts
	hasCurrency
	hasCategory
	hasBrand
	hasFamily
	hasOrderID
	hasTotal
	hasTraits
	hasLevelFlag
	hasAvailable
	hasVersion
	hasUpdatedAt
	hasLocation
	hasSellableNo
	hasSellableYes
	hasName
	hasPreviousID
	hasShipmentID
	hasSaleID
	hasOfferID
	hasRewardID
	hasActionID
	hasItemSource
	hasChannel
	hasPurpose
	hasReason
	hasStatus
	hasBy
	hasAccessoryOf
	hasLocations
	hasTags
	hasMaxPrice
	hasSafetyFlag
	hasSafety
	hasOpensAt
	hasClosesAt
	hasExpiresAt
	hasCompleteTo
	hasLine
	hasLasts
	hasLow
	hasGranted
	hasPublishedNo
	hasPublishedYes
	hasMargin
	hasPixel

	eventBitsEnd
)

// The bits of a product.
const (
	lineSKU = 1 << iota
	lineProductID
	lineVariant
	lineCategory
	lineBrand
	linePrice
	lineQuantity // other than 1
	lineGift
)

// maxListed bounds Locations and Tags.
const maxListed = 200

// ErrBadEvent is returned for bytes that are not an event.
var ErrBadEvent = errors.New("processor: not an event")

// AppendEvent appends the binary form of e to dst. It checks no limits: the
// inlet has, and DecodeEvent does again.
func AppendEvent(dst []byte, e *Event) []byte {
	p := presence(e)
	dst = append(dst, eventVersion, byte(e.Kind))
	dst = binary.AppendUvarint(dst, p)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.Stamp))
	dst = appendText(dst, e.MessageID)
	dst = appendText(dst, e.UserID)
	dst = appendText(dst, e.AnonymousID)
	dst = appendText(dst, e.Source)
	dst = appendText(dst, e.SKU)
	dst = appendJSONText(dst, e.Properties)
	dst = appendText(dst, e.CartID)
	dst = appendNumber(dst, e.At-e.Stamp)
	dst = appendNumber(dst, e.Price)
	dst = appendNumber(dst, e.Quantity)
	if p&hasProducts != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Products)))
		for i := range e.Products {
			dst = appendProduct(dst, &e.Products[i])
		}
	}
	dst = appendText(dst, e.Currency)
	dst = appendText(dst, e.Category)
	dst = appendText(dst, e.Brand)
	dst = appendText(dst, e.Family)
	dst = appendText(dst, e.OrderID)
	dst = appendNumber(dst, e.Total)
	dst = appendJSONText(dst, e.Traits)
	if p >= hasAvailable {
		dst = appendRest(dst, e)
	}
	return dst
}

// appendRest appends the fields from hasAvailable on, which few events carry.
func appendRest(dst []byte, e *Event) []byte {
	dst = appendNumber(dst, e.Available)
	dst = appendNumber(dst, e.Version)
	dst = appendNumber(dst, e.UpdatedAt)
	for _, s := range [...]string{
		e.Location, e.Name, e.PreviousID, e.ShipmentID, e.SaleID, e.OfferID, e.RewardID,
		e.ActionID, e.ItemSource, e.Channel, e.Purpose, e.Reason, e.Status, e.By, e.AccessoryOf,
	} {
		dst = appendText(dst, s)
	}
	dst = appendTexts(dst, e.Locations)
	dst = appendTexts(dst, e.Tags)
	for _, n := range [...]int64{e.MaxPrice, e.Safety, e.OpensAt, e.ClosesAt, e.ExpiresAt, e.CompleteTo, e.Line, e.Lasts, e.Low, e.Margin} {
		dst = appendNumber(dst, n)
	}
	return dst
}

// presence returns the bits of the fields that are not zero.
func presence(e *Event) uint64 {
	p := bit(e.MessageID != "", hasMessageID) | bit(e.UserID != "", hasUserID) | bit(e.AnonymousID != "", hasAnonymousID) |
		bit(e.Source != "", hasSource) | bit(e.SKU != "", hasSKU) | bit(e.Stamped, hasStamped) |
		bit(len(e.Properties) != 0, hasProperties) | bit(e.CartID != "", hasCartID) | bit(e.At != e.Stamp, hasAtShift) |
		bit(e.HasPrice, hasPriceFlag) | bit(e.Price != 0, hasPrice) | bit(e.HasQty, hasQtyFlag) | bit(e.Quantity != 0, hasQuantity) |
		bit(len(e.Products) != 0, hasProducts) | bit(e.Currency != "", hasCurrency) | bit(e.Category != "", hasCategory) |
		bit(e.Brand != "", hasBrand) | bit(e.Family != "", hasFamily) | bit(e.OrderID != "", hasOrderID) |
		bit(e.Total != 0, hasTotal) | bit(len(e.Traits) != 0, hasTraits) | bit(e.HasLevel, hasLevelFlag) |
		bit(e.Available != 0, hasAvailable) | bit(e.Version != 0, hasVersion) | bit(e.UpdatedAt != 0, hasUpdatedAt) |
		bit(e.Location != "", hasLocation) | bit(e.Sellable == No, hasSellableNo) | bit(e.Sellable == Yes, hasSellableYes)
	return p | bit(e.Name != "", hasName) | bit(e.PreviousID != "", hasPreviousID) | bit(e.ShipmentID != "", hasShipmentID) |
		bit(e.SaleID != "", hasSaleID) | bit(e.OfferID != "", hasOfferID) | bit(e.RewardID != "", hasRewardID) |
		bit(e.ActionID != "", hasActionID) | bit(e.ItemSource != "", hasItemSource) | bit(e.Channel != "", hasChannel) |
		bit(e.Purpose != "", hasPurpose) | bit(e.Reason != "", hasReason) | bit(e.Status != "", hasStatus) | bit(e.By != "", hasBy) |
		bit(e.AccessoryOf != "", hasAccessoryOf) | bit(len(e.Locations) != 0, hasLocations) | bit(len(e.Tags) != 0, hasTags) |
		bit(e.MaxPrice != 0, hasMaxPrice) | bit(e.HasSafety, hasSafetyFlag) | bit(e.Safety != 0, hasSafety) |
		bit(e.OpensAt != 0, hasOpensAt) | bit(e.ClosesAt != 0, hasClosesAt) | bit(e.ExpiresAt != 0, hasExpiresAt) |
		bit(e.CompleteTo != 0, hasCompleteTo) | bit(e.Line != 0, hasLine) | bit(e.Lasts != 0, hasLasts) | bit(e.Low != 0, hasLow) |
		bit(e.Granted, hasGranted) | bit(e.Published == No, hasPublishedNo) | bit(e.Published == Yes, hasPublishedYes) | bit(e.Margin != 0, hasMargin) |
		bit(e.Pixel, hasPixel)
}

func bit(set bool, b uint64) uint64 {
	if set {
		return b
	}
	return 0
}

func appendText(dst []byte, s string) []byte {
	if s == "" {
		return dst
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendJSONText(dst, s []byte) []byte {
	if len(s) == 0 {
		return dst
	}
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendNumber(dst []byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return binary.AppendVarint(dst, n)
}

// appendTexts appends a list; its elements may be empty.
func appendTexts(dst []byte, list []string) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = append(binary.AppendUvarint(dst, uint64(len(s))), s...)
	}
	return dst
}

func appendProduct(dst []byte, p *Product) []byte {
	bits := bit(p.SKU != "", lineSKU) | bit(p.ProductID != "", lineProductID) | bit(p.Variant != "", lineVariant) |
		bit(p.Category != "", lineCategory) | bit(p.Brand != "", lineBrand) | bit(p.Price != 0, linePrice) | bit(p.Quantity != 1, lineQuantity) | bit(p.Gift, lineGift)
	dst = append(dst, byte(bits))
	dst = appendText(dst, p.SKU)
	dst = appendText(dst, p.ProductID)
	dst = appendText(dst, p.Variant)
	dst = appendText(dst, p.Category)
	dst = appendText(dst, p.Brand)
	dst = appendNumber(dst, p.Price)
	if p.Quantity != 1 {
		dst = binary.AppendVarint(dst, p.Quantity)
	}
	return dst
}

// DecodeEvent sets e to the event in b. Texts, Traits and Properties are views
// into b and live as long as it stays unchanged; the arrays behind e.Products,
// e.Locations and e.Tags are used again. It refuses, with ErrBadEvent, what
// AppendEvent did not write and what is over the limits of an event; e is then
// undefined.
func DecodeEvent(b []byte, e *Event) error {
	products, locations, tags := e.Products[:0], e.Locations[:0], e.Tags[:0]
	*e = Event{}
	if len(b) < 2 {
		return fmt.Errorf("%w: %d bytes", ErrBadEvent, len(b))
	}
	if b[0] != eventVersion {
		return fmt.Errorf("%w: version %d, this program reads %d", ErrBadEvent, b[0], eventVersion)
	}
	if Kind(b[1]) >= kinds {
		return fmt.Errorf("%w: kind %d is unknown to this program", ErrBadEvent, b[1])
	}
	e.Kind = Kind(b[1])
	r := eventReader{b: b[2:]}
	p := r.uvarint()
	if p >= eventBitsEnd || p&(hasSellableNo|hasSellableYes) == hasSellableNo|hasSellableYes ||
		p&(hasPublishedNo|hasPublishedYes) == hasPublishedNo|hasPublishedYes || r.left() < 8 {
		return fmt.Errorf("%w: header", ErrBadEvent)
	}
	e.Stamp = int64(binary.BigEndian.Uint64(r.b[r.at:]))
	e.At = e.Stamp
	r.at += 8
	e.Stamped = p&hasStamped != 0
	e.HasPrice = p&hasPriceFlag != 0
	e.HasQty = p&hasQtyFlag != 0

	if p&hasMessageID != 0 {
		e.MessageID = r.text("message id")
	}
	if p&hasUserID != 0 {
		e.UserID = r.text("user id")
	}
	if p&hasAnonymousID != 0 {
		e.AnonymousID = r.text("anonymous id")
	}
	if p&hasSource != 0 {
		e.Source = r.text("source")
	}
	if p&hasSKU != 0 {
		e.SKU = r.text("sku")
	}
	if p&hasProperties != 0 {
		e.Properties = r.json("properties")
	}
	if p&hasCartID != 0 {
		e.CartID = r.text("cart id")
	}
	if p&hasAtShift != 0 {
		e.At += r.number("at")
	}
	if p&hasPrice != 0 {
		e.Price = r.number("price")
	}
	if p&hasQuantity != 0 {
		e.Quantity = r.number("quantity")
	}
	e.Products, e.Locations, e.Tags = products, locations, tags
	if p&hasProducts != 0 {
		e.Products = r.products(products)
	}
	if p&(hasCurrency|hasCategory|hasBrand|hasFamily|hasOrderID|hasTotal|hasTraits) != 0 {
		if p&hasCurrency != 0 {
			e.Currency = r.text("currency")
		}
		if p&hasCategory != 0 {
			e.Category = r.text("category")
		}
		if p&hasBrand != 0 {
			e.Brand = r.text("brand")
		}
		if p&hasFamily != 0 {
			e.Family = r.text("family")
		}
		if p&hasOrderID != 0 {
			e.OrderID = r.text("order id")
		}
		if p&hasTotal != 0 {
			e.Total = r.number("total")
		}
		if p&hasTraits != 0 {
			e.Traits = r.json("traits")
		}
	}
	if p >= hasLevelFlag {
		r.rest(p, e)
	}
	if r.fault == "" && r.left() != 0 {
		r.fault = "bytes after its end"
	}
	if r.fault != "" {
		return fmt.Errorf("%w: %s %s", ErrBadEvent, e.Kind, r.fault)
	}
	return nil
}

// rest reads what stands after the traits.
func (r *eventReader) rest(p uint64, e *Event) {
	e.HasLevel = p&hasLevelFlag != 0
	e.HasSafety = p&hasSafetyFlag != 0
	e.Granted = p&hasGranted != 0
	e.Pixel = p&hasPixel != 0
	e.Sellable = flagOf(p, hasSellableNo, hasSellableYes)
	e.Published = flagOf(p, hasPublishedNo, hasPublishedYes)
	if p&hasAvailable != 0 {
		e.Available = r.number("available")
	}
	if p&hasVersion != 0 {
		e.Version = r.number("version")
	}
	if p&hasUpdatedAt != 0 {
		e.UpdatedAt = r.number("updated at")
	}
	if p&hasLocation != 0 {
		e.Location = r.text("location")
	}
	if p < hasName {
		return
	}
	for _, f := range [...]struct {
		bit  uint64
		text *string
		name string
	}{
		{hasName, &e.Name, "name"},
		{hasPreviousID, &e.PreviousID, "previous id"},
		{hasShipmentID, &e.ShipmentID, "shipment id"},
		{hasSaleID, &e.SaleID, "sale id"},
		{hasOfferID, &e.OfferID, "offer id"},
		{hasRewardID, &e.RewardID, "reward id"},
		{hasActionID, &e.ActionID, "action id"},
		{hasItemSource, &e.ItemSource, "item source"},
		{hasChannel, &e.Channel, "channel"},
		{hasPurpose, &e.Purpose, "purpose"},
		{hasReason, &e.Reason, "reason"},
		{hasStatus, &e.Status, "status"},
		{hasBy, &e.By, "by"},
		{hasAccessoryOf, &e.AccessoryOf, "accessory of"},
	} {
		if p&f.bit != 0 {
			*f.text = r.text(f.name)
		}
	}
	if p&hasLocations != 0 {
		e.Locations = r.texts(e.Locations, "locations")
	}
	if p&hasTags != 0 {
		e.Tags = r.texts(e.Tags, "tags")
	}
	for _, f := range [...]struct {
		bit    uint64
		number *int64
		name   string
	}{
		{hasMaxPrice, &e.MaxPrice, "max price"},
		{hasSafety, &e.Safety, "safety"},
		{hasOpensAt, &e.OpensAt, "opens at"},
		{hasClosesAt, &e.ClosesAt, "closes at"},
		{hasExpiresAt, &e.ExpiresAt, "expires at"},
		{hasCompleteTo, &e.CompleteTo, "complete to"},
		{hasLine, &e.Line, "line"},
		{hasLasts, &e.Lasts, "lasts"},
		{hasLow, &e.Low, "low"},
		{hasMargin, &e.Margin, "margin"},
	} {
		if p&f.bit != 0 {
			*f.number = r.number(f.name)
		}
	}
}

func flagOf(p, no, yes uint64) Flag {
	switch {
	case p&no != 0:
		return No
	case p&yes != 0:
		return Yes
	}
	return Unset
}

// eventReader reads the fields of an event. After the first fault it stands at
// the end, so that what follows reads nothing.
type eventReader struct {
	b     []byte
	at    int // what is read of b; see writer for why b stays
	fault string
}

// left returns how many bytes are not read yet.
func (r *eventReader) left() int { return len(r.b) - r.at }

func (r *eventReader) fail(what string) {
	if r.fault == "" {
		r.fault = what
	}
	r.at = len(r.b)
}

// uvarint reads a number in its shortest form.
func (r *eventReader) uvarint() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return uint64(r.b[r.at-1])
	}
	n, w := binary.Uvarint(r.b[r.at:])
	if w <= 0 || r.b[r.at+w-1] == 0 {
		r.fail("number is cut or not in its shortest form")
		return 0
	}
	r.at += w
	return n
}

func (r *eventReader) number(name string) int64 {
	u := r.uvarint()
	if u == 0 {
		r.fail(name + " is zero")
	}
	return int64(u>>1) ^ -int64(u&1)
}

// text reads a text of 1 to MaxIDBytes bytes.
func (r *eventReader) text(name string) string {
	n := r.uvarint()
	if n == 0 || n > MaxIDBytes || n > uint64(r.left()) {
		r.fail(name + " is empty, cut or longer than 256 bytes")
		return ""
	}
	r.at += int(n)
	return unsafe.String(&r.b[r.at-int(n)], int(n))
}

func (r *eventReader) json(name string) []byte {
	n := r.uvarint()
	if n == 0 || n > MaxSealedBytes || n > uint64(r.left()) {
		r.fail(name + " are empty, cut or larger than 32 KiB")
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at : r.at]
}

func (r *eventReader) texts(dst []string, name string) []string {
	n := r.uvarint()
	if n == 0 || n > maxListed {
		r.fail(name + " are none or more than 200")
		return dst
	}
	for range n {
		m := r.uvarint()
		if m > MaxIDBytes || m > uint64(r.left()) {
			r.fail(name + " are cut or longer than 256 bytes")
			return dst
		}
		s := ""
		if m > 0 {
			s = unsafe.String(&r.b[r.at], int(m))
		}
		dst = append(dst, s)
		r.at += int(m)
	}
	return dst
}

func (r *eventReader) products(dst []Product) []Product {
	n := r.uvarint()
	if n == 0 || n > MaxProducts {
		r.fail("products are none or more than 200")
		return dst
	}
	for range n {
		if r.left() == 0 {
			r.fail("product is cut")
			return dst
		}
		bits := r.b[r.at]
		r.at++
		dst = append(dst, Product{Quantity: 1, Gift: bits&lineGift != 0})
		p := &dst[len(dst)-1]
		if bits&lineSKU != 0 {
			p.SKU = r.text("product sku")
		}
		if bits&lineProductID != 0 {
			p.ProductID = r.text("product id")
		}
		if bits&lineVariant != 0 {
			p.Variant = r.text("product variant")
		}
		if bits&lineCategory != 0 {
			p.Category = r.text("product category")
		}
		if bits&lineBrand != 0 {
			p.Brand = r.text("product brand")
		}
		if bits&linePrice != 0 {
			p.Price = r.number("product price")
		}
		if bits&lineQuantity != 0 {
			u := r.uvarint()
			p.Quantity = int64(u>>1) ^ -int64(u&1)
			if p.Quantity == 1 {
				r.fail("product quantity of 1 is written out")
			}
		}
	}
	return dst
}
