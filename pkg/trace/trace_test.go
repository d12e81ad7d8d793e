package trace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/trace"
)

func TestParentTravels(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if got := trace.Parent(trace.From(t.Context(), parent)); got != parent {
		t.Errorf("Parent = %q, want %q", got, parent)
	}
	for _, broken := range []string{"", "00-zz-zz-01", "x"} {
		if got := trace.Parent(trace.From(t.Context(), broken)); got != "" {
			t.Errorf("Parent of %q = %q, want none", broken, got)
		}
	}
}

func TestSpansAndMetrics(t *testing.T) {
	spans, reader := tracetest.NewSpanRecorder(), metric.NewManualReader()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	otel.SetMeterProvider(metric.NewMeterProvider(metric.WithReader(reader)))

	ctx, span := trace.Start(context.Background(), oteltrace.SpanKindConsumer, "process", "RAW")
	if trace.Parent(ctx) == "" {
		t.Error("a span has no trace context")
	}
	trace.End(span, errors.New("no"))
	if got := spans.Ended()[0]; got.Name() != "process RAW" || got.Status().Description != "no" {
		t.Errorf("span %q, status %+v", got.Name(), got.Status())
	}

	trace.Sent(ctx, "RAW", "src", 3)
	trace.Processed(ctx, "RAW", "flow", 5, time.Second, fault.Down("table", errors.New("no")))
	trace.Processed(ctx, "RAW", "flow", 2, time.Second, nil)
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		t.Fatal(err)
	}
	sums := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok {
			for _, p := range sum.DataPoints {
				sums[m.Name] += p.Value
			}
		}
	}
	if sums["messaging.client.sent.messages"] != 3 || sums["messaging.client.consumed.messages"] != 7 {
		t.Errorf("sums = %v", sums)
	}
}
