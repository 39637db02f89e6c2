package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gen/core"
	"gen/emit/catalogue"
	"gen/emit/encode"
	"gen/emit/kafka"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// varying are the parts of what check prints that differ between runs.
var varying = []struct{ pattern, text string }{
	{`\n {24}(\S)`, " $1"}, // where a line is broken depends on the others
	{`127\.0\.0\.1:\d+`, "HOST:PORT"},
	{`gen\.check\.[0-9a-f]{8}`, "gen.check.12345678"},
	{`(; only|;) [\d.]+ [kMG]B free`, "; 9.9 GB free"},
	{`Kafka [^,]*, answered`, "Kafka 4.3, answered"}, // the fake one has APIs of many releases
	{`(in|to) [\d.]+m?s\b`, "$1 5ms"},
}

// golden compares what check prints with a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	for _, v := range varying {
		got = regexp.MustCompile(v.pattern).ReplaceAllString(got, v.text)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("check prints\n%s%s holds\n%s", got, path, want)
	}
}

// The texts are those of testdata/check; go test -update rewrites them.
func TestCheckTopic(t *testing.T) {
	texts, err := filepath.Abs(filepath.Join("testdata", "check"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		topics map[string]string // cleanup.policy of each
		gone   bool              // the broker
		args   []string
		code   int
	}{
		{"ready", map[string]string{"ratings": "delete", "gen.cursors": "compact"}, false, nil, exitDone},
		{"fresh", nil, false, []string{"--send", "3"}, exitDone},
		{"compacted", map[string]string{"ratings": "compact", "gen.cursors": "delete"}, false, []string{"--send", "0"}, exitFindings},
		{"gone", nil, true, nil, exitFindings},
		{"no-catalogue", nil, false, []string{"--movies", "nowhere.csv"}, exitFindings},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
			if err != nil {
				t.Fatal(err)
			}
			defer cluster.Close()
			for topic, policy := range c.topics {
				if err := cluster.CreateTopic(topic, 6, map[string]string{"cleanup.policy": policy}); err != nil {
					t.Fatal(err)
				}
			}
			args := append([]string{"gen", "check", "--to", "kafka://" + cluster.ListenAddrs()[0] + "/ratings"}, c.args...)
			if c.gone {
				cluster.Close()
			}
			var stdout, stderr bytes.Buffer
			if code := run(args, &stdout, &stderr); code != c.code {
				t.Errorf("exit status %d, want %d", code, c.code)
			}
			if stderr.Len() > 0 {
				t.Errorf("standard error: %s", stderr.String())
			}
			golden(t, filepath.Join(texts, c.name+".txt"), stdout.String())
			if _, err := os.Stat("gen-state"); err == nil {
				t.Error("to look made the state directory")
			}
		})
	}
}

func TestCheckJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var stdout, stderr bytes.Buffer
	code := run([]string{"gen", "check", "--json", "--to", "kafka://" + cluster.ListenAddrs()[0] + "/ratings", "--send", "50"}, &stdout, &stderr)
	var a struct {
		OK     bool
		Checks []struct{ Check, Result, Text, Remedy string }
		Trial  struct {
			Events  int
			Ratings map[string]int
			Example struct{ UserID int }
			User    struct{ UserID int }
		}
	}
	if err := json.Unmarshal(stdout.Bytes(), &a); err != nil || code != exitDone || !a.OK || stderr.Len() > 0 {
		t.Fatalf("exit status %d, %v: %s%s", code, err, stdout.String(), stderr.String())
	}
	if len(a.Checks) != len(localChecks)+len(topicChecks) || a.Checks[6].Check != "topic" || a.Checks[6].Result != "warning" || a.Checks[6].Remedy == "" {
		t.Errorf("checks %+v", a.Checks)
	}
	sum := 0
	for _, n := range a.Trial.Ratings {
		sum += n
	}
	if a.Trial.Events != 50 || sum != 50 || len(a.Trial.Ratings) != 10 || a.Trial.Example.UserID != a.Trial.User.UserID {
		t.Errorf("trial %+v", a.Trial)
	}
}

func TestFindingText(t *testing.T) {
	f := wrong("a --command that is much longer than a terminal is wide but is not broken because it is pasted",
		"one two three four five six seven eight nine ten eleven twelve thirteen äöü")
	f.Check = "transactions"
	want := "  WRONG    transactions one two three four five six seven eight nine ten eleven\n" +
		"                        twelve thirteen äöü\n" +
		"           " + f.Remedy + "\n"
	if got := f.text(); got != want {
		t.Errorf("text =\n%swant\n%s", got, want)
	}
	// Whatever the words are, a line ends before the border.
	for _, c := range slices.Concat(localChecks, topicChecks, dirChecks) {
		f := fine("%s", strings.Repeat("abc defghij ", 20))
		f.Check = c.name
		for line := range strings.SplitSeq(f.text(), "\n") {
			if utf8.RuneCountInString(line) > lineWidth {
				t.Errorf("%s: a line of %d columns: %s", c.name, utf8.RuneCountInString(line), line)
			}
		}
	}
}

// Each check needs only such as stand before it: others are never made.
func TestCheckOrder(t *testing.T) {
	for _, checks := range [][]check{checksOf("-"), checksOf("dir"), checksOf("kafka://h:1/t")} {
		var before []string
		for _, c := range checks {
			for _, need := range c.needs {
				if !slices.Contains(before, need) {
					t.Errorf("%s needs %s, which stands behind it", c.name, need)
				}
			}
			before = append(before, c.name)
		}
	}
}

func TestTopicFindings(t *testing.T) {
	exists := kafka.TopicState{Name: "ratings", Exists: true, Partitions: 6, Replication: 3, Configs: map[string]string{}}
	with := func(change func(*kafka.TopicState)) kafka.TopicState {
		s := exists
		change(&s)
		return s
	}
	x := &checkup{env: &env{now: func() time.Time { return time.UnixMilli(100_000) }}, opts: checkOptions{
		to: "kafka://h:9092/ratings", state: "gen-state", run: "seed-42", clientFile: "client.properties",
		config: kafka.Config{Target: kafka.Target{Brokers: []string{"h:9092"}, Topic: "ratings"}, CursorTopic: "gen.cursors", Owner: "me:/a"},
	}}
	x.transactions.ID = "gen:ratings:seed-42:0-of-1"
	topic := func(s kafka.TopicState) finding { return judgeTopic(x, s) }
	events := func(look func() finding) func(kafka.TopicState) finding {
		return func(s kafka.TopicState) finding { x.events = s; return look() }
	}
	policy := events(func() finding { return lookAtPolicy(t.Context(), x) })
	messages := events(func() finding { return lookAtMessages(t.Context(), x) })
	cursors := func(s kafka.TopicState) finding { x.cursors = s; return lookAtCursors(t.Context(), x) }
	rights := func(events, cursors []string) finding {
		x.events, x.cursors = kafka.TopicState{Name: "ratings", Rights: events}, kafka.TopicState{Name: "gen.cursors", Rights: cursors}
		return lookAtRights(t.Context(), x)
	}
	protocol := func(level, possible int16) finding {
		x.brokers = kafka.Brokers{TransactionVersion: level, PossibleVersion: possible}
		return lookAtProtocol(t.Context(), x)
	}
	brokers := func(nodes ...kafka.Node) finding { x.brokers = kafka.Brokers{Nodes: nodes}; return judgeBrokers(x) }
	run := func(c *kafka.Cursor) finding { return judgeRun(x, c) }
	refused := errors.New("refused")
	for _, c := range []struct {
		name   string
		got    finding
		want   result
		text   string // in the text
		remedy string // in the remedy
	}{
		{"brokers", brokers(kafka.Node{Version: "v4.3"}, kafka.Node{Version: "v3.9"}), resultOK, "2 brokers, Kafka 4.3 and Kafka 3.9", ""},
		{"a broker that is advertised elsewhere", brokers(kafka.Node{}, kafka.Node{ID: 7, Address: "kafka:29092", Err: refused}), resultWrong, "broker 7 does not answer at kafka:29092", "nc -vz kafka 29092"},

		{"KIP-890", protocol(2, 2), resultOK, "transaction.version 2", ""},
		{"KIP-890 is possible", protocol(1, 2), resultWarning, "transaction.version 1", "kafka-features.sh --bootstrap-server h:9092 --command-config client.properties upgrade --feature transaction.version=2"},
		{"an old broker", protocol(0, 0), resultWarning, "transaction.version 0", "gen verify --state gen-state --kafka-config client.properties kafka://h:9092/ratings"},

		{"space", judgeSpace("s", "s", 1e9), resultOK, "s; 1.0 GB free", ""},
		{"little space", judgeSpace("a b", "s", 1e9-1), resultWarning, "s; only 1000.0 MB free", "df -h 'a b'"},

		{"a topic that may not be seen", topic(kafka.TopicState{Name: "ratings", Err: kerr.TopicAuthorizationFailed}), resultMissing, "no right to see ratings", "--operation Write --operation Read --operation DescribeConfigs --topic ratings"},
		{"a topic of which nobody tells", topic(kafka.TopicState{Name: "ratings", Err: refused}), resultWrong, "ratings: refused", "--describe --topic ratings"},
		{"a topic", topic(exists), resultOK, "6 partitions, 3 replicas", ""},
		{"no topic", topic(kafka.TopicState{Name: "ratings", Partitions: 6}), resultWarning, "gen stream creates it with 6 partitions", "kafka-topics.sh --bootstrap-server h:9092 --command-config client.properties --create --topic ratings --partitions 6"},
		{"no topic and no right", topic(kafka.TopicState{Name: "ratings", Partitions: 6, CreateErr: refused}), resultMissing, "cannot be created: refused", "--create --topic ratings"},
		{"no leader", topic(with(func(s *kafka.TopicState) { s.Leaderless = []int32{2, 5} })), resultWrong, "no leader for partition 2, 5", "--describe --topic ratings"},
		{"a lagging replica", topic(with(func(s *kafka.TopicState) { s.Lagging = make([]int32, 12) })), resultWarning, "not in sync for partition 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 and 2 more", "--describe"},
		{"fewer replicas than must be in sync", topic(with(func(s *kafka.TopicState) {
			s.Replication, s.Configs = 1, map[string]string{"min.insync.replicas": "2"}
		})), resultWrong, "nothing can be written", "--add-config min.insync.replicas=1"},

		{"retention", policy(with(func(s *kafka.TopicState) {
			s.Configs = map[string]string{"retention.ms": "604800000", "retention.bytes": "1000000000"}
		})), resultOK, "kept 7 days, at most 1.0 GB a partition", ""},
		{"hours of retention", policy(with(func(s *kafka.TopicState) { s.Configs = map[string]string{"retention.ms": "5400000"} })), resultOK, "kept 1h30m0s", ""},
		{"no retention", policy(with(func(s *kafka.TopicState) { s.Configs = map[string]string{"retention.ms": "-1"} })), resultOK, "kept for ever", ""},
		{"a compacted topic", policy(with(func(s *kafka.TopicState) { s.PolicyErr = refused })), resultWrong, "refused", "--entity-name ratings --add-config cleanup.policy=delete"},
		{"a policy that may not be read", policy(with(func(s *kafka.TopicState) { s.ConfigErr = refused })), resultWarning, "cannot be read", "--operation DescribeConfigs --topic ratings"},
		{"the policy of no topic", policy(kafka.TopicState{Name: "ratings"}), resultSkipped, "ratings does not exist yet", ""},

		{"the broker's time", messages(with(func(s *kafka.TopicState) {
			s.Configs = map[string]string{"max.message.bytes": "1048588", "message.timestamp.type": "LogAppendTime"}
		})), resultOK, "broker's time", ""},
		{"no event fits", messages(with(func(s *kafka.TopicState) {
			s.Configs, s.SizeErr = map[string]string{"max.message.bytes": "100"}, refused
		})), resultWrong, "refused", "--entity-name ratings --add-config max.message.bytes=1048588"},

		{"cursors", cursors(with(func(s *kafka.TopicState) { s.Name = "gen.cursors" })), resultOK, "compacted", ""},
		{"cursors that may not be seen", cursors(kafka.TopicState{Name: "gen.cursors", Err: kerr.TopicAuthorizationFailed}), resultMissing, "no right to see gen.cursors", "--topic gen.cursors"},
		{"no cursors yet", cursors(kafka.TopicState{Name: "gen.cursors", Partitions: 16}), resultOK, "creates it, compacted, with 16 partitions", ""},
		{"no cursors and no right", cursors(kafka.TopicState{Name: "gen.cursors", Partitions: 16, CreateErr: refused}), resultMissing, "cannot be created", "--create --topic gen.cursors --partitions 16 --config cleanup.policy=compact"},
		{"cursors that retention deletes", cursors(with(func(s *kafka.TopicState) { s.Name, s.PolicyErr = "gen.cursors", refused })), resultWrong, "refused", "--entity-name gen.cursors --add-config cleanup.policy=compact"},
		{"no cursor fits", cursors(with(func(s *kafka.TopicState) { s.Name, s.SizeErr = "gen.cursors", refused })), resultWrong, "refused", "--entity-name gen.cursors --add-config max.message.bytes=1048588"},
		{"cursors that may not be described", cursors(with(func(s *kafka.TopicState) { s.Name, s.ConfigErr = "gen.cursors", refused })), resultMissing, "cannot be read", "--operation DescribeConfigs --topic gen.cursors"},

		{"all rights", rights([]string{"READ", "WRITE"}, []string{"READ", "WRITE", "DESCRIBE_CONFIGS"}), resultOK, "", ""},
		{"the least rights", rights([]string{"WRITE"}, []string{"READ", "WRITE", "DESCRIBE_CONFIGS"}), resultWarning, "no right to READ ratings", "--operation Read --topic ratings"},
		{"too few rights", rights([]string{"READ"}, []string{"READ"}), resultMissing, "WRITE on ratings and WRITE, DESCRIBE_CONFIGS on gen.cursors",
			"kafka-acls.sh --bootstrap-server h:9092 --command-config admin.properties --add --allow-principal User:NAME --operation Write --operation DescribeConfigs --topic ratings --topic gen.cursors"},
		{"a broker that does not say", rights(nil, nil), resultSkipped, "", ""},

		{"nothing is open", judgeStuck(x, nil), resultOK, "", ""},
		{"somebody's transaction", judgeStuck(x, []kafka.Stuck{{OpenTransaction: kafka.OpenTransaction{Topic: "ratings", Partition: 1, ProducerID: 9, Start: 5}, End: 8, ID: "it"}, {}}), resultWarning,
			"ratings-1 and 1 more: producer 9 (it) keeps a transaction open from offset 5 on, the end is 8", "describe --transactional-id it"},
		{"a transaction without a name", judgeStuck(x, []kafka.Stuck{{OpenTransaction: kafka.OpenTransaction{Topic: "ratings", ProducerID: -1}}}), resultWarning, "does not name", "find-hanging --max-transaction-timeout 1 --topic ratings"},
		{"the run's own", judgeStuck(x, []kafka.Stuck{{ID: x.transactions.ID}}), resultWarning, "", "gen repair --state gen-state --kafka-config client.properties --seed 0 --run seed-42 --end-hanging kafka://h:9092/ratings"},

		{"clocks that agree", judgeClock(-30*time.Millisecond, 4*time.Millisecond), resultOK, "to 30ms", ""},
		{"clocks that may agree", judgeClock(-5*time.Second, 2*time.Second), resultOK, "to 5s", ""},
		{"a clock ahead", judgeClock(1900*time.Millisecond, 2*time.Second), resultWarning, "1.9s ahead of", "timedatectl"},
		{"a clock behind", judgeClock(-time.Hour, -time.Hour+time.Second), resultWarning, "59m59s behind", "timedatectl"},

		{"a new run", run(nil), resultOK, "begins at event 0", ""},
		{"our run", run(&kafka.Cursor{Run: core.Run{Name: "seed-42", Next: 7}, Owner: "me:/a"}), resultOK, "goes on at event 7", ""},
		{"a run that is over", run(&kafka.Cursor{Run: core.Run{Name: "seed-42", Next: 7, Done: true}, Owner: "you:/b"}), resultOK, "has reached its end", ""},
		{"somebody's run", run(&kafka.Cursor{Run: core.Run{Name: "seed-42", Next: 7}, Owner: "you:/b", Time: 97_000}), resultWarning, "driven by you:/b, last 3s ago", "--to kafka://h:9092/ratings --run seed-42 --take-over"},
	} {
		if c.got.Result != c.want || !strings.Contains(c.got.Text, c.text) || !strings.Contains(c.got.Remedy, c.remedy) {
			t.Errorf("%s: %+v, want %s, %q, %q", c.name, c.got, c.want, c.text, c.remedy)
		}
		if ok := c.want == resultOK || c.want == resultSkipped; ok != (c.got.Remedy == "") {
			t.Errorf("%s: the remedy of %s is %q", c.name, c.want, c.got.Remedy)
		}
	}
}

func TestRunRemedy(t *testing.T) {
	x := &checkup{opts: checkOptions{to: "kafka://h:1/t", state: "s", run: "it's"}}
	for err, want := range map[error]string{
		kafka.ErrNoCursor:      `gen repair --state s --seed 0 --run 'it'\''s' --from-topic kafka://h:1/t`,
		kafka.ErrLostData:      `gen repair --state s --seed 0 --run 'it'\''s' --accept-broker kafka://h:1/t`,
		kafka.ErrOtherRun:      `gen check --state s --run ANOTHER --to kafka://h:1/t`,
		kafka.ErrTopicReplaced: `gen stream --state s --seed 0 --run 'it'\''s' --restart --to kafka://h:1/t`,
	} {
		if got := x.runRemedy(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// What a consumer must not see is found, whatever it is.
func TestFirstMisfit(t *testing.T) {
	cat, err := catalogue.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := core.Compile("seed", cat, core.DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	schedule, err := scheduleOptions{}.freshSchedule()
	if err != nil {
		t.Fatal(err)
	}
	const n, partitions = 20, 3
	seq := &core.Sequence{Snapshot: snapshot, Seed: 42, Schedule: schedule}
	records := func() (all []kafka.TrialRecord) {
		for p := range partitions {
			for i := range uint64(n) {
				e := seq.Event(i)
				if core.Partition(e.User, partitions) == p {
					value := encode.AppendJSONL(nil, []core.Event{e})
					all = append(all, kafka.TrialRecord{Partition: int32(p), Key: string(value[10:bytes.IndexByte(value, ',')]), Value: value[:len(value)-1], Event: i, Named: true})
				}
			}
		}
		return all
	}
	if _, err := firstMisfit(seq, n, partitions, records()); err != nil {
		t.Fatalf("what was sent: %v", err)
	}
	value := func(pattern, text string) func([]kafka.TrialRecord) []kafka.TrialRecord {
		return func(r []kafka.TrialRecord) []kafka.TrialRecord {
			changed := regexp.MustCompile(pattern).ReplaceAll(r[4].Value, []byte(text))
			if bytes.Equal(changed, r[4].Value) {
				t.Fatalf("%s does not change %s", pattern, r[4].Value)
			}
			r[4].Value = changed
			return r
		}
	}
	for name, c := range map[string]struct {
		change func([]kafka.TrialRecord) []kafka.TrialRecord
		want   string
	}{
		"one is lost":         {func(r []kafka.TrialRecord) []kafka.TrialRecord { return r[1:] }, "20 events were sent, 19 read back"},
		"one stands twice":    {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[1] = r[0]; return r }, "stands behind event"},
		"two are exchanged":   {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[0], r[1] = r[1], r[0]; return r }, "stands behind event"},
		"no header":           {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[2].Named = false; return r }, "names no event"},
		"a later event":       {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[2].Event = n; return r }, "names no event"},
		"another partition":   {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[0].Partition = 1; return r }, "Kafka's default for its key"},
		"another key":         {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[0].Key = "1"; return r }, "is not the userId"},
		"no key":              {func(r []kafka.TrialRecord) []kafka.TrialRecord { r[0].Key = ""; return r }, "is not the userId"},
		"no JSON":             {value(`}$`, ""), "unexpected EOF"},
		"a field too many":    {value(`}$`, `,"genre":"Drama"}`), "unknown field"},
		"a field too few":     {value(`,"timestamp":\d+`, ""), "a field is missing"},
		"a text for a number": {value(`"movieId":(\d+)`, `"movieId":"$1"`), "cannot unmarshal"},
		"a user too high":     {value(`"userId":\d+`, `"userId":2147483648`), "userId 2147483648 is not 1 to 2147483647"},
		"no user":             {value(`"userId":\d+`, `"userId":0`), "userId 0 is not"},
		"no movie":            {value(`"movieId":\d+`, `"movieId":0`), "movieId 0"},
		"a rating of 0":       {value(`"rating":[\d.]+`, `"rating":0.0`), "is not 0.5 to 5.0"},
		"a rating of 5.5":     {value(`"rating":[\d.]+`, `"rating":5.5`), "is not 0.5 to 5.0"},
		"a rating of 2.7":     {value(`"rating":[\d.]+`, `"rating":2.7`), "is not 0.5 to 5.0"},
		"a time in the past":  {value(`"timestamp":\d+`, `"timestamp":-1`), "timestamp -1"},
		"a time in ns":        {value(`"timestamp":(\d+)`, `"timestamp":${1}000000`), "is no time in milliseconds"},
		"another second":      {value(`"timestamp":(\d+)\d{4}`, `"timestamp":${1}9999`), "the sequence says"},
		"another movie":       {value(`"movieId":\d+`, `"movieId":1`), "the sequence says"},
		"a space":             {value(`,"movieId"`, `, "movieId"`), "the sequence says"},
	} {
		if _, err := firstMisfit(seq, n, partitions, c.change(records())); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
