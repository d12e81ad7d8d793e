package polling

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	"github.com/erpstream/erpstream/pkg/topology"
)

// The lines: one process of ours, and the server beside it.
const (
	connectionsRSS     = "connections-rss"
	connectionsCPU     = "connections-cores"
	connectionsNATSRSS = "connections-nats-rss"
	connectionsNATSCPU = "connections-nats-cores"
)

// pollerRole is that of the poller, which is metered like a server: it does not begin with the measurement.
const pollerRole = "poller"

// feeds are those of each connection.
var feeds = []string{"jushuitan.purchasein", "jushuitan.otherin", "jushuitan.orders"}

// usual is how often a source is polled in the figures, often how often in the measurement: the difference
// that polling makes is scaled from the one to the other.
const (
	usual = 5 * time.Minute
	often = 30 * time.Second
)

// Connections is what many connections cost one poller while nothing changes at the vendor.
func Connections() measure.Scenario {
	return measure.Scenario{
		Name:    "connections",
		What:    "1,000 connections with 3 feeds each in one poller, polled every 5 minutes, nothing new at the vendor",
		CPUUnit: "cores",
		Lines: []measure.Line{
			{Name: connectionsRSS, Unit: "MiB", Less: true, Limit: new(300.0)},
			{Name: connectionsCPU, Unit: "cores", Less: true, Limit: new(0.3)},
			{Name: connectionsNATSRSS, Unit: "MiB", Less: true},
			{Name: connectionsNATSCPU, Unit: "cores", Less: true},
		},
		Notes: []string{
			"connections: the share of polling is measured with a poll of each source every 30 s and divided by ten; what is used at rest is measured with none. With -quick 200 connections.",
		},
		Repeat: 1,
		Asked:  true,
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			connections := 1000
			if o.Quick {
				connections = 200
			}
			return openConnections(ctx, connections, o.Profile)
		},
	}
}

// many is what the scenario runs on.
type many struct {
	*rig.Rig
	vendor      *vendor
	connections int
	profile     bool
}

func openConnections(ctx context.Context, connections int, profile bool) (measure.Sides, error) {
	r, err := rig.New("connections")
	if err != nil {
		return measure.Sides{}, err
	}
	m := &many{Rig: r, connections: connections, profile: profile}
	if _, err = m.Build(ctx, "erpstream", "poller-jushuitan"); err == nil {
		m.vendor, err = startVendor(ctx, r, time.Now(), 0, 0)
	}
	if err != nil {
		return measure.Sides{}, errors.Join(err, r.Close())
	}
	return measure.Sides{Ours: m.run, Close: r.Close}, nil
}

// apply applies the documents of all connections: a batch takes no more than some hundred.
func (m *many) apply(ctx context.Context, n *rig.NATS, every time.Duration) error {
	const together = 200
	start := time.Now().Add(-time.Hour).In(shanghai).Format(time.RFC3339)
	for first := 0; first < m.connections; first += together {
		var documents strings.Builder
		for i := first; i < min(first+together, m.connections); i++ {
			name := fmt.Sprintf("shop-%04d", i)
			fmt.Fprintf(&documents, connection, name, m.vendor.url, name, unlimited, unlimited)
			for k, feed := range feeds {
				fmt.Fprintf(&documents, "source: %s-%d\nconnection: %s\nfeed: %s\nevery: %s\nstart: %s\n---\n", name, k, name, feed, every, start)
			}
			for field, value := range map[string]string{"app_secret": "secret", "access_token": "token"} {
				if err := m.Secret(name, field, value); err != nil {
					return err
				}
			}
		}
		if err := m.Provision(ctx, n, documents.String()); err != nil {
			return err
		}
	}
	return nil
}

// run starts the poller on all connections, and measures it at rest and at work.
func (m *many) run(ctx context.Context) (measure.Sample, error) {
	n, err := m.NATS(ctx, "connections", false)
	if err != nil {
		return nil, err
	}
	js, err := m.Connect(n)
	if err != nil {
		return nil, err
	}
	if err := m.apply(ctx, n, 24*time.Hour); err != nil {
		return nil, err
	}
	var env []string
	if m.profile {
		env = append(env, rig.Profiled)
	}
	poller, err := m.Service(n, "poller-jushuitan", 0, env...)
	if err != nil {
		return nil, err
	}
	sources := m.connections * len(feeds)
	if err := polled(ctx, js, sources); err != nil {
		return nil, err
	}
	rest, err := m.spend(ctx, n, poller, 25*time.Second)
	if err != nil {
		return nil, err
	}
	if err := m.apply(ctx, n, often); err != nil {
		return nil, err
	}
	if err := polled(ctx, js, 3*sources); err != nil { // a round at once, and one with the ticks
		return nil, err
	}
	work, err := m.spend(ctx, n, poller, often)
	if err != nil {
		return nil, err
	}
	scaled := func(role string) float64 {
		return rest.CPU[role] + (work.CPU[role]-rest.CPU[role])*often.Seconds()/usual.Seconds()
	}
	mib := func(role string) float64 { return float64(work.RSS[role]) / (1 << 20) }
	return measure.Sample{
		connectionsRSS: {Value: mib(pollerRole)}, connectionsCPU: {Value: scaled(pollerRole), CPU: rest.CPU},
		connectionsNATSRSS: {Value: mib(measure.NATS)}, connectionsNATSCPU: {Value: scaled(measure.NATS), CPU: work.CPU},
	}, errors.Join(poller.Stop(), n.Stop())
}

// spend is what the poller and the server take in a time, in cores.
func (m *many) spend(ctx context.Context, n *rig.NATS, poller *rig.Service, during time.Duration) (measure.Figure, error) {
	meter, err := rig.NewMeter(map[string]rig.Metered{measure.NATS: n, pollerRole: poller})
	if err != nil {
		return measure.Figure{}, err
	}
	if m.profile {
		go func() { _ = poller.Profile(ctx, during/2) }()
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return measure.Figure{}, ctx.Err()
	case <-time.After(during):
	}
	seconds := time.Since(began).Seconds()
	figure, err := meter.Figure(0, seconds)
	return figure, err
}

// polled waits until RAW holds that many windows.
func polled(ctx context.Context, js jetstream.JetStream, windows int) error {
	for {
		raw, err := js.Stream(ctx, topology.Raw)
		if err != nil {
			return err
		}
		if raw.CachedInfo().State.Msgs >= uint64(windows) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
