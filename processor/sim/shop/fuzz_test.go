package shop

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Whatever is told, the oracle refuses it or judges it, and counts it.
func FuzzDecided(f *testing.F) {
	run := newEngine(minutePolicy(), "", func(r string, _ time.Time) { f.Add([]byte(r), []byte(`{}`)) })
	run.now = start.UnixMilli()
	s := New(minute(1, 3000))
	for e, ok := s.Next(); ok && run.n < 40; e, ok = s.Next() {
		run.apply(e)
	}
	f.Add([]byte(`{"id":"1","at":"2026-03-02T10:00:00Z","moment":"back_in_stock","outcome":"sent"}`), []byte(`{"id":"2","at":5,"outcome":"retracted","retracts":"1"}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		p := minutePolicy()
		book := NewBook(p)
		shop := New(minute(1, 200))
		for e, ok := shop.Next(); ok; e, ok = shop.Next() {
			book.Acked(e, e.At)
		}
		o := NewOracle(book, p)
		told := 0
		for _, r := range [][]byte{a, b} {
			if o.Decided(0, r, start) == nil {
				told++
			}
		}
		sum := o.Report(start.Add(time.Hour))
		require.LessOrEqual(t, sum.Oracle.Checked, told)
		require.GreaterOrEqual(t, sum.Oracle.Checked, min(told, 1))
	})
}

// Every string becomes JSON that reads back as itself.
func FuzzString(f *testing.F) {
	for i := range 500 {
		f.Add(nameOf("c-", i))
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		require.NoError(t, json.Unmarshal(appendString(nil, s), &back))
		if utf8.ValidString(s) {
			require.Equal(t, s, back)
		}
	})
}
