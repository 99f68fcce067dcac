package processor

// An amount in another currency than that of the moments file is no amount: it
// can neither be compared with a price nor added to one, nor told with the name
// of the wrong currency behind it. It counts as not told.

// foreign reports whether the amounts of an event are in another currency.
func (m *Machine) foreign(e *Event) bool {
	return e.Currency != "" && e.Currency != m.rules.file.Currency && m.rules.file.Currency != ""
}

// dropAmounts takes the amounts out of an event.
func (e *Event) dropAmounts() {
	e.Price, e.HasPrice, e.Total, e.Margin = 0, false, 0, 0
	if e.MaxPrice != 0 {
		e.MaxPrice = 1 // no price is known to be within the limit
	}
	for i := range e.Products {
		e.Products[i].Price = 0
	}
}
