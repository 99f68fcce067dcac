package processor

const decisionVersion = 1

// encode appends the binary form that stands in commit records.
func (d *Decision) encode(w *writer) {
	w.u8(decisionVersion)
	w.str(d.ID)
	w.int(d.At)
	w.str(d.Customer)
	w.str(d.Moment)
	w.u8(uint8(d.Outcome))
	w.str(string(d.Reason))
	w.int(d.Until)
	w.str(d.Retracts)
	w.str(d.Mode)
	w.str(d.Version)
	c := &d.Cause
	w.str(c.Event)
	w.str(c.ID)
	w.str(c.Timer)
	w.str(c.Offer)
	w.str(c.Value)
	w.int(c.N)
	w.bool(d.Action != nil)
	if d.Action != nil {
		d.Action.encode(w)
	}
	e := &d.Evidence
	w.uint(e.Position)
	w.uint(e.Step)
	w.int(e.StockAgeMS)
	w.uint(e.Facts)
	w.int(e.Place)
	w.int(e.Score)
	w.uint(uint64(len(e.Factors)))
	for _, f := range e.Factors {
		w.str(f.Name)
		w.int(f.Value)
		w.str(f.Note)
	}
	w.str(e.LostTo)
	w.uint(uint64(len(e.Dropped)))
	for _, l := range e.Dropped {
		w.str(l.SKU)
		w.str(string(l.Reason))
	}
	w.int(e.PriceAgeMS)
	w.int(e.ConsentAgeMS)
	w.str(e.Household)
}

func (d *Decision) decode(r *reader) {
	if r.u8() != decisionVersion {
		r.fail()
		return
	}
	d.ID = r.str()
	d.At = r.int()
	d.Customer = r.str()
	d.Moment = r.str()
	d.Outcome = Outcome(r.u8())
	if d.Outcome > Retracted {
		r.fail()
	}
	d.Reason = Reason(r.str())
	d.Step = d.Reason.Step()
	d.Until = r.int()
	d.Retracts = r.str()
	d.Mode = r.str()
	d.Version = r.str()
	d.Cause = Cause{r.str(), r.str(), r.str(), r.str(), r.str(), r.int()}
	d.Action = nil
	if r.bool() {
		d.Action = &Action{}
		d.Action.decode(r)
	}
	e := &d.Evidence
	*e = Evidence{Position: r.uint(), Step: r.uint(), StockAgeMS: r.int(), Facts: r.uint(), Rules: d.Version, Place: r.int(), Score: r.int()}
	if n := r.count(3); n > 0 {
		e.Factors = make([]Factor, n)
		for i := range e.Factors {
			e.Factors[i] = Factor{r.str(), r.int(), r.str()}
		}
	}
	e.LostTo = r.str()
	if n := r.count(2); n > 0 {
		e.Dropped = make([]DroppedLine, n)
		for i := range e.Dropped {
			e.Dropped[i] = DroppedLine{r.str(), Reason(r.str())}
		}
	}
	e.PriceAgeMS, e.ConsentAgeMS, e.Household = r.int(), r.int(), r.str()
}

func (a *Action) encode(w *writer) {
	w.str(a.ID)
	w.str(a.Kind)
	w.str(a.Channel)
	w.str(a.Class)
	w.str(a.Template)
	w.str(a.Customer)
	w.uint(uint64(len(a.Lines)))
	for i := range a.Lines {
		l := &a.Lines[i]
		w.str(l.SKU)
		w.int(l.Quantity)
		w.int(l.Price)
		w.str(l.Title)
		w.str(l.URL)
		w.str(l.Image)
		w.str(l.Replaces)
	}
	w.int(a.Total)
	w.str(a.Currency)
	w.str(a.CartID)
	w.str(a.OfferID)
	w.int(a.HoldUntil)
	w.int(a.ExpiresAt)
	w.uint(uint64(len(a.Data)))
	for i := range a.Data {
		x := &a.Data[i]
		w.str(x.Name)
		w.str(x.Text)
		w.int(x.Number)
	}
}

func (a *Action) decode(r *reader) {
	*a = Action{ID: r.str(), Kind: r.str(), Channel: r.str(), Class: r.str(), Template: r.str(), Customer: r.str()}
	if n := r.count(7); n > 0 {
		a.Lines = make([]ActionLine, n)
		for i := range a.Lines {
			a.Lines[i] = ActionLine{r.str(), r.int(), r.int(), r.str(), r.str(), r.str(), r.str()}
		}
	}
	a.Total = r.int()
	a.Currency = r.str()
	a.CartID = r.str()
	a.OfferID = r.str()
	a.HoldUntil = r.int()
	a.ExpiresAt = r.int()
	if n := r.count(3); n > 0 {
		a.Data = make([]Datum, n)
		for i := range a.Data {
			a.Data[i] = Datum{r.str(), r.str(), r.int()}
		}
	}
}
