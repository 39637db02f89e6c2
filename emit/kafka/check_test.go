package kafka

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"gen/core"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// dial returns a connection to a fake cluster, as gen check has it.
func dial(t *testing.T, c *kfake.Cluster, more ...kgo.Opt) *Connection {
	t.Helper()
	config := DefaultConfig(Target{Brokers: c.ListenAddrs(), Topic: "ratings"})
	config.Owner, config.Client = "test", more
	conn, err := Dial(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func fake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestLookAtBrokers(t *testing.T) {
	now, err := dial(t, fake(t, kfake.NumBrokers(3))).LookAtBrokers(t.Context())
	if err != nil || len(now.Nodes) != 3 || now.TransactionVersion != 2 || now.PossibleVersion != 2 {
		t.Errorf("LookAtBrokers = %+v, %v; want 3 brokers with transaction.version 2", now, err)
	}
	old, err := dial(t, fake(t, kfake.MaxVersions(kversion.V2_8_0()))).LookAtBrokers(t.Context())
	if err != nil || len(old.Nodes) != 1 || old.TransactionVersion != 0 || old.PossibleVersion != 0 {
		t.Errorf("LookAtBrokers = %+v, %v; want one of Kafka 2.8", old, err)
	}
	gone := fake(t)
	conn := dial(t, gone)
	gone.Close()
	if _, err := conn.LookAtBrokers(t.Context()); err == nil {
		t.Error("LookAtBrokers of a cluster that is gone = nil")
	}
}

// A broker may answer at the address that the user gave and advertise one that
// nobody reaches.
func TestLookAtBrokersAdvertisedElsewhere(t *testing.T) {
	c := fake(t)
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 7, Host: "127.0.0.1", Port: 1}}
		return resp, nil, true
	})
	b, err := dial(t, c).LookAtBrokers(t.Context())
	if err != nil || len(b.Nodes) != 1 || b.Nodes[0].Err == nil || b.Nodes[0].Address != "127.0.0.1:1" {
		t.Errorf("LookAtBrokers = %+v, %v; want broker 7 unreachable at 127.0.0.1:1", b, err)
	}
}

func TestLookAtTopics(t *testing.T) {
	c := fake(t)
	conn := dial(t, c)
	events, cursors := conn.LookAtTopics(t.Context())
	if events.Err != nil || events.Exists || cursors.Exists || events.CreateErr != nil || cursors.CreateErr != nil || events.Partitions != 6 {
		t.Errorf("LookAtTopics without topics = %+v, %+v", events, cursors)
	}
	if topics := c.TopicInfo("ratings"); topics != nil {
		t.Errorf("to look made the topic %v", topics)
	}
	conn.Replication = 3
	if events, _ := conn.LookAtTopics(t.Context()); !errors.Is(events.CreateErr, kerr.InvalidReplicationFactor) {
		t.Errorf("3 replicas on 1 broker: %+v, want InvalidReplicationFactor", events)
	}
	for _, topic := range []string{"ratings", "gen.cursors"} {
		if err := c.CreateTopic(topic, 2, map[string]string{"cleanup.policy": "compact,delete"}); err != nil {
			t.Fatal(err)
		}
	}
	events, cursors = conn.LookAtTopics(t.Context())
	if !events.Exists || events.Partitions != 2 || events.Replication != 1 || events.Configs["cleanup.policy"] != "compact,delete" {
		t.Errorf("LookAtTopics = %+v", events)
	}
	if !errors.Is(events.PolicyErr, ErrPolicy) || !errors.Is(cursors.PolicyErr, ErrPolicy) {
		t.Errorf("compact,delete fits %v, %v, want ErrPolicy twice", events.PolicyErr, cursors.PolicyErr)
	}
	conn.Topic = "small"
	if err := c.CreateTopic(conn.Topic, 2, map[string]string{"max.message.bytes": "400"}); err != nil {
		t.Fatal(err)
	}
	if events, _ = conn.LookAtTopics(t.Context()); !errors.Is(events.SizeErr, ErrMessageSize) || events.PolicyErr != nil {
		t.Errorf("400 bytes fit %v, the policy %v, want ErrMessageSize and nil", events.SizeErr, events.PolicyErr)
	}
}

// with returns a cluster with authorizer and the login of a user who has these
// rights to topics and transactional ids, each as operation and prefix.
func with(t *testing.T, rights ...kfake.ACL) (*kfake.Cluster, kgo.Opt) {
	t.Helper()
	c := fake(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "admin"), kfake.User("PLAIN", "gen", "gen", rights...))
	return c, kgo.SASL(plain.Auth{User: "gen", Pass: "gen"}.AsMechanism())
}

func allowed(resource kmsg.ACLResourceType, prefix string, op kmsg.ACLOperation) kfake.ACL {
	return kfake.ACL{Resource: resource, Name: prefix, Pattern: kmsg.ACLResourcePatternTypePrefixed, Operation: op, Allow: true}
}

func TestLookAtRights(t *testing.T) {
	c, login := with(t,
		allowed(kmsg.ACLResourceTypeTopic, "ratings", kmsg.ACLOperationWrite),
		allowed(kmsg.ACLResourceTypeTopic, "gen.cursors", kmsg.ACLOperationRead),
		allowed(kmsg.ACLResourceTypeTransactionalId, "gen:ratings", kmsg.ACLOperationWrite))
	for _, topic := range []string{"ratings", "gen.cursors"} {
		if err := c.CreateTopic(topic, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	conn := dial(t, c, login)
	events, cursors := conn.LookAtTopics(t.Context())
	if !slices.Equal(events.Rights, []string{"WRITE", "DESCRIBE"}) || !slices.Equal(cursors.Rights, []string{"READ", "DESCRIBE"}) {
		t.Errorf("rights %v, %v", events.Rights, cursors.Rights)
	}
	if !IsRefused(events.ConfigErr) || !IsRefused(cursors.ConfigErr) {
		t.Errorf("configuration: %v, %v, want a refusal", events.ConfigErr, cursors.ConfigErr)
	}
	if tx := conn.LookAtTransactions(t.Context(), "seed-42", "gen.check.x"); tx.RunErr != nil || !IsRefused(tx.ScratchErr) {
		t.Errorf("LookAtTransactions = %+v, want the run's id allowed and the trial's refused", tx)
	}
	conn.Topic = "others"
	if tx := conn.LookAtTransactions(t.Context(), "seed-42", "gen.check.x"); !IsRefused(tx.RunErr) {
		t.Errorf("LookAtTransactions = %+v, want the run's id refused", tx)
	}
	if events, cursors := conn.LookAtTopics(t.Context()); !IsRefused(events.Err) || cursors.Err != nil {
		t.Errorf("LookAtTopics where one may not be seen = %v, %v, want a refusal", events.Err, cursors.Err)
	}
	// A topic that was not made is not one that is left behind.
	trial, err := conn.Try(t.Context(), "gen.check.x", 1, testSequence(t), 1)
	if !IsRefused(err) || trial.Left != nil {
		t.Errorf("Try = %+v, %v, want a refusal and nothing left", trial, err)
	}
}

func TestLookForStuck(t *testing.T) {
	c := fake(t, kfake.SeedTopics(2, "ratings", "gen.cursors"))
	conn := dial(t, c)
	conn.LookAtTopics(t.Context())
	if stuck, err := conn.LookForStuck(t.Context(), 0); err != nil || len(stuck) != 0 {
		t.Fatalf("LookForStuck of empty topics = %+v, %v", stuck, err)
	}
	// begin leaves a transaction open in ratings-1.
	begin := func(id string) *kgo.Client {
		t.Helper()
		producer, err := kgo.NewClient(kgo.SeedBrokers(conn.Brokers...), kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(producer.Close)
		if err := errors.Join(producer.BeginTransaction(), producer.ProduceSync(t.Context(), &kgo.Record{Topic: "ratings", Partition: 1}).FirstErr()); err != nil {
			t.Fatal(err)
		}
		return producer
	}
	producer := begin("somebody")
	for _, later := range []string{"a", "b", "c"} { // which begin behind it
		begin(later)
	}
	stuck, err := conn.LookForStuck(t.Context(), 0)
	id, epoch, _ := producer.ProducerID(t.Context())
	want := Stuck{OpenTransaction{"ratings", 1, id, epoch, 0, 0}, 4, "somebody"}
	if err != nil || len(stuck) != 1 || stuck[0] != want {
		t.Fatalf("LookForStuck = %+v, %v, want %+v", stuck, err, want)
	}
	// One that moves on is at work: here from offset 0 to the next transaction.
	if err := producer.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	open := map[string]Stuck{"ratings-1": {OpenTransaction{Topic: "ratings", Partition: 1, Start: 0}, 100, ""}}
	if err := conn.dropStable(t.Context(), open, []string{"ratings"}); err != nil || len(open) != 0 {
		t.Errorf("dropStable left %+v, %v, want nothing of a partition that moves on", open, err)
	}
}

// Without the right to Read a partition that stands still is known, its
// producer is not.
func TestLookForStuckUnnamed(t *testing.T) {
	c, login := with(t, allowed(kmsg.ACLResourceTypeTopic, "", kmsg.ACLOperationDescribe))
	if err := errors.Join(c.CreateTopic("ratings", 1, nil), c.CreateTopic("gen.cursors", 1, nil)); err != nil {
		t.Fatal(err)
	}
	admin := kgo.SASL(plain.Auth{User: "admin", Pass: "admin"}.AsMechanism())
	producer, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.TransactionalID("somebody"), admin)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := errors.Join(producer.BeginTransaction(), producer.ProduceSync(t.Context(), &kgo.Record{Topic: "ratings"}).FirstErr()); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, c, login)
	conn.LookAtTopics(t.Context())
	stuck, err := conn.LookForStuck(t.Context(), 0)
	if err != nil || len(stuck) != 1 || stuck[0].ProducerID != -1 || stuck[0].End != 1 {
		t.Errorf("LookForStuck = %+v, %v, want one without a producer", stuck, err)
	}
}

func TestLookAtRun(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	conn, err := Dial(config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	look := func(seed, local uint64) (*Cursor, error) {
		t.Helper()
		conn.LookAtTopics(t.Context())
		return conn.LookAtRun(t.Context(), Cursor{Run: core.Run{Name: "seed-42", Snapshot: seq.Snapshot.ID(), Seed: seed, Format: core.FormatVersion}}, core.Run{Next: local})
	}
	if c, err := look(42, 0); c != nil || err != nil {
		t.Errorf("LookAtRun without topics = %+v, %v", c, err)
	}
	d := newDelivery(config, seq, 100)
	d.NoHeader = true // of which a cursor tells, and check has no flag
	if _, err := d.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := look(42, 100); err != nil || c == nil || c.Next != 100 {
		t.Errorf("LookAtRun = %+v, %v, want event 100", c, err)
	}
	if _, err := look(7, 0); !errors.Is(err, ErrOtherRun) {
		t.Errorf("another seed: %v, want ErrOtherRun", err)
	}
	if _, err := look(42, 101); !errors.Is(err, ErrLostData) {
		t.Errorf("a state directory ahead: %v, want ErrLostData", err)
	}
}

// Without a cursor the records count: a stream would refuse.
func TestLookAtRunWithoutACursor(t *testing.T) {
	config, seq := cluster(t), testSequence(t)
	deliverTo(t, config, seq, 100)
	dropTopic(t, config, config.CursorTopic)
	conn, err := Dial(config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.LookAtTopics(t.Context())
	run := newDelivery(config, seq, 0).Run
	if c, err := conn.LookAtRun(t.Context(), Cursor{Run: run}, core.Run{}); c != nil || !errors.Is(err, ErrNoCursor) {
		t.Errorf("LookAtRun = %+v, %v, want ErrNoCursor", c, err)
	}
	run.Name = "another"
	if _, err := conn.LookAtRun(t.Context(), Cursor{Run: run}, core.Run{}); err != nil {
		t.Errorf("LookAtRun of another run: %v", err)
	}
}

// gone fails when a topic of a trial is still there.
func gone(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	for _, topic := range []string{"gen.check.x", "gen.check.x.cursors"} {
		if c.TopicInfo(topic) != nil {
			t.Errorf("topic %s was not deleted", topic)
		}
	}
}

func TestTry(t *testing.T) {
	c, seq := fake(t), testSequence(t)
	conn := dial(t, c)
	clocks := 0 // topics whose records carry the broker's time
	c.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		for _, topic := range req.(*kmsg.CreateTopicsRequest).Topics {
			for _, config := range topic.Configs {
				if config.Name == "message.timestamp.type" && *config.Value == "LogAppendTime" {
					clocks++
				}
			}
		}
		return nil, nil, false
	})
	trial, err := conn.Try(t.Context(), "gen.check.x", 3, seq, 20)
	if err != nil || len(trial.Records) != 20 || trial.Left != nil {
		t.Fatalf("Try = %+v, %v", trial, err)
	}
	seen := map[uint64]bool{}
	for _, r := range trial.Records {
		e := seq.Event(r.Event)
		if !r.Named || seen[r.Event] || int(r.Partition) != core.Partition(e.User, 3) || !strings.Contains(string(r.Value), `{"userId":`+r.Key+`,`) {
			t.Errorf("record %+v", r)
		}
		seen[r.Event] = true
	}
	if trial.ClockFrom > 0 || trial.ClockTo < 0 || trial.ClockFrom == trial.ClockTo || clocks != 1 {
		t.Errorf("the fake broker's clock, which is this one, is %s to %s off, by %d topics", trial.ClockFrom, trial.ClockTo, clocks)
	}
	gone(t, c)
}

// Whatever happens in between, the topics of a trial are deleted.
func TestTryLeavesNothing(t *testing.T) {
	for name, fault := range map[string]func(cancel func(), req kmsg.Request) (kmsg.Response, error, bool){
		"a produce that is refused": func(_ func(), req kmsg.Request) (kmsg.Response, error, bool) {
			produce, ok := req.(*kmsg.ProduceRequest)
			if !ok {
				return nil, nil, false
			}
			resp := produce.ResponseKind().(*kmsg.ProduceResponse)
			for _, topic := range produce.Topics {
				answer := kmsg.ProduceResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
				for _, p := range topic.Partitions {
					answer.Partitions = append(answer.Partitions, kmsg.ProduceResponseTopicPartition{Partition: p.Partition, ErrorCode: kerr.MessageTooLarge.Code})
				}
				resp.Topics = append(resp.Topics, answer)
			}
			return resp, nil, true
		},
		"Ctrl-C while the topics are made": func(cancel func(), req kmsg.Request) (kmsg.Response, error, bool) {
			if _, ok := req.(*kmsg.CreateTopicsRequest); ok {
				cancel()
			}
			return nil, nil, false
		},
		"Ctrl-C at the commit": func(cancel func(), req kmsg.Request) (kmsg.Response, error, bool) {
			if _, ok := req.(*kmsg.EndTxnRequest); ok {
				cancel()
			}
			return nil, nil, false
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := fake(t)
			conn := dial(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			made := false
			c.Control(func(req kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				_, create := req.(*kmsg.CreateTopicsRequest)
				made = made || create
				return fault(cancel, req)
			})
			trial, err := conn.Try(ctx, "gen.check.x", 1, testSequence(t), 20)
			if err == nil || trial.Left != nil || !made {
				t.Errorf("Try = %+v, %v; topics made: %v", trial, err, made)
			}
			gone(t, c)
		})
	}
}

// A topic that cannot be deleted is named.
func TestTryLeavesBehind(t *testing.T) {
	c, login := with(t,
		allowed(kmsg.ACLResourceTypeTransactionalId, "gen", kmsg.ACLOperationWrite),
		allowed(kmsg.ACLResourceTypeTopic, "gen.check", kmsg.ACLOperationCreate),
		allowed(kmsg.ACLResourceTypeTopic, "gen.check", kmsg.ACLOperationWrite),
		allowed(kmsg.ACLResourceTypeTopic, "gen.check", kmsg.ACLOperationRead),
		allowed(kmsg.ACLResourceTypeTopic, "gen.check", kmsg.ACLOperationDescribeConfigs))
	trial, err := dial(t, c, login).Try(t.Context(), "gen.check.x", 1, testSequence(t), 5)
	if err != nil || len(trial.Records) != 5 || !slices.Equal(trial.Left, []string{"gen.check.x", "gen.check.x.cursors"}) || !IsRefused(trial.LeftErr) {
		t.Errorf("Try = %+v, %v, want both topics left", trial, err)
	}
}
