package processor

// Whereabouts is where a customer lives, as far as the customer lets the shop
// know: what tells a search from the sofa from one in the street. It is kept
// until the consent to location is withdrawn; most customers have none.
type Whereabouts struct {
	Home position
	At   int64 // when it was said
}

// position is a place on Earth in millionths of a degree. The zero position,
// in the Gulf of Guinea, is none.
type position struct{ Lat, Lon int64 }

// locationPurpose is the purpose that permits to use where a customer is.
const locationPurpose = "location"

// awayMetres is from how far on a customer is away from home.
const awayMetres = 1000

func (h *Whereabouts) encode(w *writer) {
	w.bool(h != nil)
	if h != nil {
		w.int(h.Home.Lat)
		w.int(h.Home.Lon)
		w.int(h.At)
	}
}

func decodeWhereabouts(r *reader) *Whereabouts {
	if !r.bool() {
		return nil
	}
	return &Whereabouts{position{r.int(), r.int()}, r.int()}
}

// positionIn reads a latitude and a longitude in degrees.
func positionIn(p properties) (at position) {
	lat, ok1 := p.scaled("latitude", 6)
	lon, ok2 := p.scaled("longitude", 6)
	if !ok1 || !ok2 || lat < -90e6 || lat > 90e6 || lon < -180e6 || lon > 180e6 {
		return position{}
	}
	return position{lat, lon}
}

// lives learns from the trait home, {latitude, longitude}, where the customer
// lives.
func (c *Customer) lives(e *Event) {
	home := positionIn(properties(e.Traits).object("home"))
	if how, _ := e.provenance(); how != Explicit && c.Whereabouts != nil {
		return
	}
	if home == (position{}) || c.Whereabouts != nil && c.Whereabouts.At > e.At || c.hidden() {
		return
	}
	c.Whereabouts = &Whereabouts{home, e.At}
}

// hidden reports whether the customer has withdrawn the consent to location on
// every channel it was asked on.
func (c *Customer) hidden() bool {
	asked := false
	for i := range c.Profile.Consents {
		if x := &c.Profile.Consents[i]; x.Purpose == locationPurpose {
			if x.Granted {
				return false
			}
			asked = true
		}
	}
	return asked
}

// hide erases home and positions when the consent to location is withdrawn.
func (c *Customer) hide() {
	if !c.hidden() {
		return
	}
	c.Whereabouts = nil
	for i := range c.Occurrences {
		if o := &c.Occurrences[i]; o.Told != nil && o.Told.Here != (position{}) {
			t := *o.Told
			t.Here = position{}
			o.Told = &t
		}
	}
	for i := range c.Pending {
		if p := &c.Pending[i]; p.Told != nil && p.Told.Here != (position{}) {
			t := *p.Told
			t.Here = position{}
			p.Told = &t
		}
	}
}

// far reports whether two places are more than so many metres apart. It counts
// in whole numbers, so that every machine says the same: a degree of latitude
// is 111,320 m, one of longitude that times the cosine (by Bhaskara's formula,
// within 0.2 %).
func (p position) far(q position, metres int64) bool {
	dy := (p.Lat - q.Lat) * 111_320 / 1_000_000
	dx := p.Lon - q.Lon
	switch {
	case dx > 180e6:
		dx -= 360e6
	case dx < -180e6:
		dx += 360e6
	}
	x := p.Lat / 1000 // thousandths of a degree
	cos := 4 * (8100_000_000 - x*x) * 1000 / (32400_000_000 + x*x)
	dx = dx * 111_320 / 1_000_000 * cos / 1000
	return dx*dx+dy*dy > metres*metres
}
