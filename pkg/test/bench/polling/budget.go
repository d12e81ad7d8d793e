package polling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// perSecond is what the vendor allows in the scenario.
const perSecond = 50

// fleets are the numbers of replicas.
var fleets = []int{1, 3, 10}

// Budget is how much of what a vendor allows is used by a backfill, beside live polls.
func Budget() measure.Scenario {
	s := measure.Scenario{
		Name:    "budget",
		What:    "a backfill and live polls every 2 s of an account with 50 calls a second, by 1, 3 and 10 replicas",
		CPUUnit: "s",
		Notes: []string{
			"budget: calls in a time, as a part of those that the vendor allows in it; the vendor counts in a window that slides, as calls arrive, and a run with a call that it refuses fails.",
		},
		Repeat: 1,
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			during := 20 * time.Second
			if o.Quick {
				during = 10 * time.Second
			}
			return openBudget(ctx, during)
		},
	}
	for _, replicas := range fleets {
		s.Lines = append(s.Lines, measure.Line{Name: budgetLine(replicas), Unit: "% of calls", Limit: new(98.0)})
	}
	return s
}

func budgetLine(replicas int) string { return fmt.Sprintf("budget-%d-replicas", replicas) }

func openBudget(ctx context.Context, during time.Duration) (measure.Sides, error) {
	r, err := rig.New("budget")
	if err != nil {
		return measure.Sides{}, err
	}
	const documents = 120_000
	p := &paging{Rig: r, documents: documents, from: time.Now().Add(-documents * time.Second).Truncate(time.Second)}
	if _, err = p.Build(ctx, "erpstream", "poller-jushuitan"); err == nil {
		p.vendor, err = startVendor(ctx, r, p.from, documents, perSecond)
	}
	if err != nil {
		return measure.Sides{}, errors.Join(err, r.Close())
	}
	ours := func(ctx context.Context) (measure.Sample, error) {
		sample := measure.Sample{}
		for _, replicas := range fleets {
			share, err := p.share(ctx, replicas, during)
			if err != nil {
				return nil, fmt.Errorf("%d replicas: %w", replicas, err)
			}
			sample[budgetLine(replicas)] = measure.Figure{Value: share}
		}
		return sample, nil
	}
	return measure.Sides{Ours: ours, Close: r.Close}, nil
}

// share is how many of the calls that the vendor allows are made, in percent.
func (p *paging) share(ctx context.Context, replicas int, during time.Duration) (float64, error) {
	n, js, err := p.server(ctx, "budget", true)
	if err != nil {
		return 0, err
	}
	stops := []func() error{n.Stop}
	for i := range replicas {
		poller, err := p.Service(n, "poller-jushuitan", i)
		if err != nil {
			return 0, err
		}
		if err := poller.Ready(ctx); err != nil {
			return 0, err
		}
		stops = append(stops, poller.Stop)
	}
	source := fmt.Sprintf("source: bench\nconnection: vendor\nfeed: jushuitan.purchasein\nevery: 2s\nsettle: 1s\noverlap: 30s\nstart: %s\n", time.Now().In(shanghai).Format(time.RFC3339))
	limited := fmt.Sprintf(connection, "vendor", p.vendor.url, "bench", perSecond, 60*perSecond)
	if err := p.Provision(ctx, n, limited+source); err != nil {
		return 0, err
	}
	if err := windows(ctx, js, 1, func(*ledgerv1.Window) bool { return true }); err != nil { // the poller knows the source
		return 0, err
	}
	if err := poll.Backfill(ctx, js, "vendor", "bench", poll.Past{ID: "bench", From: p.from, To: time.Now()}); err != nil {
		return 0, err
	}
	if err := windows(ctx, js, 3, func(w *ledgerv1.Window) bool { return w.GetBackfill() != "" }); err != nil {
		return 0, err
	}
	before, _, err := p.vendor.calls(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(during):
	}
	after, refused, err := p.vendor.calls(ctx)
	allowed := time.Since(began).Seconds() * perSecond
	if err == nil && refused > 0 {
		err = fmt.Errorf("the vendor has refused %d calls", refused)
	}
	for _, stop := range slices.Backward(stops) {
		err = errors.Join(err, stop())
	}
	return float64(after-before) / allowed * 100, err
}

// windows waits until the last window was so often one that is wanted.
func windows(ctx context.Context, js jetstream.JetStream, often int, wanted func(*ledgerv1.Window) bool) error {
	for seen := 0; seen < often; {
		w, _, err := poll.LastWindow(ctx, js, "bench")
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return err
		}
		if err == nil && wanted(w) {
			seen++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
	return nil
}
