package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file looks at a cluster for gen check, through a connection by Dial:
// what Connect would refuse is told here and is no error. It changes nothing,
// and is used in the order in which it stands here.

// Brokers is what the brokers of a cluster say of themselves.
type Brokers struct {
	Nodes []Node // in order of their ids
	// TransactionVersion is the cluster's level of the feature
	// transaction.version, 0 when it has none: with 2, KIP-890 is complete.
	// PossibleVersion is the level that all brokers could have.
	TransactionVersion, PossibleVersion int16
	Took                                time.Duration // to connect and get an answer
}

// Node is one broker.
type Node struct {
	ID      int32
	Address string // advertised, host:port
	Version string // of Kafka, guessed from what it understands: "v4.3"
	Err     error  // it does not answer at its advertised address
}

// LookAtBrokers asks every broker of the cluster, each once: an error means
// that none of the addresses in the configuration answers now.
func (conn *Connection) LookAtBrokers(ctx context.Context) (Brokers, error) {
	var b Brokers
	begin := time.Now()
	if err := conn.client.Ping(ctx); err != nil {
		return b, err
	}
	b.Took = time.Since(begin)
	meta, err := conn.admin.BrokerMetadata(ctx)
	if err != nil {
		return b, err
	}
	conn.cluster = meta.Cluster
	versions, err := conn.admin.ApiVersions(ctx)
	if err != nil {
		return b, err
	}
	for _, broker := range meta.Brokers {
		v := versions[broker.NodeID]
		node := Node{ID: broker.NodeID, Address: net.JoinHostPort(broker.Host, strconv.Itoa(int(broker.Port))), Err: v.Err}
		if v.Err == nil {
			node.Version = v.VersionGuess()
			level, possible := transactionVersion(v.Raw())
			if b.Nodes != nil {
				possible = min(possible, b.PossibleVersion)
			}
			b.TransactionVersion, b.PossibleVersion = level, possible
		}
		b.Nodes = append(b.Nodes, node)
	}
	slices.SortFunc(b.Nodes, func(x, y Node) int { return cmp.Compare(x.ID, y.ID) })
	return b, nil
}

// transactionVersion returns the level of the feature that a broker works at,
// and the highest that it knows.
func transactionVersion(r *kmsg.ApiVersionsResponse) (level, possible int16) {
	const feature = "transaction.version"
	for _, f := range r.FinalizedFeatures {
		if f.Name == feature {
			level = f.MaxVersionLevel
		}
	}
	for _, f := range r.SupportedFeatures {
		if f.Name == feature {
			possible = f.MaxVersion
		}
	}
	return level, possible
}

// TopicState is what can be seen of a topic.
type TopicState struct {
	Name        string
	Err         error // it cannot be seen: nothing else is known
	Exists      bool
	CreateErr   error             // why it cannot be created; only of a topic that does not exist
	Partitions  int               // of a topic that does not exist: as it would be created
	Replication int               // of the partition with the fewest replicas
	Leaderless  []int32           // partitions that nobody serves
	Lagging     []int32           // partitions with a replica that is not in sync
	Rights      []string          // what this user may do: "READ", "WRITE"; nil when the broker does not say
	Configs     map[string]string // nil when they cannot be read: ConfigErr
	ConfigErr   error
	PolicyErr   error // its cleanup.policy would lose records
	SizeErr     error // its max.message.bytes would refuse them
}

// LookAtTopics looks at the topic of the events and at that of the cursors.
func (conn *Connection) LookAtTopics(ctx context.Context) (events, cursors TopicState) {
	return conn.lookAt(ctx, conn.topicShape()), conn.lookAt(ctx, conn.cursorShape())
}

func (conn *Connection) lookAt(ctx context.Context, s shape) TopicState {
	t := TopicState{Name: s.name}
	meta, err := conn.admin.Metadata(kadm.WithAuthorizedOps(ctx), s.name)
	if err != nil {
		t.Err = err
		return t
	}
	if s.name == conn.Topic {
		conn.setTopic(meta)
	} else {
		conn.cursorPartitions = len(meta.Topics[s.name].Partitions)
	}
	detail := meta.Topics[s.name]
	for _, op := range detail.AuthorizedOperations {
		t.Rights = append(t.Rights, op.String())
	}
	switch {
	case errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
		t.Partitions = int(s.partitions)
		t.CreateErr = conn.tryToCreate(ctx, s)
		return t
	case detail.Err != nil:
		t.Err = detail.Err
		return t
	}
	t.Exists, t.Partitions = true, len(detail.Partitions)
	for _, p := range detail.Partitions.Sorted() {
		if t.Replication == 0 || len(p.Replicas) < t.Replication {
			t.Replication = len(p.Replicas)
		}
		switch {
		case p.Leader < 0 || p.Err != nil:
			t.Leaderless = append(t.Leaderless, p.Partition)
		case len(p.ISR) < len(p.Replicas):
			t.Lagging = append(t.Lagging, p.Partition)
		}
	}
	conn.lookAtConfigs(ctx, &t)
	return t
}

func (conn *Connection) lookAtConfigs(ctx context.Context, t *TopicState) {
	described, err := conn.admin.DescribeTopicConfigs(ctx, t.Name)
	if err != nil {
		t.ConfigErr = err
		return
	}
	topic, err := described.On(t.Name, func(c *kadm.ResourceConfig) error { return c.Err })
	if err != nil {
		t.ConfigErr = err
		return
	}
	t.Configs = map[string]string{}
	for _, entry := range topic.Configs {
		t.Configs[entry.Key] = entry.MaybeValue()
		switch err := conn.judgeConfig(t.Name, entry); {
		case errors.Is(err, ErrPolicy):
			t.PolicyErr = err
		case err != nil:
			t.SizeErr = err
		}
	}
}

// tryToCreate lets the broker check what it would need to create a topic.
func (conn *Connection) tryToCreate(ctx context.Context, s shape) error {
	answers, err := conn.admin.ValidateCreateTopics(ctx, s.partitions, s.replication, s.configs, s.name)
	if err != nil {
		return err
	}
	answer := answers[s.name]
	if answer.Err != nil && answer.ErrMessage != "" {
		return fmt.Errorf("%w: %s", answer.Err, answer.ErrMessage)
	}
	return answer.Err
}

// Transactions is what can be seen of the brokers' transactions.
type Transactions struct {
	ID          string // transactional id of the run
	Coordinator int32  // node that keeps it
	RunErr      error  // the id may not be used
	Scratch     string // transactional id of the trial
	ScratchErr  error  // it could not be begun
}

// LookAtTransactions begins as a transactional id that no delivery has, and
// asks for the coordinator of a run's own, which disturbs no delivery. The
// brokers forget the id that was tried after a week
// (transactional.id.expiration.ms).
func (conn *Connection) LookAtTransactions(ctx context.Context, run, scratch string) Transactions {
	t := Transactions{ID: transactionalID(conn.Topic, run, conn.Shard.String()), Scratch: transactionalID(scratch, scratchRun, core.Shard{}.String())}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr(t.Scratch)
	req.TransactionTimeoutMillis = int32(conn.TransactionTimeout.Milliseconds())
	resp, err := req.RequestWith(ctx, conn.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	t.ScratchErr = err
	coordinator := conn.admin.FindTxnCoordinators(ctx, t.ID)[t.ID]
	t.Coordinator, t.RunErr = coordinator.NodeID, coordinator.Err
	return t
}

// Stuck is a partition whose last stable offset stands still below its end:
// consumers with read_committed wait there.
type Stuck struct {
	OpenTransaction        // that begins there; ProducerID is -1 when the broker does not say
	End             int64  // of the partition
	ID              string // transactional id of the producer, "" when the broker does not say
}

// LookForStuck returns the partitions of both topics that stand still for as
// long as moment, in order.
func (conn *Connection) LookForStuck(ctx context.Context, moment time.Duration) ([]Stuck, error) {
	var topics []string
	if conn.topicID != "" {
		topics = append(topics, conn.Topic)
	}
	if conn.cursorPartitions > 0 {
		topics = append(topics, conn.CursorTopic)
	}
	open := map[string]Stuck{}
	for _, topic := range topics {
		ends, err := conn.admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = ends.Error()
		}
		if err != nil {
			return nil, fmt.Errorf("ends of %s: %w", topic, err)
		}
		ends.Each(func(o kadm.ListedOffset) {
			open[partitionName(topic, o.Partition)] = Stuck{OpenTransaction{Topic: topic, Partition: o.Partition, ProducerID: -1, Start: -1}, o.Offset, ""}
		})
	}
	for end := time.Now().Add(moment); ; {
		if err := conn.dropStable(ctx, open, topics); err != nil {
			return nil, err
		}
		if len(open) == 0 || time.Now().After(end) {
			break
		}
		if err := pace.Sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	conn.nameProducers(ctx, open)
	return slices.SortedFunc(maps.Values(open), func(x, y Stuck) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	}), nil
}

// dropStable removes the partitions whose last stable offset has reached the
// end or has moved since the last call.
func (conn *Connection) dropStable(ctx context.Context, open map[string]Stuck, topics []string) error {
	for _, topic := range topics {
		stable, err := conn.admin.ListCommittedOffsets(ctx, topic)
		if err == nil {
			err = stable.Error()
		}
		if err != nil {
			return fmt.Errorf("last stable offsets of %s: %w", topic, err)
		}
		stable.Each(func(o kadm.ListedOffset) {
			name := partitionName(topic, o.Partition)
			t, ok := open[name]
			switch {
			case !ok:
			case o.Offset >= t.End || t.Start >= 0 && o.Offset != t.Start:
				delete(open, name)
			default:
				t.Start = o.Offset
				open[name] = t
			}
		})
	}
	return nil
}

// nameProducers fills in who holds the transactions, as far as the broker
// says: it wants the right to Read the topic, and to Describe the id.
func (conn *Connection) nameProducers(ctx context.Context, open map[string]Stuck) {
	if len(open) == 0 {
		return
	}
	set := make(kadm.TopicsSet)
	for _, t := range open {
		set.Add(t.Topic, t.Partition)
	}
	var holders []int64
	producers, _ := conn.admin.DescribeProducers(ctx, set) // a part may be answered also with an error
	producers.EachPartition(func(p kadm.DescribedProducersPartition) {
		t := open[partitionName(p.Topic, p.Partition)]
		for _, producer := range p.ActiveProducers {
			if producer.CurrentTxnStartOffset == t.Start {
				t.ProducerID, t.ProducerEpoch, t.CoordinatorEpoch = producer.ProducerID, producer.ProducerEpoch, producer.CoordinatorEpoch
				open[partitionName(p.Topic, p.Partition)] = t
				holders = append(holders, t.ProducerID)
			}
		}
	})
	if len(holders) == 0 {
		return
	}
	listed, _ := conn.admin.ListTransactions(ctx, holders, nil)
	for _, l := range listed {
		for name, t := range open {
			if t.ProducerID == l.ProducerID {
				t.ID = l.TxnID
				open[name] = t
			}
		}
	}
}

// IsRefused tells whether a broker says with this error that the user has no
// right to something.
func IsRefused(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.TransactionalIDAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
}

func partitionName(topic string, partition int32) string {
	return fmt.Sprintf("%s-%d", topic, partition)
}

// LookAtRun returns where a run, or a shard of it, stands, nil when it has not
// begun, and the error with which a delivery would refuse to go on, see decide.go.
// Without a cursor it reads the topic, for records of the run.
func (conn *Connection) LookAtRun(ctx context.Context, asked Cursor, local core.Run) (found *Cursor, err error) {
	if conn.cursorPartitions > 0 {
		if found, err = conn.lookAtShard(ctx, asked.Name); err != nil {
			return found, err
		}
	}
	if found != nil {
		asked.NoHeader = found.NoHeader
	}
	sit := situation{kafka: found, local: local, asked: asked, topicID: conn.topicID, partitions: conn.partitions}
	if found == nil && conn.topicID != "" {
		if sit.found, err = conn.findIncarnations(ctx, asked); err != nil {
			return nil, err
		}
	}
	_, err = decide(sit)
	return found, err
}

func (conn *Connection) lookAtShard(ctx context.Context, run string) (*Cursor, error) {
	g, err := readGeneration(ctx, conn, run, conn.lastStable)
	if err != nil {
		return nil, err
	}
	change := true // all of the run is looked at, when no shard was named
	if conn.Shard.Of > 0 {
		if change, err = decideGeneration(g, conn.Shard, false, conn.TakeOver); err != nil {
			return nil, err
		}
	}
	if !change {
		return conn.shardCursor(ctx, run, conn.Shard, g, conn.lastStable)
	}
	g = g.begun()
	shards, err := cursorsOf(ctx, conn, run, g, conn.lastStable)
	if err != nil {
		return nil, err
	}
	c := g.stand(shards)
	if c == nil {
		return nil, nil
	}
	own := c.of(conn.Shard)
	own.Done = c.Done
	return &own, nil
}
