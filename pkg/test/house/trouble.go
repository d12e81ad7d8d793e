//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/topology"
)

// way is a connection that a policy decides on.
type way struct {
	from, to *pod
	port     int
	open     bool
}

// ways are those worth a try beside the ones that records take: nobody else gets to a vendor or the database,
// nobody gets past the ports that are named, and only Prometheus gets in.
func (h *house) ways() []way {
	pods := map[string]*pod{}
	for _, p := range h.services {
		pods[strings.TrimSuffix(p.name, "-0")] = p
	}
	all := []way{
		{pods["sink-mysql"], h.vendors, 443, false}, {pods["transformer"], h.vendors, 443, false}, {pods["watchdog"], h.vendors, 443, false},
		{pods["transformer"], h.database, 3306, false}, {pods["sink-kingdee"], h.database, 3306, false},
		{pods["poller-jushuitan"], h.vendors, 9401, false}, {pods["sink-kis"], h.vendors, 9401, false},
		{pods["transformer"], h.nats[0], 8222, false}, {pods["sink-mysql"], h.nats[0], 6222, false},
		{h.nats[0], pods["transformer"], 8080, false}, {pods["poller-kingdee"], pods["sink-kis"], 8080, false},
	}
	for _, p := range h.services {
		all = append(all, way{h.prometheus, p, p.spec.port("metrics"), true})
	}
	return all
}

// tryWays makes sure that the policies are at work. The node gets everywhere: somebody does listen.
func (h *house) tryWays(ctx context.Context) error {
	if err := h.countRefused(ctx); err != nil { // before it is we who are refused
		return err
	}
	for _, w := range h.ways() {
		if err := dial(ctx, w.to, w.port); err != nil {
			return fmt.Errorf("nobody listens where a policy is to be tried: %w", err)
		}
		if got := w.from.reaches(ctx, w.to, w.port); got != w.open {
			return fmt.Errorf("from %s to %s:%d: open %v, want %v", w.from.name, w.to.name, w.port, got, w.open)
		}
		h.figures.Ways++
	}
	for _, p := range h.services { // what was tried doesn't count
		if err := shell(ctx, "ip netns exec "+p.name+" iptables -Z"); err != nil {
			return err
		}
	}
	return nil
}

// countRefused adds what policies kept from our pods so far.
func (h *house) countRefused(ctx context.Context) error {
	for _, p := range h.services {
		packets, err := p.refused(ctx)
		if err != nil {
			return err
		}
		h.figures.Refused += packets
	}
	return nil
}

// trouble kills, while documents are on their way, the leading node of NATS and then each replica of each
// service, one after the other: each when the one before is there again and further records have got through.
func (h *house) trouble(ctx context.Context) (err error) {
	if err := h.moves(ctx); err != nil {
		return err
	}
	if h.figures.Outstanding, err = h.outstanding(ctx); err != nil {
		return err
	}
	if err := h.killNATS(ctx); err != nil {
		return err
	}
	for _, p := range h.services {
		p.process.kill()
		since := time.Now()
		if err := errors.Join(h.startService(p), h.isReady(ctx, p)); err != nil {
			return err
		}
		h.figures.kill(p.name, time.Since(since))
		if err := h.moves(ctx); err != nil {
			return err
		}
	}
	left, err := h.editsLeft(ctx)
	if err == nil && left == 0 {
		err = errors.New("the last edit was made before the last kill: give -edits more, or this shows little")
	}
	h.figures.EditsLeft = left
	return err
}

// outstanding is how many documents and rows have not arrived.
func (h *house) outstanding(ctx context.Context) (missing int, err error) {
	targets, err := h.compare(ctx)
	for _, t := range targets {
		missing += t.Missing
	}
	return missing, err
}

// moves waits until further receipts of records are booked.
func (h *house) moves(ctx context.Context) error {
	before := h.receipts(ctx)
	return until(ctx, func(ctx context.Context) error {
		if now := h.receipts(ctx); now <= before {
			return fmt.Errorf("no receipts after the first %d", before)
		}
		return nil
	})
}

// receipts is how many there are; a node of NATS may be gone, or behind.
func (h *house) receipts(ctx context.Context) (most uint64) {
	for _, p := range h.nats {
		var jsz struct {
			Accounts []struct {
				Streams []struct {
					Name  string
					State struct {
						LastSeq uint64 `json:"last_seq"`
					}
				} `json:"stream_detail"`
			} `json:"account_details"`
		}
		if err := fetch(ctx, fmt.Sprintf("http://%s:8222/jsz?streams=true&acc=ERPSTREAM", p.addr), &jsz); err != nil {
			continue
		}
		for _, account := range jsz.Accounts {
			for _, s := range account.Streams {
				if s.Name == topology.Receipts {
					most = max(most, s.State.LastSeq)
				}
			}
		}
	}
	return most
}

// killNATS kills the node that leads, and starts it when the two others have a leader and all services are
// ready without it.
func (h *house) killNATS(ctx context.Context) error {
	leader, err := leaderOf(ctx, h.nats[0])
	if err != nil {
		return err
	}
	var lost, other *pod
	for _, p := range h.nats {
		if p.name == leader {
			lost = p
		} else {
			other = p
		}
	}
	if lost == nil {
		return fmt.Errorf("NATS has no leader: %q", leader)
	}
	lost.process.kill()
	since := time.Now()
	if err := until(ctx, func(ctx context.Context) error {
		next, err := leaderOf(ctx, other)
		if err == nil && (next == "" || next == lost.name) {
			err = fmt.Errorf("NATS has no leader after %s", lost.name)
		}
		return err
	}); err != nil {
		return err
	}
	for _, p := range h.services {
		if err := h.isReady(ctx, p); err != nil {
			return err
		}
	}
	h.figures.kill(lost.name+" (others went on)", time.Since(since))
	since = time.Now()
	if err := errors.Join(h.runNATS(lost), until(ctx, lost.healthy)); err != nil {
		return err
	}
	h.figures.kill(lost.name, time.Since(since))
	return nil
}

// leaderOf asks a server of NATS who leads.
func leaderOf(ctx context.Context, p *pod) (string, error) {
	var jsz struct {
		MetaCluster struct{ Leader string } `json:"meta_cluster"`
	}
	err := fetch(ctx, fmt.Sprintf("http://%s:8222/jsz", p.addr), &jsz)
	return jsz.MetaCluster.Leader, err
}

// editsLeft asks the vendors how many edits are still to come.
func (h *house) editsLeft(ctx context.Context) (int, error) {
	var stats struct {
		Remaining int `json:"edits_remaining"`
	}
	err := fetch(ctx, h.control("stats"), &stats)
	return stats.Remaining, err
}

// fetch reads a page; numbers keep their digits.
func fetch(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

// arrived waits until all edits are made, the books balance with nothing on the way, and the targets hold what
// the source does.
func (h *house) arrived(ctx context.Context) error {
	return until(ctx, func(ctx context.Context) error {
		left, err := h.editsLeft(ctx)
		if err != nil {
			return err
		}
		if left > 0 {
			return fmt.Errorf("%d edits are still to come", left)
		}
		if h.figures.Targets, err = h.compare(ctx); err != nil {
			return err
		}
		for _, target := range h.figures.Targets {
			if target.Missing+target.Duplicated+target.Stale > 0 {
				return fmt.Errorf("targets: %+v", target)
			}
		}
		return h.audited(ctx)
	})
}

// audited adds up the books.
func (h *house) audited(ctx context.Context) error {
	out, err := h.command(ctx, "audit", "--json")
	if err != nil {
		return err
	}
	var report struct{ Flows []account }
	if err := json.Unmarshal(out, &report); err != nil {
		return err
	}
	h.figures.Flows = report.Flows
	if len(report.Flows) == 0 {
		return errors.New("the audit has no flows")
	}
	for _, f := range report.Flows {
		if !f.Balanced || f.Published == 0 || f.Missing+f.Dead+f.Parked+f.InFlight > 0 {
			return fmt.Errorf("audit: %+v", f)
		}
	}
	return nil
}

// measure notes what else there is to say in the end.
func (h *house) measure(ctx context.Context) error {
	if err := h.countRefused(ctx); err != nil {
		return err
	}
	monitors := []string{"doctor", "--json"}
	for _, p := range h.nats {
		monitors = append(monitors, "--monitor", fmt.Sprintf("http://%s:8222", p.addr))
	}
	out, err := h.command(ctx, monitors...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if err := json.Unmarshal(out, &h.figures.Doctor); err != nil {
		return err
	}
	for _, p := range h.services {
		p.process.end(stopSignal)
		if p.process.err != nil {
			return fmt.Errorf("%s, told to stop: %w: %s", p.name, p.process.err, p.process.lastWords())
		}
		h.figures.Peaks = append(h.figures.Peaks, peak{p.name, p.memory})
	}
	h.figures.Exports = h.exported.Load()
	return h.violations()
}

// violations counts what NATS refused.
func (h *house) violations() error {
	logs, err := filepath.Glob(filepath.Join(h.dir, "log", "nats-*.log"))
	if err != nil {
		return err
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h.figures.Violations += strings.Count(string(text), "Violation")
	}
	return nil
}
