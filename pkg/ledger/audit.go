package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
)

// Query says what is audited.
type Query struct {
	// Flows are the names of the flows, all that are stored when there are none.
	Flows []string
	// From and To bound the windows by their source time: one that reaches into the range counts. The
	// zero time is no bound.
	From, To time.Time
	// Windows asks for a line for each window that has something in it. Those that don't balance have
	// theirs in any case.
	Windows bool
	// Progress hears of long readings: how many messages of a stream were read, of how many. It may be
	// nil.
	Progress func(flow, stream string, read, total uint64)
}

// Report is what an audit found.
type Report struct {
	Time     time.Time    `json:"time"`
	From     *time.Time   `json:"from,omitempty"`
	To       *time.Time   `json:"to,omitempty"`
	Flows    []FlowReport `json:"flows"`
	Balanced bool         `json:"balanced"`
}

// Account says where records are. All numbers count records (documents). SourceTotal + Removed is
// Published + Unchanged, and each published record is in one of the places: Published is Delivered +
// Superseded + Filtered + Dead + Parked + InFlight + BeforeFlow + Missing.
type Account struct {
	// SourceTotal is what the vendor counted, a document in the overlap of two windows in each.
	SourceTotal int64 `json:"source_total"`
	// Removed are documents that the source has no more, published as such; it does not count them.
	Removed int64 `json:"removed"`
	// Published went into RAW; Unchanged were there already in the same state.
	Published int64 `json:"published"`
	Unchanged int64 `json:"unchanged"`
	// Delivered are stored at the target, Superseded were older than what it had, Filtered are left
	// out by the flow, Dead are dead letters, Parked wait for master data.
	Delivered  int64 `json:"delivered"`
	Superseded int64 `json:"superseded"`
	Filtered   int64 `json:"filtered"`
	Dead       int64 `json:"dead"`
	Parked     int64 `json:"parked"`
	// InFlight are seen on their way: Unmapped are ahead of the transformer, Unwritten lie in TARGET
	// ahead of the sink; the others went from one place to another while they were looked for.
	InFlight  int64 `json:"in_flight"`
	Unmapped  int64 `json:"unmapped"`
	Unwritten int64 `json:"unwritten"`
	// BeforeFlow had left RAW, by age, when the flow was made.
	BeforeFlow int64 `json:"before_flow,omitempty"`
	// Missing have no outcome and are nowhere.
	Missing int64 `json:"missing"`
	// Balanced is whether the totals add up and nothing is missing.
	Balanced bool `json:"balanced"`
}

// Difference is how many documents the vendor counted that neither came nor were there; negative when
// more came than it counted.
func (a Account) Difference() int64 { return a.SourceTotal + a.Removed - a.Published - a.Unchanged }

func (a *Account) add(b Account) {
	a.SourceTotal += b.SourceTotal
	a.Removed += b.Removed
	a.Published += b.Published
	a.Unchanged += b.Unchanged
	a.Delivered += b.Delivered
	a.Superseded += b.Superseded
	a.Filtered += b.Filtered
	a.Dead += b.Dead
	a.Parked += b.Parked
	a.InFlight += b.InFlight
	a.Unmapped += b.Unmapped
	a.Unwritten += b.Unwritten
	a.BeforeFlow += b.BeforeFlow
	a.Missing += b.Missing
}

// FlowReport is the audit of one flow.
type FlowReport struct {
	Flow   string `json:"flow"`
	Source string `json:"source"`
	Account
	// Cursor is the source time before which all is proved, nil when the source was never polled.
	Cursor *time.Time `json:"cursor,omitempty"`
	// Audited is how many windows were audited, NotAudited tells of those that can't be.
	Audited    int          `json:"windows_audited"`
	NotAudited []NotAudited `json:"not_audited,omitempty"`
	// Made is when the flow began, where records had left RAW before that.
	Made *time.Time `json:"flow_made,omitempty"`
	// Windows are in the order of RAW.
	Windows []WindowReport `json:"windows,omitempty"`
}

// NotAudited are windows of which nobody can say any more what became of their records, and why.
type NotAudited struct {
	Windows   int   `json:"windows"`
	Published int64 `json:"published"`
	// Until is when the newest of them was stored.
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// WindowReport is the audit of one window with the steps on the way to it.
type WindowReport struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Read is when it was stored.
	Read time.Time `json:"read"`
	// Closed is false for steps that no window followed: what they hadn't brought came with a later one.
	Closed bool `json:"closed"`
	// Backfill is the id of the backfill that asked for it.
	Backfill string `json:"backfill,omitempty"`
	// FirstSequence and LastSequence are of its records in RAW, 0 when none was published.
	FirstSequence uint64 `json:"raw_first,omitempty"`
	LastSequence  uint64 `json:"raw_last,omitempty"`
	Account
	Records []MissingRecord `json:"missing_records,omitempty"`
}

// MissingRecord is a record that has no outcome and is nowhere.
type MissingRecord struct {
	// Key is empty where RAW has the record no more.
	Key         string `json:"key"`
	RawSequence uint64 `json:"raw_sequence"`
	// LastSeen is the stream that shows it last: TARGET, else RAW, else LEDGER, which has its window.
	LastSeen       string `json:"last_seen"`
	TargetSequence uint64 `json:"target_sequence,omitempty"`
}

// Audit adds up the windows and outcomes of flows, and looks for every record that has no outcome where
// it should be. It is right while everything runs: where records are is read before what became of
// them, and what seems to be missing is looked for again. It keeps one or two bytes for each record and
// works on one flow after the other. It changes nothing.
func Audit(ctx context.Context, js jetstream.JetStream, q Query) (Report, error) {
	stored, err := flow.Load(ctx, js)
	if err != nil {
		return Report{}, err
	}
	report := Report{Time: time.Now(), From: bound(q.From), To: bound(q.To), Flows: []FlowReport{}, Balanced: true}
	names := q.Flows
	if len(names) == 0 {
		names = stored.Names(flow.KindFlow)
	}
	for _, name := range names {
		f, ok := stored.Flows[name]
		if !ok {
			return report, fmt.Errorf("no flow %q is stored: there are %v", name, stored.Names(flow.KindFlow))
		}
		one, err := newAuditor(js, q, f).run(ctx)
		if err != nil {
			return report, fmt.Errorf("audit flow %s: %w", name, err)
		}
		report.Flows = append(report.Flows, one)
		report.Balanced = report.Balanced && one.Balanced
	}
	return report, nil
}

func bound(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
