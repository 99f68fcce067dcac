package shop

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // invoices carry London time
)

// RetailConfig describes a replay of recorded invoices.
type RetailConfig struct {
	Seed     uint64 // of what is simulated: supply, consent, answers to offers
	Location string // that holds the stock; default lyon-dc
	// Carts puts each customer's lines into a cart some minutes before they are
	// bought. SYNTHETIC: the data knows no carts. Orders are then that much late.
	Carts bool
}

// Retail tells the invoices of the UCI Online Retail data set (Chen 2015, CC BY
// 4.0) as a shop would have told them while they happened.
//
// Real are demand, prices, returns, write-offs and times (to the minute;
// invoices of one minute are spread over it in order). Simulated is supply: the
// data knows no stock, so each item is reordered by an (s, S) rule from its own
// recent demand with a seeded lead time, which makes stock-outs and restocks
// exactly known. A purchase that finds the simulated shelf empty becomes a
// failed checkout and a request to be told; what it would have bought is bought
// or not after an offer (Offered). Customers' zones follow from the country;
// addresses and consents are invented.
type Retail struct {
	cfg     RetailConfig
	file    io.Closer
	rows    *csv.Reader
	london  *time.Location
	ahead   *row // read, not yet part of an invoice
	next    *invoice
	line    int
	err     error
	voice   voice
	later   agenda
	out     []Event // said and not yet returned
	clock   int64   // Unix microseconds
	minute  time.Time
	within  int // invoices of this minute so far
	seen    map[string]bool
	people  map[string]*buyer
	goods   map[string]*good
	failing int
}

type row struct {
	invoice, sku, customer, country string
	quantity, price                 int64
	at                              time.Time
}

type invoice struct {
	id   string
	at   time.Time
	rows []row
}

// buyer is a customer's past, as far as returns need it.
type buyer struct {
	agrees bool
	orders []purchase // newest last
	wanted map[string]int64
}

type purchase struct {
	order string
	at    int64
	lines []Line // what was not returned
}

// OpenRetail opens the data set, a CSV file, plain or (.gz) compressed, with
// the columns InvoiceNo, StockCode, Description, Quantity, InvoiceDate,
// UnitPrice, CustomerID, Country, in order of time. Close it after use.
func OpenRetail(path string, cfg RetailConfig) (*Retail, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("shop: retail data: %w", err)
	}
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("shop: %s is not gzip: %w", path, err)
		}
	}
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		f.Close()
		return nil, err
	}
	if cfg.Location == "" {
		cfg.Location = "lyon-dc"
	}
	r := &Retail{
		cfg: cfg, file: f, rows: csv.NewReader(in), london: london,
		seen: map[string]bool{}, people: map[string]*buyer{}, goods: map[string]*good{},
	}
	r.rows.ReuseRecord = true
	head, err := r.rows.Read()
	if err != nil || len(head) != 8 || head[0] != "InvoiceNo" {
		f.Close()
		return nil, fmt.Errorf("shop: %s does not begin with the columns of Online Retail (InvoiceNo,StockCode,...): %.80q", path, strings.Join(head, ","))
	}
	r.line = 1
	r.next = r.read()
	return r, r.err
}

// Close closes the file.
func (r *Retail) Close() error { return r.file.Close() }

// Err returns what stopped Next early, nil at the end of the data.
func (r *Retail) Err() error { return r.err }

// Start returns the time of the first invoice, zero when there is none.
func (r *Retail) Start() time.Time {
	if r.next == nil {
		return time.Time{}
	}
	return r.next.at
}

// Next returns the next event in order of time, false at the end of the data
// or on a fault in it (Err).
func (r *Retail) Next() (Event, bool) {
	for {
		if len(r.out) > 0 {
			e := r.out[0]
			r.out = r.out[1:]
			return e, true
		}
		switch {
		case len(r.later.tasks) > 0 && (r.next == nil || r.later.tasks[0].at <= r.next.at.UnixMicro()):
			t := r.later.pop()
			r.clock = max(r.clock, t.at)
			if t.must || r.next != nil { // supply ends with demand
				if e, said := t.run(); said {
					return e, true
				}
			}
		case r.next == nil:
			return Event{}, false
		default:
			inv := r.next
			r.clock = max(r.clock, inv.at.UnixMicro())
			r.next = r.read()
			r.tell(inv)
		}
	}
}

// read collects the rows of the next invoice, nil at the end.
func (r *Retail) read() *invoice {
	if r.err != nil {
		return nil
	}
	var inv *invoice
	for {
		if r.ahead == nil {
			x, err := r.readRow()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					r.err = err
				}
				break
			}
			r.ahead = x
		}
		if inv == nil {
			inv = &invoice{id: r.ahead.invoice, at: r.spread(r.ahead.at)}
		} else if r.ahead.invoice != inv.id {
			break
		}
		inv.rows = append(inv.rows, *r.ahead)
		r.ahead = nil
	}
	if inv != nil {
		for id := inv.id; r.seen[inv.id]; { // told in two pieces
			id += "+"
			inv.id = id
		}
		r.seen[inv.id] = true
	}
	return inv
}

// spread gives each invoice of a minute a second of its own, in order.
func (r *Retail) spread(minute time.Time) time.Time {
	if !minute.Equal(r.minute) {
		r.minute, r.within = minute, 0
	}
	at := minute.Add(time.Duration(min(r.within, 590)) * 100 * time.Millisecond)
	r.within++
	return at
}

func (r *Retail) readRow() (*row, error) {
	f, err := r.rows.Read()
	if err != nil {
		return nil, err
	}
	r.line++
	bad := func(column string, err error) error {
		return fmt.Errorf("shop: retail data, row %d: %s: %w", r.line, column, err)
	}
	x := &row{
		invoice: strings.Clone(f[0]), sku: strings.ToUpper(strings.TrimSpace(f[1])),
		customer: strings.TrimSuffix(strings.Clone(f[6]), ".0"), country: strings.Clone(f[7]),
	}
	if x.quantity, err = strconv.ParseInt(f[3], 10, 64); err != nil {
		return nil, bad("Quantity", err)
	}
	if x.at, err = time.ParseInLocation("2006-01-02 15:04:05", f[4], r.london); err != nil {
		return nil, bad("InvoiceDate", err)
	}
	price, err := strconv.ParseFloat(f[5], 64)
	if err != nil {
		return nil, bad("UnitPrice", err)
	}
	x.price = int64(price*100 + 0.5)
	return x, nil
}

// goodsOnly reports whether a stock code names goods: postage, fees, vouchers
// and corrections do not begin with a digit.
func goodsOnly(sku string) bool { return sku != "" && sku[0] >= '0' && sku[0] <= '9' }

// tell turns an invoice into events.
func (r *Retail) tell(inv *invoice) {
	first := inv.rows[0]
	if first.customer != "" {
		r.meet(first)
	}
	back := strings.HasPrefix(inv.id, "C")
	var lines []Line
	for _, x := range inv.rows {
		if !goodsOnly(x.sku) || x.quantity == 0 {
			continue
		}
		g := r.good(x)
		switch {
		case back && x.quantity < 0:
			lines = addLine(lines, Line{x.sku, -x.quantity, x.price})
		case x.quantity < 0: // damaged, lost, thrown away
			g.units = max(0, g.units+x.quantity)
			r.level(g)
		case x.price == 0 && x.customer == "": // found again
			g.units += x.quantity
			r.level(g)
		default:
			lines = addLine(lines, Line{x.sku, x.quantity, x.price})
		}
	}
	switch {
	case len(lines) == 0:
	case back:
		r.returned(inv.id, first.customer, lines)
	case first.customer != "" && r.cfg.Carts:
		r.cart(inv.id, first.customer, lines)
	default:
		r.buy(inv.id, first.customer, "", lines)
	}
}

// addLine adds a line; an invoice may name an item more than once.
func addLine(lines []Line, l Line) []Line {
	if have := line(lines, l.SKU); have != nil {
		have.Quantity += l.Quantity
		return lines
	}
	return append(lines, l)
}

// say queues an event at the shop's time.
func (r *Retail) say(e Event, x extras) {
	e.Occurred = time.UnixMilli(r.clock / 1000).UTC()
	e.At = e.Occurred
	r.out = append(r.out, r.voice.say(e, x))
}

// buy sells what is there. What is not becomes a failed checkout and a wish.
func (r *Retail) buy(order, customer, cart string, lines []Line) {
	var sold, lacking []Line
	for _, l := range lines {
		g := r.goods[l.SKU]
		g.demand(r.clock, l.Quantity)
		n := min(l.Quantity, g.units)
		if n == 0 {
			lacking = append(lacking, l)
			r.reorder(g)
			continue
		}
		g.units -= n
		sold = append(sold, Line{l.SKU, n, l.Price})
	}
	for len(sold) > 0 { // an order has its limit of lines; the data has longer ones
		n := min(len(sold), maxLines)
		r.say(Event{Name: OrderCompleted, Customer: customer, Cart: cart, Order: order, Lines: sold[:n]}, extras{total: true})
		if p := r.people[customer]; p != nil {
			p.orders = append(p.orders, purchase{order, r.clock, append([]Line(nil), sold[:n]...)})
		}
		for _, l := range sold[:n] {
			r.level(r.goods[l.SKU])
			r.reorder(r.goods[l.SKU])
		}
		sold, order = sold[n:], order+"+"
	}
	if customer == "" || len(lacking) == 0 {
		return
	}
	r.failing++
	if cart == "" {
		cart = "failed-" + strconv.Itoa(r.failing)
	}
	r.say(Event{Name: CheckoutFailed, Customer: customer, Cart: cart, Reason: reasonOutOfStock, Lines: lacking[:min(len(lacking), maxLines)]}, extras{})
	for _, l := range lacking {
		r.people[customer].wanted[l.SKU] = l.Quantity
		r.say(Event{Name: Requested, Customer: customer, SKU: l.SKU}, extras{})
	}
}

// maxLines keeps an event within the limits of an inlet.
const maxLines = 150

// cart is synthetic: the lines are put in a cart now and bought a while later.
func (r *Retail) cart(order, customer string, lines []Line) {
	lines = lines[:min(len(lines), maxLines)]
	cart := "cart-" + order
	for _, l := range lines {
		r.say(Event{Name: ProductAdded, Customer: customer, Cart: cart, Lines: []Line{l}}, extras{})
	}
	wait := time.Minute * time.Duration(1+mixString(r.cfg.Seed, order)%30)
	r.later.add(r.clock+wait.Microseconds(), true, func() (Event, bool) {
		r.buy(order, customer, cart, lines)
		return Event{}, false
	})
}

// returned finds the purchases that goods came from, newest first, and takes
// them back: within a day as a cancellation, later as a refund. What no
// purchase explains was bought before the data begins.
func (r *Retail) returned(id, customer string, lines []Line) {
	type key struct {
		order string
		early bool
	}
	var keys []key
	found := map[key][]Line{}
	take := func(k key, l Line) {
		if found[k] == nil {
			keys = append(keys, k)
		}
		found[k] = addLine(found[k], l)
	}
	for _, l := range lines {
		left := l.Quantity
		if p := r.people[customer]; p != nil {
			for i := len(p.orders) - 1; i >= 0 && left > 0; i-- {
				o := &p.orders[i]
				if have := line(o.lines, l.SKU); have != nil && have.Quantity > 0 {
					n := min(left, have.Quantity)
					have.Quantity -= n
					left -= n
					take(key{o.order, r.clock-o.at < 24*time.Hour.Microseconds()}, Line{l.SKU, n, l.Price})
				}
			}
		}
		if left > 0 {
			take(key{id, false}, Line{l.SKU, left, l.Price})
		}
	}
	for _, k := range keys {
		name := OrderRefunded
		if k.early {
			name = OrderCancelled
		}
		r.say(Event{Name: name, Customer: customer, Order: k.order, Lines: found[k]}, extras{})
	}
	for _, l := range lines {
		g := r.goods[l.SKU]
		g.units += l.Quantity
		r.level(g)
	}
}

// meet identifies a customer on first sight.
func (r *Retail) meet(x row) {
	if r.people[x.customer] != nil {
		return
	}
	h := mixString(r.cfg.Seed, x.customer)
	p := &buyer{agrees: h%100 < 80, wanted: map[string]int64{}}
	r.people[x.customer] = p
	r.say(Event{
		Name: Identify, Customer: x.customer, Zone: countryZones[x.country], Email: true,
		Consents: []Consent{{channelEmail, purposeMarketing, p.agrees}, {channelAds, purposeAds, h>>8%100 < 60}},
	}, extras{email: "c" + x.customer + "@mail.example"})
}

// Offered tells that a customer was told of a unit kept until the given time.
// By the seed and the offer's id six in ten then buy what they had wanted, if
// it is still there, and one in ten declines.
func (r *Retail) Offered(customer, sku, offer string, until time.Time) {
	p, g := r.people[customer], r.goods[sku]
	if p == nil || g == nil {
		return
	}
	h := mixString(r.cfg.Seed, offer)
	hold := min(30*time.Minute, max(0, until.Sub(time.UnixMicro(r.clock))))
	if h%100 >= 70 {
		return
	}
	r.later.add(r.clock+(hold*time.Duration(5+h>>8%80)/100).Microseconds(), false, func() (Event, bool) {
		n := max(1, p.wanted[sku])
		switch {
		case h%100 >= 60:
			r.say(Event{Name: OfferDeclined, Customer: customer, Offer: offer, SKU: sku}, extras{})
		case g.units > 0:
			r.failing++
			r.buy("offer-"+strconv.Itoa(r.failing), customer, "", []Line{{sku, n, g.price}})
		}
		return Event{}, false
	})
}

var countryZones = map[string]string{
	"United Kingdom": "Europe/London", "Channel Islands": "Europe/London", "EIRE": "Europe/Dublin", "France": "Europe/Paris",
	"Germany": "Europe/Berlin", "Netherlands": "Europe/Amsterdam", "Belgium": "Europe/Brussels", "Switzerland": "Europe/Zurich",
	"Spain": "Europe/Madrid", "Portugal": "Europe/Lisbon", "Italy": "Europe/Rome", "Norway": "Europe/Oslo", "Sweden": "Europe/Stockholm",
	"Denmark": "Europe/Copenhagen", "Finland": "Europe/Helsinki", "Austria": "Europe/Vienna", "Poland": "Europe/Warsaw",
	"Lithuania": "Europe/Vilnius", "Czech Republic": "Europe/Prague", "Greece": "Europe/Athens", "Cyprus": "Asia/Nicosia",
	"Malta": "Europe/Malta", "Iceland": "Atlantic/Reykjavik", "Japan": "Asia/Tokyo", "Hong Kong": "Asia/Hong_Kong",
	"Singapore": "Asia/Singapore", "Israel": "Asia/Jerusalem", "Bahrain": "Asia/Bahrain", "Lebanon": "Asia/Beirut",
	"Saudi Arabia": "Asia/Riyadh", "United Arab Emirates": "Asia/Dubai",
	// Australia, Canada, Brazil, the USA and "Unspecified" have no one zone.
}
