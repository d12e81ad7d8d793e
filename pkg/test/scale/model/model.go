// Package model simulates the whole way of records second by second: shops, pollers bound by vendors' budgets, the
// transformer and the sinks with what a record costs them, KEDA and the HorizontalPodAutoscaler, pods that take
// their time to start. It is the same for the same seed.
package model

import (
	"time"

	"github.com/erpstream/erpstream/pkg/test/scale/hpa"
)

// Class is connections that are alike, each with a flow to a target.
type Class struct {
	Name string
	// Connections are polled, Targets written to.
	Connections, Targets int
	// PerDay is how many records come of one connection on a day of Curve without its bursts.
	PerDay float64
	Curve  Curve
	// Every is how often a connection is polled, Settle how young records are not read yet; Page is how many
	// come with a call, Calls how many calls a minute the vendor takes for polling.
	Every, Settle time.Duration
	Page, Calls   int
	// Kind is that of the target: mysql, or one with a budget of calls: BookCalls a minute for each target, of
	// which a record takes PerRecord.
	Kind                 string
	BookCalls, PerRecord float64
	// Rows is how many rows a record becomes in the database.
	Rows float64
}

// paced reports whether the target's budget is the limit.
func (c Class) paced() bool { return c.BookCalls > 0 }

// Costs are what a record takes, measured as docs/scaling.md says.
type Costs struct {
	// Processor time in microseconds: of the services for a record, of all NATS servers for a record polled and
	// for one that goes both hops, of the database for a row, of a sink for a call.
	Poller, Transformer, Sink, NATSPoll, NATSHops, Row, Call float64
	// Cores that are taken without work: of a poller for a thousand connections, of all NATS servers for a
	// consumer.
	PollerIdle, ConsumerIdle float64
	// Bytes that NATS keeps of a record in RAW, TARGET and RECEIPTS, once.
	RawBytes, TargetBytes, ReceiptBytes float64
}

// Tier is a service that KEDA scales.
type Tier struct {
	Min, Max int
	// Rate is how many records a second one replica works off, AtOnce how many replicas find work at one flow
	// or target.
	Rate   float64
	AtOnce int
	// Target is how much lag is one replica's.
	Target   float64
	Up, Down hpa.Rules
}

// Trouble is what goes wrong, and for how long.
type Trouble struct {
	At, For time.Duration
	// Kind names the targets that are down; or Kill is how many of Pods (a tier's replicas) are lost.
	Kind, Pods string
	Kill       int
}

// Scenario is what is simulated.
type Scenario struct {
	Name    string
	Seed    uint64
	For     time.Duration
	Classes []Class
	Costs   Costs
	// Transformer and MySQL are the tiers that KEDA scales; sinks with a budget have two replicas, as pollers have.
	Transformer, MySQL Tier
	// Start is how long a pod takes from being wanted to its first record.
	Start time.Duration
	// RowsPerSecond is what the databases take together; Cores are all processors there are. 0 is no limit.
	RowsPerSecond, Cores float64
	// BreakerUnseen leaves out what the watchdog says of targets that are down: lag alone decides.
	BreakerUnseen bool
	// Backlog is how many records of the first class are in RAW at the beginning.
	Backlog float64
	Trouble []Trouble
}

// MostDuring is the most replicas of a tier while a kind of target was down, 0 where none ever was.
func (s Summary) MostDuring(trouble []Trouble, replicas func(Point) int) int {
	most := 0
	for _, t := range trouble {
		for _, p := range s.Points {
			if at := time.Duration(p.Second) * time.Second; t.Kind != "" && at > t.At && at <= t.At+t.For {
				most = max(most, replicas(p))
			}
		}
	}
	return most
}

// Point is how things are at a time, and were on average since the point before.
type Point struct {
	Second      int     `json:"second"`
	Arrivals    float64 `json:"arrivals_per_second"`
	Done        float64 `json:"done_per_second"`
	Transformer int     `json:"transformers"`
	MySQL       int     `json:"mysql_sinks"`
	// Unpolled, Unmapped and Unwritten are records that wait at the vendor, in RAW and in TARGET.
	Unpolled  float64 `json:"unpolled"`
	Unmapped  float64 `json:"unmapped"`
	Unwritten float64 `json:"unwritten"`
	// Cores are those taken, by part.
	Cores map[string]float64 `json:"cores"`
	// Published is how many messages a second NATS stores: RAW, TARGET, RECEIPTS.
	Published float64 `json:"published_per_second"`
}

// Summary is what came of a scenario.
type Summary struct {
	Scenario string  `json:"scenario"`
	Records  float64 `json:"records"`
	Done     float64 `json:"done"`
	// Waiting is what is still under way in the end.
	Waiting float64         `json:"waiting"`
	Classes []ClassSummary  `json:"classes"`
	Most    Most            `json:"most"`
	Mean    map[string]Mean `json:"mean"`
	// StoredPerDay is how many bytes NATS stores a day on each of its three servers.
	StoredPerDay float64 `json:"stored_bytes_per_day"`
	// Changes is how often a tier's replicas changed.
	Changes int     `json:"replica_changes"`
	Points  []Point `json:"points,omitempty"`
}

// ClassSummary is how old records were when they were written: since they were committed at the vendor, and
// since they came to RAW.
type ClassSummary struct {
	Class    string  `json:"class"`
	P50      float64 `json:"p50_seconds"`
	P99      float64 `json:"p99_seconds"`
	RawP50   float64 `json:"raw_p50_seconds"`
	RawP99   float64 `json:"raw_p99_seconds"`
	CallsUse float64 `json:"poll_calls_share"`
}

// Most is the greatest of each figure.
type Most struct {
	Arrivals, Published           float64
	Transformer, MySQL            int
	Unpolled, Unmapped, Unwritten float64
	Cores, MemoryMiB              float64
}

// Mean is how many replicas and cores a part takes on average.
type Mean struct {
	Replicas float64 `json:"replicas,omitempty"`
	Cores    float64 `json:"cores"`
}
