package limits

import (
	"github.com/erpstream/erpstream/pkg/test/scale/model"
	"github.com/erpstream/erpstream/pkg/topology"
)

// What was measured (docs/scaling.md): three servers in one process on two busy cores at 2.5 GHz, sync_interval always,
// streams of three replicas. Of a rate that took the whole machine half is counted on.
const (
	recordsRAW     = 8600. / 2
	windowsRAW     = 375. / 2
	statusEntries  = 16_900. / 2
	lookAtConsumer = 0.54e-3 // seconds
	infoAtOnce     = 1 / 0.27e-3 / 2
	jszPerConsumer = 1350. // bytes
	// The autoscaler has each trigger asked every 15 s, KEDA itself every 30 s.
	kedaLooks   = 1./15 + 1./30
	pollerMiB   = 125. / 1000
	dedupeBytes = 140.  // of a message id
	perUnit     = 1100. // bytes of a ScaledObject
)

// peak is how many times the mean of a day the busiest minutes bring.
const peak = 5

// part is something that ends.
type part struct {
	name, unit string
	takes      func(Size) float64
	bears      float64
	knob       string
}

// flows are as many as connections, and so are sources.
func (s Size) flows() float64 { return float64(s.Connections) }

func (s Size) targets() float64 { return float64(s.Targets) }

// consumers are those of pollers, flows and targets.
func (s Size) consumers() float64 { return 2*s.flows() + s.targets() }

func (s Size) perSecond() float64 { return s.PerDay / 86400 }

// units have two triggers each in the largest ScaledObject.
func (s Size) units() float64 { return s.flows() }

var parts = []part{
	{
		"KEDA: what it reads of NATS", "MB/s",
		func(s Size) float64 {
			return (s.flows() + s.targets()) * s.consumers() * jszPerConsumer * kedaLooks / 1e6
		}, 50,
		"fewer triggers: one figure for all of a service (served by the watchdog or Prometheus); several accounts",
	}, {
		"KEDA: bytes of a ScaledObject", "kB",
		func(s Size) float64 { return s.units() * perUnit / 1e3 }, 1500,
		"the same: one trigger for a service",
	}, {
		"consumers of a stream", "consumers",
		func(s Size) float64 { return s.flows() + 2 }, topology.MaxConsumers,
		"MaxConsumers of pkg/topology; several accounts",
	}, {
		"NATS: consumers at rest", "cores a server",
		func(s Size) float64 { return s.consumers() * model.Measured.ConsumerIdle / 3 }, 1,
		"more servers than replicas (each then has its share); several accounts on clusters of their own",
	}, {
		"NATS: records into RAW", "records/s",
		func(s Size) float64 { return peak * s.perSecond() }, recordsRAW,
		"disks that flush faster, more cores; several accounts",
	}, {
		"NATS: windows that close", "windows/s",
		func(s Size) float64 { return s.flows() / 300 }, windowsRAW,
		"every: of the sources",
	}, {
		"NATS: entries of the bucket status", "entries/s",
		func(s Size) float64 {
			return (2*s.flows() + float64(s.Transformers)*s.flows() + 2*s.targets()) / 20
		}, statusEntries,
		"StatusTTL of pkg/topology; one entry for a replica in the place of one for each unit",
	}, {
		"transformer: looks at PARKED", "requests/s",
		func(s Size) float64 { return float64(s.Transformers) * s.flows() / 60 }, infoAtOnce,
		"fewer replicas; sweepEvery of the transformer",
	}, {
		"watchdog: one look at all consumers", "seconds",
		func(s Size) float64 { return (s.flows() + s.targets()) * lookAtConsumer }, 10,
		"LOOK_EVERY of the watchdog; several accounts with a watchdog each",
	}, {
		"poller: memory of a replica", "MiB",
		func(s Size) float64 { return 28 + s.flows()*pollerMiB }, 2048,
		"the pod's memory; one Deployment for each vendor is there already",
	}, {
		"NATS: ids that are remembered", "MiB a server",
		func(s Size) float64 { return peak * s.perSecond() * dedupeBytes * (120 + 120 + 120) / (1 << 20) }, 2048,
		"memory of the servers; Duplicates of TARGET",
	}, {
		"NATS: bytes that are kept", "GB a server",
		func(s Size) float64 {
			c := model.Measured
			return s.PerDay * (30*(c.RawBytes+c.TargetBytes) + 180*c.ReceiptBytes) / 1e9
		}, 4000,
		"larger volumes; MaxAge of RAW, TARGET and RECEIPTS; several accounts on clusters of their own",
	},
}
