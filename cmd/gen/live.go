package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gen/core"
	"gen/emit/meter"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/urfave/cli/v2"
)

func httpFlag() cli.Flag {
	return &cli.StringFlag{Name: "http", Usage: "serve a live page and Prometheus metrics at `ADDRESS`, e.g. 127.0.0.1:9464; port 0 takes a free one", Category: catOutput}
}

// parseHTTP checks an address to listen at; empty is none.
func parseHTTP(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(s)
	if err == nil && host != "" {
		if _, err = strconv.ParseUint(port, 10, 16); err == nil {
			return s, nil
		}
	}
	return "", fmt.Errorf("%w: --http %q: want HOST:PORT, e.g. 127.0.0.1:9464", errUsage, s)
}

// serve answers at an address while the stream runs; it does nothing for an
// empty one. It returns the function that ends it.
func (w *watch) serve(address string) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		err = fmt.Errorf("--http %s: %w", address, err)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = withHint(err, "take another port, or --http 127.0.0.1:0 for a free one; nothing was sent")
		}
		return nil, err
	}
	w.serving = true
	server := &http.Server{Handler: w.handler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go func() { _ = server.Serve(listener) }() // which Close ends
	w.ui.say("live page at http://%s/", listener.Addr())
	return func() { _ = server.Close() }, nil
}

//go:embed live.html
var liveHTML string

//go:embed live.css
var liveCSS string

//go:embed live.js
var liveJS string

// livePage is the page as it is served, and its Content-Security-Policy: nothing
// but its own style, its own script and this server.
func livePage() (page, policy string) {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	page = strings.NewReplacer("{{style}}", liveCSS, "{{script}}", liveJS).Replace(liveHTML)
	policy = "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
		"style-src " + hash(liveCSS) + "; script-src " + hash(liveJS)
	return page, policy
}

func (w *watch) handler() http.Handler {
	page, policy := livePage()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Security-Policy", policy)
		answer(rw, http.StatusOK, "text/html; charset=utf-8", []byte(page))
	})
	mux.HandleFunc("GET /live.json", func(rw http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		_, now := w.live()
		if err := json.NewEncoder(&b).Encode(now); err != nil {
			http.Error(rw, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(rw, http.StatusOK, "application/json", b.Bytes())
	})
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, _ *http.Request) {
		state, code := w.meter.Read().State, http.StatusOK
		if state == meter.Starting || state == meter.Waiting {
			code = http.StatusServiceUnavailable
		}
		answer(rw, code, "text/plain; charset=utf-8", []byte(state+"\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.registry(), promhttp.HandlerOpts{}))
	return mux
}

func answer(rw http.ResponseWriter, code int, kind string, body []byte) {
	h := rw.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	rw.WriteHeader(code)
	_, _ = rw.Write(body) // a reader that has gone needs none
}

// liveAnswer is what the page draws.
type liveAnswer struct {
	Time     int64       `json:"time"`    // epoch ms
	Seconds  float64     `json:"seconds"` // since the process began to stream
	State    meter.State `json:"state"`
	Run      string      `json:"run"`
	Target   string      `json:"target"`
	Snapshot string      `json:"snapshot"`
	Profile  string      `json:"profile"`
	Seed     uint64      `json:"seed"`
	Schedule string      `json:"schedule"`
	Total    uint64      `json:"total"`

	From     uint64  `json:"from"`
	Events   uint64  `json:"events"` // committed by this process
	Sent     uint64  `json:"sent"`   // events
	Next     uint64  `json:"next"`
	Due      uint64  `json:"due"` // 0: nobody paces
	Wanted   float64 `json:"wanted"`
	Behind   float64 `json:"behind_seconds"`
	Skipped  float64 `json:"skipped_seconds"`
	Restarts int     `json:"restarts"`

	LagSent      *quantiles `json:"lag_sent"`
	LagCommitted *quantiles `json:"lag_committed"`
	Interval     *quantiles `json:"interval"`

	Samples    []sample    `json:"samples"`
	Counted    uint64      `json:"counted"` // events that the counts below are of
	Ratings    []liveCount `json:"ratings"`
	Genres     []liveCount `json:"genres"`
	Partitions []liveCount `json:"partitions"`
}

type liveCount struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// live returns what the page draws.
func (w *watch) live() (meter.Reading, liveAnswer) {
	r := w.meter.ReadLags()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	a := liveAnswer{
		Time: now.UnixMilli(), Seconds: now.Sub(w.begun).Seconds(), State: r.State, Run: w.view.Run, Target: w.view.Target, Total: w.view.Total,
		From: r.From, Events: r.Events, Sent: r.Sent, Next: r.Next, Due: r.Due, Wanted: r.Rate,
		Behind: r.Behind.Seconds(), Skipped: r.Skipped.Seconds(), Restarts: r.Restarts,
		LagSent: quantilesOf(r.Lags.Sent), LagCommitted: quantilesOf(r.Lags.Committed), Interval: quantilesOf(r.Lags.Gaps),
		Samples: append([]sample{}, w.samples...),
	}
	if seq := w.view.Sequence; seq != nil {
		a.Snapshot, a.Profile, a.Seed = seq.Snapshot.ID(), seq.Snapshot.Recipe.Profile, seq.Seed
		a.Schedule = shapeText(seq.Schedule.Last())
	}
	if t := w.tally; t != nil {
		t.advance(r.From, r.Next)
		a.Counted, a.Ratings, a.Genres, a.Partitions = t.count, t.ratingCounts(), t.genreCounts(), t.partitionCounts()
	}
	return r, a
}

func (a *tally) ratingCounts() (counts []liveCount) {
	for half := 1; half <= 10; half++ {
		counts = append(counts, liveCount{fmt.Sprintf("%.1f", core.Event{Rating: uint8(half)}.Stars()), a.ratings[half]})
	}
	return counts
}

func (a *tally) genreCounts() (counts []liveCount) {
	for i, g := range a.view.Sequence.Snapshot.Tables().Genres {
		counts = append(counts, liveCount{g.Name, a.genres[i]})
	}
	return counts
}

func (a *tally) partitionCounts() (counts []liveCount) {
	for i, n := range a.partitions {
		counts = append(counts, liveCount{strconv.Itoa(i), n})
	}
	return counts
}
