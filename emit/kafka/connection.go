package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Config is how to reach a topic and deliver into it. DefaultConfig sets what
// is not zero by default.
type Config struct {
	Target
	Client             []kgo.Opt // of a client.properties file: they win over everything below
	Security           Security  // of that file
	CursorTopic        string
	Partitions         int // of a topic that is created; 0: 6
	Replication        int // of a topic that is created; 0: the broker's default
	Compression        kgo.CompressionCodec
	CommitInterval     time.Duration
	CommitEvents       int // in a transaction at the most
	TransactionTimeout time.Duration
	NoHeader           bool
	EventTime          bool   // the record's own timestamp is the event's
	Owner              string // host and state directory
	TakeOver           bool   // do not wait for another owner to be quiet
	Restart            bool   // begin the run anew
	EndHanging         bool   // end a transaction of this run that the broker has lost
	Shard              core.Shard
	Say                func(format string, args ...any)
}

// DefaultConfig returns the settings for a target.
func DefaultConfig(t Target) Config {
	return Config{
		Target: t, CursorTopic: "gen.cursors", Compression: kgo.SnappyCompression(),
		CommitInterval: 50 * time.Millisecond, CommitEvents: 1_000_000, TransactionTimeout: 30 * time.Second,
		Say: func(string, ...any) {},
	}
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// ParseCompression returns the codec that Kafka knows by a name.
func ParseCompression(name string) (kgo.CompressionCodec, error) {
	codec, ok := codecs[name]
	if !ok {
		return codec, fmt.Errorf("a topic takes %s", strings.Join(slices.Sorted(maps.Keys(codecs)), ", "))
	}
	return codec, nil
}

// ErrPolicy is returned for a topic whose cleanup.policy would delete events,
// or cursors.
var ErrPolicy = errors.New("the topic's cleanup.policy does not fit")

// ErrNoTopic is returned when the topic to read does not exist.
var ErrNoTopic = errors.New("does not exist")

// ErrMessageSize is returned for a topic that takes no batch of a useful size.
var ErrMessageSize = errors.New("the topic takes too small messages")

// smallestBatch, in bytes, is what the client makes.
const smallestBatch = 512

// Connection is the view of a cluster without a producer.
type Connection struct {
	Config
	client *kgo.Client
	admin  *kadm.Client

	cluster          string // id
	topicID          string // empty when the topic is missing
	partitions       int    // of the topic now
	cursorPartitions int
	batchBytes       int32 // what both topics take
}

// Connect reaches the cluster. With create it makes the cursor topic if that is
// missing, and the topic itself may be: Delivery makes it when there is reason
// to. Without, the connection is for reading: the topic must be there, and the
// cursor topic may be missing. It returns an error that is a kerr.Error or a dial
// error, or ErrNoTopic, or, with create, ErrPolicy; Explain says of some what the
// user can do.
func Connect(ctx context.Context, c Config, create bool) (*Connection, error) {
	conn, err := Dial(c)
	if err != nil {
		return nil, err
	}
	if err := conn.load(ctx, create); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// Dial returns a connection that has asked nothing yet and knows no topic: what
// looks at a cluster where Connect would fail, see check.go.
func Dial(c Config) (*Connection, error) {
	conn := &Connection{Config: c}
	var err error
	if conn.client, err = kgo.NewClient(conn.options()...); err != nil {
		return nil, err
	}
	conn.admin = kadm.NewClient(conn.client)
	return conn, nil
}

// IsAway tells whether an error says that nobody listens at an address.
func IsAway(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// Close ends the connection.
func (conn *Connection) Close() { conn.client.Close() }

// Cluster returns the id of the cluster: what a target is known by, as its
// addresses may change.
func (conn *Connection) Cluster() string { return conn.cluster }

// options returns those of every client, then the given ones, then those of the
// user's file.
func (conn *Connection) options(more ...kgo.Opt) []kgo.Opt {
	return slices.Concat([]kgo.Opt{
		kgo.SeedBrokers(conn.Brokers...),
		// With the default of 5 s the first transaction on a fresh topic takes
		// as long, and a topic's id stays stale.
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.RetryBackoffFn(func(tries int) time.Duration { return min(time.Second, 20*time.Millisecond<<min(tries, 6)) }),
	}, more, conn.Client)
}

func (conn *Connection) load(ctx context.Context, create bool) error {
	if err := conn.checkRights(ctx, create); err != nil {
		return err
	}
	meta, err := conn.admin.Metadata(ctx, conn.Topic, conn.CursorTopic)
	if err != nil {
		return fmt.Errorf("ask for metadata: %w", err)
	}
	conn.cluster = meta.Cluster
	if create && isMissing(meta, conn.CursorTopic) {
		if err := conn.createCursorTopic(ctx); err != nil {
			return err
		}
		if meta, err = conn.awaitTopic(ctx, conn.CursorTopic); err != nil {
			return err
		}
	}
	if !create && isMissing(meta, conn.Topic) {
		return conn.mustHaveTopic()
	}
	for _, name := range []string{conn.Topic, conn.CursorTopic} {
		if err := meta.Topics[name].Err; err != nil && !isMissing(meta, name) {
			return fmt.Errorf("topic %q on %v: %w", name, conn.Brokers, err)
		}
	}
	conn.cursorPartitions = len(meta.Topics[conn.CursorTopic].Partitions)
	conn.setTopic(meta)
	if !create {
		return nil
	}
	return conn.checkConfigs(ctx)
}

// mustHaveTopic returns ErrNoTopic when the topic is missing.
func (conn *Connection) mustHaveTopic() error {
	if conn.topicID == "" {
		return fmt.Errorf("topic %q %w on %s", conn.Topic, ErrNoTopic, strings.Join(conn.Brokers, ","))
	}
	return nil
}

func (conn *Connection) setTopic(meta kadm.Metadata) {
	if isMissing(meta, conn.Topic) {
		conn.topicID, conn.partitions = "", 0
		return
	}
	conn.topicID = meta.Topics[conn.Topic].ID.String()
	conn.partitions = len(meta.Topics[conn.Topic].Partitions)
}

func isMissing(meta kadm.Metadata, topic string) bool {
	return errors.Is(meta.Topics[topic].Err, kerr.UnknownTopicOrPartition)
}

// createTopic makes the topic of the events and waits until it is there.
func (conn *Connection) createTopic(ctx context.Context) error {
	if err := conn.createOne(ctx, conn.topicShape()); err != nil {
		return err
	}
	meta, err := conn.awaitTopic(ctx, conn.Topic)
	if err != nil {
		return err
	}
	conn.setTopic(meta)
	return conn.checkConfigs(ctx)
}

// findTopic looks again for a topic that was missing: another shard may have made
// it. One that must be there is looked for for a while: metadata may be old.
func (conn *Connection) findTopic(ctx context.Context, must bool) error {
	for tries := 0; conn.topicID == ""; tries++ {
		meta, err := conn.admin.Metadata(ctx, conn.Topic)
		if err != nil {
			return err
		}
		if isMissing(meta, conn.Topic) {
			if !must || tries == 20 {
				return nil
			}
			if err := pace.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if meta, err = conn.awaitTopic(ctx, conn.Topic); err != nil {
			return err
		}
		conn.setTopic(meta)
		return conn.checkConfigs(ctx)
	}
	return nil
}

func (conn *Connection) createCursorTopic(ctx context.Context) error {
	return conn.createOne(ctx, conn.cursorShape())
}

// shape is how a topic is created.
type shape struct {
	name        string
	partitions  int32
	replication int16 // -1: the broker's default
	configs     map[string]*string
}

func (conn *Connection) topicShape() shape {
	s := shape{conn.Topic, 6, -1, nil}
	if conn.Partitions > 0 {
		s.partitions = int32(conn.Partitions)
	}
	if conn.Replication > 0 {
		s.replication = int16(conn.Replication)
	}
	return s
}

func (conn *Connection) cursorShape() shape {
	// Compaction passes over the active segment: small ones keep it short.
	return shape{conn.CursorTopic, 16, conn.topicShape().replication, map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"), "segment.bytes": kadm.StringPtr("16777216"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.1"),
	}}
}

func (conn *Connection) createOne(ctx context.Context, s shape) error {
	_, err := conn.admin.CreateTopic(ctx, s.partitions, s.replication, s.configs, s.name)
	if errors.Is(err, kerr.TopicAlreadyExists) {
		return nil // another process was faster
	}
	if err != nil {
		return fmt.Errorf("create topic %q: %w", s.name, refusedTo(err, "Create", "topic", s.name))
	}
	conn.Say("created topic %q with %d partitions", s.name, s.partitions)
	return nil
}

// awaitTopic waits until a topic that was just created is known, with leaders.
func (conn *Connection) awaitTopic(ctx context.Context, name string) (kadm.Metadata, error) {
	for tries := 0; ; tries++ {
		meta, err := conn.admin.Metadata(ctx, conn.Topic, conn.CursorTopic)
		if err != nil {
			return meta, err
		}
		topic := meta.Topics[name]
		known := topic.Err == nil && len(topic.Partitions) > 0
		for _, p := range topic.Partitions {
			known = known && p.Err == nil && p.Leader >= 0
		}
		if known || tries == 50 {
			return meta, topic.Err
		}
		if err := pace.Sleep(ctx, 100*time.Millisecond); err != nil {
			return meta, err
		}
	}
}

// checkConfigs refuses a topic that would lose records to compaction, and a
// cursor topic that would lose cursors to retention, and notes how large a batch
// may be.
func (conn *Connection) checkConfigs(ctx context.Context) error {
	conn.batchBytes = 128 << 10 // smaller requests keep client and broker both at work
	if err := conn.checkConfigsOf(ctx, conn.CursorTopic); err != nil || conn.topicID == "" {
		return err
	}
	err := conn.checkConfigsOf(ctx, conn.Topic)
	if IsRefused(err) {
		return nil // DescribeConfigs is not among the rights a run needs there
	}
	return err
}

// checkConfigsOf asks for one topic: of several, kadm returns nothing when one
// is refused.
func (conn *Connection) checkConfigsOf(ctx context.Context, topic string) error {
	configs, err := conn.admin.DescribeTopicConfigs(ctx, topic)
	for _, c := range configs {
		err = errors.Join(err, c.Err)
	}
	if err != nil {
		return fmt.Errorf("read the configuration of topic %q: %w", topic, refusedTo(err, "DescribeConfigs", "topic", topic))
	}
	for _, c := range configs {
		for _, entry := range c.Configs {
			if err := conn.judgeConfig(topic, entry); err != nil {
				return err
			}
			if most, err := strconv.ParseInt(entry.MaybeValue(), 10, 32); err == nil && entry.Key == "max.message.bytes" {
				conn.batchBytes = min(conn.batchBytes, int32(most))
			}
		}
	}
	return nil
}

// judgeConfig returns ErrPolicy or ErrMessageSize for a setting by which records
// would be lost, or refused.
func (conn *Connection) judgeConfig(topic string, entry kadm.Config) error {
	value := entry.MaybeValue()
	switch {
	case entry.Key == "cleanup.policy" && topic == conn.CursorTopic && value != "compact":
		return fmt.Errorf("%w: %q has %s, the cursors need compact", ErrPolicy, topic, value)
	case entry.Key == "cleanup.policy" && topic == conn.Topic && value != "delete":
		return fmt.Errorf("%w: %q has %s: compaction would delete events; want delete", ErrPolicy, topic, value)
	case entry.Key == "max.message.bytes":
		most, err := strconv.ParseInt(value, 10, 32)
		if err == nil && most < smallestBatch {
			return fmt.Errorf("%w: max.message.bytes of %q is %d, want %d or more", ErrMessageSize, topic, most, smallestBatch)
		}
	}
	return nil
}
