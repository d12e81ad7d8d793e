// Package trace carries W3C trace context through message headers and names the spans of a
// record's way as OpenTelemetry's messaging conventions do.
package trace

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const parentKey = "traceparent"

var propagator = propagation.TraceContext{}

// Parent returns the W3C trace context of ctx, "" outside of a span.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return carrier[parentKey]
}

// From returns ctx with the remote span that a message was published in; a parent that is empty
// or broken leaves ctx as it is.
func From(ctx context.Context, parent string) context.Context {
	return propagator.Extract(ctx, propagation.MapCarrier{parentKey: parent})
}

// Start begins a span of the given operation ("send", "receive", "process", "settle") on a
// destination: a stream or a table. End it with End.
func Start(ctx context.Context, kind trace.SpanKind, operation, destination string, attrs ...attribute.KeyValue) (context.Context, trace.Span) {
	attrs = append(attrs,
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.destination.name", destination),
	)
	return otel.Tracer("github.com/erpstream/erpstream").Start(ctx, operation+" "+destination,
		trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
}

// End ends a span, with the error that it met.
func End(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
