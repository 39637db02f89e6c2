package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Description is what a cluster says of a topic.
type Description struct {
	Topic      string             `json:"topic"`
	TopicID    string             `json:"topicId"`
	Cluster    string             `json:"cluster"`
	Partitions []PartitionState   `json:"partitions"`
	Configs    map[string]string  `json:"configs"` // those that decide how long records are kept
	Open       []NamedTransaction `json:"open"`    // transactions, here and in the cursor topic
	// Unknown says what the cluster did not tell, and why: mostly for lack of
	// a right.
	Unknown []string `json:"unknown,omitempty"`
}

// PartitionState is what a cluster says of a partition.
type PartitionState struct {
	Partition int32 `json:"partition"`
	Leader    int32 `json:"leader"`
	Replicas  int   `json:"replicas"`
	InSync    int   `json:"inSync"`
	Start     int64 `json:"start"`  // first offset that retention left
	Stable    int64 `json:"stable"` // last stable offset: where read_committed ends
	End       int64 `json:"end"`    // high watermark
}

// NamedTransaction is an open transaction, and whose it is.
type NamedTransaction struct {
	OpenTransaction
	TransactionalID string `json:"transactionalId,omitempty"`
	State           string `json:"state,omitempty"` // by its coordinator
}

// TopicIDText returns the id of a topic as Kafka's own tools print it: base64 in the
// alphabet for URLs (RFC 4648, section 5) without padding. Cursors hold the standard one.
func TopicIDText(id string) string {
	return strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(id)
}

// TopicID returns the id of the topic: another one when it was deleted and
// created again.
func (conn *Connection) TopicID() string { return conn.topicID }

// Describe asks what the topic is like. What is refused is said in Unknown.
func (conn *Connection) Describe(ctx context.Context) (Description, error) {
	d := Description{Topic: conn.Topic, TopicID: conn.topicID, Cluster: conn.cluster, Configs: map[string]string{}, Open: []NamedTransaction{}}
	var err error
	if d.Partitions, err = conn.partitionStates(ctx); err != nil {
		return d, err
	}
	for what, ask := range map[string]func(context.Context, *Description) error{
		"how long records are kept": conn.describeConfigs, "open transactions": conn.describeOpen,
	} {
		if err := ask(ctx, &d); ctx.Err() != nil {
			return d, ctx.Err()
		} else if err != nil {
			d.Unknown = append(d.Unknown, fmt.Sprintf("%s: %v", what, err))
		}
	}
	slices.Sort(d.Unknown)
	return d, nil
}

func (conn *Connection) partitionStates(ctx context.Context) ([]PartitionState, error) {
	meta, err := conn.admin.Metadata(ctx, conn.Topic)
	if err != nil {
		return nil, err
	}
	extents, hidden, err := conn.settle(ctx, conn.Topic, all(conn.partitions), 0)
	if err != nil {
		return nil, err
	}
	var states []PartitionState
	for _, x := range extents {
		detail := meta.Topics[conn.Topic].Partitions[x.Partition]
		s := PartitionState{Partition: x.Partition, Leader: detail.Leader, Replicas: len(detail.Replicas), InSync: len(detail.ISR), Start: x.Start, Stable: x.End, End: x.End}
		for _, h := range hidden {
			if h.Partition == x.Partition {
				s.End = h.End
			}
		}
		states = append(states, s)
	}
	return states, nil
}

func (conn *Connection) describeConfigs(ctx context.Context, d *Description) error {
	described, err := conn.admin.DescribeTopicConfigs(ctx, conn.Topic)
	if err != nil {
		return err
	}
	for _, topic := range described {
		if topic.Err != nil {
			return topic.Err
		}
		for _, entry := range topic.Configs {
			if slices.Contains([]string{"cleanup.policy", "retention.ms", "retention.bytes"}, entry.Key) {
				d.Configs[entry.Key] = entry.MaybeValue()
			}
		}
	}
	return nil
}

// describeOpen finds open transactions and asks the coordinators for their
// names, which they tell to who may describe them.
func (conn *Connection) describeOpen(ctx context.Context, d *Description) error {
	open, err := conn.openTransactions(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	var ids []int64
	for _, o := range open {
		d.Open = append(d.Open, NamedTransaction{OpenTransaction: o})
		ids = append(ids, o.ProducerID)
	}
	listed, err := conn.admin.ListTransactions(ctx, ids, nil)
	if err != nil {
		return fmt.Errorf("their names: %w", err)
	}
	for _, t := range listed {
		for i := range d.Open {
			if d.Open[i].ProducerID == t.ProducerID {
				d.Open[i].TransactionalID, d.Open[i].State = t.TxnID, t.State
			}
		}
	}
	return nil
}
