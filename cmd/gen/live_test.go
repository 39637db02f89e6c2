package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"gen/core"
	"gen/emit/pace"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// watched returns a watch whose stream has committed the first events.
func watched(t *testing.T, events uint64) *watch {
	t.Helper()
	e := testEnv()
	snapshot, err := openSnapshot(e, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seq := &core.Sequence{Snapshot: snapshot, Seed: 42, Schedule: core.ConstantSchedule(0, core.Rate{Num: 50, Den: 1})}
	w := newWatch(e)
	w.serving = true
	stop := w.start(view{Run: "seed-42", Target: "kafka://c/ratings", Sequence: seq, Partitions: 6})
	t.Cleanup(stop)
	w.meter.Session(0)
	w.meter.Begin(0, pace.New(seq.Schedule, 0, 1e6))
	batch := make([]core.Event, events)
	seq.Fill(batch, 0)
	w.meter.Sent(0, batch)
	w.meter.Committed(events)
	return w
}

func testEnv() *env {
	return &env{stdout: output{io.Discard}, ui: &ui{w: io.Discard, quiet: true}, now: time.Now}
}

func get(t *testing.T, w *watch, path string) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	w.handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	return rec.Result()
}

// What Prometheus itself thinks of the names, types and help, and the figures.
func TestMetrics(t *testing.T) {
	const events = 10_000
	body, err := io.ReadAll(get(t, watched(t, events), "/metrics").Body)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(bytes.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("promlint: %s: %s", p.Metric, p.Text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := func(name string) (total float64) {
		f, ok := families[name]
		if !ok {
			t.Fatalf("no metric %s", name)
		}
		for _, m := range f.Metric {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		return total
	}
	for name, want := range map[string]float64{
		"gen_events_committed_total": events, "gen_events_sent_total": events, "gen_next_event": events, "gen_counted_events_total": events,
		"gen_ratings_total": events, "gen_partition_events_total": events, "gen_schedule_rate": 50e6, "gen_state": 1, "gen_restarts_total": 0,
		"gen_event_lag_seconds": 2 * events, "gen_run_info": 1,
	} {
		if got := sum(name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if got := sum("gen_genre_events_total"); got < events {
		t.Errorf("gen_genre_events_total = %v, want a genre an event at least", got)
	}
}

// The parser must be able to refuse, and the linter to find something.
func TestMetricsControl(t *testing.T) {
	if problems, _ := promlint.New(strings.NewReader("# TYPE gen_events counter\ngen_events 1\n")).Lint(); len(problems) == 0 {
		t.Error("promlint finds nothing wrong with a counter without _total and help")
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader("gen_events{ 1\n")); err == nil {
		t.Error("the parser takes what is no metric")
	}
}

// The counts are those of the events, whatever was counted when.
func TestTally(t *testing.T) {
	w := watched(t, 500_000)
	var a liveAnswer
	for range 3 { // 200,000 at a time
		a = liveAnswer{}
		if err := json.NewDecoder(get(t, w, "/live.json").Body).Decode(&a); err != nil {
			t.Fatal(err)
		}
	}
	want := [11]uint64{}
	partitions := make([]uint64, 6)
	for n := range uint64(500_000) {
		e := w.view.Sequence.Event(n)
		want[e.Rating]++
		partitions[core.Partition(e.User, 6)]++
	}
	if a.Counted != 500_000 {
		t.Errorf("counted %d events, want 500000", a.Counted)
	}
	for i, c := range a.Ratings {
		if c.Count != want[i+1] {
			t.Errorf("%s stars: %d, want %d", c.Name, c.Count, want[i+1])
		}
	}
	for i, c := range a.Partitions {
		if c.Count != partitions[i] {
			t.Errorf("partition %s: %d, want %d", c.Name, c.Count, partitions[i])
		}
	}
}

func TestReady(t *testing.T) {
	starting := newWatch(testEnv())
	stuck := watched(t, 10)
	stuck.meter.Outage()
	for _, c := range []struct {
		name string
		w    *watch
		path string
		want int
	}{
		{"starting", starting, "/readyz", http.StatusServiceUnavailable},
		{"starting, but alive", starting, "/healthz", http.StatusOK},
		{"starting has metrics", starting, "/metrics", http.StatusOK},
		{"delivering", watched(t, 10), "/readyz", http.StatusOK},
		{"the broker is away", stuck, "/readyz", http.StatusServiceUnavailable},
		{"the broker is away, but alive", stuck, "/healthz", http.StatusOK},
		{"no such page", starting, "/x", http.StatusNotFound},
	} {
		if got := get(t, c.w, c.path); got.StatusCode != c.want {
			t.Errorf("%s: %s answers %s, want %d", c.name, c.path, got.Status, c.want)
		}
	}
}

// The page holds its style and its script, and allows nothing else.
func TestPage(t *testing.T) {
	page := get(t, newWatch(testEnv()), "/")
	body, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	policy := page.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "script-src 'sha256-", "style-src 'sha256-"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q allows what is unsafe", policy)
	}
	for _, never := range []string{"{{", "https://", "src=", "@import", " onclick="} {
		if bytes.Contains(body, []byte(never)) {
			t.Errorf("the page holds %q", never)
		}
	}
	if !bytes.Contains(body, []byte(liveJS)) || !bytes.Contains(body, []byte(liveCSS)) {
		t.Error("the page lacks its script or its style")
	}
}

// A port that is in use is said before anything is sent, with a way out.
func TestPortInUse(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	sent := false
	o := deliverOptions{watch: newWatch(testEnv()), http: other.Addr().String()}
	err = runStream(context.Background(), testEnv(), o, 0, func(context.Context, *env, deliverOptions) error { sent = true; return nil })
	if !errors.Is(err, syscall.EADDRINUSE) || sent || !strings.Contains(hintOf(err), "127.0.0.1:0") {
		t.Errorf("runStream = %v, hint %q, sent %v; want EADDRINUSE, a free port, false", err, hintOf(err), sent)
	}
	if code := exitCode(err, nil); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}
