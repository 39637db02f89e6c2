// Package kafka delivers events into a topic exactly once.
//
// Start with Delivery.Deliver, and with Connect for reading. Every transaction
// holds some events and the cursor record that covers them, as Kafka Connect
// keeps source offsets (KIP-618): what a read_committed consumer sees and what the
// cursor says never differ.
//
// # Cursor
//
// The cursor record goes to a compacted topic under the key topic/run/0-of-1:
// shard 0 of 1. Its value is a Cursor in JSON. Kafka is the truth; the state
// directory holds a copy.
//
// # Placement
//
// The key of an event is the decimal userId, and its partition the one that
// Kafka's default partitioner chooses, of the number of partitions that the run
// began with. Inside a partition events stand in the order of the sequence.
//
// # Header
//
// Each record carries the header "gen": 8 bytes of the run's identity and 8
// bytes with the number of the event, both big-endian; see RunID.
//
// # Rights
//
// A delivery wants Write on the topic and on its transactional id; Write, Read
// and DescribeConfigs on the cursor topic; Create on a topic that is missing.
// Read on the topic lets it look for hanging transactions, and for records of a
// run without a cursor, so that a second run wants it. A reader wants Read on
// both topics.
package kafka

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Scheme begins the URL of a Kafka target.
const Scheme = "kafka://"

// Target names a topic of a cluster.
type Target struct {
	Brokers []string // host:port
	Topic   string
}

// ErrTarget is returned for a URL that is not kafka://host:port/topic.
var ErrTarget = errors.New("want kafka://host:port[,host:port]/topic")

// ParseTarget reads kafka://host:port[,host:port]/topic.
func ParseTarget(s string) (Target, error) {
	rest, ok := strings.CutPrefix(s, Scheme)
	hosts, topic, slash := strings.Cut(rest, "/")
	if !ok || !slash {
		return Target{}, fmt.Errorf("%s: %w", s, ErrTarget)
	}
	t := Target{Topic: topic}
	for host := range strings.SplitSeq(hosts, ",") {
		if _, port, err := net.SplitHostPort(host); err != nil {
			return Target{}, fmt.Errorf("%s: %w: %w", s, ErrTarget, err)
		} else if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return Target{}, fmt.Errorf("%s: %w: port %q", s, ErrTarget, port)
		}
		t.Brokers = append(t.Brokers, host)
	}
	if !validTopic(topic) {
		return Target{}, fmt.Errorf("%s: topic %q: letters, digits, '.', '_' and '-', at most 249", s, topic)
	}
	if strings.HasPrefix(topic, "__") {
		return Target{}, fmt.Errorf("%s: topic %q: Kafka keeps topics that begin with __ for itself", s, topic)
	}
	return t, nil
}

// validTopic follows org.apache.kafka.common.internals.Topic.
func validTopic(s string) bool {
	legal := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
	return legal && s != "" && s != "." && s != ".." && len(s) <= 249
}

// String returns the URL.
func (t Target) String() string { return Scheme + strings.Join(t.Brokers, ",") + "/" + t.Topic }
