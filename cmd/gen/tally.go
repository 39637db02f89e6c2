package main

import (
	"math/bits"

	"gen/core"
)

// tallyEvents is how many events are counted at a time, which is once a second:
// some 15 ms of work.
const tallyEvents = 200_000

// tally counts what a stream has delivered by rating, genre and partition. It
// makes the events again, as they are a function of their number: the stream
// itself does nothing for it, and nothing is counted when nobody looks.
type tally struct {
	view       view
	masks      map[uint32]uint32 // genres of a movie, by movieId
	events     []core.Event
	begun      bool
	next       uint64
	count      uint64
	ratings    [11]uint64 // by half stars
	genres     []uint64
	partitions []uint64
}

func newTally(v view) *tally {
	t := v.Sequence.Snapshot.Tables()
	a := &tally{view: v, events: make([]core.Event, 8192), genres: make([]uint64, len(t.Genres)), partitions: make([]uint64, v.Partitions)}
	a.masks = make(map[uint32]uint32, len(t.Movies))
	for _, m := range t.Movies {
		a.masks[m.ID] = m.Mask
	}
	return a
}

// advance counts the events from the one behind the last counted, first from,
// up to, not including, to, but only so many at a time.
func (a *tally) advance(from, to uint64) {
	if !a.begun {
		a.begun, a.next = true, from
	}
	to = min(to, a.next+tallyEvents)
	for a.next < to {
		events := a.events[:min(uint64(len(a.events)), to-a.next)]
		a.view.Sequence.Fill(events, a.next)
		for _, e := range events {
			if a.view.Partitions > 0 && !a.view.Shard.Owns(core.Partition(e.User, a.view.Partitions)) {
				continue
			}
			a.count++
			a.ratings[e.Rating]++
			for mask := a.masks[e.Movie]; mask != 0; mask &= mask - 1 {
				a.genres[bits.TrailingZeros32(mask)]++
			}
			if len(a.partitions) > 0 {
				a.partitions[core.Partition(e.User, len(a.partitions))]++
			}
		}
		a.next += uint64(len(events))
	}
}
