package bench

import (
	"math"
	"math/rand/v2"
)

// zipf draws ranks from 0 to n-1, rank k with a probability proportional to
// 1/(k+1)^skew. It looks up a quantile table and interpolates, which costs a
// few nanoseconds: the head is exact to 1/65536, the tail is flat anyway.
type zipf struct {
	table []uint32
}

const quantiles = 1 << 16

func newZipf(n int, skew float64) zipf {
	total := 0.0
	for k := range n {
		total += math.Pow(float64(k+1), -skew)
	}
	z := zipf{table: make([]uint32, quantiles+1)}
	sum, q := 0.0, 0
	for k := range n {
		sum += math.Pow(float64(k+1), -skew)
		for ; q <= quantiles && float64(q)*total <= sum*quantiles; q++ {
			z.table[q] = uint32(k)
		}
	}
	for ; q <= quantiles; q++ {
		z.table[q] = uint32(n - 1)
	}
	return z
}

// draw uses the upper 48 bits of a random number.
func (z *zipf) draw(r uint64) int {
	i := r >> 48
	low, high := z.table[i], z.table[i+1]
	span := uint64(high-low) + 1
	return int(low) + int(r>>16&0xffffffff*span>>32)
}

// scatter maps ranks to 0..n-1 so that neighbours in rank are not neighbours
// in id: a permutation, as factor and n have no common divisor.
type scatter struct{ n, factor, shift int }

func newScatter(n int, r *rand.Rand) scatter {
	f := 2_654_435_761 % n
	f = max(f, 1)
	for gcd(f, n) != 1 {
		f++
	}
	return scatter{n, f, r.IntN(n)}
}

func (s scatter) of(rank int) int { return (rank*s.factor + s.shift) % s.n }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
