package status

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Unit is a unit of a service: a connection of a sink, a flow of the transformer.
type Unit struct{ Service, Name string }

// Idle returns which share of each unit's replicas, from 0 to 1, fetch nothing though messages may wait: the
// breaker is open, an operator paused the unit, or it failed. More replicas would do the same.
func Idle(entries []Entry) map[Unit]float64 {
	all, still := map[Unit]int{}, map[Unit]int{}
	for _, e := range entries {
		u := Unit{e.Service, e.Unit}
		all[u]++
		if e.State == Open || e.State == Paused || e.State == Failed {
			still[u]++
		}
	}
	shares := make(map[Unit]float64, len(all))
	for u, n := range all {
		shares[u] = float64(still[u]) / float64(n)
	}
	return shares
}

// MeasureIdle keeps the gauge erpstream.unit.idle (erpstream_unit_idle_ratio where it is scraped), what Idle
// says of each tier and unit, as it was at the last interval, until ctx is done. While the bucket can't be read
// the gauge has no values: nobody is to act on old ones. It returns ctx's error.
func MeasureIdle(ctx context.Context, js jetstream.JetStream, every time.Duration, log *slog.Logger) error {
	var known atomic.Pointer[map[Unit]float64]
	stop, err := gauge(known.Load)
	if err != nil {
		return fmt.Errorf("gauge of idle units: %w", err)
	}
	defer stop()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		entries, err := Read(ctx, js)
		if err == nil {
			shares := Idle(entries)
			known.Store(&shares)
		} else if ctx.Err() == nil {
			known.Store(nil)
			log.WarnContext(ctx, "idle units not known", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// gauge observes what known returns, nothing where that is nil, until stop is called.
func gauge(known func() *map[Unit]float64) (stop func(), err error) {
	meter := otel.Meter("github.com/erpstream/erpstream/pkg/status")
	idle, err := meter.Float64ObservableGauge("erpstream.unit.idle", metric.WithUnit("1"),
		metric.WithDescription("Share of a unit's replicas that fetch nothing: breaker open, paused or failed"))
	if err != nil {
		return nil, err
	}
	registration, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		shares := known()
		if shares == nil {
			return nil
		}
		for u, share := range *shares {
			o.ObserveFloat64(idle, share, metric.WithAttributes(attribute.String("tier", u.Service), attribute.String("unit", u.Name)))
		}
		return nil
	}, idle)
	if err != nil {
		return nil, err
	}
	return func() { _ = registration.Unregister() }, nil
}
