package main

import (
	"strconv"

	"gen/emit/meter"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics reads a stream when it is scraped: between scrapes it costs nothing.
type metrics struct{ watch *watch }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Counters are of this process, as Prometheus wants them: a restart begins at 0.
var (
	descRun        = desc("gen_run_info", "The identity of the run.", "run", "target", "snapshot", "profile", "seed")
	descState      = desc("gen_state", "1 for the state that the stream is in.", "state")
	descSent       = desc("gen_events_sent_total", "Events handed to the target, again after a restart.")
	descCommitted  = desc("gen_events_committed_total", "Events committed by Kafka, or written.")
	descDue        = desc("gen_due_event", "The first event that is not due yet: gen_next_event when the stream is on time.")
	descNext       = desc("gen_next_event", "The cursor: every event of the run before it is committed.")
	descRate       = desc("gen_schedule_rate", "Events per second of wall time that the schedule wants now.")
	descBehind     = desc("gen_behind_seconds", "How long the next event has been due.")
	descSkipped    = desc("gen_skipped_seconds_total", "Wall time left out by --late skip.")
	descRestarts   = desc("gen_restarts_total", "Sessions with the target after the first.")
	descLag        = desc("gen_event_lag_seconds", "Time from when an event is due to when it is sent, and committed.", "stage")
	descInterval   = desc("gen_send_interval_seconds", "Time from one event to the next as they are sent.")
	descCounted    = desc("gen_counted_events_total", "Events that ratings, genres and partitions are counted of: all, but at most 200000 a second.")
	descRatings    = desc("gen_ratings_total", "Events by rating.", "rating")
	descGenres     = desc("gen_genre_events_total", "Events by genre of the movie, which may have several.", "genre")
	descPartitions = desc("gen_partition_events_total", "Events by partition of the topic.", "partition")
)

// buckets are the upper bounds of the histograms, in seconds.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600}

// registry holds the metrics of a stream and of the process.
func (w *watch) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(metrics{w}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Describe implements prometheus.Collector. It names nothing: which metrics there
// are depends on the run, which is not known yet.
func (m metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m metrics) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	r, a := m.watch.live()
	for _, state := range meter.States {
		is := 0.0
		if state == r.State {
			is = 1
		}
		send(descState, prometheus.GaugeValue, is, string(state))
	}
	send(descSent, prometheus.CounterValue, float64(r.Sent))
	send(descCommitted, prometheus.CounterValue, float64(r.Events))
	send(descNext, prometheus.GaugeValue, float64(r.Next))
	send(descRestarts, prometheus.CounterValue, float64(r.Restarts))
	if r.Lags.Sent != nil {
		send(descDue, prometheus.GaugeValue, float64(r.Due))
		send(descRate, prometheus.GaugeValue, r.Rate)
		send(descBehind, prometheus.GaugeValue, r.Behind.Seconds())
		send(descSkipped, prometheus.CounterValue, r.Skipped.Seconds())
		ch <- histogram(descLag, r.Lags.Sent, "sent")
		ch <- histogram(descLag, r.Lags.Committed, "committed")
		ch <- histogram(descInterval, r.Lags.Gaps)
	}
	if a.Snapshot == "" {
		return // the run is not known yet
	}
	send(descRun, prometheus.GaugeValue, 1, a.Run, a.Target, a.Snapshot, a.Profile, strconv.FormatUint(a.Seed, 10))
	send(descCounted, prometheus.CounterValue, float64(a.Counted))
	for _, by := range []struct {
		desc   *prometheus.Desc
		counts []liveCount
	}{{descRatings, a.Ratings}, {descGenres, a.Genres}, {descPartitions, a.Partitions}} {
		for _, c := range by.counts {
			send(by.desc, prometheus.CounterValue, float64(c.Count), c.Name)
		}
	}
}

// histogram returns a histogram in seconds of one in microseconds.
func histogram(d *prometheus.Desc, h *hdrhistogram.Histogram, labels ...string) prometheus.Metric {
	below := make(map[float64]uint64, len(buckets))
	total, sum, i := uint64(0), 0.0, 0
	for _, bar := range h.Distribution() {
		for ; i < len(buckets) && float64(bar.To) > buckets[i]*1e6; i++ {
			below[buckets[i]] = total
		}
		total += uint64(bar.Count)
		sum += float64(bar.Count) * float64(bar.From+bar.To) / 2e6
	}
	for ; i < len(buckets); i++ {
		below[buckets[i]] = total
	}
	return prometheus.MustNewConstHistogram(d, total, sum, below, labels...)
}
