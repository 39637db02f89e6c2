package pace

import "time"

// Quota allows each partition a number of records in any second: record k waits
// until record k - most is a second old. It is for one goroutine.
type Quota struct {
	most int
	sent [][]time.Time // of each partition: its latest records, a ring
	next []int         // where the oldest of them stands
}

// NewQuota allows each of the partitions at most so many records in any second.
func NewQuota(partitions, most int) *Quota {
	return &Quota{most, make([][]time.Time, partitions), make([]int, partitions)}
}

// Take counts a record for a partition and returns 0, or, when the quota is
// used up, counts nothing and returns how long it is. Times do not decrease.
func (q *Quota) Take(partition int, now time.Time) time.Duration {
	ring := q.sent[partition]
	if len(ring) < q.most {
		q.sent[partition] = append(ring, now)
		return 0
	}
	oldest := &ring[q.next[partition]]
	if wait := time.Second - now.Sub(*oldest); wait > 0 {
		return wait
	}
	*oldest = now
	q.next[partition] = (q.next[partition] + 1) % q.most
	return 0
}
