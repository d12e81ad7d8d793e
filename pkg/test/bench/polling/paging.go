// Package polling measures the way from a vendor's pages into RAW, beside a floor that pages and publishes and
// does nothing else, and what many connections cost while nothing changes.
package polling

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/poll"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	"github.com/erpstream/erpstream/pkg/topology"
)

// The lines of the scenario.
const (
	pagesToRaw   = "pages-to-raw"
	pagesFlushed = "pages-to-raw-flushed"
	pagesCPU     = "pages-to-raw-cpu"
)

// Paging is the comparison of page -> RAW.
func Paging() measure.Scenario {
	return measure.Scenario{
		Name:    "paging",
		What:    "pages of 50 documents of an HTTP API -> poller-jushuitan -> RAW",
		CPUUnit: "µs/record",
		Lines: []measure.Line{
			{Name: pagesToRaw, Unit: "records/s", Ratio: new(0.7)},
			{Name: pagesFlushed, Unit: "records/s", Ratio: new(0.7)},
			{Name: pagesCPU, Unit: "µs/record", Less: true},
		},
		Notes: []string{
			"paging: ours on NATS with sync_interval always, each window proved and committed with its records. The floor pages forward once and publishes asynchronously, on NATS with its default; flushed: in atomic batches of 1000, with sync_interval always as ours.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			documents := 40_000
			if o.Quick {
				documents = 15_000
			}
			return openPaging(ctx, documents, o.Profile)
		},
	}
}

// paging is what both sides run on.
type paging struct {
	*rig.Rig
	vendor    *vendor
	from      time.Time
	documents int
	profile   bool
}

func openPaging(ctx context.Context, documents int, profile bool) (measure.Sides, error) {
	r, err := rig.New("paging")
	if err != nil {
		return measure.Sides{}, err
	}
	p := &paging{Rig: r, documents: documents, profile: profile, from: time.Now().Add(-time.Duration(documents)*time.Second - time.Hour).Truncate(time.Second)}
	if err := p.open(ctx); err != nil {
		return measure.Sides{}, errors.Join(err, r.Close())
	}
	return measure.Sides{Ours: p.ours, Floor: p.floor, Close: r.Close}, nil
}

func (p *paging) open(ctx context.Context) error {
	_, err := p.Build(ctx, "erpstream", "poller-jushuitan")
	if err == nil {
		p.vendor, err = startVendor(ctx, p.Rig, p.from, p.documents, 0)
	}
	return err
}

// connection is the document of an account at the vendor, unlimited a budget without a limit that counts.
const unlimited = 100_000
const connection = `
connection: %[1]s
system: jushuitan
endpoint: %[2]s
time_zone: Asia/Shanghai
budget: {per_second: %[4]d, per_minute: %[5]d}
settings: {app_key: %[3]s}
---
`

// server starts a server with the streams, which ends with the run.
func (p *paging) server(ctx context.Context, name string, always bool) (*rig.NATS, jetstream.JetStream, error) {
	n, err := p.NATS(ctx, name+strconv.FormatInt(time.Now().UnixNano(), 36), always)
	if err != nil {
		return nil, nil, err
	}
	if err := p.Secret("vendor", "app_secret", "secret"); err != nil {
		return nil, nil, err
	}
	if err := p.Secret("vendor", "access_token", "token"); err != nil {
		return nil, nil, err
	}
	if err := p.Provision(ctx, n, fmt.Sprintf(connection, "vendor", p.vendor.url, "bench", unlimited, unlimited)); err != nil {
		return nil, nil, err
	}
	js, err := p.Connect(n)
	return n, js, err
}

// ours is the poller: from the first window in RAW to the last.
func (p *paging) ours(ctx context.Context) (measure.Sample, error) {
	n, js, err := p.server(ctx, "ours", true)
	if err != nil {
		return nil, err
	}
	env := []string{}
	if p.profile {
		env = append(env, rig.Profiled)
	}
	poller, err := p.Service(n, "poller-jushuitan", 0, env...)
	if err != nil {
		return nil, err
	}
	if err := poller.Ready(ctx); err != nil {
		return nil, err
	}
	before, err := poller.Usage()
	if err != nil {
		return nil, err
	}
	meter, err := rig.NewMeter(map[string]rig.Metered{measure.NATS: n})
	if err != nil {
		return nil, err
	}
	if p.profile {
		go func() { _ = poller.Profile(ctx, 2*time.Second) }()
	}
	source := fmt.Sprintf("source: bench\nconnection: vendor\nfeed: jushuitan.purchasein\nevery: 24h\nsettle: 1s\noverlap: 1s\nstart: %s\n", p.from.In(shanghai).Format(time.RFC3339))
	if err := p.apply(ctx, n, source); err != nil {
		return nil, err
	}
	took, records, err := p.windows(ctx, js)
	if err != nil {
		return nil, err
	}
	usage, err := poller.Usage()
	if err != nil {
		return nil, err
	}
	figure, err := meter.Figure(float64(records)/took.Seconds(), float64(p.documents)/1e6)
	if err != nil {
		return nil, err
	}
	used := usage.Since(before)
	figure.CPU[measure.Program] = used.CPU.Seconds() * 1e6 / float64(p.documents)
	figure.RSS[measure.Program] = used.Peak
	sample := measure.Sample{pagesToRaw: figure, pagesFlushed: figure, pagesCPU: {Value: figure.CPU[measure.Program]}}
	return sample, errors.Join(poller.Stop(), n.Stop())
}

// apply applies a further document.
func (p *paging) apply(ctx context.Context, n *rig.NATS, document string) error {
	return p.Provision(ctx, n, fmt.Sprintf(connection, "vendor", p.vendor.url, "bench", unlimited, unlimited)+document)
}

// windows waits until all documents are in RAW, and returns how long those behind the first window took, and
// how many they were.
func (p *paging) windows(ctx context.Context, js jetstream.JetStream) (took time.Duration, records int, err error) {
	for {
		w, _, err := poll.LastWindow(ctx, js, "bench")
		if err == nil && w.GetCursor().AsTime().After(p.from.Add(time.Duration(p.documents)*time.Second)) {
			break
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return 0, 0, err
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return 0, 0, err
	}
	first, err := raw.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(topology.WindowSubject("bench")))
	if err != nil {
		return 0, 0, err
	}
	state := raw.CachedInfo().State
	last, err := raw.GetMsg(ctx, state.LastSeq-2, jetstream.WithGetMsgSubject("raw.>"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		last, err = raw.GetLastMsgForSubject(ctx, topology.WindowSubject("bench"))
	}
	if err != nil {
		return 0, 0, err
	}
	info, err := raw.Info(ctx, jetstream.WithSubjectFilter("raw.>"))
	if err != nil {
		return 0, 0, err
	}
	stored := 0
	for _, n := range info.State.Subjects {
		stored += int(n)
	}
	if stored != p.documents {
		return 0, 0, fmt.Errorf("%d records are in RAW, want %d", stored, p.documents)
	}
	return last.Time.Sub(first.Time), stored - int(first.Sequence-1), nil
}

// floor is the hand-written program, without a flush and with flushes.
func (p *paging) floor(ctx context.Context) (measure.Sample, error) {
	plain, err := p.runFloor(ctx, false)
	if err != nil {
		return nil, err
	}
	flushed, err := p.runFloor(ctx, true)
	return measure.Sample{pagesToRaw: plain, pagesCPU: {Value: plain.CPU[measure.Program]}, pagesFlushed: flushed}, err
}

// runFloor runs the hand-written program from its start to its end.
func (p *paging) runFloor(ctx context.Context, flushed bool) (measure.Figure, error) {
	n, js, err := p.server(ctx, "floor", flushed)
	if err != nil {
		return measure.Figure{}, err
	}
	meter, err := rig.NewMeter(map[string]rig.Metered{measure.NATS: n})
	if err != nil {
		return measure.Figure{}, err
	}
	program, err := p.Self("floor", floorMode, "-nats", n.URL, "-vendor", p.vendor.url, "-from", strconv.FormatInt(p.from.Unix(), 10), fmt.Sprintf("-batches=%t", flushed))
	if err != nil {
		return measure.Figure{}, err
	}
	if err := program.Wait(ctx); err != nil {
		return measure.Figure{}, err
	}
	raw, err := js.Stream(ctx, topology.Raw)
	if err != nil {
		return measure.Figure{}, err
	}
	state := raw.CachedInfo().State
	if state.Msgs != uint64(p.documents) {
		return measure.Figure{}, fmt.Errorf("%d records are in RAW, want %d", state.Msgs, p.documents)
	}
	first := 50 // a page that was read before the first message was stored
	if flushed {
		first = topology.BatchLimit
	}
	figure, err := meter.Figure(float64(p.documents-first)/state.LastTime.Sub(state.FirstTime).Seconds(), float64(p.documents)/1e6, program)
	return figure, errors.Join(err, n.Stop())
}
