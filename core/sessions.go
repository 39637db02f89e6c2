package core

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Sessions: the ratings of a user come one soon after another. The events of an
// epoch are dealt to classes in turns; a class has so many seats, and a user on
// each; its events are dealt to the seats, in each row all once, in an order of the
// row's own. So a seat has an event every seats*sessionClasses events, more or
// less, and the classes differ in their seats as the gaps between two ratings of a
// user do. The seats of all classes together go through the lists as they stand
// one after the other, each from a place of its own, so that an entry is taken
// once; where in the lists that begins, and in which order a list is gone through,
// goes by the epoch. A list that is longer than what a seat goes through in an
// epoch, its class's events divided by its seats, goes on on the next seat at the
// same time: its gaps are shorter.

const (
	sessionClasses = 8
	sessionOffset  = 2 // index of the block of LaneOrder that says where an epoch begins
)

// sessionZ are the normal quantiles at the middles of the classes.
var sessionZ = [sessionClasses]float64{-1.534, -.887, -.489, -.157, .157, .489, .887, 1.534}

// A gap between two ratings of a user is lognormal with the quartiles 3, 11 and
// 34 s of ml-latest-small.
const (
	sessionMedian = 11
	sessionSigma  = 1.8
)

// seats are those of each class; none: no sessions.
type seats []uint32

// sessionSeats returns the seats with which the gaps are as measured when the
// events are played at a rate, in events per second.
func sessionSeats(rate float64) seats {
	var s seats
	for _, z := range sessionZ {
		gap := float64(sessionMedian * exp(float64(sessionSigma*z)))
		n := math.Floor(float64(gap*rate)/sessionClasses + 0.5)
		s = append(s, uint32(max(1, min(n, MaxID))))
	}
	return s
}

// list returns an entry of the list that the x-th event of an epoch is of.
func (s seats) list(m *listModel, o *shuffle, x uint64) uint64 {
	size := m.t.Epoch()
	class, k := x%sessionClasses, x/sessionClasses
	whole, rest := size/sessionClasses, size%sessionClasses
	first, length := class*whole+min(class, rest), whole
	if class < rest {
		length++
	}
	entry := first + s.deal(o, class, k, length) + o.offset
	if entry >= size {
		entry -= size
	}
	return entry
}

// within returns the entry of an event whose list has an entry.
func (s seats) within(m *listModel, o *shuffle, entry uint64) uint64 {
	u := m.user(entry)
	start := m.t.starts[u]
	within := newPermutation(m.t.starts[u+1]-start, o.seed, LaneSession, o.epoch, uint64(u), 1<<32)
	return start + within.at(entry-start)
}

// deal returns the place of the k-th of the length events of a class, when its
// seats go on one after the other.
func (s seats) deal(o *shuffle, class, k, length uint64) uint64 {
	count := min(uint64(s[class]), length)
	row, rows := k/count, (length+count-1)/count
	last := length - (rows-1)*count // seats of the last row
	width := count
	if row == rows-1 {
		width = last
	}
	order := newPermutation(width, o.seed, LaneSession, o.epoch, class, row)
	seat := order.at(k % count)
	return seat*(rows-1) + min(seat, last) + row
}

func (s seats) append(b []byte) []byte {
	for _, n := range s {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// decodeSeats reads what append wrote, up to the end.
func decodeSeats(r *reader) (s seats, err error) {
	if len(r.b) == 0 {
		return nil, r.end()
	}
	for range sessionClasses {
		n := r.uint32()
		if n == 0 {
			return nil, fmt.Errorf("%w: a class of sessions without seats", ErrSnapshot)
		}
		s = append(s, n)
	}
	return s, r.end()
}
