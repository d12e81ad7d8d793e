package trace

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/erpstream/erpstream/pkg/fault"
)

// instruments are made when the first is used, behind the provider that service.Main sets.
var instruments = sync.OnceValue(func() (i struct {
	sent, consumed metric.Int64Counter
	process        metric.Float64Histogram
},
) {
	meter := otel.Meter("github.com/erpstream/erpstream")
	i.sent, _ = meter.Int64Counter("messaging.client.sent.messages", metric.WithUnit("{message}"), metric.WithDescription("Messages published"))
	i.consumed, _ = meter.Int64Counter("messaging.client.consumed.messages", metric.WithUnit("{message}"), metric.WithDescription("Messages delivered to us"))
	i.process, _ = meter.Float64Histogram("messaging.process.duration", metric.WithUnit("s"), metric.WithDescription("Time that a batch took to be processed"))
	return i
})

func destination(stream, unit string) metric.MeasurementOption {
	return metric.WithAttributes(
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.destination.name", stream),
		attribute.String("erpstream.unit", unit),
	)
}

// Sent counts messages that were published to a stream for a unit: a source or a flow.
func Sent(ctx context.Context, stream, unit string, n int) {
	instruments().sent.Add(ctx, int64(n), destination(stream, unit))
}

// Processed counts a batch of messages of a stream that a unit (a flow or a connection) is done
// with, how long that took, and what kind of error it met.
func Processed(ctx context.Context, stream, unit string, n int, took time.Duration, err error) {
	at := destination(stream, unit)
	instruments().consumed.Add(ctx, int64(n), at)
	if err != nil {
		instruments().process.Record(ctx, took.Seconds(), at, metric.WithAttributes(attribute.String("error.type", fault.KindOf(err).String())))
		return
	}
	instruments().process.Record(ctx, took.Seconds(), at)
}
