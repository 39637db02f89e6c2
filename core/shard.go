package core

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrShard is returned for a text that is no shard.
var ErrShard = errors.New("shard")

// Shard is one of the parts into which a delivery is cut. The zero value is the
// only part of one that is not cut.
type Shard struct {
	Index int // from 0
	Of    int // how many there are; 0 stands for 1
}

// ParseShard reads "i/s", as people write it, or "i-of-s", as String does.
func ParseShard(text string) (Shard, error) {
	index, of, ok := strings.Cut(text, "-of-")
	if !ok {
		index, of, ok = strings.Cut(text, "/")
	}
	i, errI := strconv.ParseUint(index, 10, 15)
	s, errS := strconv.ParseUint(of, 10, 15)
	if !ok || errI != nil || errS != nil || i >= s {
		return Shard{}, fmt.Errorf("%w %q: want i/s with i from 0 to s-1, e.g. 0/3, 1/3 and 2/3", ErrShard, text)
	}
	return Shard{int(i), int(s)}, nil
}

// String returns "0-of-1".
func (s Shard) String() string { return fmt.Sprintf("%d-of-%d", s.Index, s.Count()) }

// Count returns how many shards there are.
func (s Shard) Count() int { return max(1, s.Of) }

// Owns tells whether a partition of a topic is this shard's.
func (s Shard) Owns(partition int) bool { return partition%s.Count() == s.Index }

// Range cuts n things into contiguous parts and returns this shard's: from up to,
// not including, to.
func (s Shard) Range(n uint64) (from, to uint64) {
	count, i := uint64(s.Count()), uint64(s.Index)
	each, rest := n/count, n%count
	from = i*each + min(i, rest)
	to = from + each
	if i < rest {
		to++
	}
	return from, to
}
