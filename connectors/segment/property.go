package segment

import (
	"strings"

	"onhand/processor"
)

// fields reads the properties into e, checks what is required, and keeps the
// rest as JSON.
func (p *Parser) fields(e *processor.Event, n name, foreign bool) {
	if f := p.call.properties.form; f != formNone && f != formNull && f != formObject {
		p.fault(Invalid, "properties", "must be an object")
		return
	}
	sp := &specs[e.Kind]
	if sp.open {
		p.keep(e, 0)
		return
	}
	if foreign && n.channel == "" && !p.complete(sp, n, e) {
		// A name of another vocabulary without what ours requires.
		e.Name = e.Kind.String()
		e.Kind = processor.Custom
		p.keep(e, 0)
		return
	}
	used := p.take(e, sp)
	used = p.lines(e, sp, used)
	if e.Channel == "" {
		e.Channel = n.channel
	}
	if e.Reason == "" {
		e.Reason = n.reason
	}
	if e.By == "" {
		e.By = n.by
	}
	if foreign && e.OrderID == "" && e.Kind == processor.OrderCompleted {
		e.OrderID = e.MessageID // the id browser and server copies of one purchase share
	}
	if !foreign {
		p.require(sp)
	}
	if p.halfPlace(sp) {
		p.fault(Missing, "properties.longitude", "latitude and longitude are only of use together")
	}
	if e.OpensAt != 0 && e.ClosesAt != 0 && e.ClosesAt <= e.OpensAt {
		p.fault(Invalid, "properties.closes_at", "must be after opens_at")
	}
	// Of two words on one thing the later one holds: none that comes after one of
	// next year ever would.
	p.notAhead(e.UpdatedAt, "properties.updated_at", "check the clock of the system it is from")
	p.notAhead(e.CompleteTo, "properties.complete_to", "check the clock of the system it is from")
	p.keep(e, used)
}

// complete reports whether nothing required is missing. An order may be known
// by its message, and the name may tell the reason.
func (p *Parser) complete(sp *spec, n name, e *processor.Event) bool {
	there := p.seen | p.null&(1<<fAvailable)
	if n.reason != "" {
		there |= 1 << fReason
	}
	if e.Kind == processor.OrderCompleted && e.MessageID != "" {
		there |= 1 << fOrderID
	}
	for _, any := range sp.oneOf {
		if any&there == 0 {
			return false
		}
	}
	return sp.required&^there == 0 && !p.halfPlace(sp) && (!sp.perItem || !p.noLines())
}

// noLines reports whether the item is to be found in a list that is empty.
func (p *Parser) noLines() bool {
	if p.seen&skuWords != 0 {
		return false
	}
	for _, f := range [...]field{fProducts, fContents, fItems, fContentIDs} {
		if p.seen.has(f) {
			s := scanner{b: p.props[p.at[f]].v.raw}
			return s.b[0] == '[' && !s.open(']')
		}
	}
	return true
}

// halfPlace reports whether a place has a latitude or a longitude alone.
func (p *Parser) halfPlace(sp *spec) bool {
	return sp.oneOf != nil && sp.oneOf[0].has(fLatitude) && p.seen.has(fLatitude) != p.seen.has(fLongitude)
}

// require faults what is missing.
func (p *Parser) require(sp *spec) {
	there := p.seen | p.null&(1<<fAvailable)
	for missing := sp.required &^ there; missing != 0; missing &= missing - 1 {
		p.fault(Missing, "properties."+missing.names()[0], "required")
	}
	for _, any := range sp.oneOf {
		if any&there != 0 {
			continue
		}
		words := any.names()
		reason := "required"
		if len(words) > 1 {
			reason = "required, or " + strings.Join(words[1:], ", ")
		}
		p.fault(Missing, "properties."+words[0], reason)
	}
}

// take puts single properties into their fields and returns which.
func (p *Parser) take(e *processor.Event, sp *spec) (used fieldSet) {
	digits := p.currency(e, sp)
	wanted := (sp.own | common) & p.seen
	for i := range p.props {
		pr := &p.props[i]
		if pr.field == fNone || !wanted.has(pr.field) || int(p.at[pr.field]) != i {
			continue
		}
		taken, fault := p.put(e, sp, pr.field, pr.v, digits)
		switch {
		case fault == "" && taken:
			used |= 1 << pr.field
		case fault != "" && sp.own.has(pr.field):
			p.fault(Invalid, "properties."+fieldNames[pr.field], fault)
		}
	}
	if p.null.has(fAvailable) && sp.own.has(fAvailable) {
		used |= 1 << fAvailable // the level is unknown
	}
	return used
}

// currency sets the currency and returns the digits of its minor unit.
func (p *Parser) currency(e *processor.Event, sp *spec) int {
	code := p.o.Currency
	if p.seen.has(fCurrency) {
		b := p.inner(p.props[p.at[fCurrency]].v)
		if isCurrency(b) {
			if b[0]|b[1]|b[2] >= 'a' {
				p.reserve(3)
				p.arena = append(p.arena, b[0]&^0x20, b[1]&^0x20, b[2]&^0x20)
				b = p.arena[len(p.arena)-3:]
			}
			code = text(b)
			e.Currency = code
		} else if sp.own.has(fCurrency) {
			p.fault(Invalid, "properties.currency", "must be a currency of ISO 4217, as EUR")
		}
	}
	return minorDigits(code)
}

func isCurrency(b []byte) bool {
	return len(b) == 3 && letter(b[0]) && letter(b[1]) && letter(b[2])
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// put sets one field of e. taken is false when another property goes first
// and this one stays a property.
func (p *Parser) put(e *processor.Event, sp *spec, f field, v value, digits int) (taken bool, fault string) {
	var to *string
	switch f {
	case fSKU:
		to = &e.SKU
	case fProductID:
		if p.seen.has(fSKU) {
			return false, ""
		}
		to = &e.SKU
	case fItemID:
		if p.seen&set(fSKU, fProductID) != 0 {
			return false, ""
		}
		to = &e.SKU
	case fCartID:
		to = &e.CartID
	case fOrderID:
		to = &e.OrderID
	case fTransactionID:
		if p.seen.has(fOrderID) {
			return false, ""
		}
		to = &e.OrderID
	case fShipmentID:
		to = &e.ShipmentID
	case fSaleID:
		to = &e.SaleID
	case fOfferID:
		to = &e.OfferID
	case fRewardID:
		to = &e.RewardID
	case fActionID:
		to = &e.ActionID
	case fSource:
		to = &e.ItemSource
	case fChannel:
		to = &e.Channel
	case fPurpose:
		to = &e.Purpose
	case fReason:
		to = &e.Reason
	case fStatus:
		to = &e.Status
	case fBy:
		to = &e.By
	case fCategory:
		to = &e.Category
	case fContentCategory:
		if p.seen.has(fCategory) {
			return false, ""
		}
		to = &e.Category
	case fBrand:
		to = &e.Brand
	case fFamily:
		to = &e.Family
	case fStoreID:
		to = &e.Location
	case fLocation:
		if p.seen.has(fStoreID) {
			return false, ""
		}
		to = &e.Location
	case fStore:
		if p.seen&place != 0 {
			return false, ""
		}
		to = &e.Location
	case fAccessoryOf:
		to = &e.AccessoryOf
	case fUserID:
		if e.UserID != "" {
			return false, ""
		}
		to = &e.UserID
	case fPreviousID:
		if e.PreviousID != "" {
			return false, ""
		}
		to = &e.PreviousID
	case fCurrency:
		return e.Currency != "", ""
	case fProducts, fContents, fItems, fContentIDs:
		return false, "" // see lines
	case fLocations, fSubstitutes:
		e.Locations, fault = p.ids(e.Locations[:0], v)
		return true, fault
	case fTags:
		e.Tags, fault = p.ids(e.Tags[:0], v)
		return true, fault
	default:
		return p.putNumber(e, sp, f, v, digits)
	}
	*to, fault = p.id(v)
	return true, fault
}

// putNumber sets a field that is a number, a time or a flag.
func (p *Parser) putNumber(e *processor.Event, sp *spec, f field, v value, digits int) (taken bool, fault string) {
	switch f {
	case fPrice:
		e.Price, fault = p.amount(v, digits, 0)
		e.HasPrice = fault == ""
	case fValue, fAmount:
		if p.seen.has(fTotal) {
			return false, ""
		}
		fallthrough
	case fTotal:
		low := int64(-maxAmount)
		if e.Kind.OfReward() {
			low = 0
		}
		e.Total, fault = p.amount(v, digits, low)
	case fMaxPrice:
		e.MaxPrice, fault = p.amount(v, digits, 0)
	case fMargin:
		e.Margin, fault = p.amount(v, digits, -maxAmount)
	case fQuantity:
		low := int64(-maxAmount)
		if sp.perItem {
			low = 1
		}
		e.Quantity, fault = p.count(v, low)
		e.HasQty = fault == ""
	case fAvailable:
		e.Available, fault = p.count(v, -maxAmount)
		e.HasLevel = fault == ""
	case fSafety:
		e.Safety, fault = p.count(v, 0)
		e.HasSafety = fault == ""
	case fLow:
		e.Low, fault = p.count(v, 0)
	case fVersion:
		e.Version, fault = whole(p.inner(v), 1<<62)
	case fUpdatedAt:
		e.UpdatedAt, fault = p.instant(v)
	case fOpensAt:
		e.OpensAt, fault = p.instant(v)
	case fClosesAt:
		e.ClosesAt, fault = p.instant(v)
	case fExpiresAt:
		e.ExpiresAt, fault = p.instant(v)
	case fCompleteTo:
		e.CompleteTo, fault = p.instant(v)
	case fLasts:
		ok := false
		if e.Lasts, ok = duration(string(p.inner(v))); !ok || v.form == formNumber {
			fault = "must be a duration, as 30d or 12h"
		}
	case fGranted:
		var is processor.Flag
		is, fault = flag(v)
		e.Granted = is == processor.Yes
	case fSellable:
		e.Sellable, fault = flag(v)
	case fPublished:
		e.Published, fault = flag(v)
	default:
		return false, ""
	}
	return true, fault
}

// amount reads money, a number or a text, in minor units.
func (p *Parser) amount(v value, digits int, low int64) (int64, string) {
	n, _, why := scale(p.inner(v), digits, maxAmount)
	if why == "" && n < low {
		why = "must not be negative"
	}
	return n, why
}

// count reads a whole number of at least low.
func (p *Parser) count(v value, low int64) (int64, string) {
	n, why := whole(p.inner(v), maxAmount)
	switch {
	case why != "" || n >= low:
	case low == 1:
		why = "must be at least 1"
	default:
		why = "must not be negative"
	}
	return n, why
}

func flag(v value) (processor.Flag, string) {
	switch {
	case v.form == formTrue || string(v.raw) == `"true"`:
		return processor.Yes, ""
	case v.form == formFalse || string(v.raw) == `"false"`:
		return processor.No, ""
	}
	return processor.Unset, "must be true or false"
}

// ids reads a list of ids, or one.
func (p *Parser) ids(dst []string, v value) ([]string, string) {
	if v.form != formArray {
		id, why := p.id(v)
		return append(dst, id), why
	}
	s := scanner{b: v.raw}
	for ok := s.open(']'); ok; ok = s.more(']') {
		id, why := p.id(s.value(maxDepth))
		if why == "" && id == "" {
			why = "must not hold an empty text"
		}
		if why != "" {
			return dst, why
		}
		if len(dst) == processor.MaxProducts {
			return dst, "has more than 200 entries"
		}
		dst = append(dst, id)
	}
	return dst, ""
}
