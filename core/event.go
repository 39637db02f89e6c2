package core

// Event is one rating.
type Event struct {
	Time   int64  // epoch milliseconds
	User   uint32 // userId, from 1
	Movie  uint32 // movieId, from 1
	Rating uint8  // in half stars, 1 (0.5) to 10 (5.0)
}

// Stars returns the rating in stars, 0.5 to 5.0.
func (e Event) Stars() float64 { return float64(e.Rating) / 2 }

// Sequence is events 0, 1, 2, ... of a snapshot, a seed and a schedule. It
// holds no state: every method is a pure function and safe for use from many
// goroutines.
type Sequence struct {
	Snapshot *Snapshot
	Seed     uint64
	Schedule Schedule
}

// Fill sets dst to the events n, n+1, ..., n+len(dst)-1. It does not allocate.
func (s *Sequence) Fill(dst []Event, n uint64) {
	s.Snapshot.model.fill(dst, s.Seed, n)
	s.Schedule.fill(dst, n)
}

// Pick sets dst[i] to event ns[i]: what Fill is for events that do not follow
// each other. dst and ns have one length. It costs a third of as many calls of
// Event and does not allocate.
func (s *Sequence) Pick(dst []Event, ns []uint64) {
	s.Snapshot.model.pick(dst, s.Seed, ns)
	for i, n := range ns {
		dst[i].Time = s.Schedule.At(n)
	}
}

// Users sets dst to the userIds of the events n, n+1, ..., n+len(dst)-1: what
// decides their partitions. It costs half of Fill and does not allocate.
func (s *Sequence) Users(dst []uint32, n uint64) { s.Snapshot.model.fillUsers(dst, s.Seed, n) }

// Event returns event n.
func (s *Sequence) Event(n uint64) Event {
	var one [1]Event
	s.Fill(one[:], n)
	return one[0]
}
