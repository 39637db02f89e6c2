package core

import "strconv"

// Murmur2 returns Kafka's 32-bit murmur2 hash of data with the seed
// 0x9747b28c: org.apache.kafka.common.utils.Utils.murmur2; its UtilsTest holds
// the vectors.
func Murmur2(data []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for len(data) >= 4 {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
		data = data[4:]
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(data[0])) * m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Partitions finds the partition of a user's events; that of a user of the first
// cohort takes no hash.
type Partitions struct {
	count int
	known []int32 // from userId 1 on
}

// NewPartitions returns the places of the users of a snapshot in a topic of count
// partitions.
func NewPartitions(s *Snapshot, count int) *Partitions {
	p := &Partitions{count, make([]int32, s.Tables().Users())}
	for i := range p.known {
		p.known[i] = int32(Partition(uint32(i+1), count))
	}
	return p
}

// Of returns the partition of a userId, which is Partition's.
func (p *Partitions) Of(user uint32) int32 {
	if int(user) <= len(p.known) {
		return p.known[user-1]
	}
	return int32(Partition(user, p.count))
}

// Partition returns the partition, in [0, partitions), that Kafka's default
// partitioner chooses for the key of a user's events: the decimal userId.
func Partition(user uint32, partitions int) int {
	var buf [10]byte
	key := strconv.AppendUint(buf[:0], uint64(user), 10)
	return int(Murmur2(key)&0x7fffffff) % partitions
}
