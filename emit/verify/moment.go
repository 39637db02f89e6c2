package verify

import "gen/core"

// moment is the events of one millisecond, found by their content. At a
// million events a second there are a thousand: they are computed once for all
// rows with that time, and a row is compared with those of its bucket only.
type moment struct {
	time   int64
	from   uint64 // of events[0]
	events []core.Event
	heads  []int32 // per bucket: 1 + the index of its first event, 0 for none
	after  []int32 // per event: the same of the next one of its bucket
}

// load computes the events of a millisecond, unless it holds them.
func (m *moment) load(seq *core.Sequence, time int64) {
	if m.heads != nil && m.time == time {
		return
	}
	from, to := seq.Schedule.Before(time), seq.Schedule.Before(time+1)
	k := int(max(from, to) - from) // time+1 overflows in a row of the latest time there is
	buckets := 1
	for buckets < k {
		buckets *= 2
	}
	m.time, m.from = time, from
	m.events, m.heads, m.after = resize(m.events, k), resize(m.heads, buckets), resize(m.after, k)
	seq.Fill(m.events, from)
	clear(m.heads)
	for i := k - 1; i >= 0; i-- {
		b := m.bucket(m.events[i])
		m.after[i], m.heads[b] = m.heads[b], int32(i)+1
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// bucket hashes user and movie. The rating adds little.
func (m *moment) bucket(e core.Event) uint32 {
	h := e.User*0x9e3779b1 ^ e.Movie*0x85ebca77
	return (h ^ h>>15) & uint32(len(m.heads)-1)
}

// find returns the first event that equals e and is not in seen, or else the
// last that equals it.
func (m *moment) find(e core.Event, seen interface{ has(n uint64) bool }) (n uint64, ok bool) {
	for i := m.heads[m.bucket(e)]; i > 0; i = m.after[i-1] {
		if m.events[i-1] != e {
			continue
		}
		n, ok = m.from+uint64(i-1), true
		if !seen.has(n) {
			return n, true
		}
	}
	return n, ok
}
