package shop

import (
	"math/bits"
	"math/rand/v2"
	"sort"
	"time"
)

// dice are the shop's only source of chance.
type dice struct{ *rand.Rand }

func newDice(seed, stream uint64) dice {
	return dice{rand.New(rand.NewPCG(seed, stream))}
}

// chance is true in percent of 100 throws.
func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

// between returns a duration from lo to hi.
func (d dice) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(d.Int64N(int64(hi-lo)))
}

// zipf draws ranks from 0 with probability in proportion to 1/(rank+1). It
// counts in integers, so that every machine draws the same.
type zipf struct {
	upto  []uint64 // cumulated weights
	guide []int32  // first rank of each 256th of the total
}

const zipfGuide = 4096

func newZipf(n int) zipf {
	z := zipf{upto: make([]uint64, n), guide: make([]int32, zipfGuide+1)}
	var sum uint64
	for i := range z.upto {
		sum += 1 << 40 / uint64(i+1)
		z.upto[i] = sum
	}
	for g := range z.guide {
		hi, lo := bits.Mul64(sum, uint64(g))
		at, _ := bits.Div64(hi, lo, zipfGuide)
		z.guide[g] = int32(sort.Search(n, func(i int) bool { return z.upto[i] > at }))
	}
	return z
}

func (z zipf) draw(d dice) int {
	total := z.upto[len(z.upto)-1]
	x := d.Uint64N(total)
	hi, lo := bits.Mul64(x, zipfGuide)
	g, _ := bits.Div64(hi, lo, total)
	from, to := int(z.guide[g]), min(int(z.guide[g+1])+1, len(z.upto))
	return from + sort.Search(to-from, func(i int) bool { return z.upto[from+i] > x })
}

// mix spreads a number over 64 bits; equal inputs give equal outputs whatever
// has been drawn before.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func mixString(seed uint64, s string) uint64 {
	for i := 0; i < len(s); i++ {
		seed = mix(seed ^ uint64(s[i]))
	}
	return seed
}
