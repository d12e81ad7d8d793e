package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// telemetryGrace bounds the last flush of traces and metrics.
const telemetryGrace = 3 * time.Second

// telemetry holds what has to be flushed at the end.
type telemetry struct{ closers []func(context.Context) error }

// startTelemetry sets the global providers and the W3C propagator. Metrics go to reg, and over
// OTLP when configured; without OTLP the tracer stays the one that does nothing and costs nothing,
// and a trace that came with a message is still passed on. What it returns is to be stopped, also
// after an error.
func startTelemetry(ctx context.Context, set settings, svc *Service, reg *prometheus.Registry) (*telemetry, error) {
	otel.SetErrorHandler(otelFaults(svc))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	res, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		semconv.ServiceName(svc.Name), semconv.ServiceVersion(svc.Version), semconv.ServiceInstanceID(svc.Instance)),
		resource.WithFromEnv())
	t := &telemetry{}
	if err != nil {
		return t, fmt.Errorf("describe the service to OpenTelemetry: %w", err)
	}
	return t, errors.Join(t.startTraces(ctx, set.otlp, res), t.startMetrics(ctx, set.otlp, res, svc, reg))
}

// otelFaults logs what the exporters complain of; a collector that is away is no reason to stop.
func otelFaults(svc *Service) otel.ErrorHandlerFunc {
	var once sparse
	return func(err error) {
		if once.allow(err.Error()) {
			svc.Log.Warn("telemetry", "err", err)
		}
	}
}

func (t *telemetry) startTraces(ctx context.Context, set otlpSettings, res *resource.Resource) error {
	if !set.traces {
		return nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return fmt.Errorf("export traces: %w", err)
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exporter))
	t.closers = append(t.closers, p.Shutdown)
	otel.SetTracerProvider(p)
	return nil
}

func (t *telemetry) startMetrics(ctx context.Context, set otlpSettings, res *resource.Resource, svc *Service, reg *prometheus.Registry) error {
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	scrape, err := otelprometheus.New(otelprometheus.WithRegisterer(reg), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return fmt.Errorf("expose metrics: %w", err)
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(scrape)}
	if set.metrics {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return fmt.Errorf("export metrics: %w", err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)))
	}
	p := sdkmetric.NewMeterProvider(options...)
	t.closers = append(t.closers, p.Shutdown)
	otel.SetMeterProvider(p)
	return measureReady(p, svc.Health)
}

// measureReady makes readiness a metric, by part: an alert needs no access to the pod.
func measureReady(p metric.MeterProvider, h *Health) error {
	_, err := p.Meter("github.com/erpstream/erpstream/pkg/service").Int64ObservableGauge("erpstream.ready",
		metric.WithDescription("1 when the part of the service is ready, else 0"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for name, err := range h.state() {
				var ready int64
				if err == nil {
					ready = 1
				}
				o.Observe(ready, metric.WithAttributes(attribute.String("part", name)))
			}
			return nil
		}))
	return err
}

// stop sends what is left, for a few seconds at most. Once stopped it does nothing.
func (t *telemetry) stop(svc *Service) {
	ctx, cancel := context.WithTimeout(context.Background(), telemetryGrace)
	defer cancel()
	for _, closer := range t.closers {
		if err := closer(ctx); err != nil {
			svc.Log.Warn("flush telemetry", "err", err)
		}
	}
	t.closers = nil
}
