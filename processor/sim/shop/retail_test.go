package shop

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The excerpt is taken from "Online Retail", UCI Machine Learning Repository,
// D. Chen 2015, https://doi.org/10.24432/C5BW33, CC BY 4.0; see testdata/README.md.
const excerpt = "testdata/retail.csv"

// fullData is the whole data set; it is not part of the repository.
const fullData = "../../../../shared/data/online-retail.csv.gz"

func replay(t *testing.T, path string, cfg RetailConfig, each func(r *Retail, e Event)) {
	r, err := OpenRetail(path, cfg)
	require.NoError(t, err)
	defer r.Close()
	for range 120000 { // a quarter of the year is enough
		e, ok := r.Next()
		if !ok {
			break
		}
		each(r, e)
	}
	require.NoError(t, r.Err())
}

func TestRetailTellsWhatHappened(t *testing.T) {
	counts := map[string]int{}
	orders := map[string]bool{}
	var last time.Time
	public := 0
	replay(t, excerpt, RetailConfig{Seed: 1}, func(_ *Retail, e Event) {
		require.False(t, e.At.Before(last))
		last = e.At
		require.True(t, json.Valid(e.JSON), "%s", e.JSON)
		counts[e.Name]++
		switch e.Name {
		case OrderCompleted:
			require.False(t, orders[e.Order], "an order twice")
			orders[e.Order] = true
			if e.Customer == "" {
				public++
			}
		case OrderCancelled:
			require.True(t, orders[e.Order], "cancelled what was never ordered")
		case StockLevel:
			require.GreaterOrEqual(t, e.Available, int64(0))
		case ProductAdded:
			t.Fatal("the data knows no carts")
		}
	})
	for _, name := range []string{Identify, ProductUpdated, StockLevel, OrderCompleted, OrderRefunded} {
		require.Positive(t, counts[name], name)
	}
	require.Positive(t, public)
}

// A return is matched to the purchase it undoes; what is left is a refund.
func TestRetailMatchesReturns(t *testing.T) {
	path := t.TempDir() + "/r.csv"
	head := "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
	rows := []string{
		"1,22001,A,4,2010-12-01 08:00:00,1.00,7.0,France",
		"2,22001,A,3,2010-12-01 09:00:00,1.00,7.0,France",
		"2,POST,POSTAGE,1,2010-12-01 09:00:00,18.00,7.0,France",
		"C3,22001,A,-5,2010-12-01 10:00:00,1.00,7.0,France",
		"C4,22001,A,-3,2010-12-09 10:00:00,1.00,7.0,France",
		"5,22001,,-2,2010-12-09 11:00:00,0.0,,United Kingdom",
		"6,22001,A,1,2010-12-09 12:00:00,1.00,,United Kingdom",
	}
	require.NoError(t, os.WriteFile(path, []byte(head+strings.Join(rows, "\n")), 0o600))
	var got []string
	var stock []int64
	replay(t, path, RetailConfig{}, func(_ *Retail, e Event) {
		switch e.Name {
		case OrderCompleted, OrderCancelled, OrderRefunded:
			require.Len(t, e.Lines, 1)
			got = append(got, e.Name+" "+e.Order+" "+e.Customer+" x"+string(rune('0'+e.Lines[0].Quantity)))
		case StockLevel:
			stock = append(stock, e.Available)
		}
	})
	require.Equal(t, []string{
		"Order Completed 1 7 x4", "Order Completed 2 7 x3",
		"Order Cancelled 2 7 x3", "Order Cancelled 1 7 x2", // the newest purchase first
		"Order Refunded 1 7 x2", "Order Refunded C4 7 x1", // one was bought before the data begins
		"Order Completed 6  x1",
	}, got)
	require.Equal(t, []int64{24, 20, 17, 22, 25, 23, 22}, stock[:7])
}

func TestRetailRefusesOtherFiles(t *testing.T) {
	_, err := OpenRetail("retail.go", RetailConfig{})
	require.ErrorContains(t, err, "Online Retail")
	_, err = OpenRetail("testdata/none.csv", RetailConfig{})
	require.Error(t, err)
	path := t.TempDir() + "/r.csv"
	require.NoError(t, os.WriteFile(path, []byte("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,22,A,many,2010-12-01 08:00:00,1,7,France\n"), 0o600))
	_, err = OpenRetail(path, RetailConfig{})
	require.ErrorContains(t, err, "row 2: Quantity")
}

// Real demand on simulated supply: everything an engine could be wrong about
// does occur.
func TestRetailRecordedQuarter(t *testing.T) {
	if _, err := os.Stat(fullData); err != nil {
		t.Skip("the data set is not there: ", fullData)
	}
	if testing.Short() {
		t.Skip("short")
	}
	counts := map[string]int{}
	began, last := time.Now(), time.Time{}
	replay(t, fullData, RetailConfig{Seed: 1}, func(r *Retail, e Event) {
		counts[e.Name]++
		if e.At.Before(last) {
			t.Fatal("time went back")
		}
		last = e.At
		if e.Name == Requested && counts[Requested]%2 == 0 {
			r.Offered(e.Customer, e.SKU, MessageID(counts[Requested]), e.At.Add(30*time.Minute))
		}
	})
	t.Logf("%v in %v", counts, time.Since(began))
	require.Greater(t, counts[OrderCompleted], 3000)
	require.Greater(t, counts[OrderCancelled]+counts[OrderRefunded], 500)
	require.Greater(t, counts[CheckoutFailed], 100)
	require.Greater(t, counts[Requested], 1000)
}

func TestRetailCartsAreSynthetic(t *testing.T) {
	var added, bought int64
	replay(t, excerpt, RetailConfig{Seed: 1, Carts: true}, func(_ *Retail, e Event) {
		for _, l := range e.Lines {
			switch {
			case e.Name == ProductAdded:
				added += l.Quantity
			case e.Name == OrderCompleted && e.Cart != "":
				bought += l.Quantity
			}
		}
	})
	require.Positive(t, bought)
	require.GreaterOrEqual(t, added, bought)
}
