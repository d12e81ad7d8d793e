package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// monitorWait bounds the wait for a monitoring address.
const monitorWait = 5 * time.Second

// varz is what a server says of itself at its monitoring address.
type varz struct {
	Name      string    `json:"server_name"`
	Version   string    `json:"version"`
	Now       time.Time `json:"now"`
	JetStream struct {
		Config *struct {
			SyncInterval time.Duration `json:"sync_interval"`
			SyncAlways   bool          `json:"sync_always"`
			MaxStore     int64         `json:"max_storage"`
		} `json:"config"`
		Stats *struct {
			Store uint64 `json:"storage"`
		} `json:"stats"`
	} `json:"jetstream"`

	// skew is how far its clock is ahead of this one's.
	skew time.Duration
}

// monitors asks the servers what only their monitoring addresses tell.
func (e *examination) monitors(ctx context.Context) {
	const check = "sync"
	if len(e.Monitors) == 0 {
		e.found(check, probe.Warn, "not checked: name the monitoring address of each server (--monitor http://host:8222); `sync_interval: always` must be set in its jetstream block")
		return
	}
	var faults, skews, disks []fault
	for _, address := range e.Monitors {
		v, err := ask(ctx, address)
		if err != nil {
			faults = append(faults, fails("%v", err))
			continue
		}
		e.servers = append(e.servers, v)
		switch c := v.JetStream.Config; {
		case c == nil:
			faults = append(faults, fails("server %s has JetStream off", v.Name))
		case !c.SyncAlways:
			faults = append(faults, fails("server %s acknowledges before it writes to disk (sync_interval %s): a power cut loses acknowledged records; set `sync_interval: always`", v.Name, c.SyncInterval))
		default:
			if v.JetStream.Stats != nil {
				disks = append(disks, near("server "+v.Name+": bytes on disk", v.JetStream.Stats.Store, c.MaxStore)...)
			}
		}
		if v.skew.Abs() >= slightSkew {
			skews = append(skews, apart(v))
		}
	}
	if silent := e.unasked(ctx); len(silent) > 0 {
		faults = append(faults, warns("not asked: servers %s; give --monitor for each", strings.Join(silent, ", ")))
	}
	e.sum(check, "every server that was asked writes to disk before it acknowledges", faults)
	e.sum("servers' clocks", "no server's clock is a second or more from this machine's", skews)
	e.sum("servers' disks", "no server is near its limit of storage", disks)
}

func apart(v varz) fault {
	text := fmt.Sprintf("the clock of server %s is %s ahead of this machine's: set the clocks (NTP)", v.Name, v.skew.Round(100*time.Millisecond))
	if v.skew.Abs() >= badSkew {
		return fails("%s", text)
	}
	return warns("%s", text)
}

// unasked are the servers of RAW that no monitoring address told of.
func (e *examination) unasked(ctx context.Context) []string {
	raw, err := e.js.Stream(ctx, topology.Raw)
	if err != nil || raw.CachedInfo().Cluster == nil {
		return nil
	}
	cluster := raw.CachedInfo().Cluster
	names := []string{cluster.Leader}
	for _, r := range cluster.Replicas {
		names = append(names, r.Name)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "" || slices.ContainsFunc(e.servers, func(v varz) bool { return v.Name == name })
	})
	slices.Sort(names)
	return names
}

// ask reads /varz of a monitoring address.
func ask(ctx context.Context, address string) (varz, error) {
	ctx, cancel := context.WithTimeout(ctx, monitorWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(address, "/")+"/varz", nil)
	if err != nil {
		return varz{}, fmt.Errorf("monitoring address %s: %w", address, err)
	}
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return varz{}, fmt.Errorf("monitoring address %s does not answer: %w", address, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return varz{}, fmt.Errorf("monitoring address %s answers %s", address, resp.Status)
	}
	var v varz
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&v); err != nil {
		return varz{}, fmt.Errorf("monitoring address %s answers with no /varz of a NATS server: %w", address, err)
	}
	v.skew = v.Now.Sub(began.Add(time.Since(began) / 2))
	return v, nil
}

// roundTrip is how long the server takes to answer.
func roundTrip(nc *nats.Conn) string {
	took, err := nc.RTT()
	if err != nil {
		return "unknown"
	}
	return took.Round(10 * time.Microsecond).String()
}
