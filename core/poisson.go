package core

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// ErrArrivals is returned when arrivals cannot be parsed.
var ErrArrivals = errors.New("arrivals")

// poissonBlock is how many arrivals are drawn together.
const poissonBlock = 1024

// Poisson is a shape of random arrivals at a rate that another shape gives.
//
// The arrivals 1024 b to 1024 b + 1023 lie between the times of the even
// arrivals 1024 b and 1024 (b + 1), at the sorted positions of as many uniform
// numbers on the area under the rate: a Poisson process, given that 1,024
// events fall into each such stretch (Ross, Introduction to Probability Models,
// section 5.3: given their count, arrivals are uniform order statistics). So
// the gaps of neighbours are exponential, and counts vary as they should over
// stretches much shorter than a block; over longer ones they vary less than
// those of a free process, for which event n could not be found without the
// events before it.
//
// The uniform numbers of block b are the 32-bit halves, lower half first, of the
// words of Philox4x64-10 for the key (seed, 4) and the counters (b, i, 0, 0),
// i = 0 to 127.
type Poisson struct {
	seed  uint64
	rate  Shape
	curve *Stages
}

// NewPoisson returns random arrivals at the rate of a shape, which is not
// random itself. It returns ErrStages for a rate that is too fine.
func NewPoisson(seed uint64, rate Shape) (*Poisson, error) {
	p := &Poisson{seed: seed, rate: rate}
	switch r := rate.(type) {
	case *Stages:
		p.curve = r
	case Rate:
		var err error
		if p.curve, err = NewStages([]Stage{{1000, r, r}}, true); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a rate of kind %s cannot be drawn from", ErrArrivals, rate.kind())
	}
	return p, nil
}

// parsePoisson reads a seed, a space and the kind and the text of a shape.
func parsePoisson(s string) (Shape, error) {
	seedText, rest, _ := strings.Cut(s, " ")
	seed, err := strconv.ParseUint(seedText, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: seed %q", ErrArrivals, seedText)
	}
	kind, text, _ := strings.Cut(rest, " ")
	parse, ok := evenShapes[kind]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrArrivals, s)
	}
	rate, err := parse(text)
	if err != nil {
		return nil, err
	}
	return NewPoisson(seed, rate)
}

func (*Poisson) kind() string { return "poisson" }

// String returns the form that parsePoisson reads.
func (p *Poisson) String() string {
	return fmt.Sprintf("%d %s %s", p.seed, p.rate.kind(), p.rate)
}

// Rate returns the shape that gives the rate.
func (p *Poisson) Rate() Shape { return p.rate }

// draw sets u to the sorted uniform numbers of a block, in 2^-32 of it.
func (p *Poisson) draw(u *[poissonBlock]uint32, block uint64) {
	for i := range uint64(poissonBlock / 8) {
		w0, w1, w2, w3 := philox(p.seed, uint64(LaneArrival), block, i, 0, 0)
		for j, w := range [4]uint64{w0, w1, w2, w3} {
			u[8*i+uint64(2*j)], u[8*i+uint64(2*j)+1] = uint32(w), uint32(w>>32)
		}
	}
	slices.Sort(u[:])
}

// offset returns how far into a block an arrival lies, in the units of area of
// the curve, rounded down.
func (p *Poisson) offset(u uint32) uint64 {
	hi, lo := bits.Mul64(p.curve.unit*poissonBlock, uint64(u)) // unit < 2^31
	return hi<<32 | lo>>32
}

// block returns the place at which a block begins.
func (p *Poisson) block(b uint64) position {
	return p.curve.position(bits.Mul64(p.curve.unit, b*poissonBlock))
}

func (p *Poisson) at(k uint64) int64 {
	var u [poissonBlock]uint32
	p.draw(&u, k/poissonBlock)
	place := p.block(k / poissonBlock)
	place.forward(p.offset(u[k%poissonBlock]))
	return place.at()
}

func (p *Poisson) fill(dst []Event, k uint64, start int64) {
	var u [poissonBlock]uint32
	for len(dst) > 0 {
		p.draw(&u, k/poissonBlock)
		place, gone := p.block(k/poissonBlock), uint64(0)
		part := min(len(dst), int(poissonBlock-k%poissonBlock))
		for i := range part {
			offset := p.offset(u[k%poissonBlock+uint64(i)])
			place.forward(offset - gone)
			gone = offset
			dst[i].Time = start + place.at()
		}
		dst, k = dst[part:], k+uint64(part)
	}
}

// count returns the number of arrivals k with at(k) < ms. All of them are in
// the blocks that begin before ms, and but for the last of these whole ones.
func (p *Poisson) count(ms int64) uint64 {
	even := p.curve.count(ms)
	if even == 0 {
		return 0
	}
	if even >= maxEvents {
		return maxEvents
	}
	var u [poissonBlock]uint32
	b := (even - 1) / poissonBlock
	p.draw(&u, b)
	place := p.block(b)
	in, _ := slices.BinarySearchFunc(u[:], ms, func(u uint32, ms int64) int {
		there := place
		there.forward(p.offset(u))
		if there.at() < ms {
			return -1
		}
		return 1
	})
	return min(maxEvents, b*poissonBlock+uint64(in))
}
