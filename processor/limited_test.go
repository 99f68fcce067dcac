package processor

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What of a sale is sold is the units that orders took while it was open, as it
// was announced last, and kept: whatever is heard first, or twice.
func TestSoldInASale(t *testing.T) {
	const hour = 3600_000
	rapid.Check(t, func(t *rapid.T) {
		begin := int64(1_800_000_000_000)
		m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
		require.NoError(t, err)
		type line struct{ n, at int64 }
		var list []Event
		var lines []line
		for i := range rapid.IntRange(1, 12).Draw(t, "orders") {
			n, at := rapid.Int64Range(1, 3).Draw(t, "n"), begin+rapid.Int64Range(0, 10).Draw(t, "at")*hour
			list = append(list, Event{Kind: ItemSold, SKU: "phone", OrderID: fmt.Sprint("o", i), Quantity: n, HasQty: true, At: at, MessageID: fmt.Sprint("sold", i)})
			lines = append(lines, line{n, at})
		}
		var last Event
		for i := range rapid.IntRange(1, 3).Draw(t, "words") {
			opens := begin + rapid.Int64Range(0, 9).Draw(t, "opens")*hour
			last = Event{
				Kind: SaleScheduled, SKU: "phone", SaleID: "s1", OpensAt: opens, ClosesAt: opens + rapid.Int64Range(1, 5).Draw(t, "lasts")*hour,
				Quantity: rapid.Int64Range(0, 9).Draw(t, "quantity"), HasQty: true, At: begin + int64(i), MessageID: fmt.Sprint("sale", i),
			}
			list = append(list, last)
		}
		list = rapid.Permutation(list).Draw(t, "heard")
		for i := range lines { // given back after they were sold, in part or more than there was
			if back := rapid.Int64Range(0, 4).Draw(t, "back"); back > 0 {
				list = append(list, Event{Kind: ItemReturned, SKU: "phone", OrderID: fmt.Sprint("o", i), Quantity: back, HasQty: true, At: begin, MessageID: fmt.Sprint("back", i)})
				lines[i].n = max(0, lines[i].n-back)
			}
		}
		var out Outputs
		for i := range 2 * len(list) {
			out.Reset()
			e := list[i/2]
			m.Apply(uint64(i+1), begin+10*hour, AppendRecordEntry(AppendRecordHeader(nil, begin+10*hour), AppendEvent([]byte{byte(EventEntry)}, &e)), &out)
		}
		sold := int64(0)
		for _, l := range lines {
			if l.at >= last.OpensAt && l.at < last.ClosesAt {
				sold += l.n
			}
		}
		v, _ := m.ItemView("phone")
		require.Len(t, v.Sales, 1)
		require.Equal(t, []int64{last.Quantity, sold}, []int64{v.Sales[0].Quantity, v.Sales[0].Sold})
	})
}

// What is counted around a sale is forgotten once no sale is near.
func TestSalesAreForgotten(t *testing.T) {
	m, err := NewMachine(Config{Partitions: 1, Memory: 1 << 20}, newMemStore())
	require.NoError(t, err)
	var out Outputs
	seq, now := uint64(0), int64(1_800_000_000_000)
	say := func(e Event) {
		seq++
		out.Reset()
		e.SKU, e.At, e.MessageID, e.HasQty = "phone", now, fmt.Sprint(seq), true
		m.Apply(seq, now, AppendRecordEntry(AppendRecordHeader(nil, now), AppendEvent([]byte{byte(EventEntry)}, &e)), &out)
	}
	say(Event{Kind: SaleScheduled, SaleID: "s1", OpensAt: now, ClosesAt: now + 1000, Quantity: 1000})
	for i := range 40 {
		say(Event{Kind: ItemSold, OrderID: fmt.Sprint("o", i), Quantity: 1})
	}
	require.Equal(t, 40, m.item("phone").Counted.Len())
	now += 3 * nearSaleMS
	for i := range 3 {
		say(Event{Kind: ItemSold, OrderID: fmt.Sprint("later", i), Quantity: 1})
	}
	require.Zero(t, m.item("phone").Counted.Len())
	v, _ := m.ItemView("phone")
	require.Equal(t, int64(40), v.Sales[0].Sold)
}
