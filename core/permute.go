package core

// permutation is a bijection of [0, size) that looks random: a Feistel network
// over pairs of numbers below a and below b, a*b >= size, as in Black and
// Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002 (method 3, with
// their cycle walking for what lies in [size, a*b)).
type permutation struct {
	size uint64 // 1 to 2^62
	a, b uint64
	keys [permutationRounds]uint64
}

const permutationRounds = 8

// newPermutation returns the permutation of a seed, a lane and three numbers.
func newPermutation(size, seed uint64, lane Lane, x, y, z uint64) permutation {
	p := permutation{size: size}
	p.a, p.b = sides(size)
	for i := 0; i < permutationRounds; i += 4 {
		w := Philox(seed, lane, [4]uint64{x, uint64(i / 4), y, z})
		copy(p.keys[i:], w[:])
	}
	return p
}

// sides returns the smallest a with a*a >= size and the smallest b with
// a*b >= size.
func sides(size uint64) (a, b uint64) {
	for bit := uint64(1) << 31; bit > 0; bit >>= 1 {
		if (a|bit)*(a|bit) < size {
			a |= bit
		}
	}
	a++
	return a, (size + a - 1) / a
}

// at returns where x lies after the permutation.
func (p *permutation) at(x uint64) uint64 {
	for {
		left, right := x%p.a, x/p.a
		for i := 0; i < permutationRounds; i += 2 {
			left = addBelow(left, below(mix(right^p.keys[i]), p.a), p.a)
			right = addBelow(right, below(mix(left^p.keys[i+1]), p.b), p.b)
		}
		if x = left + right*p.a; x < p.size {
			return x
		}
	}
}

// addBelow returns (x + y) mod n of two numbers below n.
func addBelow(x, y, n uint64) uint64 {
	if x += y; x >= n {
		x -= n
	}
	return x
}

// mix spreads every bit of x over all 64: the finaliser of MurmurHash3.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
