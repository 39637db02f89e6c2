package verify

// bitset is a set of event numbers in a range.
type bitset struct {
	from  uint64
	to    uint64
	words []uint64
}

func newBitset(from, to uint64) *bitset {
	return &bitset{from, to, make([]uint64, (to-from)/64+1)}
}

func (b *bitset) has(n uint64) bool {
	return n >= b.from && n < b.to && b.words[(n-b.from)/64]>>((n-b.from)%64)&1 == 1
}

func (b *bitset) set(n uint64) { b.words[(n-b.from)/64] |= 1 << ((n - b.from) % 64) }
