package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Config is how to reach a topic and deliver into it. DefaultConfig sets what
// is not zero by default.
type Config struct {
	Target
	Client             []kgo.Opt // of a client.properties file
	CursorTopic        string
	Partitions         int // of a topic that is created; 0: 6
	Replication        int // of a topic that is created; 0: the broker's default
	CommitInterval     time.Duration
	TransactionTimeout time.Duration
	NoHeader           bool
	Owner              string // host and state directory
	TakeOver           bool   // do not wait for another owner to be quiet
	Restart            bool   // begin the run anew
	Say                func(format string, args ...any)
}

// DefaultConfig returns the settings for a target.
func DefaultConfig(t Target) Config {
	return Config{
		Target: t, CursorTopic: "gen.cursors", CommitInterval: 50 * time.Millisecond, TransactionTimeout: 30 * time.Second,
		Say: func(string, ...any) {},
	}
}

// Connection is the view of a cluster without a producer.
type Connection struct {
	Config
	client *kgo.Client
	admin  *kadm.Client

	cluster          string // id
	topicID          string
	partitions       int // of the topic now
	cursorPartitions int
}

// Connect reaches the cluster and creates what is missing of the topics when
// create is set. It returns an error that is a kerr.Error or a dial error.
func Connect(ctx context.Context, c Config, create bool) (*Connection, error) {
	conn := &Connection{Config: c}
	var err error
	if conn.client, err = kgo.NewClient(conn.options()...); err != nil {
		return nil, err
	}
	conn.admin = kadm.NewClient(conn.client)
	if err := conn.load(ctx, create); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// Close ends the connection.
func (conn *Connection) Close() { conn.client.Close() }

// Cluster returns the id of the cluster: what a target is known by, as its
// addresses may change.
func (conn *Connection) Cluster() string { return conn.cluster }

func (conn *Connection) options() []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(conn.Brokers...),
		// With the default of 5 s the first transaction on a fresh topic takes
		// as long, and a topic's id stays stale.
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(time.Second, 20*time.Millisecond<<min(tries, 6)) }),
	}, conn.Client...)
}

func (conn *Connection) load(ctx context.Context, create bool) error {
	meta, err := conn.admin.Metadata(ctx, conn.Topic, conn.CursorTopic)
	if err != nil {
		return fmt.Errorf("ask %v for metadata: %w", conn.Brokers, err)
	}
	conn.cluster = meta.Cluster
	missing := func(topic string) bool {
		return errors.Is(meta.Topics[topic].Err, kerr.UnknownTopicOrPartition)
	}
	if create && (missing(conn.Topic) || missing(conn.CursorTopic)) {
		if err := conn.create(ctx, missing(conn.Topic), missing(conn.CursorTopic)); err != nil {
			return err
		}
		if meta, err = conn.awaitTopics(ctx); err != nil {
			return err
		}
	}
	for _, name := range []string{conn.Topic, conn.CursorTopic} {
		if err := meta.Topics[name].Err; err != nil {
			return fmt.Errorf("topic %q on %v: %w", name, conn.Brokers, err)
		}
	}
	conn.topicID = meta.Topics[conn.Topic].ID.String()
	conn.partitions = len(meta.Topics[conn.Topic].Partitions)
	conn.cursorPartitions = len(meta.Topics[conn.CursorTopic].Partitions)
	return conn.checkPolicies(ctx)
}

func (conn *Connection) create(ctx context.Context, topic, cursors bool) error {
	replication := int16(-1)
	if conn.Replication > 0 {
		replication = int16(conn.Replication)
	}
	partitions := int32(6)
	if conn.Partitions > 0 {
		partitions = int32(conn.Partitions)
	}
	if topic {
		if err := conn.createOne(ctx, partitions, replication, nil, conn.Topic); err != nil {
			return err
		}
	}
	if !cursors {
		return nil
	}
	// Compaction passes over the active segment: small ones keep it short.
	return conn.createOne(ctx, 16, replication, map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"), "segment.bytes": kadm.StringPtr("16777216"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.1"),
	}, conn.CursorTopic)
}

func (conn *Connection) createOne(ctx context.Context, partitions int32, replication int16, configs map[string]*string, name string) error {
	_, err := conn.admin.CreateTopic(ctx, partitions, replication, configs, name)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %q: %w", name, err)
	}
	conn.Say("created topic %q with %d partitions", name, partitions)
	return nil
}

// awaitTopics waits until topics that were just created are known.
func (conn *Connection) awaitTopics(ctx context.Context) (kadm.Metadata, error) {
	for tries := 0; ; tries++ {
		meta, err := conn.admin.Metadata(ctx, conn.Topic, conn.CursorTopic)
		if err != nil {
			return meta, err
		}
		known := meta.Topics.Error() == nil
		for _, topic := range meta.Topics {
			known = known && topic.Partitions.Sorted() != nil
			for _, p := range topic.Partitions {
				known = known && p.Err == nil && p.Leader >= 0
			}
		}
		if known || tries == 50 {
			return meta, nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return meta, err
		}
	}
}

// checkPolicies refuses a topic that would lose records to compaction, and a
// cursor topic that would lose cursors to retention.
func (conn *Connection) checkPolicies(ctx context.Context) error {
	configs, err := conn.admin.DescribeTopicConfigs(ctx, conn.Topic, conn.CursorTopic)
	if err != nil {
		return fmt.Errorf("read the topics' configuration: %w", err)
	}
	for _, c := range configs {
		if errors.Is(c.Err, kerr.TopicAuthorizationFailed) && c.Name == conn.Topic {
			continue // DescribeConfigs is not among the rights a run needs there
		}
		if c.Err != nil {
			return fmt.Errorf("read the configuration of topic %q: %w", c.Name, c.Err)
		}
		for _, entry := range c.Configs {
			if entry.Key != "cleanup.policy" || entry.Value == nil {
				continue
			}
			if c.Name == conn.CursorTopic && *entry.Value != "compact" {
				return fmt.Errorf("topic %q has cleanup.policy=%s: the cursors need compact", c.Name, *entry.Value)
			}
			if c.Name == conn.Topic && *entry.Value != "delete" {
				return fmt.Errorf("topic %q has cleanup.policy=%s: compaction would delete events; want delete", c.Name, *entry.Value)
			}
		}
	}
	return nil
}
