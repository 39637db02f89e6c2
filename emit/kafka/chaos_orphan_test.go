//go:build chaos

package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// orphan says how to leave a transaction behind that is open in partitions
// while its coordinator knows of none: what KAFKA-20734 leaves, made on
// purpose, in variants that chance brings seldom.
type orphan struct {
	events   int
	noCursor bool  // its cursor record was never sent
	ended    []int // partitions that have the marker of its end; -1: that of the cursor
	commit   bool  // which marker
	saved    bool  // the state file knows that it was committed
}

// Each orphan must be found before anything is produced, and be ended by the
// outcome that consumers have seen a part of already.
func TestChaosOrphans(t *testing.T) {
	t.Parallel()
	// Produce requests of before version 12 do not enlist a partition with the
	// coordinator, and this broker does not ask whether that was done.
	broker := ownBrokers(t, "--set", "transaction.partition.verification.enable=false")
	for name, o := range map[string]orphan{
		"open everywhere":                      {events: 100},
		"open everywhere, committed and saved": {events: 100, saved: true},
		"committed in one partition":           {events: 100, ended: []int{3}, commit: true},
		"committed in all partitions but one":  {events: 100, ended: []int{-1, 0, 1, 2, 4, 5}, commit: true},
		"committed in the cursor's partition":  {events: 100, ended: []int{-1}, commit: true},
		"aborted in one partition":             {events: 100, ended: []int{3}},
		"aborted in the cursor's partition":    {events: 100, ended: []int{-1}},
		"without its cursor record":            {events: 50, noCursor: true},
		"without it, aborted in one partition": {events: 50, noCursor: true, ended: []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChaos(t, broker, "orphan-"+strings.Map(onlyLetters, name))
			c.finish(200)
			c.abandon(o)
			c.mustFindHanging()
			g := c.start(func(options *childOptions) { options.End, options.EndHanging = 500, true })
			g.mustEnd(exitDone)
			if want := outcome(o.commit || o.saved); !strings.Contains(g.log.String(), "by "+want) {
				t.Errorf("want an end by %s\n%s", want, g.log.String())
			}
			report(result{"orphan " + name, "1 repair", c.mustBeSound(500), ""})
		})
	}
	// Without the search for orphans the suite finds that something is wrong.
	t.Run("control", func(t *testing.T) {
		t.Parallel()
		c := newChaos(t, broker, "orphan-control")
		c.finish(200)
		c.abandon(orphan{events: 50, noCursor: true})
		c.start(func(o *childOptions) { o.End, o.NoHangingCheck = 500, true }).mustEnd(exitDone)
		f := c.check(500)
		if f.duplicated == 0 {
			t.Errorf("an orphan was not looked for, and nothing is wrong: %v", f)
		}
		report(result{"control: no search for orphans", "1 orphan", f, "caught"})
	})
}

// abandon leaves an orphan behind the cursor of the run.
func (c *chaos) abandon(o orphan) {
	c.t.Helper()
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), 11)
	config := DefaultConfig(Target{Brokers: c.broker.addresses, Topic: c.topic})
	config.Client = []kgo.Opt{kgo.MaxVersions(versions)}
	conn, err := Connect(c.t.Context(), config, false)
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	cursor, err := conn.lastCursor(c.t.Context(), chaosRun, onlyShard, conn.stableEnd)
	if err != nil {
		c.t.Fatal(err)
	}
	id, epoch := c.initProducer(conn)
	for topic, partitions := range c.orphanRecords(conn, *cursor, o) {
		for partition, records := range partitions {
			c.produceRaw(conn, topic, partition, transactionalBatch(id, epoch, records))
		}
	}
	for _, p := range o.ended {
		topic, partition := c.topic, int32(p)
		if p < 0 {
			topic, partition = conn.CursorTopic, cursorPartition(key(c.topic, chaosRun, onlyShard), conn.cursorPartitions)
		}
		c.writeMarker(conn, kadm.TxnMarkers{ProducerID: id, ProducerEpoch: epoch + 1, Commit: o.commit, Topics: kadm.TopicsSet{topic: {partition: {}}}})
	}
	if o.saved {
		c.writeState(strconv.FormatUint(cursor.Next+uint64(o.events), 10))
	}
	c.initProducer(conn) // the coordinator's epoch moves on as with a commit
}

func (c *chaos) initProducer(conn *Connection) (id int64, epoch int16) {
	c.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = kmsg.StringPtr(transactionalID(c.topic, chaosRun, onlyShard))
	req.TransactionTimeoutMillis = 10_000
	resp, err := req.RequestWith(c.t.Context(), conn.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.ProducerID, resp.ProducerEpoch
}

// orphanRecords returns the records of the orphan by topic and partition.
func (c *chaos) orphanRecords(conn *Connection, cursor Cursor, o orphan) map[string]map[int32][]kmsg.Record {
	c.t.Helper()
	events, cursors := map[int32][]kmsg.Record{}, map[int32][]kmsg.Record{}
	id, seq := cursor.RunID(), chaosSequence()
	for n := cursor.Next; n < cursor.Next+uint64(o.events); n++ {
		r := wantRow(seq, n, conn.partitions)
		p := int32(r.partition)
		events[p] = append(events[p], kmsg.Record{Key: []byte(r.key), Value: []byte(r.value), Headers: []kmsg.Header{
			{Key: HeaderKey, Value: binary.BigEndian.AppendUint64(id[:], n)},
		}})
	}
	if !o.noCursor {
		cursor.Next += uint64(o.events)
		cursor.Nexts = nexts(cursor.Next, cursor.Partitions)
		r, err := cursor.record(conn)
		if err != nil {
			c.t.Fatal(err)
		}
		cursors[r.Partition] = []kmsg.Record{{Key: r.Key, Value: r.Value}}
	}
	return map[string]map[int32][]kmsg.Record{c.topic: events, conn.CursorTopic: cursors}
}

// transactionalBatch encodes records as a part of a transaction of a producer
// that has not sent anything to the partition in this epoch.
func transactionalBatch(id int64, epoch int16, records []kmsg.Record) []byte {
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: 1 << 4, // transactional
		LastOffsetDelta: int32(len(records) - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: id, ProducerEpoch: epoch, NumRecords: int32(len(records)),
	}
	for i, r := range records {
		r.OffsetDelta = int32(i)
		r.Length = int32(len(r.AppendTo(nil)) - 1) // the length itself is one byte while it is 0
		b.Records = r.AppendTo(b.Records)
	}
	const toMagic, toAttributes = 12, 21
	b.Length = int32(len(b.AppendTo(nil)) - toMagic)
	b.CRC = int32(crc32.Checksum(b.AppendTo(nil)[toAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

func (c *chaos) produceRaw(conn *Connection, topic string, partition int32, batch []byte) {
	c.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID = kmsg.StringPtr(transactionalID(c.topic, chaosRun, onlyShard))
	req.Acks, req.TimeoutMillis = -1, 10_000
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{p}}}
	resp, err := req.RequestWith(c.t.Context(), conn.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		c.t.Fatalf("produce to %s-%d: %v", topic, partition, err)
	}
}

func (c *chaos) writeMarker(conn *Connection, marker kadm.TxnMarkers) {
	c.t.Helper()
	responses, err := conn.admin.WriteTxnMarkers(c.t.Context(), marker)
	for _, p := range responses.SortedPartitions() {
		if err == nil {
			err = p.Err
		}
	}
	if err != nil {
		c.t.Fatalf("write a marker: %v", err)
	}
}
