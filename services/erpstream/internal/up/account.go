package up

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Account is where the records of one flow are. All numbers count records (documents).
type Account struct {
	Flow string `json:"flow"`
	// SourceTotal is what the vendor counted in the windows of the flow's source; a document in
	// the overlap of two windows counts in each.
	SourceTotal int64 `json:"source_total"`
	// Removed are documents that the source has no more, published as such; it does not count them.
	Removed int64 `json:"removed"`
	// Published went into RAW; Unchanged were there already in the same state.
	Published int64 `json:"published"`
	Unchanged int64 `json:"unchanged"`
	// Filtered are left out by the flow, Mapped became target messages.
	Filtered int64 `json:"filtered"`
	Mapped   int64 `json:"mapped"`
	// Delivered are stored at the target, Superseded were older than what it had.
	Delivered  int64 `json:"delivered"`
	Superseded int64 `json:"superseded"`
	Dead       int64 `json:"dead"`
	Parked     int64 `json:"parked"`
	// InFlight are published and have no outcome yet.
	InFlight int64 `json:"in_flight"`
	// Balanced is whether everything drained and every record has one outcome.
	Balanced bool `json:"balanced"`

	cursor    time.Time
	waiting   string
	reference bool
}

// Report is what UntilIdle found: the flows that bring records to systems, and those that bring
// master data to the look-ups of the others.
type Report struct {
	Flows      []Account `json:"flows"`
	References []Account `json:"references,omitempty"`
	ElapsedMS  int64     `json:"elapsed_ms"`
}

func newReport(accounts []Account, elapsed time.Duration) Report {
	report := Report{Flows: []Account{}, ElapsedMS: elapsed.Milliseconds()}
	for _, a := range accounts {
		if a.reference {
			report.References = append(report.References, a)
		} else {
			report.Flows = append(report.Flows, a)
		}
	}
	return report
}

// UnbalancedError says which flows did not balance in time, and by how much.
type UnbalancedError struct {
	Waited   time.Duration
	Accounts []Account
	// States are the units that have something to say.
	States []status.Entry
}

// Error names each flow, the difference, what it waits for, and what the services complain about.
func (e *UnbalancedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "not balanced after %s:", e.Waited.Round(time.Second))
	for _, a := range e.Accounts {
		if !a.Balanced {
			fmt.Fprintf(&b, "\n  flow %s: %s", a.Flow, a.difference())
		}
	}
	for _, s := range e.States {
		fmt.Fprintf(&b, "\n  %s, %s is %s: %s", s.Service, s.Unit, s.State, s.Error)
	}
	return b.String()
}

// difference says what keeps the account from balancing.
func (a Account) difference() string {
	var parts []string
	if d := a.SourceTotal + a.Removed - a.Published - a.Unchanged; d != 0 {
		parts = append(parts, fmt.Sprintf("source total %d + removed %d - published %d - unchanged %d = %d", a.SourceTotal, a.Removed, a.Published, a.Unchanged, d))
	}
	if a.InFlight != 0 {
		parts = append(parts, fmt.Sprintf("published %d - delivered %d - superseded %d - filtered %d - dead %d - parked %d = %d in flight",
			a.Published, a.Delivered, a.Superseded, a.Filtered, a.Dead, a.Parked, a.InFlight))
	}
	if a.waiting != "" {
		parts = append(parts, a.waiting)
	}
	return strings.Join(parts, "; ")
}

// accounts adds up every flow. Everything is drained when each source was polled to the goal and
// no consumer has anything left; only then can an account balance.
func (m *machine) accounts(ctx context.Context, books *ledger.Books, goal time.Time) ([]Account, error) {
	if err := books.Refresh(ctx); err != nil {
		return nil, err
	}
	var accounts []Account
	for _, name := range slices.Sorted(maps.Keys(m.set.Flows)) {
		a, err := m.account(ctx, books, name, goal)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

func (m *machine) account(ctx context.Context, books *ledger.Books, name string, goal time.Time) (Account, error) {
	f := m.set.Flows[name]
	in, out := books.Intake(f.From), books.Outcomes(name)
	src := m.set.Sources[f.From]
	unmapped, err := m.pending(ctx, topology.Raw, topology.TransformerConsumer(name), topology.RawFilter(m.set.Connections[src.Connection].System, src.Name))
	if err != nil {
		return Account{}, err
	}
	unwritten, err := m.pending(ctx, topology.Target, topology.SinkConsumer(f.Target.Kind, f.Target.Connection), topology.TargetFlowFilter(name))
	if err != nil {
		return Account{}, err
	}
	parked := books.Parked(name)
	a := Account{
		Flow: name, reference: f.Target.Kind == "reference",
		SourceTotal: in.Total, Removed: in.Removed, Published: in.Published, Unchanged: in.Unchanged,
		Filtered: out.Filtered, Mapped: max(0, in.Published-unmapped-out.Filtered-out.DeadTransform-parked),
		Delivered: out.Delivered, Superseded: out.Superseded, Dead: out.DeadTransform + out.DeadSink, Parked: parked,
		InFlight: in.Published - out.Total() - parked, cursor: in.Cursor,
	}
	switch {
	case in.Cursor.Before(goal):
		a.waiting = fmt.Sprintf("source %s is polled to %s, not yet to %s", f.From, in.Cursor.In(time.Local).Format(time.TimeOnly), goal.In(time.Local).Format(time.TimeOnly))
	case unmapped > 0:
		a.waiting = fmt.Sprintf("%d records wait for the transformer", unmapped)
	case parked > 0:
		a.waiting = fmt.Sprintf("%d records are parked: they wait for master data", parked)
	case unwritten > 0:
		a.waiting = fmt.Sprintf("%d target messages wait for the sink of connection %s", unwritten, f.Target.Connection)
	}
	a.Balanced = a.waiting == "" && a.InFlight == 0 && a.SourceTotal+a.Removed == a.Published+a.Unchanged
	return a, nil
}

// pending is how many messages a consumer has not settled: all that match filter while there is
// no such consumer yet.
func (m *machine) pending(ctx context.Context, stream, consumer, filter string) (int64, error) {
	cons, err := m.js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return m.count(ctx, stream, filter)
	}
	if err != nil {
		return 0, fmt.Errorf("consumer %s: %w", consumer, err)
	}
	info := cons.CachedInfo()
	return int64(info.NumPending) + int64(info.NumAckPending), nil //nolint:gosec // counts of messages
}

// count is how many messages of a stream match a filter.
func (m *machine) count(ctx context.Context, name, filter string) (int64, error) {
	stream, err := m.js.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", name, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", name, err)
	}
	var n int64
	for _, messages := range info.State.Subjects {
		n += int64(messages) //nolint:gosec // counts of messages
	}
	return n, nil
}

// checkEvery is how often UntilIdle looks, tickEvery how often it asks for a poll. Where a look takes
// long the next is put off by lookShare times as long, so that looking leaves the machine to the work.
const (
	checkEvery = 100 * time.Millisecond
	tickEvery  = time.Second
	lookShare  = 9
)

// untilIdle waits until every flow has drained and balances: once the sandbox edits no more,
// everything up to that moment must have arrived.
func (m *machine) untilIdle(ctx context.Context) (Report, error) {
	// Not a deadline: a question whose answer is lost with its server would wait until then, and not for
	// the few seconds that the client gives each.
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(m.Timeout, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	defer cancel(nil)
	books := ledger.Open(m.js)
	var accounts []Account
	var goal, ticked time.Time
	for {
		looked := time.Now()
		left, err := m.editsLeft(ctx)
		if err == nil && left == 0 && goal.IsZero() {
			goal = time.Now().Add(m.sandboxAhead()).Truncate(time.Second)
		}
		if err == nil {
			var now []Account
			if now, err = m.accounts(ctx, books, goal); err == nil {
				accounts = now
			}
		}
		if err == nil && !goal.IsZero() && allBalanced(accounts) {
			return newReport(accounts, time.Since(m.began)), nil
		}
		if err == nil && time.Since(ticked) > tickEvery {
			ticked = time.Now()
			err = m.tick(ctx, accounts, goal)
		}
		if err != nil && ctx.Err() == nil {
			m.Log.WarnContext(ctx, "accounts not read", "err", err)
		}
		select {
		case <-ctx.Done():
			return m.giveUp(ctx, accounts)
		case <-time.After(max(checkEvery, lookShare*time.Since(looked))):
		}
	}
}

// tick asks for a poll of the sources that are not polled to the goal, whose own schedule may be
// much slower.
func (m *machine) tick(ctx context.Context, accounts []Account, goal time.Time) error {
	for _, a := range accounts {
		src := m.set.Sources[m.set.Flows[a.Flow].From]
		if goal.IsZero() || !a.cursor.Before(goal) || src.Every > 0 && src.Every <= 5*time.Second {
			continue
		}
		if err := poll.Tick(ctx, m.js, src.Connection, src.Name); err != nil {
			return err
		}
	}
	return nil
}

// giveUp reports what did not balance, and what the services say about it.
func (m *machine) giveUp(ctx context.Context, accounts []Account) (Report, error) {
	report := newReport(accounts, time.Since(m.began))
	if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return report, ctx.Err()
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return report, &UnbalancedError{Waited: time.Since(m.began), Accounts: accounts, States: m.troubles(asking)}
}

// troubles are the units that are not simply running.
func (m *machine) troubles(ctx context.Context) []status.Entry {
	entries, err := status.Read(ctx, m.js)
	if err != nil {
		m.Log.WarnContext(ctx, "status not read", "err", err)
	}
	return slices.DeleteFunc(entries, func(e status.Entry) bool { return e.Error == "" })
}

func allBalanced(accounts []Account) bool {
	return len(accounts) > 0 && !slices.ContainsFunc(accounts, func(a Account) bool { return !a.Balanced })
}
