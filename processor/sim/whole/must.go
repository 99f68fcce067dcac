package whole

import "onhand/processor"

// mustBeSaid: an order is confirmed and a parcel announced, to customers who
// can be written to.
func (o *oracle) mustBeSaid() {
	for i := range o.events {
		e := &o.events[i]
		moment, value := "", ""
		switch {
		case e.Kind == processor.OrderCompleted:
			moment, value = "order_confirmed", e.OrderID
		case e.Kind == processor.ShipmentUpdated && e.Status == "shipped":
			moment, value = "shipment", e.ShipmentID
		default:
			continue
		}
		if !o.said(moment, value, i+1) {
			o.faults = append(o.faults, moment+" "+value+" was not said: "+e.Kind.String()+" of "+e.UserID+" at "+clock(e.At))
		}
	}
}

// said reports whether a moment was sent of something, at once after an event.
func (o *oracle) said(moment, value string, known int) bool {
	for i := range o.told {
		if d := &o.told[i]; d.Moment == moment && d.Cause.Value == value && d.Outcome == processor.Sent && d.known == known {
			return true
		}
	}
	return false
}
