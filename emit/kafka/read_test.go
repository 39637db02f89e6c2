package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shelf is a topic of two partitions and 100 records in each, "0" to "99".
type shelf struct {
	testing.TB
	cluster *kfake.Cluster
	conn    *Connection
}

func newShelf(tb testing.TB, brokers int) *shelf {
	tb.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.SeedTopics(2, "ratings"), kfake.SeedTopics(4, "gen.cursors"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	config := DefaultConfig(Target{Brokers: c.ListenAddrs(), Topic: "ratings"})
	config.Say = tb.Logf
	s := &shelf{TB: tb, cluster: c}
	if s.conn, err = Connect(context.Background(), config, false); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.conn.Close)
	producer := s.producer()
	for i := range 200 {
		s.produce(producer, &kgo.Record{Topic: "ratings", Partition: int32(i % 2), Value: []byte(strconv.Itoa(i / 2)), Timestamp: time.UnixMilli(1735689600000 + int64(i))})
	}
	return s
}

func (s *shelf) producer(opts ...kgo.Opt) *kgo.Client {
	s.Helper()
	c, err := kgo.NewClient(s.conn.options(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)...)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(c.Close)
	return c
}

func (s *shelf) produce(c *kgo.Client, records ...*kgo.Record) {
	s.Helper()
	if err := c.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) deleteRecords(partition int32, before int64) {
	s.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset("ratings", partition, before, -1)
	if _, err := s.conn.admin.DeleteRecords(context.Background(), offsets); err != nil {
		s.Fatal(err)
	}
}

// read returns what EachBatch sees of each partition: the values' ranges, and
// "skipped".
func (s *shelf) read(extents []Extent) (map[int32]string, error) {
	var mu sync.Mutex
	seen := map[int32][]string{}
	err := s.conn.EachBatch(context.Background(), extents, func(b Batch) {
		mu.Lock()
		defer mu.Unlock()
		if b.Skipped {
			seen[b.Partition] = append(seen[b.Partition], "skipped")
		}
		for _, r := range b.Records {
			seen[b.Partition] = append(seen[b.Partition], string(r.Value))
		}
	})
	texts := map[int32]string{}
	for p, values := range seen {
		texts[p] = strings.Join(slices.Compact(values), " ")
	}
	return texts, err
}

func numbers(from, to int) string {
	var list []string
	for i := from; i < to; i++ {
		list = append(list, strconv.Itoa(i))
	}
	return strings.Join(list, " ")
}

func TestReadsWithinExtents(t *testing.T) {
	s := newShelf(t, 1)
	got, err := s.read([]Extent{{0, 0, 100}, {1, 20, 70}})
	if err != nil || got[0] != numbers(0, 100) || got[1] != numbers(20, 70) {
		t.Errorf("read %v, %v, want 0 to 99 and 20 to 69", got, err)
	}
	got, err = s.read([]Extent{{0, 50, 50}})
	if err != nil || len(got) != 0 {
		t.Errorf("read %v, %v of an empty extent", got, err)
	}
}

// What retention deletes before it is read is skipped, and said to be.
func TestRetentionWhileReading(t *testing.T) {
	for _, c := range []struct {
		before int64
		want   string
	}{
		{30, "skipped " + numbers(30, 100)},
		{100, "skipped"},
	} {
		s := newShelf(t, 1)
		extents, err := s.conn.Extents(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		s.deleteRecords(1, c.before)
		got, err := s.read(extents)
		if err != nil || got[0] != numbers(0, 100) || got[1] != c.want {
			t.Errorf("deleted before %d: read %v, %v, want %s", c.before, got, err, c.want)
		}
	}
}

func TestReadsOnWhenTheLeaderMoves(t *testing.T) {
	s := newShelf(t, 3)
	var once sync.Once
	s.cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		once.Do(func() {
			for p := range int32(2) {
				node := (s.cluster.LeaderFor("ratings", p) + 1) % 3
				if err := s.cluster.MoveTopicPartition("ratings", p, node); err != nil {
					t.Error(err)
				}
			}
		})
		return nil, nil, false
	})
	got, err := s.read([]Extent{{0, 0, 100}, {1, 0, 100}})
	if err != nil || got[0] != numbers(0, 100) || got[1] != numbers(0, 100) {
		t.Errorf("read %v, %v, want 0 to 99 of both", got, err)
	}
}

func TestReadErrors(t *testing.T) {
	defer func(d time.Duration) { patient = d }(patient)
	patient = 0
	for _, c := range []struct {
		name  string
		spoil func(s *shelf)
		end   int64
		want  error
		text  string
	}{
		{"a log that was cut", func(*shelf) {}, 500, ErrNoAnswer, "read ratings-0 at offset 100 of 500: the broker sends nothing more"},
		{"a broker that sends nothing", func(s *shelf) {
			s.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
				s.cluster.KeepControl()
				resp := req.ResponseKind().(*kmsg.FetchResponse)
				topic := kmsg.NewFetchResponseTopic()
				topic.TopicID = req.(*kmsg.FetchRequest).Topics[0].TopicID
				topic.Partitions = append(topic.Partitions, kmsg.NewFetchResponseTopicPartition())
				resp.Topics = append(resp.Topics, topic)
				return resp, nil, true
			})
		}, 100, ErrNoAnswer, "read ratings-0 at offset 0 of 100: the broker sends nothing more"},
		{"a topic that was deleted", func(s *shelf) {
			if _, err := s.conn.admin.DeleteTopic(context.Background(), "ratings"); err != nil {
				t.Fatal(err)
			}
		}, 100, ErrTopicLost, "read ratings-0 at offset 0: the topic changed while it was read: it was deleted"},
	} {
		s := newShelf(t, 1)
		c.spoil(s)
		_, err := s.read([]Extent{{0, 0, c.end}})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
	s := newShelf(t, 1)
	if _, err := s.read([]Extent{{0, 300, 500}}); !errors.Is(err, ErrTopicLost) {
		t.Errorf("an offset behind the end: %v, want ErrTopicLost", err)
	}
}

// A reader waits for a transaction that is open to end: its records count.
func TestSettledWaitsForTheTransaction(t *testing.T) {
	s := newShelf(t, 1)
	tx := s.producer(kgo.TransactionalID("tx"))
	begin := func() {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		s.produce(tx, &kgo.Record{Topic: "ratings", Partition: 1, Value: []byte("100")})
	}
	begin()
	// Nobody waits for ever.
	extents, hidden, err := s.conn.Settled(context.Background(), 0)
	if err != nil || fmt.Sprint(extents, hidden) != "[{0 0 100} {1 0 100}] [{1 100 101}]" {
		t.Errorf("Settled = %v, %v, %v, want 100 offsets each and one hidden", extents, hidden, err)
	}
	var ended error
	s.conn.Say = func(string, ...any) { ended = tx.EndTransaction(context.Background(), kgo.TryCommit) }
	extents, hidden, err = s.conn.Settled(context.Background(), time.Minute)
	if err = errors.Join(err, ended); err != nil || fmt.Sprint(extents, hidden) != "[{0 0 100} {1 0 101}] []" {
		t.Errorf("Settled = %v, %v, %v, want the committed record within", extents, hidden, err)
	}
}

func TestReadCursors(t *testing.T) {
	s := newShelf(t, 1)
	client := s.producer()
	put := func(topic, run, value string) {
		k := key(topic, run, onlyShard)
		r := &kgo.Record{Topic: "gen.cursors", Partition: cursorPartition(k, 4), Key: k}
		if value != "" {
			r.Value = []byte(value)
		}
		s.produce(client, r)
	}
	put("ratings", "a", `{"run":"a","generation":1,"partitions":2,"next":5}`)
	put("ratings", "a", `{"run":"a","generation":1,"partitions":2,"next":7}`)
	put("ratings", "b", `{"run":"b","generation":1,"partitions":2,"next":9}`)
	put("ratings", "gone", `{"run":"gone","generation":1,"partitions":2,"next":9}`)
	put("ratings", "gone", "")
	put("ratings2", "c", `{"run":"c","generation":1,"partitions":2,"next":9}`)
	put("other", "d", "not for us")
	cursors, err := s.conn.ReadCursors(context.Background())
	if err != nil || len(cursors) != 2 || cursors["a"].Next != 7 || cursors["b"].Next != 9 {
		t.Errorf("ReadCursors = %v, %v, want a at 7 and b at 9", cursors, err)
	}
	for _, damaged := range []string{"{", `{"run":"b","generation":1,"partitions":2}`, `{"run":"a","generation":1}`} {
		put("ratings", "a", damaged)
		if _, err := s.conn.ReadCursors(context.Background()); !errors.Is(err, ErrDamagedCursor) || !strings.Contains(err.Error(), "ratings/a/0-of-1") {
			t.Errorf("cursor %s: %v, want ErrDamagedCursor with its key", damaged, err)
		}
	}
}

func TestMissingTopics(t *testing.T) {
	s := newShelf(t, 1)
	config := s.conn.Config
	config.CursorTopic = "none"
	conn, err := Connect(context.Background(), config, false)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ReadCursors(context.Background()); !errors.Is(err, ErrNoCursorTopic) {
		t.Errorf("ReadCursors = %v, want ErrNoCursorTopic", err)
	}
	config.Topic = "none"
	if _, err := Connect(context.Background(), config, false); !errors.Is(err, ErrNoTopic) {
		t.Errorf("Connect = %v, want ErrNoTopic", err)
	}
}

// The last records are found behind markers and aborted records.
func TestLast(t *testing.T) {
	s := newShelf(t, 1)
	tx := s.producer(kgo.TransactionalID("tx"))
	for range 40 {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		s.produce(tx, &kgo.Record{Topic: "ratings", Partition: 1, Value: []byte("aborted")}, &kgo.Record{Topic: "ratings", Partition: 0, Value: []byte("aborted")})
		if err := tx.EndTransaction(context.Background(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		n    int
		want []string
	}{
		{3, []string{"98", "99", "99"}},
		{1000, nil},
	} {
		records, err := s.conn.Last(context.Background(), c.n)
		if err != nil || len(records) != min(c.n, 200) {
			t.Fatalf("Last(%d) = %d records, %v", c.n, len(records), err)
		}
		for i, want := range c.want {
			if records[i].Value != want {
				t.Errorf("Last(%d)[%d] = %v, want %s", c.n, i, records[i], want)
			}
		}
	}
}

func TestDescribe(t *testing.T) {
	s := newShelf(t, 1)
	s.deleteRecords(0, 10)
	tx := s.producer(kgo.TransactionalID("gen:ratings:a:0-of-1"))
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	s.produce(tx, &kgo.Record{Topic: "ratings", Partition: 1, Value: []byte("open")})
	d, err := s.conn.Describe(context.Background())
	if err != nil || len(d.Unknown) > 0 {
		t.Fatal(err, d.Unknown)
	}
	want := []PartitionState{{0, s.cluster.LeaderFor("ratings", 0), 1, 1, 10, 100, 100}, {1, s.cluster.LeaderFor("ratings", 1), 1, 1, 0, 100, 101}}
	if !slices.Equal(d.Partitions, want) || d.Configs["cleanup.policy"] != "delete" {
		t.Errorf("partitions %+v, policy %q, want %+v, delete", d.Partitions, d.Configs["cleanup.policy"], want)
	}
	if len(d.Open) != 1 || d.Open[0].TransactionalID != "gen:ratings:a:0-of-1" || d.Open[0].State != "Ongoing" || d.Open[0].Start != 100 {
		t.Errorf("open transactions %+v, want that of gen:ratings:a:0-of-1 from offset 100 on", d.Open)
	}
}

// What the cluster refuses to tell is no failure.
func TestDescribeWithoutRights(t *testing.T) {
	s := newShelf(t, 1)
	s.cluster.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		r := kmsg.NewDescribeConfigsResponseResource()
		r.ResourceType, r.ResourceName, r.ErrorCode = kmsg.ConfigResourceTypeTopic, "ratings", kerr.TopicAuthorizationFailed.Code
		resp.Resources = append(resp.Resources, r)
		return resp, nil, true
	})
	s.cluster.ControlKey(int16(kmsg.DescribeProducers), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
		for _, asked := range req.(*kmsg.DescribeProducersRequest).Topics {
			topic := kmsg.NewDescribeProducersResponseTopic()
			topic.Topic = asked.Topic
			for _, p := range asked.Partitions {
				part := kmsg.NewDescribeProducersResponseTopicPartition()
				part.Partition, part.ErrorCode = p, kerr.TopicAuthorizationFailed.Code
				topic.Partitions = append(topic.Partitions, part)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	d, err := s.conn.Describe(context.Background())
	if err != nil || len(d.Partitions) != 2 || len(d.Unknown) != 2 {
		t.Fatalf("Describe = %+v, %v, want two partitions and two unknown things", d, err)
	}
	for i, what := range []string{"how long records are kept", "open transactions"} {
		if !strings.HasPrefix(d.Unknown[i], what+": ") || !strings.Contains(d.Unknown[i], "TOPIC_AUTHORIZATION_FAILED") {
			t.Errorf("unknown: %s, want %s", d.Unknown[i], what)
		}
	}
}
