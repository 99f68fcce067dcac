package api

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"onhand/connectors/segment"
	"onhand/processor"
	"onhand/processor/worker"
)

// metrics answers in the text format of Prometheus. The figures are read when
// they are asked for; nothing is counted twice.
func (a *API) metrics(w http.ResponseWriter, r *http.Request) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &figures{a, r})
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	return nil
}

// figures collects the figures of one request.
type figures struct {
	api *API
	r   *http.Request
}

// Describe implements prometheus.Collector: which figures there are depends on
// what has happened, so none is promised.
func (*figures) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (f *figures) Collect(out chan<- prometheus.Metric) {
	m := f.api.Worker.Metrics()
	counter := func(name, help string, v uint64, labels ...string) {
		out <- figure(prometheus.CounterValue, name, help, float64(v), labels)
	}
	gauge := func(name, help string, v float64, labels ...string) {
		out <- figure(prometheus.GaugeValue, name, help, v, labels)
	}
	for k, n := range m.Decisions {
		counter("onhand_decisions_total", "Decisions committed.", n, "moment", k.Moment, "outcome", k.Outcome.String(), "reason", string(k.Reason))
	}
	for moment, n := range m.Ended {
		counter("onhand_windows_ended_total", "Windows that ended, by an until event say, before there was a candidate: nothing was decided.", n, "moment", moment)
	}
	for k, n := range m.Deliveries {
		counter("onhand_deliveries_total", "Attempts to hand an action over, by what became of them.", n, "channel", k.Channel, "delivery", k.Delivery.String())
	}
	f.corrections(m, counter)
	out <- latency("onhand_raced_send_seconds", "From a raced send to when what forbade it was heard of.", m.Raced)
	out <- latency("onhand_platform_lag_seconds", "From a decision to when it holds on the platform, by the platform's word.", m.PlatformLag)
	for reason, n := range m.Dead {
		counter("onhand_dead_letters_total", "Entries of the log that could not be applied.", n, "reason", reason)
	}
	counter("onhand_dead_letters_dropped_total", "Refused calls dropped from the full dead letters, by this process.", f.api.Log.DeadLetters().Dropped())
	counter("onhand_steps_skipped_total", "Steps that failed and were passed over.", m.Poisoned)
	counter("onhand_partitions_fenced_total", "Partitions lost to the commit of another owner.", m.Fenced)
	out <- latency("onhand_commit_seconds", "From the request to the acknowledgement of a commit record.", m.CommitLatency)
	for _, p := range f.api.Worker.Status(f.r.Context()) {
		label := strconv.Itoa(p.Partition)
		x, here := m.Partitions[p.Partition]
		if !here {
			continue
		}
		if p.Phase == "standby" || p.Phase == "following" {
			level := 0.0
			if p.Phase == "standby" {
				level = 1
			}
			gauge("onhand_standby_level", "1 when this worker could take the partition over at once.", level, "partition", label)
			gauge("onhand_standby_lag_records", "Records of the log that the standby has not applied yet.", float64(p.Lag), "partition", label)
			continue
		}
		counter("onhand_clock_held_back_total", "Records whose stamp the publisher's clock held back.", x.Held, "partition", label)
		counter("onhand_records_applied_total", "Records of the log applied since the partition was opened here.", x.Records, "partition", label)
		counter("onhand_applied_events_total", "Steps applied since the log began: events, timers, messages between partitions.", x.Steps, "partition", label)
		gauge("onhand_lag_records", "Records of the log not applied yet.", float64(p.Lag), "partition", label)
		gauge("onhand_lag_seconds", "Age of the last record when it was applied.", float64(x.LagMS)/1000, "partition", label)
		gauge("onhand_state_bytes", "Size of the state on disk.", float64(p.StateSize), "partition", label)
		live := 0.0
		if Live(p) {
			live = 1
		}
		gauge("onhand_partition_live", "1 when the partition runs here and has caught up.", live, "partition", label)
		for stage, n := range p.Journeys {
			gauge("onhand_journeys", "Journeys from a search that found nothing, by the stage they have come to.", float64(n), "partition", label, "stage", stage)
		}
		if p.SavedAt > 0 {
			gauge("onhand_state_age_seconds", "Time since the state was saved.", float64(f.api.Clock().UnixMilli()-p.SavedAt)/1000, "partition", label)
		}
	}
	connected := 0.0
	if f.api.Log.Connected() {
		connected = 1
	}
	gauge("onhand_log_connected", "1 when the log can be reached.", connected)
	f.inlet(counter)
}

// corrections tells what was learned of messages too late. That none was wrong
// is told, too.
func (f *figures) corrections(m worker.Metrics, counter func(name, help string, v uint64, labels ...string)) {
	wrong := uint64(0)
	for k, n := range m.Corrections {
		switch k.Kind {
		case processor.Wrong:
			wrong += n
		case processor.Raced:
			counter("onhand_raced_sends_total", "Messages sent while what forbade them was on its way.", n, "moment", k.Moment, "reason", string(k.Reason))
		case processor.Drift:
			counter("onhand_audience_drift_total", "Times something else was found on an ad platform than was asked for there.", n, "moment", k.Moment)
		default:
			counter("onhand_late_corrections_total", "Messages corrected later: heard of too late, or delivered though taken back.", n,
				"moment", k.Moment, "kind", k.Kind.String(), "reason", string(k.Reason))
		}
	}
	counter("onhand_wrong_sends_total", "Messages the state forbade when they went. Must be 0.", wrong)
}

// inlet tells the counters of the collector.
func (f *figures) inlet(counter func(name, help string, v uint64, labels ...string)) {
	c := &f.api.Collector.Counters
	counter("onhand_http_requests_total", "Requests of the collector.", c.Requests.Load())
	counter("onhand_http_events_total", "Events the log has acknowledged.", c.Accepted.Load())
	counter("onhand_http_bytes_total", "Bytes of bodies as received.", c.Bytes.Load())
	for class := range segment.Classes {
		counter("onhand_http_refused_total", "Calls refused.", c.Refused[class].Load(), "class", class.String())
	}
	const answered = "Requests of the collector that were turned away."
	counter("onhand_http_turned_away_total", answered, c.Unauthorized.Load(), "status", "401")
	counter("onhand_http_turned_away_total", answered, c.TooLarge.Load(), "status", "413")
	counter("onhand_http_turned_away_total", answered, c.Overloaded.Load(), "status", "429")
	counter("onhand_http_turned_away_total", answered, c.Unavailable.Load(), "status", "503")
}

// figure makes a metric. labels are names and values in turn.
func figure(t prometheus.ValueType, name, help string, v float64, labels []string) prometheus.Metric {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	return prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), t, v, values...)
}

// latency makes a histogram in seconds.
func latency(name, help string, h worker.Histogram) prometheus.Metric {
	buckets, total := map[float64]uint64{}, uint64(0)
	for i, bound := range worker.Buckets {
		total += h.Counts[i]
		buckets[bound/1000] = total
	}
	total += h.Counts[len(worker.Buckets)]
	desc := prometheus.NewDesc(name, help, nil, nil)
	return prometheus.MustNewConstHistogram(desc, total, h.Sum.Seconds(), buckets)
}
