package kafka

import (
	"slices"

	"gen/core"
)

const (
	// scanEvents is how many events are looked at together: their users stay in
	// the first-level cache.
	scanEvents = 1024
	// scanMost is how many events are looked at for one lot: some 5 ms of work, so
	// that a shard that owns little comes to an end.
	scanMost = 512 * scanEvents
)

// ownEvents finds the events of a shard's partitions, in order. What decides is the
// user, which is cheap to compute; only own events are computed whole.
type ownEvents struct {
	sequence *core.Sequence
	all      bool // no event is another shard's
	at, end  uint64
	// Some partitions stand further ahead than at, until front.
	nexts []uint64
	front uint64

	homes *core.Partitions
	shard core.Shard
	table []uint8 // by userId, from 1 on: 1 for those of own partitions
	users [scanEvents]uint32
	read  int // of users
	count int // in users
}

func newOwnEvents(d *Delivery, cursor Cursor, homes *core.Partitions) *ownEvents {
	o := &ownEvents{
		sequence: d.Sequence, all: d.Shard.Count() == 1, at: cursor.Next, end: d.End, nexts: cursor.Nexts, homes: homes, shard: d.Shard,
	}
	for p, next := range cursor.Nexts {
		if d.Shard.Owns(p) {
			o.front = max(o.front, next)
		}
	}
	o.table = make([]uint8, d.Sequence.Snapshot.Tables().Users())
	for i := range o.table {
		o.table[i] = o.owns(uint32(i + 1))
	}
	return o
}

// next sets ns and events, which have one length, to the shard's next events, and
// returns how many there are: none, maybe, before the end. Every own event before
// o.at has then been returned.
func (o *ownEvents) next(ns []uint64, events []core.Event) int {
	k := 0
	if o.all && o.at >= o.front {
		k = int(min(uint64(len(ns)), o.end-o.at))
		o.sequence.Fill(events[:k], o.at)
		for i := range ns[:k] {
			ns[i] = o.at + uint64(i)
		}
		o.at += uint64(k)
		return k
	}
	stop := o.end
	if o.at < o.front {
		stop = min(stop, o.front)
	}
	for last := o.at + scanMost; k < len(ns) && o.at < min(stop, last); {
		if o.read == o.count {
			o.read, o.count = 0, int(min(scanEvents, stop-o.at))
			o.sequence.Users(o.users[:o.count], o.at)
		}
		k = o.scan(ns, k)
	}
	o.sequence.Pick(events[:k], ns[:k])
	return k
}

// scan adds own events to ns, which holds k, until it is full or no user is left.
func (o *ownEvents) scan(ns []uint64, k int) int {
	begun, at := k, o.at
	users := o.users[o.read:o.count]
	for i, user := range users {
		if k == len(ns) {
			users = users[:i]
			break
		}
		// A branch on a random user would be mispredicted.
		ns[k] = at + uint64(i)
		if i := int64(user - 1); i < int64(len(o.table)) {
			k += int(o.table[i])
		} else {
			k += int(o.owns(user))
		}
	}
	o.read += len(users)
	o.at += uint64(len(users))
	if at >= o.front {
		return k
	}
	return begun + len(o.missing(ns[begun:k]))
}

func (o *ownEvents) owns(user uint32) uint8 {
	if o.shard.Owns(int(o.homes.Of(user))) {
		return 1
	}
	return 0
}

// missing keeps of own events those that their partitions do not have yet.
func (o *ownEvents) missing(ns []uint64) []uint64 {
	var user [1]uint32
	return slices.DeleteFunc(ns, func(n uint64) bool {
		o.sequence.Users(user[:], n)
		return n < o.nexts[o.homes.Of(user[0])]
	})
}
