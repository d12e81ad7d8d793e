package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// shippedAlerts are the alerts of production by their names.
func shippedAlerts(t *testing.T) map[string]monitoringv1.Rule {
	t.Helper()
	alerts := map[string]monitoringv1.Rule{}
	for _, o := range typed(t, "production") {
		if r, ok := o.typed.(*monitoringv1.PrometheusRule); ok {
			for _, group := range r.Spec.Groups {
				for _, rule := range group.Rules {
					alerts[rule.Alert] = rule
				}
			}
		}
	}
	return alerts
}

// typed returns an overlay as it is shipped, with types.
func typed(t *testing.T, overlay string) []object {
	t.Helper()
	types, err := newSchemas(nil)
	if err != nil {
		t.Fatal(err)
	}
	objects := rendered(t, overlay)
	for i := range objects {
		types.check(&objects[i])
	}
	return objects
}

// series is what Prometheus has stored.
type series []storage.Series

// load reads a line for each series, with a sample for each minute: name{label="value"} 0+10x60 for 0 10 20 …
func load(t *testing.T, text string) (all series) {
	t.Helper()
	for line := range strings.Lines(text) {
		name, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(line)
		if err != nil {
			t.Fatal(err)
		}
		samples := chunkenc.NewXORChunk()
		to, err := samples.Appender()
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			to.Append(0, (time.Duration(i) * time.Minute).Milliseconds(), v.Value)
		}
		all = append(all, &storage.SeriesEntry{Lset: name, SampleIteratorFn: samples.Iterator})
	}
	return all
}

// Querier finds among all that is stored, whenever it was.
func (all series) Querier(int64, int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, by ...*promlabels.Matcher) storage.SeriesSet {
		found := &selected{}
		for _, one := range all {
			if !slices.ContainsFunc(by, func(m *promlabels.Matcher) bool { return !m.Matches(one.Labels().Get(m.Name)) }) {
				found.left = append(found.left, one)
			}
		}
		return found
	}}, nil
}

// selected are the series that a query has found.
type selected struct {
	at   storage.Series
	left series
}

// Next goes to the next series.
func (s *selected) Next() bool {
	if len(s.left) == 0 {
		return false
	}
	s.at, s.left = s.left[0], s.left[1:]
	return true
}

// At is the series that Next went to.
func (s *selected) At() storage.Series { return s.at }

// Err is nil: nothing is read.
func (s *selected) Err() error { return nil }

// Warnings are none.
func (s *selected) Warnings() annotations.Annotations { return nil }

// evaluate returns the labels of what an expression has at a time.
func (all series) evaluate(t *testing.T, expr string, at time.Time) (found []string) {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 100_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	defer engine.Close()
	query, err := engine.NewInstantQuery(t.Context(), all, nil, expr, at)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	for _, sample := range vector {
		// An alert has no name of a metric.
		found = append(found, promlabels.NewBuilder(sample.Metric).Del(nameOfMetric).Labels().String())
	}
	return found
}

// firing returns the labels of what fires in the end: what the expression has had for as long as the alert waits.
func firing(t *testing.T, alert monitoringv1.Rule, stored series) []string {
	t.Helper()
	wait := time.Duration(0)
	if alert.For != nil {
		var err error
		if wait, err = time.ParseDuration(string(*alert.For)); err != nil {
			t.Fatal(err)
		}
	}
	found := stored.evaluate(t, alert.Expr.String(), end)
	for at := end.Add(-wait); at.Before(end); at = at.Add(time.Minute) {
		here := stored.evaluate(t, alert.Expr.String(), at)
		found = slices.DeleteFunc(found, func(l string) bool { return !slices.Contains(here, l) })
	}
	return found
}

// nameOfMetric is the label that has it.
const nameOfMetric = "__name__"

// end is when alerts are looked at: after two hours.
var end = time.Unix(0, 0).Add(2 * time.Hour)

// TestAlerts has Prometheus evaluate each alert after two hours of series that are to raise it, and of those that are
// not.
func TestAlerts(t *testing.T) {
	const (
		ready   = `erpstream_ready{namespace="erpstream", pod="sink-kis-1", part="nats"} `
		write   = `messaging_process_duration_seconds_count{namespace="erpstream", pod="sink-kis-1", messaging_destination_name="TARGET", erpstream_unit="kis-main"`
		memory  = `container_memory_working_set_bytes{namespace="erpstream", pod="sink-kis-1", container="erpstream"} `
		limit   = "\n" + `kube_pod_container_resource_limits{namespace="erpstream", pod="sink-kis-1", container="erpstream", resource="memory", unit="byte"} 1000x120`
		dead    = `nats_stream_last_seq{namespace="nats", account="ERPSTREAM", stream_name="DEAD", server_name="nats-0"} `
		pending = `nats_consumer_num_pending{namespace="nats", stream_name="TARGET", consumer_name="kis-main", server_name="nats-0", is_consumer_leader="true"} `
		// A server that doesn't lead a consumer keeps the number that it knew last.
		follower = "\n" + `nats_consumer_num_pending{namespace="nats", stream_name="TARGET", consumer_name="kis-main", server_name="nats-1", is_consumer_leader="false"} `
	)
	alerts := shippedAlerts(t)
	raised, quiet := map[string]bool{}, map[string]bool{}
	for _, tt := range []struct{ alert, name, series, want string }{
		{"ErpstreamNotReady", "long", ready + "0x120", `{namespace="erpstream", part="nats", pod="sink-kis-1"}`},
		{"ErpstreamNotReady", "ready", ready + "1x120", ""},
		{"ErpstreamNotReady", "for three minutes", ready + "1x116 0x3", ""},
		{"ErpstreamDown", "another's", `kube_deployment_status_replicas_available{namespace="other", deployment="transformer"} 0x120`, ""},
		{"ErpstreamDown", "one runs", `kube_deployment_status_replicas_available{namespace="erpstream", deployment="transformer"} 1x120`, ""},
		{"ErpstreamDown", "long", `kube_deployment_status_replicas_available{namespace="erpstream", deployment="transformer"} 0x120`, `{deployment="transformer", namespace="erpstream"}`},
		{"ErpstreamProvisionFailed", "failed", `kube_job_status_failed{namespace="erpstream", job_name="erpstream-config-0a1b"} 1x120`, `{job_name="erpstream-config-0a1b", namespace="erpstream"}`},
		{"ErpstreamProvisionFailed", "retried", `kube_job_status_failed{namespace="erpstream", job_name="erpstream-config-0a1b"} 0x120`, ""},
		{"ErpstreamProvisionFailed", "another Job", `kube_job_status_failed{namespace="erpstream", job_name="backup-0a1b"} 1x120`, ""},
		{"ErpstreamTargetFailing", "most", write + `} 0+1x120` + "\n" + write + `, error_type="down"} 0+2x120`, `{erpstream_unit="kis-main", namespace="erpstream"}`},
		{"ErpstreamTargetFailing", "all", write + `, error_type="down"} 0+2x120`, `{erpstream_unit="kis-main", namespace="erpstream"}`},
		{"ErpstreamTargetFailing", "most, for two reasons", write + `} 0+2x120` + "\n" + write + `, error_type="down"} 0+2x120` + "\n" + write + `, error_type="busy"} 0+2x120`, `{erpstream_unit="kis-main", namespace="erpstream"}`},
		{"ErpstreamTargetFailing", "some", write + `} 0+2x120` + "\n" + write + `, error_type="down"} 0+1x120`, ""},
		{"ErpstreamTargetFailing", "most, for ten minutes", write + `} 0+2x120` + "\n" + write + `, error_type="down"} 0x110 0+9x10`, ""},
		{"ErpstreamMemory", "nearly all", memory + "950x120" + limit, `{namespace="erpstream", pod="sink-kis-1"}`},
		{"ErpstreamMemory", "much", memory + "850x120" + limit, ""},
		{"ErpstreamMemory", "at times", memory + "950x108 850x0 950x10" + limit, ""},
		{"ErpstreamDeadLetters", "one", dead + "7x115 8x4", `{account="ERPSTREAM", namespace="nats"}`},
		{"ErpstreamDeadLetters", "the first", dead + "0x115 1x4", `{account="ERPSTREAM", namespace="nats"}`},
		{"ErpstreamDeadLetters", "an hour ago", dead + "7x60 8x59", ""},
		{"ErpstreamLag", "grows", pending + "0+100x120" + follower + "0x120", `{consumer_name="kis-main", stream_name="TARGET"}`},
		{"ErpstreamLag", "stays", pending + "5000x120" + follower + "0+100x120", ""},
		{"ErpstreamLag", "shrinks", pending + "90000-100x120", ""},
		{"ErpstreamLag", "is small", pending + "0+5x120", ""},
		{"ErpstreamLag", "is that of a backfill", strings.ReplaceAll(pending, "TARGET", "POLLS") + "0+100x120", ""},
	} {
		rule, ok := alerts[tt.alert]
		if !ok {
			t.Fatalf("there is no alert %s", tt.alert)
		}
		found := firing(t, rule, load(t, tt.series))
		if got := strings.Join(found, " "); got != tt.want {
			t.Errorf("%s, %s: fires for %q, want %q", tt.alert, tt.name, got, tt.want)
		}
		raised[tt.alert] = raised[tt.alert] || tt.want != ""
		quiet[tt.alert] = quiet[tt.alert] || tt.want == ""
		for _, l := range found {
			for _, m := range labelUsed.FindAllStringSubmatch(fmt.Sprint(rule.Annotations), -1) {
				if !strings.Contains(l, m[1]+"=") {
					t.Errorf("%s: its text has the label %s, which %s has not", tt.alert, m[1], l)
				}
			}
		}
	}
	for name := range alerts {
		if !raised[name] || !quiet[name] {
			t.Errorf("%s is not tested both ways", name)
		}
	}
}

// labelUsed finds the labels in the text of an alert.
var labelUsed = regexp.MustCompile(`\$labels\.(\w+)`)

// TestAlertsOfAll demands that those alerts which name objects name what the overlays have.
func TestAlertsOfAll(t *testing.T) {
	alerts := shippedAlerts(t)
	for _, overlay := range []string{"dev", "staging", "production"} {
		for _, w := range workloads(typed(t, overlay)) {
			place := fmt.Sprintf(`namespace="%s", %s="%s"`, w.GetNamespace(), map[string]string{"Deployment": "deployment", "Job": "job_name"}[w.GetKind()], w.GetName())
			for alert, stored := range map[string]string{
				"ErpstreamDown":            "kube_deployment_status_replicas_available{" + place + "} 0x120",
				"ErpstreamProvisionFailed": "kube_job_status_failed{" + place + "} 1x120",
			} {
				wanted := (alert == "ErpstreamDown") == w.serves() && w.GetName() != "sandbox"
				if got := firing(t, alerts[alert], load(t, stored)); (len(got) == 1) != wanted {
					t.Errorf("%s: %s: %s fires for %v", overlay, w, alert, got)
				}
			}
			if c := w.containers()[0]; w.serves() && w.GetName() != "sandbox" && c.Name != "erpstream" {
				t.Errorf("%s: %s: the alert ErpstreamMemory does not know the container %s", overlay, w, c.Name)
			}
		}
	}
}

// TestMetricsOfAlerts demands that what alerts want of our services is measured there. What is called by the names of
// others comes from cAdvisor, kube-state-metrics and the exporter of NATS, which the chart starts with -prefix=nats.
func TestMetricsOfAlerts(t *testing.T) {
	code := sources(t)
	found := 0
	for name, rule := range shippedAlerts(t) {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(rule.Expr.String())
		if err != nil {
			t.Fatal(err)
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			selector, ok := node.(*parser.VectorSelector)
			if !ok || ofOthers.MatchString(selector.Name) {
				return nil
			}
			found++
			wanted := []string{strings.TrimSuffix(selector.Name, "_seconds_count")}
			for _, m := range selector.LabelMatchers {
				if m.Name != nameOfMetric {
					wanted = append(wanted, m.Name)
				}
			}
			for _, want := range wanted {
				if dotted := strconv.Quote(strings.ReplaceAll(want, "_", ".")); !strings.Contains(code, dotted) {
					t.Errorf("%s: %s: nothing in pkg and services measures %s", name, selector, dotted)
				}
			}
			return nil
		})
	}
	if found == 0 {
		t.Error("no alert asks for what services measure")
	}
}

var ofOthers = regexp.MustCompile(`^(container|kube|nats)_`)

// sources is all Go of what services are made of.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"pkg", "services"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}
