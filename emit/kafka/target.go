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
