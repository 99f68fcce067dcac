package processor

// arena keeps byte strings by the million without a pointer to any of them, so
// that the garbage collector has nothing to follow and a string costs little
// more than its bytes. A place is freed by whoever knows its length.
//
//	blocks:  [ string | string   | free | string ... ]   places in units of 16 bytes
//	free:    by length in units, the places to use again
type arena struct {
	blocks [][]byte
	end    uint32             // first unit of the last block that was never used
	free   [maxUnits][]uint32 // by units less one
	large  map[uint32][]byte  // what is longer, by a number of its own
	number uint32
}

const (
	unitBytes  = 16
	blockUnits = 1 << 14 // 256 KiB
	maxUnits   = 256     // 4 KiB; longer strings are allocated one by one
)

// unitsOf returns how many units a string of n bytes takes.
func unitsOf(n int) int { return max(1, (n+unitBytes-1)/unitBytes) }

// put copies b and returns its place.
func (a *arena) put(b []byte) uint32 {
	n := unitsOf(len(b))
	if n > maxUnits {
		if a.large == nil {
			a.large = map[uint32][]byte{}
		}
		a.number++
		a.large[a.number] = append([]byte(nil), b...)
		return a.number
	}
	at := a.take(n)
	copy(a.at(at), b)
	return at
}

// take returns a free place of n units: one of that length, else the beginning
// of a longer one, else a new one.
func (a *arena) take(n int) uint32 {
	for u := n; u <= maxUnits; u++ {
		list := a.free[u-1]
		if len(list) == 0 {
			continue
		}
		at := list[len(list)-1]
		a.free[u-1] = list[:len(list)-1]
		a.release(at+uint32(n), u-n)
		return at
	}
	if len(a.blocks) == 0 || a.end+uint32(n) > blockUnits {
		if len(a.blocks) > 0 {
			last := uint32(len(a.blocks)-1) * blockUnits
			for a.end < blockUnits {
				u := min(maxUnits, blockUnits-a.end)
				a.release(last+a.end, int(u))
				a.end += u
			}
		}
		a.blocks = append(a.blocks, make([]byte, blockUnits*unitBytes))
		a.end = 0
	}
	at := uint32(len(a.blocks)-1)*blockUnits + a.end
	a.end += uint32(n)
	return at
}

func (a *arena) release(at uint32, units int) {
	if units > 0 {
		a.free[units-1] = append(a.free[units-1], at)
	}
}

// at returns the bytes from a place to the end of its block.
func (a *arena) at(at uint32) []byte {
	return a.blocks[at/blockUnits][at%blockUnits*unitBytes:]
}

// get returns the string of n bytes at a place. It is valid until drop.
func (a *arena) get(at uint32, n int) []byte {
	if unitsOf(n) > maxUnits {
		return a.large[at]
	}
	return a.at(at)[:n:n]
}

// drop frees the place of a string of n bytes.
func (a *arena) drop(at uint32, n int) {
	if unitsOf(n) > maxUnits {
		delete(a.large, at)
		return
	}
	a.release(at, unitsOf(n))
}
