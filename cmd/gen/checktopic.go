package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"gen/core"
	"gen/emit/kafka"
	"gen/store"
)

// topicChecks are those of a Kafka topic.
var topicChecks = []check{
	{"broker", nil, lookAtBrokers},
	{"protocol", []string{"broker"}, lookAtProtocol},
	{"transactions", []string{"broker"}, lookAtTransactions},
	{"topic", []string{"broker"}, lookAtTopic},
	{"policy", []string{"topic"}, lookAtPolicy},
	{"messages", []string{"topic"}, lookAtMessages},
	{"cursors", []string{"broker"}, lookAtCursors},
	{"rights", []string{"broker"}, lookAtRights},
	{"open", []string{"topic", "cursors"}, lookForOpen},
	{"run", []string{"snapshot", "topic", "policy", "cursors", "rights"}, lookAtRun},
	{"trial", []string{"snapshot", "transactions"}, tryDelivery},
	{"clock", []string{"trial"}, lookAtClock},
}

// topicLooks is what the checks of a topic have seen.
type topicLooks struct {
	conn               *kafka.Connection
	brokers            kafka.Brokers
	events, cursors    kafka.TopicState
	transactions       kafka.Transactions
	scratch            string        // name of the trial's topic, when it may have a transactional id
	sent               bool          // the trial
	clockFrom, clockTo time.Duration // the brokers' clock minus this machine's is in between
}

func (x *checkup) close() {
	if x.conn != nil {
		x.conn.Close()
	}
}

// tool returns a command line of one of Kafka's own tools, with the login that
// was given.
func (x *checkup) tool(name string, arguments ...string) string {
	return x.toolAs(x.opts.clientFile, name, arguments...)
}

func (x *checkup) toolAs(login, name string, arguments ...string) string {
	line := []string{name + ".sh", "--bootstrap-server", strings.Join(x.opts.config.Brokers, ",")}
	if login != "" {
		line = append(line, "--command-config", quoted(login))
	}
	return strings.Join(append(line, arguments...), " ")
}

// alter returns the command that sets one key of a topic's configuration.
func (x *checkup) alter(topic, setting string) string {
	return x.tool("kafka-configs", "--alter --entity-type topics --entity-name", topic, "--add-config", setting)
}

// allow returns the command by which an administrator gives rights.
func (x *checkup) allow(resource string, operations ...string) string {
	user := quoted("User:" + cmp.Or(x.opts.config.Security.User, "NAME"))
	return x.toolAs("admin.properties", "kafka-acls", "--add --allow-principal", user, "--operation", strings.Join(operations, " --operation "), resource)
}

// again returns a command of gen for the same target and run.
func (x *checkup) again(command string) string {
	line := "gen " + command + " --state " + quoted(x.opts.state)
	if topic := x.opts.config.CursorTopic; topic != "" && topic != kafka.DefaultConfig(kafka.Target{}).CursorTopic {
		line += " --cursor-topic " + quoted(x.opts.config.CursorTopic)
	}
	if x.opts.clientFile != "" {
		line += " --kafka-config " + quoted(x.opts.clientFile)
	}
	return line
}

func lookAtBrokers(ctx context.Context, x *checkup) finding {
	var err error
	if x.conn, err = kafka.Dial(x.opts.config); err == nil {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		x.brokers, err = x.conn.LookAtBrokers(ctx)
	}
	var trouble *kafka.Trouble
	if errors.As(x.opts.config.Explain(err), &trouble) {
		return wrong(trouble.Remedy, "%s", trouble.What)
	}
	if err != nil {
		return missing(x.tool("kafka-broker-api-versions"), "no connection to %s: %v", strings.Join(x.opts.config.Brokers, ","), err)
	}
	return judgeBrokers(x)
}

func judgeBrokers(x *checkup) finding {
	var versions []string
	for _, n := range x.brokers.Nodes {
		if n.Err != nil {
			host, port, _ := net.SplitHostPort(n.Address)
			return wrong("nc -vz "+host+" "+port, "broker %d does not answer at %s, its address by advertised.listeners: %v", n.ID, n.Address, n.Err)
		}
		if v := "Kafka " + strings.TrimPrefix(n.Version, "v"); !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	return fine("%s, %s, answered in %s", plural(len(x.brokers.Nodes), "broker"), strings.Join(versions, " and "), x.brokers.Took.Round(time.Millisecond))
}

// plural returns "1 broker", "2 brokers".
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// lookAtProtocol tells whether the brokers keep what is late out of a later
// transaction (KIP-890, Kafka 4.0).
func lookAtProtocol(_ context.Context, x *checkup) finding {
	const complete = 2
	if x.brokers.TransactionVersion >= complete {
		return fine("transaction.version %d (KIP-890): nothing late can enter a later transaction", x.brokers.TransactionVersion)
	}
	remedy := x.again("verify") + " " + x.opts.to
	if x.brokers.PossibleVersion >= complete {
		remedy = x.tool("kafka-features", "upgrade --feature transaction.version=2")
	}
	return warning(remedy, "transaction.version %d, not 2 (KIP-890, Kafka 4.0): a message that the network holds up past the end of its transaction may hang, or enter the next one; gen verify would see it", x.brokers.TransactionVersion)
}

func lookAtTransactions(ctx context.Context, x *checkup) finding {
	begin, scratch := x.now(), kafka.Scratch()
	t := x.conn.LookAtTransactions(ctx, x.opts.run, scratch)
	x.transactions = t
	if t.ScratchErr == nil {
		x.scratch = scratch
	}
	id := "--transactional-id gen: --resource-pattern-type prefixed"
	switch {
	case kafka.IsRefused(t.RunErr):
		return missing(x.allow(id, "Write"), "no right to use the transactional id %s", t.ID)
	case t.RunErr != nil:
		return missing(x.tool("kafka-transactions", "list"), "no coordinator for the transactional id %s: %v", t.ID, t.RunErr)
	case kafka.IsRefused(t.ScratchErr):
		return warning(x.allow(id, "Write"), "the coordinator of %s is broker %d; no right to try another id, %s", t.ID, t.Coordinator, t.Scratch)
	case t.ScratchErr != nil:
		return wrong(x.tool("kafka-transactions", "list"), "the transactional id %s could not begin: %v", t.Scratch, t.ScratchErr)
	}
	return fine("broker %d is the coordinator of %s; a trial id began in %s", t.Coordinator, t.ID, x.now().Sub(begin).Round(time.Millisecond))
}

func lookAtTopic(ctx context.Context, x *checkup) finding {
	x.events, x.cursors = x.conn.LookAtTopics(ctx)
	return judgeTopic(x, x.events)
}

// judgeTopic judges that a topic is there and served.
func judgeTopic(x *checkup, t kafka.TopicState) finding {
	create := x.tool("kafka-topics", "--create --topic", t.Name, "--partitions", strconv.Itoa(t.Partitions))
	if t.Name == x.opts.config.CursorTopic {
		create += " --config cleanup.policy=compact"
	}
	describe := x.tool("kafka-topics", "--describe --topic", t.Name)
	insync, _ := strconv.Atoi(t.Configs["min.insync.replicas"]) // 0: not told
	switch {
	case kafka.IsRefused(t.Err):
		return missing(x.allow("--topic "+t.Name, "Write", "Read", "DescribeConfigs"), "no right to see %s", t.Name)
	case t.Err != nil:
		return wrong(describe, "%s: %v", t.Name, t.Err)
	case !t.Exists && t.CreateErr != nil:
		return missing(create, "%s does not exist and cannot be created: %v", t.Name, t.CreateErr)
	case !t.Exists:
		return warning(create, "%s does not exist yet; gen stream creates it with %s", t.Name, plural(t.Partitions, "partition"))
	case len(t.Leaderless) > 0:
		return wrong(describe, "%s has no leader for %s", t.Name, partitionsText(t.Leaderless))
	case insync > t.Replication:
		return wrong(x.alter(t.Name, fmt.Sprintf("min.insync.replicas=%d", t.Replication)), "%s wants %d replicas in sync (min.insync.replicas) and has %d: nothing can be written", t.Name, insync, t.Replication)
	case len(t.Lagging) > 0:
		return warning(describe, "%s has replicas that are not in sync for %s", t.Name, partitionsText(t.Lagging))
	}
	text := fmt.Sprintf("%s: %s, %s", t.Name, plural(t.Partitions, "partition"), plural(t.Replication, "replica"))
	if insync > 0 {
		text += fmt.Sprintf(", min.insync.replicas %d", insync)
	}
	return fine("%s", text)
}

// partitionsText names partitions, at most ten.
func partitionsText(list []int32) string {
	const most = 10
	var names []string
	for _, p := range list[:min(len(list), most)] {
		names = append(names, strconv.Itoa(int(p)))
	}
	text := "partition " + strings.Join(names, ", ")
	if len(list) > most {
		text += fmt.Sprintf(" and %d more", len(list)-most)
	}
	return text
}

// lookAtPolicy tells whether what is written stays.
func lookAtPolicy(_ context.Context, x *checkup) finding {
	t := x.events
	switch {
	case !t.Exists:
		return skipped(t.Name + " does not exist yet")
	case t.ConfigErr != nil:
		return warning(x.allow("--topic "+t.Name, "DescribeConfigs"), "the configuration of %s cannot be read: %v; were it compacted, events would be lost", t.Name, t.ConfigErr)
	case t.PolicyErr != nil:
		return wrong(x.alter(t.Name, "cleanup.policy=delete"), "%v", t.PolicyErr)
	}
	text := "cleanup.policy delete; events are kept " + keptText(t.Configs["retention.ms"])
	if bytes, err := strconv.ParseUint(t.Configs["retention.bytes"], 10, 64); err == nil {
		text += ", at most " + sizeText(bytes) + " a partition"
	}
	return fine("%s", text)
}

// keptText tells a retention.ms.
func keptText(ms string) string {
	n, err := strconv.ParseInt(ms, 10, 64)
	kept := time.Duration(n) * time.Millisecond
	switch {
	case err != nil:
		return "as long as the broker says"
	case n < 0:
		return "for ever"
	case kept >= 48*time.Hour:
		return strconv.FormatFloat(kept.Hours()/24, 'f', -1, 64) + " days"
	}
	return kept.String()
}

// lookAtMessages tells whether the topic takes the batches of a stream.
func lookAtMessages(_ context.Context, x *checkup) finding {
	t := x.events
	switch {
	case !t.Exists:
		return skipped(t.Name + " does not exist yet")
	case t.ConfigErr != nil:
		return skipped("the configuration of " + t.Name + " cannot be read")
	}
	limit, err := strconv.ParseUint(t.Configs["max.message.bytes"], 10, 64)
	if err != nil {
		return skipped("the broker does not say max.message.bytes")
	}
	if t.SizeErr != nil {
		return wrong(x.alter(t.Name, "max.message.bytes=1048588"), "%v", t.SizeErr)
	}
	return fine("max.message.bytes %d; records carry the %s", limit, timestampText(t.Configs["message.timestamp.type"]))
}

func timestampText(kind string) string {
	if kind == "LogAppendTime" {
		return "broker's time (LogAppendTime)"
	}
	return "time of sending (CreateTime)"
}

func lookAtCursors(_ context.Context, x *checkup) finding {
	t := x.cursors
	f := judgeTopic(x, t)
	switch {
	case t.Err == nil && !t.Exists && t.CreateErr == nil:
		return fine("%s does not exist yet; gen stream creates it, compacted, with %s", t.Name, plural(t.Partitions, "partition"))
	case f.Result != resultOK:
		return f
	case t.ConfigErr != nil:
		return missing(x.allow("--topic "+t.Name, "DescribeConfigs"), "the configuration of %s cannot be read: %v", t.Name, t.ConfigErr)
	case t.PolicyErr != nil:
		return wrong(x.alter(t.Name, "cleanup.policy=compact"), "%v", t.PolicyErr)
	case t.SizeErr != nil:
		return wrong(x.alter(t.Name, "max.message.bytes=1048588"), "%v", t.SizeErr)
	}
	f.Text += "; compacted"
	return f
}

// lookAtRights compares what the user may do with what a stream, and what gen
// verify and the look for open transactions need.
func lookAtRights(_ context.Context, x *checkup) finding {
	events, cursors := x.events, x.cursors
	switch {
	case events.Err != nil || cursors.Err != nil:
		return skipped("see topic and cursors")
	case events.Rights == nil && cursors.Rights == nil:
		return skipped("the broker does not say what this user may do")
	}
	lacks := func(t kafka.TopicState, operations ...string) []string {
		return slices.DeleteFunc(operations, func(op string) bool { return slices.Contains(t.Rights, op) })
	}
	var lines, operations, topics []string
	for _, need := range []struct {
		t  kafka.TopicState
		to []string
	}{{events, lacks(events, "WRITE")}, {cursors, lacks(cursors, "WRITE", "READ", "DESCRIBE_CONFIGS")}} {
		if len(need.to) > 0 {
			lines = append(lines, strings.Join(need.to, ", ")+" on "+need.t.Name)
			operations, topics = append(operations, need.to...), append(topics, "--topic "+need.t.Name)
		}
	}
	switch {
	case len(lines) > 0:
		return missing(x.allow(strings.Join(topics, " "), aclNames(operations)...), "no right to %s", strings.Join(lines, " and "))
	case len(lacks(events, "READ")) > 0:
		return warning(x.allow("--topic "+events.Name, "Read"), "no right to READ %s: gen verify cannot, nor a run without a cursor where records are, nor the look for a hanging transaction", events.Name)
	}
	return fine("to write and read %s, and to write, read and describe %s", events.Name, cursors.Name)
}

// aclNames returns operations as kafka-acls takes them, each once.
func aclNames(operations []string) []string {
	var names []string
	for _, op := range operations {
		name := map[string]string{"WRITE": "Write", "READ": "Read", "DESCRIBE_CONFIGS": "DescribeConfigs"}[op]
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// lookForOpen looks for transactions that keep read_committed consumers, and
// the cursor, waiting.
func lookForOpen(ctx context.Context, x *checkup) finding {
	if !x.events.Exists && !x.cursors.Exists {
		return skipped("there is no topic yet")
	}
	const moment = 3 * time.Second
	stuck, err := x.conn.LookForStuck(ctx, moment)
	if err != nil {
		return warning(x.tool("kafka-transactions", "find-hanging --topic", x.events.Name), "%v", err)
	}
	return judgeStuck(x, stuck)
}

func judgeStuck(x *checkup, stuck []kafka.Stuck) finding {
	if len(stuck) == 0 {
		return fine("no transaction stays open")
	}
	first := stuck[0]
	where := fmt.Sprintf("%s-%d", first.Topic, first.Partition)
	if len(stuck) > 1 {
		where += fmt.Sprintf(" and %d more", len(stuck)-1)
	}
	who := "a producer that the broker does not name"
	if first.ProducerID >= 0 {
		who = fmt.Sprintf("producer %d", first.ProducerID)
	}
	if first.ID != "" {
		who += " (" + first.ID + ")"
	}
	remedy := x.tool("kafka-transactions", "find-hanging --max-transaction-timeout 1 --topic", first.Topic)
	switch first.ID {
	case "":
	case x.transactions.ID:
		remedy = x.again("repair") + x.whichRun() + " --end-hanging " + x.opts.to
	default:
		remedy = x.tool("kafka-transactions", "describe --transactional-id", quoted(first.ID))
	}
	return warning(remedy, "%s: %s keeps a transaction open from offset %d on, the end is %d; consumers with read_committed wait there", where, who, first.Start, first.End)
}

// lookAtRun tells where the run would go on, and whether it may.
func lookAtRun(ctx context.Context, x *checkup) finding {
	asked := kafka.Cursor{Owner: x.opts.config.Owner, Run: core.Run{
		Name: x.opts.run, Snapshot: x.snapshot.ID(), Seed: x.opts.seed, Format: core.FormatVersion,
	}}
	local, err := keptRun(x.opts.state, kafka.Scheme+x.conn.Cluster()+"/"+x.opts.config.Topic, x.opts.run, x.opts.config.Shard)
	if err != nil {
		return wrong(x.again("inspect"), "%v", err)
	}
	found, err := x.conn.LookAtRun(ctx, asked, local)
	if errors.Is(err, context.DeadlineExceeded) {
		return warning(x.again("inspect")+" "+x.opts.to, "not all was read within the time of a check: whether the topic holds records of a run without a cursor gen stream will find out")
	}
	if err != nil {
		return wrong(x.runRemedy(err), "%s", strings.ReplaceAll(err.Error(), "\n  ", "; "))
	}
	return judgeRun(x, found)
}

// runRemedy returns the command by which a run goes on that is refused.
func (x *checkup) runRemedy(err error) string {
	run, target := x.whichRun(), " "+x.opts.to
	switch {
	case errors.Is(err, kafka.ErrNoCursor):
		return x.again("repair") + run + " --from-topic" + target
	case errors.Is(err, kafka.ErrLostData):
		return x.again("repair") + run + " --accept-broker" + target
	case errors.Is(err, kafka.ErrSuperseded):
		return x.again("inspect") + target
	case errors.Is(err, kafka.ErrOtherRun):
		return x.again("check") + " --run ANOTHER --to" + target
	}
	return x.again("stream") + run + " --restart --to" + target
}

// whichRun returns the flags that name the run.
func (x *checkup) whichRun() string {
	which := fmt.Sprintf(" --seed %d --run %s", x.opts.seed, quoted(x.opts.run))
	if shard := x.opts.config.Shard; shard.Of > 0 {
		which += fmt.Sprintf(" --shard %d/%d", shard.Index, shard.Of)
	}
	return which
}

// keptRun returns the record of a run by the state directory, and changes nothing
// there; Next is 0 when it knows nothing of it.
func keptRun(state, target, name string, shard core.Shard) (core.Run, error) {
	runs, err := store.Open(state).Runs()
	for _, r := range runs {
		kept, err := core.ParseShard(cmp.Or(r.Shard, core.Shard{}.String()))
		if r.Err == nil && err == nil && r.Name == name && r.Target == target && kept.String() == shard.String() {
			return r.Run, nil
		}
	}
	return core.Run{}, err
}

func judgeRun(x *checkup, found *kafka.Cursor) finding {
	switch {
	case found == nil:
		return fine("%s begins at event 0", x.opts.run)
	case found.Done:
		return fine("%s has reached its end, event %d; with a higher --count it goes on", found.Name, found.Next)
	case found.Owner != x.opts.config.Owner:
		return warning(x.again("stream")+" --to "+x.opts.to+" --run "+quoted(found.Name)+" --take-over",
			"%s stands at event %d and is driven by %s, last %s ago: gen stream waits until that is quiet, or takes over", found.Name, found.Next, found.Owner,
			x.now().Sub(time.UnixMilli(found.Time)).Round(time.Second))
	}
	return fine("%s goes on at event %d", found.Name, found.Next)
}
